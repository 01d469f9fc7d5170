package simulate

import (
	"fmt"

	"latchkey/engine"
)

// A Sink keeps what senders were handed, until it is taken.
type Sink interface {
	// Take returns what was handed over for a task, and forgets it.
	Take(task engine.ID) (Content, bool)
}

// A Content is a message as its sender got it. Its texts hold live links.
type Content struct {
	Text, HTML string
	Links      []Link
}

// A Link is a login link that stands in a message.
type Link struct {
	ID  string
	URL engine.Secret
}

// A Message is a task that is over, and what was handed over.
type Message struct {
	engine.Task
	Content  Content
	Template string // that it was made of; "" if the step has its own text
}

// String names a message and what became of it.
func (m *Message) String() string {
	what := m.Kind + " " + m.Name()
	if m.To != "" {
		what += " to " + m.To
	}
	if m.Subject != "" {
		what += fmt.Sprintf(" %q", m.Subject)
	}
	what += " " + string(m.State)
	if m.Error != "" {
		what += ": " + m.Error
	}
	return what
}

// Name returns the message's template, or else its step.
func (m *Message) Name() string {
	if m.Template != "" {
		return m.Template
	}
	return stepID(m.Step)
}
