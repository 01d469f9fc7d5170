// Package console owns what operators reach over HTTP: the admin API under /v1, and the staff's pages. It knows the engine's nouns
// and asks the rest of the house through the interfaces below. It does not own host checks, keys or cross-origin checks (the command's), nor the outbox's pages.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"latchkey/engine"
)

// Messages finds what was, or is to be, sent.
type Messages interface {
	// Messages returns at most q.Limit messages, newest first.
	Messages(ctx context.Context, q Query) ([]Message, error)
	// Message returns ErrNotFound for one that is not, or no more, in the history.
	Message(ctx context.Context, location, id string) (Message, error)
}

// Contacts finds and loads learners.
type Contacts interface {
	// Contact returns the contact with that id, e-mail address or key. Returns ErrNotFound.
	Contact(ctx context.Context, location, ref string) (*engine.Person, error)
	// Import adds and updates; it removes nothing and starts nothing.
	Import(ctx context.Context, location string, rows []Row) (ImportResult, error)
}

// Links makes and ends login links by hand.
type Links interface {
	New(ctx context.Context, r NewLink) (Link, error)
	// Link returns ErrNotFound for an id that was never minted.
	Link(ctx context.Context, id string) (Link, error)
	Revoke(ctx context.Context, id string) (Link, error)
	// OfContact returns a contact's links, newest first.
	OfContact(ctx context.Context, location, ref string) ([]Link, error)
}

// Errors that the interfaces return; others become "500 Internal Server Error".
var (
	ErrNotFound = errors.New("not found")
	// ErrInvalid is wrapped with what is wrong with the request.
	ErrInvalid = errors.New("invalid")
	// ErrConflict is wrapped with the state in which something is, so that it cannot be done.
	ErrConflict = errors.New("conflict")
)

// A Query selects messages, runs or events. Zero fields select all.
type Query struct {
	Location string
	Limit    int
	Before   string // an id: only older ones
	Contact  string // id, address or key
	Run      string
	State    string
	Workflow string
	Event    string // the publisher's id
	Type     string // of events: the trigger
	Since    time.Time
	Until    time.Time // before it
}

// A Message is one line of GET /v1/messages. Text and HTML are set while the outbox holds them; links are ids.
type Message struct {
	ID       string       `json:"id"`
	At       time.Time    `json:"at"`
	Location string       `json:"location"`
	Channel  string       `json:"channel"`
	Class    string       `json:"class,omitempty"`
	Contact  string       `json:"contact"`
	To       string       `json:"to,omitempty"`
	Subject  string       `json:"subject,omitempty"`
	Text     string       `json:"text,omitempty"`
	HTML     string       `json:"html,omitempty"`
	Workflow string       `json:"workflow,omitempty"`
	Run      string       `json:"run,omitempty"`
	Step     string       `json:"step,omitempty"`
	State    string       `json:"state"`
	Attempts int          `json:"attempts"`
	Error    string       `json:"error,omitempty"`
	Changed  time.Time    `json:"changed,omitzero"` // when State last changed
	Next     time.Time    `json:"next,omitzero"`    // when a due one is attempted
	Held     *engine.Hold `json:"held,omitempty"`   // why a due one is not attempted
	Links    []string     `json:"links"`
	// History is each attempt that is over, of many the first few and the last few.
	History []engine.Try `json:"history,omitempty"`
	Of      string       `json:"of,omitempty"`     // the message that this one is a copy of
	Copies  []string     `json:"copies,omitempty"` // those made of this one, by an operator
}

// A Row is one learner of an import: a contact and what they hold.
type Row struct {
	Contact  engine.Contact `json:"contact"`
	Offers   []engine.Noun  `json:"offers,omitempty"`
	Products []engine.Noun  `json:"products,omitempty"`
}

// An ImportResult counts what an import did.
type ImportResult struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
}

// Kinds of link that are made by hand.
const (
	KindLearner = "learner" // for a contact: it supersedes their older ones at once
	KindApp     = "app"     // for an app and nobody in particular, as a menu's item
	KindUser    = "user"    // the location's staff, in a sidebar: making it again makes the older one dead

	kindStaff = "staff" // for one member of staff, to sign in here; not made so
)

// NewLink asks for a link made by hand.
type NewLink struct {
	Location string `json:"location,omitempty"`
	Kind     string `json:"kind,omitempty"`    // KindLearner if there is a contact, else KindApp
	Contact  string `json:"contact,omitempty"` // id, address or key
	App      string `json:"app,omitempty"`
	To       string `json:"to,omitempty"`
	TTL      string `json:"ttl,omitempty"`
	Uses     int    `json:"uses,omitempty"`
	Bind     string `json:"bind,omitempty"` // "browser": only the first browser that uses it
}

// A Link is a login link as operators see it. URL is set once, in the answer to its making.
type Link struct {
	ID       string    `json:"id"`
	Says     string    `json:"says"` // what state it is in and why, in a sentence
	State    string    `json:"state"`
	URL      string    `json:"url,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	Location string    `json:"location"`
	Contact  string    `json:"contact"`       // a key; "" if it is for nobody in particular
	Who      string    `json:"who,omitempty"` // the contact's id and address, of one link asked for by its id
	Name     string    `json:"-"`             // the contact's, for pages
	App      string    `json:"app,omitempty"`
	To       string    `json:"to,omitempty"`
	In       string    `json:"in,omitempty"` // the product that To is in, where it is known
	Channel  string    `json:"channel,omitempty"`
	By       string    `json:"by,omitempty"` // who made it by hand
	Workflow string    `json:"workflow,omitempty"`
	Run      string    `json:"run,omitempty"`
	Step     string    `json:"step,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"` // zero is never
	Uses     int       `json:"uses"`
	MaxUses  int       `json:"max_uses,omitempty"`
	Bind     string    `json:"bind,omitempty"`     // "browser": only the first browser that uses it
	Sessions int       `json:"sessions,omitempty"` // living ones that it opened
}

// A Config is what the console asks and shows.
type Config struct {
	Messages  Messages
	Contacts  Contacts
	Links     Links
	History   History
	Sending   Sending
	Dead      DeadLetters
	Forgetter Forgetter // removes contacts
	Control   Control
	Mailings  Mailings // nil where nothing can be sent by hand
	Staff     Staff    // nil if Open is all there is; then there are no pages
	// SignIn makes a link that signs in a member of staff; without an address, the owner.
	SignIn func(ctx context.Context, address string) (SignIn, error)
	Audit  Audit // nil keeps no list
	People People
	Book   LinkBook
	// Genuine reports whether a URL's token is that of a link.
	Genuine func(ctx context.Context, id string, token engine.Secret) (bool, error)
	// Workflows returns those that are in force, Apps what links may be for.
	Workflows func() []*engine.Workflow
	Apps      func() []App
	// View, if set, returns where the browser of a member of staff sees what a contact sees; "" where it cannot tell who they are.
	View func(contact engine.ID) string
	// Counts returns when things happened that q selects, at most q.Limit of each. It may be nil.
	Counts func(ctx context.Context, q Query) (Counts, error)
	// Open says that the API, not the pages, needs no key: it can be reached from this machine alone. A request that a proxy passed
	// on needs one all the same.
	Open bool
	// Secure says that the pages are reached over https.
	Secure   bool
	Location *engine.Location
	Now      func() time.Time // default time.Now
	// Name gives the location's name as it is now.
	Name   func() string
	Others []Place // the other locations of the same server
	// Status gives the figures of GET /v1/status.
	Status func(context.Context) (map[string]any, error)
}

// A Place is a location of the server.
type Place struct{ ID, Name string }

// Choose asks which of a server's locations is meant.
func Choose(w http.ResponseWriter, places []Place) {
	p := &page{Title: "Which location?", Name: "Latchkey", Body: places, config: &Config{Location: &engine.Location{}}}
	p.render(w, http.StatusOK, "places")
}

// NeedKey answers whom nobody knows.
func NeedKey(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="latchkey", charset="UTF-8"`)
	WriteProblem(w, http.StatusUnauthorized, errNobody.Error())
}

// Handler serves the pages and the admin API.
func Handler(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	mux := http.NewServeMux()
	if c.Staff != nil {
		c.pageRoutes(mux)
	}
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, c.api(r.action, r.did, r.fn))
	}
	mux.HandleFunc("/v1/", c.api(See, "", func(r *http.Request) (any, error) {
		return nil, noRoute(r.Method + " " + r.URL.Path)
	}))
	return mux
}

// noRoute is the error of a path that the API does not have.
type noRoute string

func (n noRoute) Error() string      { return "there is no " + string(n) }
func (noRoute) Is(target error) bool { return target == ErrNotFound }

// answer writes what fn returns as JSON, or its error as problem+json (RFC 9457).
func answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := fn(r)
		switch {
		case errors.Is(err, ErrNotFound):
			WriteProblem(w, http.StatusNotFound, err.Error())
		case errors.Is(err, errNobody):
			NeedKey(w)
		case errors.Is(err, errKey):
			WriteProblem(w, http.StatusUnauthorized, err.Error())
		case errors.Is(err, errRole):
			WriteProblem(w, http.StatusForbidden, strings.TrimPrefix(err.Error(), errRole.Error()+": "))
		case errors.Is(err, ErrInvalid):
			WriteProblem(w, http.StatusBadRequest, strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": "))
		case errors.Is(err, ErrConflict):
			WriteProblem(w, http.StatusConflict, strings.TrimPrefix(err.Error(), ErrConflict.Error()+": "))
		case errors.Is(err, errTooLarge):
			WriteProblem(w, http.StatusRequestEntityTooLarge, err.Error())
		case err != nil:
			WriteProblem(w, http.StatusInternalServerError, err.Error())
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			_ = enc.Encode(v)
		}
	}
}

// WriteProblem answers with problem+json (RFC 9457).
func WriteProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
