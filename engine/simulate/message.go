package simulate

import (
	"fmt"
	"net/http"

	"latchkey/engine"
)

// A Sink keeps what senders were handed, until it is taken.
type Sink interface {
	// Take returns what was handed over for a task, and forgets it.
	Take(task engine.ID) (Content, bool)
}

// A Content is a message as its sender got it. Its texts hold live links.
type Content struct {
	Text, HTML string // Text is a request's body, or a notice's data
	Links      []Link
	URL        string      // of a request
	Header     http.Header // of a request; of a mail, From and Reply-To
}

// A Link is a login link that stands in a message.
type Link struct {
	ID  string
	URL engine.Secret
}

// A Message is a task that is over and what was handed over, or a notice.
type Message struct {
	engine.Task
	Content  Content
	Template string // that it was made of; "" if the step has its own text
	Type     string // of a notice
}

// String names a message and what became of it.
func (m *Message) String() string {
	what := m.Kind + " " + m.Name()
	if m.Type != "" {
		what += " (" + m.Type + ")"
	}
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
