package portal

import (
	"net/http"
	"time"

	"latchkey/engine"
)

// The names of our cookies. Over https "__Host-" begins each: then it can only be set over https, for one host and all its paths.
const (
	sessionCookie = "latchkey"
	browserCookie = "latchkey-browser"
	frameCookie   = "latchkey-frame"

	browserAge = 400 * 24 * time.Hour // as long as browsers keep a cookie; no link that is bound to it lives longer
)

func (p *Portal) cookieName(name string) string {
	if p.https() {
		return "__Host-" + name
	}
	return name
}

// cookie returns what a cookie of ours holds, or the zero Secret.
func (p *Portal) cookie(r *http.Request, name string) engine.Secret {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil {
		return engine.Secret{}
	}
	return engine.NewSecret(c.Value)
}

// keep has the browser hold a cookie of ours for so many seconds; below zero, no more.
func (p *Portal) keep(w http.ResponseWriter, name, value string, maxAge int) {
	c := &http.Cookie{Name: p.cookieName(name), Value: value, Path: "/", MaxAge: maxAge, Secure: p.https(), HttpOnly: true,
		SameSite: http.SameSiteLaxMode}
	if name == frameCookie && p.https() { // it is for frames of the site that embeds the page, and for nowhere else
		c.Partitioned, c.SameSite = true, http.SameSiteNoneMode
	}
	http.SetCookie(w, c)
}

// presented returns the session that a browser holds, or the zero Secret.
func (p *Portal) presented(r *http.Request) engine.Secret { return p.cookie(r, sessionCookie) }

// setCookie has the browser hold a session of a location.
func (p *Portal) setCookie(w http.ResponseWriter, location string, sid engine.Secret) {
	_, life := p.Links.SessionLimits(location)
	p.keep(w, sessionCookie, sid.Reveal(), int(life/time.Second))
}

func (p *Portal) clearCookie(w http.ResponseWriter) { p.keep(w, sessionCookie, "", -1) }

// bound returns what a browser proves itself by to the links that are bound to it, or the zero Secret.
func (p *Portal) bound(r *http.Request) engine.Secret { return p.cookie(r, browserCookie) }

// bind has the browser hold that.
func (p *Portal) bind(w http.ResponseWriter, browser engine.Secret) {
	p.keep(w, browserCookie, browser.Reveal(), int(browserAge/time.Second))
}

// frameSID returns the session that a browser holds in a frame of another site, or the zero Secret.
func (p *Portal) frameSID(r *http.Request) engine.Secret { return p.cookie(r, frameCookie) }
