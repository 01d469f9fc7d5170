package engine

import "time"

// A Command is what the core asks for: exactly one of its fields is set. The runner stores commands in the same
// commit as the state that asks for them, and carries them out after it.
type Command struct {
	Task   *Task   // carry out this effect; State is TaskDue
	Notice *Notice // publish this
}

// A Decision says what one workflow made of one event. It is kept, so that an operator can ask why.
type Decision struct {
	Workflow string `json:"workflow"`
	Run      ID     `json:"run,omitzero"`     // the run that started; zero if none did
	Reason   string `json:"reason,omitempty"` // the first filter that said no, and the value it saw
	Fault    string `json:"fault,omitempty"`  // an expression that faulted, and so counted as false
}

// An Input is what happens to a run. Exactly one of its fields is set.
type Input struct {
	Begin    bool        // the run has just been made
	Timer    bool        // Wait.Due has come
	Done     *Task       // the task it was sending is over
	Redeemed *Redemption // one of its links let the learner in
}

// A Redemption is a learner coming in by a link.
type Redemption struct {
	Location string
	Contact  ID
	Run      ID // the run whose link it was; zero if made by hand
	Link     string
	Session  string // a hash, safe to show
	At       time.Time
	First    bool // whether it was the link's first use
}
