package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"latchkey/engine"
)

// Staff knows who works here. It is asked with every request, so that whoever was removed is nobody at once.
type Staff interface {
	// Known returns who brings a proof, and whether that is anybody.
	Known(ctx context.Context, p Proof) (Who, bool, error)
	// Ask has a sign-in link mailed if the address is one of a member of staff. It returns at once, and the same for
	// everybody.
	Ask(ctx context.Context, address string) error
	// Enter begins a session of the pages. Returns ErrRefused, in words for who tried.
	Enter(ctx context.Context, e Entry) (session engine.Secret, who Who, err error)
	// Leave ends a session, if it is one.
	Leave(ctx context.Context, session engine.Secret) error
}

// An Entry is an attempt to sign in: by the token of a sign-in link, or by a key.
type Entry struct {
	Token, Key engine.Secret
	Presented  engine.Secret // the session that the browser holds already; it ends
	Device     string        // the browser's own words
}

// A Roster knows which of the staff are signed in. Staff may be one.
type Roster interface {
	// SignedIn returns the living sessions, the one seen last first.
	SignedIn(ctx context.Context) ([]Seat, error)
	// SignOut ends a session by its id. Returns ErrNotFound.
	SignOut(ctx context.Context, id string) error
}

// A Seat is a session of a member of staff.
type Seat struct {
	ID      string
	Who     string
	Role    Role // "" if they are not of the staff any more: then it opens nothing
	Device  string
	Created time.Time
	Seen    time.Time
}

// Audit keeps what staff did. What LinkBook ends it notes itself, in the commit that does it.
type Audit interface {
	// Note adds an entry, of which At and ID are given by the keeper.
	Note(ctx context.Context, e AuditEntry) error
	// Entries returns at most q.Limit entries, newest first.
	Entries(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
}

// An AuditEntry is one thing that somebody did. It names links and contacts by their ids alone.
type AuditEntry struct {
	ID     string    `json:"id,omitempty"` // what before= takes
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Did    string    `json:"did"`              // "revoked a link"
	On     string    `json:"on,omitempty"`     // an id
	Detail string    `json:"detail,omitempty"` // one line
	// Contact is the key of whom it concerns, if anybody: the entry goes with them.
	Contact string `json:"contact,omitempty"`
}

// An AuditQuery selects audit entries. Zero fields select all.
type AuditQuery struct {
	Limit    int
	Before   string
	Who, Did string // whole or a part of it
	On       string
}

// Errors of the guard.
var (
	// ErrRefused is wrapped with why nobody is let in.
	ErrRefused = errors.New("refused")
	errNobody  = errors.New("this needs an API key, as in keys/api.key (Authorization: Bearer …), or a member of staff who is signed in")
	errKey     = errors.New("this API key is not known here: it was ended, or it is for another location")
	errRole    = errors.New("not allowed")
)

// thisMachine is who makes a request without a key where none is needed.
var thisMachine = Who{Name: "this machine", Role: Owner, Everywhere: true}

// ProofOf reads what a request brings.
func ProofOf(r *http.Request, cookie string) (p Proof) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110: schemes know no case
		_, given, _ = r.BasicAuth()
	}
	p.Key = engine.NewSecret(given)
	if c, err := r.Cookie(cookie); err == nil {
		p.Session = engine.NewSecret(c.Value)
	}
	return p
}

// Forwarded reports whether a proxy passed a request on. Then it comes from somebody else than its connection, who is not this
// machine merely because the proxy is on it.
func Forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// Cookie is the name of the cookie that holds a session of a location's pages. Over https it can only be set for one host.
func Cookie(location string, secure bool) string {
	name := "latchkey_staff_" + location
	if secure {
		return "__Host-" + name
	}
	return name
}

// who returns who makes a request. The API may be open to all who reach it; the pages are not, so that the audit list says who
// did what.
func (c Config) who(r *http.Request, api bool) (Who, bool, error) {
	if p := ProofOf(r, Cookie(c.Location.ID, c.Secure)); c.Staff != nil && (!p.Key.IsZero() || !p.Session.IsZero()) {
		if who, ok, err := c.Staff.Known(r.Context(), p); ok || err != nil {
			return who, ok, err
		}
		if api && c.Open && !p.Key.IsZero() { // who brings a key that is over may not do more than while it lived
			return Who{}, false, errKey
		}
	}
	return thisMachine, api && c.Open && !Forwarded(r), nil
}

// api serves a route of the admin API for those who may do what it does. did is what the audit list says of it; a route that
// changes nothing has none.
func (c Config) api(a Action, did string, fn func(*http.Request) (any, error)) http.HandlerFunc {
	return answer(func(r *http.Request) (any, error) {
		who, ok, err := c.who(r, true)
		if err == nil && !ok {
			err = errNobody
		}
		if err != nil {
			return nil, err
		}
		r = r.WithContext(With(r.Context(), who))
		return c.do(r, a, did, func() (any, error) { return fn(r) })
	})
}

// may returns an error if who asks may not do something.
func may(r *http.Request, a Action) error {
	if role := whoOf(r.Context()).Role; !role.May(a) {
		return fmt.Errorf("%w: %s may not %s", errRole, role, a)
	}
	return nil
}

// do does something if who asks may, and notes that it was done.
func (c Config) do(r *http.Request, a Action, did string, fn func() (any, error)) (any, error) {
	if err := may(r, a); err != nil {
		return nil, err
	}
	v, err := fn()
	if err != nil || did == "" || c.Audit == nil {
		return v, err
	}
	e := aboutDone(v)
	if e.Who, e.Did = whoOf(r.Context()).Name, cmp.Or(e.Did, did); e.On == "" {
		e.On = r.PathValue("id")
	}
	// Whoever asked may have gone; what was done is noted all the same.
	if err := c.Audit.Note(context.WithoutCancel(r.Context()), e); err != nil {
		return v, fmt.Errorf("it was done, but the audit list does not say so: %w", err)
	}
	return v, nil
}

// aboutDone says what something was done to, and one line about it. Contacts are named by their keys.
func aboutDone(v any) AuditEntry {
	switch v := v.(type) {
	case Link:
		e := AuditEntry{On: v.ID, Contact: v.Contact, Detail: v.App}
		if v.To != "" {
			e.Detail = strings.TrimSpace(e.Detail + " to " + v.To)
		}
		if v.URL != "" { // it was made just now
			e.Did = map[string]string{KindApp: "made a link to an app", KindUser: "made the staff link"}[v.Kind]
		}
		return e
	case Removed:
		return AuditEntry{On: v.Contact}
	case Run:
		return AuditEntry{On: v.ID, Contact: v.Contact}
	case Message:
		return AuditEntry{On: v.ID, Contact: v.Contact}
	case Mailed:
		return AuditEntry{On: v.Run, Contact: v.Contact}
	case SignIn:
		return AuditEntry{Detail: "for " + v.For}
	case Pause:
		return AuditEntry{On: v.Location, Detail: v.Reason}
	case ImportResult:
		return AuditEntry{Detail: fmt.Sprintf("%d added, %d updated", v.Added, v.Updated)}
	case Replayed:
		return AuditEntry{On: fmt.Sprint("dead letter ", v.Letter.Letter), Detail: v.Error}
	case []Replayed:
		return AuditEntry{Detail: plural(len(v), "dead letter")}
	}
	return AuditEntry{}
}

// Ended says what many links were ended of, for the audit list and the answer.
type Ended struct {
	On     string `json:"on"`
	Detail string `json:"-"`
	Says   string `json:"says"`
}
