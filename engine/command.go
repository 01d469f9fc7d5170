package engine

import "time"

// A Command is what the core asks for: exactly one of its fields is set. The runner stores commands in the same
// commit as the state that asks for them, and carries them out after it.
type Command struct {
	Task    *Task    // carry out this effect; State is TaskDue
	Notice  *Notice  // publish this
	Cancel  *Cancel  // do not carry out this effect if no attempt of it goes on
	Decided *Decided // keep this
}

// A Decided is a decision that replaces one that was pending, in the record of an event that was applied before.
type Decided struct {
	Location string
	Record   ID        // see EventRecordID
	Until    time.Time // that of the pending decision
	Decision Decision
}

// A Cancel takes a task back: if it is due it becomes TaskSuppressed with the reason, and its run is told by Settled. One
// that is being sent is settled as if there were no Cancel, but not attempted again (see Run.LeftTask).
type Cancel struct {
	Location string
	Task     ID
	Reason   string
}

// Why returns what is kept as the reason of a task that is taken back.
func (c *Cancel) Why(t *Task) string {
	if t.Error == "" {
		return c.Reason
	}
	return c.Reason + "; the attempt before: " + t.Error
}

// A Decision says what one workflow made of one event, or what the event did to a run that went on before. It is kept, so that an operator can ask why.
type Decision struct {
	Workflow string `json:"workflow"`
	Run      ID     `json:"run,omitzero"`     // the run that started, or was moved; zero if none did
	Reason   string `json:"reason,omitempty"` // the first filter that said no, and the value it saw; or what the event is a part of
	Fault    string `json:"fault,omitempty"`  // an expression that faulted, and so counted as false
	Moved    string `json:"moved,omitempty"`  // what the event did to Run, which did not start by it (see Moved)
	// Until is set while it is pending, and says when it will be known: the event waits in a Gathering or a Watch.
	Until time.Time `json:"until,omitzero"`
}

// An Input is what happens to a run. Exactly one of its fields is set.
type Input struct {
	Begin    bool        // the run has just been made
	Timer    bool        // Wait.Due has come
	Done     *Task       // the task it was sending is over
	Redeemed *Redemption // one of its links let the learner in
	Event    *Event      // an event of its contact that the run listens for (see Person.Listens); the person has taken it in
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
