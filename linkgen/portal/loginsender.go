package portal

import (
	"context"
	"errors"
	"net/netip"

	"latchkey/engine"
)

// A LoginSender mails login links that visitors ask for themselves.
type LoginSender interface {
	// Send takes a request and returns once it is stored, before it looks anyone up: what it returns, and how long that takes, is
	// the same whether the contact exists or not, has access or not, and was sent too many or not. After nil the link is sent even
	// if the process ends now. It returns ErrTooOften if the visitor's address asked too often, ErrBusy if too many requests
	// wait, else the store's error or the context's. A form that answers alike in every case may ignore the first two.
	Send(ctx context.Context, r LoginRequest) error
}

// Errors of a LoginSender. Nothing is sent then.
var (
	ErrTooOften = errors.New("too many login links were asked for from this address")
	ErrBusy     = errors.New("too many requests for login links are waiting")
)

// A LoginRequest asks that a fresh login link is sent to whom the location knows by Contact or by Address. It goes to the
// e-mail address or phone number that is on file, never to one that a visitor typed.
type LoginRequest struct {
	Location string
	Contact  engine.ID // of a genuine link, old or used up; zero if it is not known
	Address  string    // the e-mail address as a visitor typed it; counts only if Contact is zero
	App      string    // where the new link leads, each perhaps empty: the app,
	To       string    // and "product:go-101", "category:…" or "lesson:…" in it,
	In       string    // and the product that the category or lesson is in
	Channel  string    // "email" (as is "") or "sms", which goes to the phone number on file
	Lang     string    // BCP 47: the language that the visitor read the page in; the contact's own wins
	Client   netip.Addr
	Reason   string // why, for the history: "form", or what the dead link was ("expired")
}
