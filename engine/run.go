package engine

import "time"

// A RunState says what a run is doing.
type RunState string

// The states of a run. Active ones are in SpaceActive, the others in SpaceRuns.
const (
	RunWaiting  RunState = "waiting"  // until Wait.Due
	RunSending  RunState = "sending"  // until the task named by Task is over
	RunFinished RunState = "finished" // came to its last step, or to an end step
	RunStopped  RunState = "stopped"  // cancelled, or it could not go on
)

// Over reports whether a run in this state never moves again.
func (s RunState) Over() bool { return s == RunFinished || s == RunStopped }

// A Run is one performance of a workflow for one event. It keeps the version of the workflow that it began with.
type Run struct {
	ID       ID       `json:"id"`
	Location string   `json:"location"`
	Workflow string   `json:"workflow"`
	Version  string   `json:"version"`
	Contact  ID       `json:"contact"` // the person's key
	Event    Event    `json:"event"`   // what started it; of its contact only the id, the rest is the person's
	Ordinal  uint64   `json:"ordinal"` // under which its links are minted
	State    RunState `json:"state"`
	// At is the path of step ids to where the run stands: the last is the step that it waits in, those before
	// are the steps (with "then" or "else" after each) around it.
	At      []string     `json:"at,omitempty"`
	Wait    *Wait        `json:"wait,omitempty"`
	Task    ID           `json:"task,omitzero"`
	Steps   []StepResult `json:"steps,omitempty"` // the story so far, in order
	Started time.Time    `json:"started"`
	Ended   time.Time    `json:"ended,omitzero"`
	End     string       `json:"end,omitempty"` // why it ended, for people
	// Redeemed is when a link of this run was first redeemed.
	Redeemed time.Time `json:"redeemed,omitzero"`
	// Offers and Products are of all events that were gathered for it, in the order in which they came; empty if none was.
	Offers   []Noun `json:"offers,omitempty"`
	Products []Noun `json:"products,omitempty"`
	// Record is the record of its event (see EventRecordID), if that was applied before Started.
	Record ID `json:"record,omitzero"`
	// StartedBy is the run whose step started this one, with its event; zero if an event did.
	StartedBy ID `json:"started_by,omitzero"`
}

// EventRecord returns the id of the record that tells what became of the run's event.
func (r *Run) EventRecord() ID {
	if !r.Record.IsZero() {
		return r.Record
	}
	return EventRecordID(r.Started, r.Contact, r.Event.Ordinal)
}

// A Wait is what a run waits for. Later kinds add fields; Kind says which count.
type Wait struct {
	Kind  string    `json:"kind"` // WaitTime, WaitEvent or WaitHeld
	Since time.Time `json:"since"`
	Due   time.Time `json:"due,omitzero"`
	For   []string  `json:"for,omitempty"` // for people: what it waits for
}

// A StepResult is one line of a run's story.
type StepResult struct {
	Path    []string  `json:"path"`
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"` // "sent", "failed", "waited", "met", "timed_out", "then", "else", "skipped", "ended", ...
	Task    ID        `json:"task,omitzero"`
	Fault   string    `json:"fault,omitempty"` // an expression that faulted (it counts as false), or a task's error
	By      string    `json:"by,omitempty"`    // what met a wait or a goal: "lesson_completed, event e-17"
	// Response is what the step kept of an answer.
	Response Custom `json:"response,omitempty"`
}

// A TaskState says what became of an effect.
type TaskState string

// The states of a task, as `messages` shows them. Due and sending ones are in SpaceDue, the others in SpaceTasks.
const (
	TaskDue        TaskState = "due"        // to be attempted at NotBefore
	TaskSending    TaskState = "sending"    // an attempt was committed and its result was not
	TaskSent       TaskState = "sent"       // handed over
	TaskUnknown    TaskState = "unknown"    // may or may not have been handed over, and is not tried again
	TaskFailed     TaskState = "failed"     // final
	TaskSuppressed TaskState = "suppressed" // not to be sent: no consent, or its run left it for a goal
	TaskExpired    TaskState = "expired"    // not sent in time
)

// Over reports whether a task in this state is done with.
func (s TaskState) Over() bool { return s != TaskDue && s != TaskSending }

// A Task is one effect of a run: a message to send. Its id is deterministic (run and step), its life is
// due -> attempt committed -> done -> result committed. It holds link ids, never a token.
type Task struct {
	ID        ID        `json:"id"`
	Location  string    `json:"location"`
	Run       ID        `json:"run"`
	Workflow  string    `json:"workflow"`
	Version   string    `json:"version"`
	Step      []string  `json:"step"` // path of step ids
	Kind      string    `json:"kind"` // the action: "email", "sms"
	Contact   ID        `json:"contact"`
	Created   time.Time `json:"created"`
	NotBefore time.Time `json:"not_before"` // how late it is counts from here
	State     TaskState `json:"state"`
	Attempts  int       `json:"attempts,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"` // no attempt is put off beyond it; set by the first attempt
	Changed   time.Time `json:"changed,omitzero"`  // when State last changed
	Class     Class     `json:"class,omitempty"`
	To        string    `json:"to,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Depth     int       `json:"depth,omitempty"` // the run's event's
	Links     []string  `json:"links,omitempty"` // ids of all links minted for it
	Error     string    `json:"error,omitempty"` // of the last attempt
	Receipt   string    `json:"receipt,omitempty"`
	Held      *Hold     `json:"held,omitempty"`  // why it has not begun, although it is due
	Tries     []Try     `json:"tries,omitempty"` // the attempts before the last, the first few and the last few; see History
	// Answer is what the step keeps of the answer; the run's story has it too.
	Answer *Answer `json:"answer,omitempty"`
	// What operators did: see Task.ByHand.
	Retried int  `json:"retried,omitempty"` // how often they had it tried again after it was over
	Before  int  `json:"before,omitempty"`  // attempts until then
	Of      ID   `json:"of,omitzero"`       // the message that this one is a copy of
	Copies  []ID `json:"copies,omitempty"`  // those made of this one
}

// A Notice is an event that Latchkey publishes. Its id is deterministic, so that publishing it twice stores it once.
type Notice struct {
	ID       string
	Location string
	Type     string // "link.redeemed", "message.sent", "run.finished"; or "user_login", which goes to COURSES
	Subject  string // of the CloudEvent; may be empty
	Time     time.Time
	Data     any // what encoding/json makes an object of; a json.RawMessage in one that was stored
	Depth    int
}
