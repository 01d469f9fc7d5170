package sso

import (
	"encoding/json"
	"net/http"
	"time"
)

// A pendingRequest is what a site asked of somebody who was not signed in. It waits in their browser alone, sealed, while they
// fetch a link from their mail: nothing is stored for a visitor whom we do not know. Where it leads is one of our own paths,
// and there it is checked again like any request.
type pendingRequest struct {
	Location string    `json:"l"`
	App      string    `json:"a"`
	Path     string    `json:"p"`
	At       time.Time `json:"t"`
}

const (
	pendingLife = 30 * time.Minute
	maxPending  = 2 << 10 // of the path: a cookie holds 4 KiB
)

func (h *Handler) pendingCookie() string {
	if h.secure() {
		return "__Host-latchkey-next"
	}
	return "latchkey-next"
}

// pending returns what waits in a browser.
func (h *Handler) pending(r *http.Request) (p pendingRequest, ok bool) {
	c, err := r.Cookie(h.pendingCookie())
	if err != nil {
		return p, false
	}
	text, err := h.sealer.open("pending", c.Value)
	if err != nil || json.Unmarshal([]byte(text), &p) != nil {
		return pendingRequest{}, false
	}
	age := h.Now().Sub(p.At)
	return p, age >= 0 && age < pendingLife
}

// wait keeps a request in the browser and sends it to the login form. It reports whether the request could be kept.
func (h *Handler) wait(w http.ResponseWriter, app App, path string) bool {
	if len(path) > maxPending {
		return false
	}
	b, err := json.Marshal(pendingRequest{app.Location, app.Name, path, h.Now()})
	if err != nil {
		return false
	}
	h.setPending(w, h.sealer.seal("pending", string(b)), int(pendingLife/time.Second))
	h.login(w, app.Location, app.Name, "", "")
	return true
}

func (h *Handler) clearPending(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(h.pendingCookie()); err == nil {
		h.setPending(w, "", -1)
	}
}

func (h *Handler) setPending(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: h.pendingCookie(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: h.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
