package sso

import (
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/time/rate"
)

// How often a client that proves itself may come for a token. A whole school that opens one mail in the same minutes stays below.
const (
	exchangesAtOnce    = 1000
	exchangesPerSecond = 100
)

// token exchanges a code. The secrets of the form are never taken from an address, which servers log.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		op.RequestError(w, r, oidc.ErrInvalidRequest().WithDescription("parameters belong in the body"), nil)
		return
	}
	if r.PostFormValue("grant_type") != string(oidc.GrantTypeCode) {
		op.RequestError(w, r, oidc.ErrUnsupportedGrantType(), nil)
		return
	}
	app, proven := p.caller(r)
	if !p.mayExchange(r, app, proven) {
		p.h.count(app, TooOften)
		w.Header().Set("Retry-After", "10")
		writeStatus(w, http.StatusTooManyRequests, map[string]string{"error": "temporarily_unavailable", "error_description": "too many requests"})
		return
	}
	answer := &answered{ResponseWriter: w}
	op.Exchange(answer, r, p.op)
	result := Exchanged
	if answer.status >= http.StatusBadRequest {
		result = Unexchanged
	}
	p.h.count(app, result)
}

// caller returns the client that a request names, and whether it is it. The library asks again, once it has looked at the code.
func (p *provider) caller(r *http.Request) (app App, proven bool) {
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749, 2.3.1
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	c, err := p.op.Storage().GetClientByClientID(r.Context(), id)
	if err != nil {
		return App{}, false
	}
	return c.(client).App, p.op.Storage().AuthorizeClientIDSecret(r.Context(), id, secret) == nil
}

// mayExchange counts a request. What a client may do is its own: nobody who only pretends to be it uses that up, or keeps it out.
func (p *provider) mayExchange(r *http.Request, app App, proven bool) bool {
	if proven {
		return p.pace.allow(app.ClientID())
	}
	return p.h.Guess == nil || p.h.Guess(r)
}

// A pace counts what clients do. There are as many as latchkey.yaml names.
type pace struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]*rate.Limiter
}

func newPace(now func() time.Time) *pace { return &pace{now: now, of: map[string]*rate.Limiter{}} }

func (p *pace) allow(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[id] == nil {
		p.of[id] = rate.NewLimiter(exchangesPerSecond, exchangesAtOnce)
	}
	return p.of[id].AllowN(p.now(), 1)
}

// An answered is an answer whose status is known afterwards.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
