package portal

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A Redeemer runs fn in the partition of a shard and gives the redemption that it returns to the core in the same
// commit. fn may run twice. If fn returns an error nothing is stored, and Redeem returns that error.
type Redeemer interface {
	Redeem(ctx context.Context, shard uint16, fn func(tx engine.Tx, now time.Time) (engine.Redemption, error)) error
}

// Config is what a portal needs. Those fields are required that say nothing else.
type Config struct {
	Links     *linkgen.Links
	Stores    engine.Stores
	Redeemer  Redeemer
	Locations func(id string) *engine.Location // nil if there is none of that id
	Home      string                           // the location of pages that know of no learner; it must exist
	Log       zerolog.Logger
	Now       func() time.Time // default time.Now
	// Opened, if set, is told what each link is that a page is asked for, or whose button is pressed. The location of a link
	// that was never minted is Home.
	Opened func(location string, pressed bool, is linkgen.Reason)
	// Settings, if set, returns what a location says of its pages.
	Settings func(location string) Settings
	// Client, if set, tells whom a request comes from; default is the connection's address.
	Client func(*http.Request) netip.Addr
	// Trail, if set, keeps links' timelines.
	Trail *linkgen.Trail
	// Staff, if set, returns the address of the member of a location's staff who is signed in to the console in the browser that a
	// request comes from, or nothing.
	Staff func(r *http.Request, location string) (string, error)
	// Console, if set, returns where a location's console is.
	Console func(location string) string
	// Courses, if set, returns what is known of a location's courses.
	Courses func(ctx context.Context, location string) (*engine.Courses, error)
	// Mail, if set, sends links to those who ask for one.
	Mail LoginSender
}

// Portal serves /, /p/…, /c/…, /s/…, /sessions, /l/{token}, /l, /l/new, /l/staff, /login, /logout, /view/{contact}, /view, /staff and
// /staff/logout. It is an http.Handler.
type Portal struct {
	Config
	pages   *pages
	guesses *limiter // of tokens that nobody was given
	forms   *limiter // that ask for a link
}

// New returns a portal.
func New(c Config) *Portal {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Portal{Config: c, pages: newPages(),
		guesses: newLimiter(rate.Every(guessesIn/guessesAtOnce), guessesAtOnce, c.Now),
		forms:   newLimiter(rate.Every(formsEvery), formsAtOnce, c.Now),
	}
}

// A route is what answers a path, by method. HEAD is GET.
type route map[string]http.HandlerFunc

func (p *Portal) route(path string) route {
	switch {
	case path == "/":
		return route{http.MethodGet: p.home}
	case path == "/l":
		return route{http.MethodPost: p.redeem}
	case path == "/l/new":
		return route{http.MethodPost: p.renew, http.MethodGet: p.door}
	case path == "/l/staff":
		return route{http.MethodPost: p.enterStaff, http.MethodGet: p.door}
	case path == "/view":
		return route{http.MethodPost: p.view}
	case strings.HasPrefix(path, "/view/"):
		return route{http.MethodGet: p.viewDoor}
	case path == "/staff":
		return route{http.MethodGet: p.staffHome}
	case path == "/staff/logout":
		return route{http.MethodPost: p.leaveStaff}
	case path == "/login":
		return route{http.MethodGet: p.loginForm, http.MethodPost: p.login}
	case strings.HasPrefix(path, "/p/"):
		return route{http.MethodGet: p.under}
	case strings.HasPrefix(path, "/c/"), strings.HasPrefix(path, "/s/"):
		return route{http.MethodGet: p.find}
	case path == "/sessions":
		return route{http.MethodGet: p.sessions, http.MethodPost: p.endSessions}
	case path == "/logout":
		return route{http.MethodPost: p.logout}
	case strings.HasPrefix(path, "/l/"):
		return route{http.MethodGet: p.door}
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	methods := p.route(r.URL.Path)
	serve, ok := methods[method]
	switch {
	case methods == nil:
		p.say(w, r, p.location(""), http.StatusNotFound, "not_found")
	case !ok:
		w.Header().Set("Allow", allowed(methods))
		p.say(w, r, p.location(""), http.StatusMethodNotAllowed, "wrong_method")
	default:
		serve(w, r)
	}
}

// Foreign answers a request that another site's page made with the visitor's browser.
func (p *Portal) Foreign(w http.ResponseWriter, r *http.Request) {
	p.say(w, r, p.location(""), http.StatusForbidden, "foreign")
}

func allowed(methods route) string {
	switch {
	case methods[http.MethodGet] == nil:
		return "POST"
	case methods[http.MethodPost] == nil:
		return "GET, HEAD"
	}
	return "GET, HEAD, POST"
}

// location returns the one of that id, or the portal's own.
func (p *Portal) location(id string) *engine.Location {
	if id != "" {
		if loc := p.Locations(id); loc != nil {
			return loc
		}
	}
	return p.Locations(p.Home)
}

// fail answers a request that a store could not serve. The learner can only try again; the reason is for the log.
func (p *Portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	p.Log.Error().Err(err).Str("path", linkgen.Redact(r.URL.Path)).Msg("portal cannot answer")
	status := http.StatusInternalServerError
	if errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrLost) || errors.Is(err, engine.ErrFull) {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "10")
	}
	p.say(w, r, p.location(""), status, "failed")
}
