package console

import (
	"context"
	"time"
)

// Mailings sends a learner what staff ask for by hand: a message with a fresh login link, from the built-in templates or
// the project's own. It is durable, like what workflows send.
type Mailings interface {
	// Send has a message sent and returns at once. Returns ErrNotFound for a contact that is not known, ErrInvalid for what
	// is asked for wrongly (no such app, no server for the channel), and ErrConflict for a contact who cannot be sent it (no
	// address, no consent, no access), in words for who asked.
	Send(ctx context.Context, m Mailing) (Mailed, error)
}

// Kinds of Mailing.
const (
	MailLogin  = "login"  // "Send login e-mail": here is your link
	MailInvite = "invite" // "Invite": you have a course, come in
)

// A Mailing is one message asked for by hand.
type Mailing struct {
	Location string `json:"-"`
	Kind     string `json:"kind,omitempty"`    // MailLogin unless set
	Contact  string `json:"-"`                 // a key
	Channel  string `json:"channel,omitempty"` // "email" unless set; or "sms"
	App      string `json:"app,omitempty"`
	To       string `json:"to,omitempty"`
	TTL      string `json:"ttl,omitempty"` // of the link, as are Uses and Bind: NewLink's
	Uses     int    `json:"uses,omitempty"`
	Bind     string `json:"bind,omitempty"`
	By       string `json:"-"` // who asked, for the history
}

// Mailed is what became of a Mailing: a run of a built-in workflow, with a history like any run's.
type Mailed struct {
	Run     string    `json:"run,omitempty"`
	Message string    `json:"message,omitempty"` // may not be known yet
	Contact string    `json:"contact,omitempty"` // a key; the console fills it in
	At      time.Time `json:"at"`
	Says    string    `json:"says"` // a sentence: "On its way to a•••@e•••.com."
}
