package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Records of SpacePeople, SpaceActive, SpaceRuns, SpaceDue, SpaceTasks, SpaceDecisions and
// SpaceNotices: how they are keyed and encoded.
//
//	person    location 0 key 0               version, fields
//	seen      location 0 key 1 identity      version, day (see seen.go)
//	run       location 0 id                  version, state, due, contact, fields
//	task      location 0 id                  version, state, not before, contact, run, length of kind, kind, fields
//	event     location 0 id                  version, contact, fields (what became of it; see eventrecord.go)
//	notice    location 0 id                  version, fields (see noticerecord.go)
//
// Version and state are one byte, times 8 bytes of Unix milliseconds, numbers big endian. What stands before the fields
// (see recordfields.go) is the head: all that a scan at the start has to read.

const recordVersion = 1

// ErrRecord is wrapped by what is returned for a record that cannot be read: damaged, or written by a later version.
var ErrRecord = errors.New("unreadable record")

const (
	runHeadLen  = 1 + 1 + 8 + 16
	taskHeadLen = 1 + 1 + 8 + 16 + 16 + 1
)

func personKey(location string, key ID) []byte { return Key(location, key[:], []byte{0}) }

// LoadPerson returns the person of that key, or nil if there is none, following no forward of an absorbed one.
func LoadPerson(tx Tx, location string, key ID) (*Person, error) {
	b := tx.Get(SpacePeople, personKey(location, key))
	if b == nil {
		return nil, nil
	}
	p, err := DecodePerson(b)
	if err != nil {
		return nil, fmt.Errorf("person %s: %w", key, err)
	}
	return p, nil
}

// SavePerson stores p, whose timer goes with it: p.Wakes is set to NextWake.
func SavePerson(tx Tx, p *Person) error {
	was := p.Wakes
	p.Wakes = p.NextWake()
	b, err := encodePerson(p)
	if err != nil {
		return fmt.Errorf("person %s: %w", p.Key, err)
	}
	SetTimer(tx, p.Location, TimerPerson, p.Key, was, p.Wakes)
	tx.Put(SpacePeople, personKey(p.Location, p.Key), b)
	return nil
}

func encodePerson(p *Person) ([]byte, error) {
	w := FieldWriter{B: append(make([]byte, 0, 512), recordVersion)}
	w.person(p)
	return w.B, w.Err
}

// DecodePerson reads a person's record.
func DecodePerson(b []byte) (*Person, error) {
	if err := checkVersion(b, 1); err != nil {
		return nil, err
	}
	p := new(Person)
	r := FieldReader{Rest: b[1:]}
	for r.Next() {
		r.person(p)
	}
	return p, r.Err
}

// LoadRun returns the run, active or over, or nil.
func LoadRun(tx Tx, location string, id ID) (*Run, error) {
	b := getEither(tx, SpaceActive, SpaceRuns, Key(location, id[:]))
	if b == nil {
		return nil, nil
	}
	r, err := DecodeRun(b)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

// SaveRun stores r in the space that its state asks for, and removes it from the other. Its timer goes with it.
func SaveRun(tx Tx, r *Run) error {
	b, err := encodeRun(r)
	if err != nil {
		return fmt.Errorf("run %s: %w", r.ID, err)
	}
	key := Key(r.Location, r.ID[:])
	old := tx.Get(SpaceActive, key)
	saveRunTimer(tx, r, key, old)
	if r.State.Over() && old != nil { // as putEither, which would look it up again
		tx.Delete(SpaceActive, key)
		tx.Put(SpaceRuns, key, b)
		return nil
	}
	putEither(tx, SpaceActive, SpaceRuns, r.State.Over(), key, b)
	return nil
}

func encodeRun(r *Run) ([]byte, error) {
	state := indexOf(runStates[:], r.State)
	if state < 0 {
		return nil, fmt.Errorf("state %q cannot be stored", r.State)
	}
	b := make([]byte, 0, 512)
	b = append(b, recordVersion, byte(state))
	var due time.Time
	if r.Wait != nil {
		due = r.Wait.Due
	}
	b = appendMillis(b, due)
	b = append(b, r.Contact[:]...)
	w := FieldWriter{B: b}
	w.run(r)
	return w.B, w.Err
}

// DecodeRun reads a run's record.
func DecodeRun(b []byte) (*Run, error) {
	if err := checkVersion(b, runHeadLen); err != nil {
		return nil, err
	}
	state, err := stateAt(runStates[:], b[1])
	if err != nil {
		return nil, err
	}
	run := &Run{State: state, Contact: ID(b[10:26])}
	r := FieldReader{Rest: b[runHeadLen:]}
	for r.Next() {
		r.run(run)
	}
	return run, r.Err
}

// A RunHead is what a run's record tells in its head.
type RunHead struct {
	Location string
	ID       ID
	State    RunState
	Due      time.Time // zero unless the run waits for a time
	Contact  ID
}

// ReadRunHead reads the head of a record of SpaceActive or SpaceRuns.
func ReadRunHead(key, value []byte) (RunHead, error) {
	var h RunHead
	if err := checkVersion(value, runHeadLen); err != nil {
		return h, err
	}
	var err error
	if h.Location, h.ID, err = splitKey(key); err != nil {
		return h, err
	}
	if h.State, err = stateAt(runStates[:], value[1]); err != nil {
		return h, err
	}
	h.Due = readMillis(value[2:])
	h.Contact = ID(value[10:26])
	return h, nil
}

// LoadTask returns the task, over or not, or nil.
func LoadTask(tx Tx, location string, id ID) (*Task, error) {
	b := getEither(tx, SpaceDue, SpaceTasks, Key(location, id[:]))
	if b == nil {
		return nil, nil
	}
	t, err := DecodeTask(b)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return t, nil
}

// SaveTask stores t in the space that its state asks for, and removes it from the other.
func SaveTask(tx Tx, t *Task) error {
	b, err := encodeTask(t)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.ID, err)
	}
	putEither(tx, SpaceDue, SpaceTasks, t.State.Over(), Key(t.Location, t.ID[:]), b)
	return nil
}

func encodeTask(t *Task) ([]byte, error) {
	state := indexOf(taskStates[:], t.State)
	if state < 0 {
		return nil, fmt.Errorf("state %q cannot be stored", t.State)
	}
	if len(t.Kind) > 255 {
		return nil, fmt.Errorf("kind %q is too long", t.Kind)
	}
	b := make([]byte, 0, 512)
	b = append(b, recordVersion, byte(state))
	b = appendMillis(b, t.NotBefore)
	b = append(b, t.Contact[:]...)
	b = append(b, t.Run[:]...)
	b = append(b, byte(len(t.Kind)))
	b = append(b, t.Kind...)
	w := FieldWriter{B: b}
	w.task(t)
	return w.B, w.Err
}

// DecodeTask reads a task's record.
func DecodeTask(b []byte) (*Task, error) {
	if err := checkVersion(b, taskHeadLen); err != nil {
		return nil, err
	}
	n := taskHeadLen + int(b[taskHeadLen-1])
	if len(b) < n {
		return nil, fmt.Errorf("%w: cut short", ErrRecord)
	}
	state, err := stateAt(taskStates[:], b[1])
	if err != nil {
		return nil, err
	}
	t := &Task{State: state, Contact: ID(b[10:26]), Run: ID(b[26:42]), Kind: string(b[taskHeadLen:n])}
	r := FieldReader{Rest: b[n:]}
	for r.Next() {
		r.task(t)
	}
	return t, r.Err
}

// A TaskHead is what a task's record tells in its head.
type TaskHead struct {
	Location  string
	ID        ID
	State     TaskState
	NotBefore time.Time
	Contact   ID
	Run       ID
	Kind      string
}

// ReadTaskHead reads the head of a record of SpaceDue or SpaceTasks.
func ReadTaskHead(key, value []byte) (TaskHead, error) {
	var h TaskHead
	if err := checkVersion(value, taskHeadLen); err != nil {
		return h, err
	}
	n := int(value[taskHeadLen-1])
	if len(value) < taskHeadLen+n {
		return h, fmt.Errorf("%w: cut short", ErrRecord)
	}
	var err error
	if h.Location, h.ID, err = splitKey(key); err != nil {
		return h, err
	}
	if h.State, err = stateAt(taskStates[:], value[1]); err != nil {
		return h, err
	}
	h.NotBefore = readMillis(value[2:])
	h.Contact, h.Run = ID(value[10:26]), ID(value[26:42])
	h.Kind = string(value[taskHeadLen : taskHeadLen+n])
	return h, nil
}

// The states by their byte in a record. Entries are only ever added at the end.
var (
	runStates  = [...]RunState{0: "", 1: RunWaiting, 2: RunSending, 3: RunFinished, 4: RunStopped}
	taskStates = [...]TaskState{0: "", 1: TaskDue, 2: TaskSending, 3: TaskSent, 4: TaskUnknown, 5: TaskFailed, 6: TaskSuppressed, 7: TaskExpired}
)

func indexOf[S ~string](states []S, s S) int {
	for i := 1; i < len(states); i++ {
		if states[i] == s {
			return i
		}
	}
	return -1
}

func stateAt[S ~string](states []S, b byte) (S, error) {
	if b == 0 || int(b) >= len(states) {
		return "", fmt.Errorf("%w: state %d is not known to this version of latchkey", ErrRecord, b)
	}
	return states[b], nil
}

func checkVersion(b []byte, atLeast int) error {
	switch {
	case len(b) == 0:
		return fmt.Errorf("%w: empty", ErrRecord)
	case b[0] != recordVersion:
		return fmt.Errorf("%w: version %d is not known to this version of latchkey", ErrRecord, b[0])
	case len(b) < atLeast:
		return fmt.Errorf("%w: cut short", ErrRecord)
	}
	return nil
}

func splitKey(key []byte) (location string, id ID, err error) {
	n := len(key) - 17
	if n < 0 || key[n] != 0 {
		return "", id, fmt.Errorf("%w: its key is no location and id", ErrRecord)
	}
	return string(key[:n]), ID(key[n+1:]), nil
}

// getEither looks a key up in the space of what goes on, then in that of what is over.
func getEither(tx Tx, live, over Space, key []byte) []byte {
	if b := tx.Get(live, key); b != nil {
		return b
	}
	return tx.Get(over, key)
}

func putEither(tx Tx, live, over Space, isOver bool, key, value []byte) {
	to, from := live, over
	if isOver {
		to, from = over, live
	}
	if tx.Get(from, key) != nil {
		tx.Delete(from, key)
	}
	tx.Put(to, key, value)
}

// appendMillis appends t's Unix milliseconds, or 0 for the zero time.
func appendMillis(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	// Rounded up, so that nothing which goes by the head alone is early.
	return binary.BigEndian.AppendUint64(b, uint64(t.Add(time.Millisecond-1).UnixMilli()))
}

func readMillis(b []byte) time.Time {
	ms := int64(binary.BigEndian.Uint64(b))
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
