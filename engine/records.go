package engine

// Records of SpacePeople, SpaceActive, SpaceRuns, SpaceDue and SpaceTasks: how they are keyed and encoded.

// LoadPerson returns the person of that key, or nil if there is none, following no forward of an absorbed one.
func LoadPerson(tx Tx, location string, key ID) (*Person, error) { panic("not written yet") }

// SavePerson stores p.
func SavePerson(tx Tx, p *Person) error { panic("not written yet") }

// LoadRun returns the run, active or over, or nil.
func LoadRun(tx Tx, location string, id ID) (*Run, error) { panic("not written yet") }

// SaveRun stores r in the space that its state asks for, and removes it from the other.
func SaveRun(tx Tx, r *Run) error { panic("not written yet") }

// LoadTask returns the task, over or not, or nil.
func LoadTask(tx Tx, location string, id ID) (*Task, error) { panic("not written yet") }

// SaveTask stores t in the space that its state asks for, and removes it from the other.
func SaveTask(tx Tx, t *Task) error { panic("not written yet") }
