package portal

import (
	"net/http"
	"time"

	"latchkey/engine"
)

// The names of cookies beside the session's. The first of each can only be set over https, for one host and all its paths.
const (
	secureBrowser   = "__Host-latchkey-browser"
	loopbackBrowser = "latchkey-browser"
	secureFrame     = "__Host-latchkey-frame"
	loopbackFrame   = "latchkey-frame"

	browserAge = 400 * 24 * time.Hour // as long as browsers keep a cookie; no link that is bound to it lives longer
)

// cookie returns what a cookie of ours holds, or the zero Secret.
func (p *Portal) cookie(r *http.Request, secure, loopback string) engine.Secret {
	name := loopback
	if p.https() {
		name = secure
	}
	c, err := r.Cookie(name)
	if err != nil {
		return engine.Secret{}
	}
	return engine.NewSecret(c.Value)
}

// bound returns what a browser proves itself by to the links that are bound to it, or the zero Secret.
func (p *Portal) bound(r *http.Request) engine.Secret {
	return p.cookie(r, secureBrowser, loopbackBrowser)
}

// bind has the browser keep that.
func (p *Portal) bind(w http.ResponseWriter, browser engine.Secret) {
	c := &http.Cookie{Name: loopbackBrowser, Value: browser.Reveal(), Path: "/", MaxAge: int(browserAge / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if p.https() {
		c.Name, c.Secure = secureBrowser, true
	}
	http.SetCookie(w, c)
}

// frameSID returns the session that a browser holds in a frame of another site, or the zero Secret.
func (p *Portal) frameSID(r *http.Request) engine.Secret {
	return p.cookie(r, secureFrame, loopbackFrame)
}

// writeFrameCookie has the browser hold a session in frames of the site that embeds the page, and nowhere else.
func (p *Portal) writeFrameCookie(w http.ResponseWriter, value string, maxAge int) {
	c := &http.Cookie{Name: loopbackFrame, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if p.https() {
		c.Name, c.Secure, c.Partitioned, c.SameSite = secureFrame, true, true, http.SameSiteNoneMode
	}
	http.SetCookie(w, c)
}
