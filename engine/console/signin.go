package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// This file is how staff sign in: by a link that is mailed to them, or with a key. A link's page has one button, so that a
// mail scanner that opens it signs nobody in and uses nothing up.

// A Looker says whom a sign-in link is for, without using it up; "" if it lets nobody in. Staff may be one.
type Looker interface {
	Look(r *http.Request, token engine.Secret) (name string, err error)
}

// SessionLife is how long a session of the pages lasts at the most, and so its cookie.
const SessionLife = 7 * 24 * time.Hour

// door is what the sign-in page shows.
type door struct {
	Asked bool   // a link was asked for
	Token string // of a link that was opened
	For   string // whom it is for
	Next  string // where the browser goes then
}

func (c *Config) signinRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", c.signinPage)
	mux.HandleFunc("GET /signin/{token}", c.signinLink)
	mux.HandleFunc("POST /signin", c.signinByLink)
	mux.HandleFunc("POST /signin/mail", c.signinMail)
	mux.HandleFunc("POST /signin/key", c.signinByKey)
	mux.HandleFunc("POST /signout", c.signOut)
}

func (c *Config) signinPage(w http.ResponseWriter, r *http.Request) {
	if _, ok, err := c.who(r, false); err == nil && ok {
		http.Redirect(w, r, c.within("/"), http.StatusSeeOther)
		return
	}
	c.showDoor(w, r, http.StatusOK, door{Next: safeNext(r.URL.Query().Get("next"))}, "")
}

func (c *Config) showDoor(w http.ResponseWriter, r *http.Request, status int, d door, wrong string) {
	p := c.page(r, "Sign in", "")
	p.Who, p.Done, p.Wrong, p.Body = Who{}, "", wrong, d
	p.render(w, status, "signin")
}

// signinLink is the page of a sign-in link. It changes nothing.
func (c *Config) signinLink(w http.ResponseWriter, r *http.Request) {
	d := door{Token: r.PathValue("token")}
	if l, ok := c.Staff.(Looker); ok {
		name, err := l.Look(r, engine.NewSecret(d.Token))
		if err != nil {
			c.problem(w, r, "", err)
			return
		}
		if name == "" {
			c.showDoor(w, r, http.StatusGone, door{}, "This link no longer works: it works once, for a short time. Ask for a new one.")
			return
		}
		d.For = Mask(name)
	}
	c.showDoor(w, r, http.StatusOK, d, "")
}

// signinMail has a link mailed. Who gets one, and whether anybody does, cannot be told from the answer.
func (c *Config) signinMail(w http.ResponseWriter, r *http.Request) {
	if err := readForm(w, r); err != nil {
		c.problem(w, r, "", err)
		return
	}
	if err := c.Staff.Ask(r.Context(), strings.TrimSpace(r.PostForm.Get("email"))); err != nil {
		c.problem(w, r, "", err)
		return
	}
	c.showDoor(w, r, http.StatusOK, door{Asked: true}, "")
}

func (c *Config) signinByLink(w http.ResponseWriter, r *http.Request) {
	if err := readForm(w, r); err != nil {
		c.problem(w, r, "", err)
		return
	}
	c.enter(w, r, Entry{Token: engine.NewSecret(r.PostForm.Get("t"))}, "/")
}

func (c *Config) signinByKey(w http.ResponseWriter, r *http.Request) {
	if err := readForm(w, r); err != nil {
		c.problem(w, r, "", err)
		return
	}
	c.enter(w, r, Entry{Key: engine.NewSecret(strings.TrimSpace(r.PostForm.Get("key")))}, safeNext(r.PostForm.Get("next")))
}

// enter begins a session, and leads to next.
func (c *Config) enter(w http.ResponseWriter, r *http.Request, e Entry, next string) {
	cookie := Cookie(c.Location.ID, c.Secure)
	e.Presented, e.Device = ProofOf(r, cookie).Session, r.UserAgent()
	session, _, err := c.Staff.Enter(r.Context(), e)
	if errors.Is(err, ErrRefused) {
		c.showDoor(w, r, http.StatusForbidden, door{Next: next}, upper(trimMark(err.Error(), ErrRefused)))
		return
	}
	if err != nil {
		c.problem(w, r, "", err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: session.Reveal(), Path: "/", MaxAge: int(SessionLife / time.Second),
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, c.within(cmp.Or(next, "/")), http.StatusSeeOther)
}

// signOut ends the session, on the server too.
func (c *Config) signOut(w http.ResponseWriter, r *http.Request) {
	cookie := Cookie(c.Location.ID, c.Secure)
	if s := ProofOf(r, cookie).Session; !s.IsZero() {
		if err := c.Staff.Leave(r.Context(), s); err != nil {
			c.problem(w, r, "", err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, c.within("/signin"), http.StatusSeeOther)
}

// safeNext returns the address if it is one of the console's own pages, without its location; else "".
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(next, "\\\r\n\t") ||
		strings.Contains(u.Path, "//") || strings.Contains(u.Path, "..") {
		return ""
	}
	own := func(it railItem) bool { return u.Path == it.Path || strings.HasPrefix(u.Path, it.Path+"/") }
	if !slices.ContainsFunc(rail[1:], own) {
		return ""
	}
	q := u.Query()
	q.Del("location")
	return strings.TrimSuffix(u.EscapedPath()+"?"+q.Encode(), "?")
}

// A SignIn is a link that signs a member of staff in, once.
type SignIn struct {
	For string `json:"for"`
	URL string `json:"url"`
}

// newSignIn makes a link for a member of staff, or for the owner who has no address in latchkey.yaml.
func (c *Config) newSignIn(r *http.Request) (any, error) {
	var body struct {
		Email string `json:"email"`
	}
	if r.ContentLength != 0 {
		if err := readBody(r, &body); err != nil {
			return nil, err
		}
	}
	if c.SignIn == nil {
		return nil, fmt.Errorf("%w: this server has no pages", ErrInvalid)
	}
	return c.SignIn(r.Context(), body.Email)
}
