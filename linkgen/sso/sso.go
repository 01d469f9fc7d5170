package sso

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A Trouble is why a learner is not led on; the portal has a page for each, by the same words.
type Trouble string

// The troubles.
const (
	NoApp      Trouble = "no app"      // there is no such app
	AppDown    Trouble = "app down"    // its server gives no address to sign in at
	AppMistake Trouble = "app mistake" // it asked for something that cannot be done
	NoAddress  Trouble = "no address"  // it wants an e-mail address, and the contact has none
	Viewing    Trouble = "viewing"     // it is staff, who view as the contact
	NotStored  Trouble = "not stored"  // the fault is ours
)

// A HandOff is a learner who was led into an app, for the link's timeline.
type HandOff struct {
	Session linkgen.Session
	App     string
	Way     string // JWT and so on; "" is without signing in
	At      time.Time
}

// Results of a hand-off, beside troubles and errors of OpenID.
const (
	LedOn       = "handed off"      // the browser was sent on, signed in if the app has a way to
	Exchanged   = "exchanged"       // and an OpenID client came for what it may know
	Unexchanged = "exchange failed" // it came with a wrong secret, code or the like
	TooOften    = "too often"       // it, or who pretends to be it, came more often than any does
	NoAccess    = "no access"       // the contact holds no offer and no product
)

// Config is what the hand-off needs. All fields are required unless it says otherwise.
type Config struct {
	Links    *linkgen.Links
	Stores   engine.Stores
	Keys     string       // the folder of the key files
	Apps     func() []App // of all locations, as they are in force
	Location func(id string) *engine.Location
	Home     string // the location whose base URL is the issuer where a request is for none of them
	// Visitor returns who a browser is signed in as: the living session and the contact as they are today, nil if there is none.
	Visitor func(*http.Request) (linkgen.Session, *engine.Person, error)
	Trouble func(http.ResponseWriter, *http.Request, string, Trouble) // with the location
	// LeadOn answers with a page that goes on to one of our own paths by itself; with the location.
	LeadOn func(http.ResponseWriter, *http.Request, string, string)
	Log    zerolog.Logger

	// Courses returns what is known of a location's courses: in which product a lesson is. Optional.
	Courses   func(ctx context.Context, location string) (*engine.Courses, error)
	HandedOff func(context.Context, HandOff) // optional
	// Counted, if set, is told what became of each attempt to lead somebody into an app that there is: LedOn, a Trouble, or for
	// OpenID an error of it and the results above.
	Counted func(a App, result string)
	// Guess, if set, counts one more guess at a secret by who makes a request, and reports whether that is within their limit.
	Guess     func(*http.Request) bool
	Transport http.RoundTripper // for what `minted` asks; default http.DefaultTransport
	Now       func() time.Time  // default time.Now
}

// Handler serves /go/{app}, /.well-known/jwks.json, /.well-known/openid-configuration, /oidc/… and /sso/…
type Handler struct {
	Config
	mux    *http.ServeMux
	keys   []signKey
	sealer sealer
	oidc   *provider
	asker  *asker
}

// New returns a handler. It makes the keys that are not there yet.
func New(c Config) (*Handler, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{Config: c, mux: http.NewServeMux(), asker: newAsker(c.Transport, c.Now)}
	var err error
	if h.keys, err = tokenKeys.Open(c.Keys); err != nil {
		return nil, err
	}
	seals, err := sealKeys(h.keys)
	if err != nil {
		return nil, err
	}
	if h.sealer, err = newSealer(seals); err != nil {
		return nil, err
	}
	if h.oidc, err = newProvider(h); err != nil {
		return nil, fmt.Errorf("OpenID provider: %w", err)
	}
	h.mux.HandleFunc("GET /go/{app}", h.enter)
	h.mux.HandleFunc("GET /sso/discourse/{app}", h.discourse)
	h.mux.HandleFunc("GET /.well-known/jwks.json", h.jwks)
	h.oidc.routes(h.mux)
	return h, nil
}

// Serves reports whether a path is one of the handler's.
func Serves(path string) bool {
	switch path {
	case "/.well-known/jwks.json", "/.well-known/openid-configuration":
		return true
	}
	return strings.HasPrefix(path, "/go/") || strings.HasPrefix(path, "/oidc/") || strings.HasPrefix(path, "/sso/")
}

// maxRequest is the most that a request may send: a site's browser brings its state along.
const maxRequest = 16 << 10

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What is served here, and what it says of where it came from, is for one browser and once.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	if h.secure() {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.Trouble(w, r, "", NoApp)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/.well-known/") && looks(w, r) {
		return
	}
	h.mux.ServeHTTP(w, r)
}

// looks answers who only looks whether there is something, and a browser that loads in advance: nobody is led on, nothing is used up.
func looks(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodHead {
		return true
	}
	if strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") || r.Header.Get("Purpose") == "prefetch" {
		w.WriteHeader(http.StatusServiceUnavailable) // it asks again when the learner goes there
		return true
	}
	return false
}

// secure reports whether the pages are reached over https. Only settings say so, never a request.
func (h *Handler) secure() bool {
	loc := h.Location(h.Home)
	return loc != nil && strings.HasPrefix(loc.BaseURL, "https://")
}

// app returns an app of a location that has an address.
func (h *Handler) app(location, name string) (App, bool) {
	apps := h.Apps()
	n := slices.IndexFunc(apps, func(a App) bool { return a.Location == location && a.Name == name && a.URL != "" })
	if n < 0 {
		return App{}, false
	}
	return apps[n], true
}

// fail answers a request that a store could not serve.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, a App, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	h.Log.Error().Err(err).Str("route", r.Pattern).Msg("cannot lead a learner on")
	h.trouble(w, r, a, NotStored)
}

// trouble answers with the page of a trouble, and counts it.
func (h *Handler) trouble(w http.ResponseWriter, r *http.Request, a App, why Trouble) {
	h.count(a, string(why))
	h.Trouble(w, r, a.Location, why)
}

// count tells what became of an attempt. Those into no app that there is are nobody's.
func (h *Handler) count(a App, result string) {
	if h.Counted != nil && a.Name != "" {
		h.Counted(a, result)
	}
}

// handedOff notes that a learner was led on.
func (h *Handler) handedOff(r *http.Request, s linkgen.Session, a App) {
	h.Log.Info().Str("link", s.Link).Str("session", s.ID).Str("app", a.Name).Str("way", a.SSO).Msg("handed off")
	h.count(a, LedOn)
	if h.HandedOff != nil {
		h.HandedOff(r.Context(), HandOff{s, a.Name, a.SSO, h.Now()})
	}
}

// jwks serves the public keys.
func (h *Handler) jwks(w http.ResponseWriter, r *http.Request) {
	var set jose.JSONWebKeySet
	for _, k := range h.keys {
		set.Keys = append(set.Keys, k.public())
	}
	if h.oidc.used() {
		keys, err := h.oidc.keys()
		if err != nil {
			h.fail(w, r, App{}, err)
			return
		}
		for _, k := range keys {
			set.Keys = append(set.Keys, k.public())
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeJSON(w, set)
}

func writeJSON(w http.ResponseWriter, v any) { writeStatus(w, http.StatusOK, v) }

func writeStatus(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b) // who asked may be gone; there is no one to tell
}
