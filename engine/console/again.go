package console

import (
	"slices"
	"time"

	"latchkey/engine"
)

// A message that was not sent, or of which nobody knows, can be tried again by hand after its run went on. The run's step keeps how
// it ended first, and the message only how it is now.

// triedAgain reports whether the step's message was tried again since the step was taken.
func triedAgain(s *Step, m *Message) bool {
	ended := []engine.TaskState{engine.TaskFailed, engine.TaskUnknown, engine.TaskSuppressed, engine.TaskExpired}
	return m != nil && slices.Contains(ended, engine.TaskState(s.Outcome)) && (m.State != s.Outcome || m.Changed.After(s.At))
}

// asOf is what is still known of the message as it was then: whom it was to, and by which links, is the last attempt's.
func asOf(m *Message, at time.Time) *Message {
	then := *m
	then.To, then.Links, then.Copies, then.Attempts = "", nil, nil, 0
	for _, y := range m.History {
		if !y.At.After(at) {
			then.Attempts = max(then.Attempts, y.N)
		}
	}
	return &then
}

// tellAgain says what became of a message that was tried again.
func (s *RunStory) tellAgain(o Step, m *Message, zone *time.Location) {
	const again = "tried again by hand: "
	what := messageSays(&o, m)
	switch {
	case m.State != string(engine.TaskDue) && m.State != string(engine.TaskSending):
		o.Outcome, o.Fault = m.State, m.Error
		s.tell(m.Changed, again+"%s", stepSays(&o, m))
	case m.Held != nil:
		s.tell(m.Changed, again+"it holds %s%s, message %s%s", what, heldSays(m.Held, zone), m.ID, linksSay(m))
	default:
		s.tell(m.Changed, again+"it is sending %s%s", what, nextSays(m, zone))
	}
}
