// Package actions owns what a step does to the world: one file per kind of step, and the two interfaces
// through which messages leave, Mailer and Texter. It does not decide when a step is due or tried again
// (engine), what a template means (templates), or how a message travels (the folders beneath it).
package actions

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"latchkey/engine"
)

// A Mailer hands one e-mail to whoever delivers it. Send returns nil once the other side has taken the mail
// over. Its errors are marked by engine.Final (never try again), engine.Unknown (it may have been taken),
// engine.Later (try again then) and engine.Down (the channel, not this mail, is at fault); without a mark they
// are temporary. Send may be called by many goroutines at once.
type Mailer interface {
	Send(ctx context.Context, m Mail) (Receipt, error)
}

// A Texter hands one SMS to whoever delivers it, under the same rules as a Mailer.
type Texter interface {
	Send(ctx context.Context, t Text) (Receipt, error)
}

// ErrStopped is wrapped by a Texter's final error when the recipient has opted out of this sender (STOP): no
// message of any class may go there until they opt in again.
var ErrStopped = errors.New("the recipient has opted out")

// A Receipt is what the other side calls the message it took: a server's queue id, a Twilio SID. It may be empty.
type Receipt struct{ ID string }

// A Link is a login link that stands in a message. The URL lets anybody in, so it lives in memory only.
type Link struct {
	ID  string // may be stored and logged
	URL engine.Secret
}

// A Mail is an e-mail, rendered. Its bodies hold live links: however it is printed, they are left out.
type Mail struct {
	MessageID   string // without <>; the same for every attempt, so that mailboxes can tell a second copy
	From        string // "a@b.c" or "Name <a@b.c>"
	ReplyTo     string // as From; empty for none
	To          string // one bare address
	Subject     string
	HTML, Text  string    // either may be empty, not both
	Unsubscribe string    // https URL of RFC 8058's one-click POST; empty for none
	Date        time.Time // when it was first due: the same for every attempt

	TaskID   engine.ID // what asked for it
	Location string
	Links    []Link
}

// A Text is an SMS, rendered. Its body holds live links: however it is printed, it is left out.
type Text struct {
	From string // E.164 number, short code or sender name; empty for the Texter's own
	To   string // E.164
	Body string

	TaskID   engine.ID // what asked for it
	Location string
	Links    []Link
}

// String names the mail without its contents.
func (m Mail) String() string {
	return fmt.Sprintf("mail %s of task %s in %s to %s", m.MessageID, m.TaskID, m.Location, MaskAddress(m.To))
}

// Format implements fmt.Formatter: every verb gives what String gives.
func (m Mail) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// MarshalText gives what String gives; JSON and zerolog use it.
func (m Mail) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// String names the SMS without its contents.
func (t Text) String() string {
	return fmt.Sprintf("sms of task %s in %s to %s", t.TaskID, t.Location, MaskAddress(t.To))
}

// Format implements fmt.Formatter: every verb gives what String gives.
func (t Text) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// MarshalText gives what String gives; JSON and zerolog use it.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// withoutLinks keeps the message's links out of what another server wrote into an error.
func withoutLinks(err error, links []Link) error {
	if err == nil {
		return nil
	}
	text := hideLinks(err.Error(), links)
	if text == err.Error() {
		return err
	}
	return &told{err, text}
}

// hideLinks keeps a message's links out of what another server said of it: filters for spam quote the address that they
// refuse. Whole, cut off or in other letters, what begins as a link's token does is left out.
func hideLinks(text string, links []Link) string {
	for _, l := range links {
		url := l.URL.Reveal()
		token := url[strings.LastIndexByte(url, '/')+1:]
		if token != "" {
			token = token[:min(8, len(token))]
			text = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(token)+`[\w=%-]*`).ReplaceAllLiteralString(text, "[redacted]")
		}
	}
	return text
}

// MaskAddress shortens an e-mail address or phone number to what may be logged: a•••@e•••, •••0123.
func MaskAddress(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case ok:
		return first(local) + "•••@" + first(domain) + "•••"
	case len(s) > 4:
		return "•••" + s[len(s)-4:]
	}
	return "•••"
}

func first(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
