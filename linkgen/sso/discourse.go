package sso

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// DiscourseConnect: the forum sends the browser here with a nonce, signed; we send it back with who it is, signed. See
// lib/discourse_connect_base.rb of Discourse, whose rules these are.

var (
	errSignature = errors.New("the signature does not fit")
	errPayload   = errors.New("the request cannot be read")
	errReturn    = errors.New("the answer would go to another site than the forum")
)

const (
	maxNonce  = 256            // longer than any of Discourse, which has 32 characters
	nonceLife = 24 * time.Hour // Discourse forgets it after 10 minutes
)

// A forumRequest is what a forum asks.
type forumRequest struct {
	Nonce, Return string
	Silent        bool // prompt=none: answer without asking anybody
}

// signForum returns the signature of a payload, as it goes over the wire.
func signForum(secret engine.Secret, payload string) string {
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	m.Write([]byte(payload))
	return hex.EncodeToString(m.Sum(nil))
}

// readForum checks and reads a request of an app's forum. What is wrong is told without what would have been right.
func readForum(app *App, payload, signature string) (forumRequest, error) {
	given, err := hex.DecodeString(signature)
	want, _ := hex.DecodeString(signForum(app.Secret, payload))
	if err != nil || app.Secret.IsZero() || !hmac.Equal(given, want) {
		return forumRequest{}, errSignature
	}
	text, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		return forumRequest{}, errPayload
	}
	q, err := url.ParseQuery(string(text))
	if err != nil || len(q["nonce"]) != 1 || q.Get("nonce") == "" || len(q.Get("nonce")) > maxNonce || len(q["return_sso_url"]) != 1 {
		return forumRequest{}, errPayload
	}
	f := forumRequest{q.Get("nonce"), q.Get("return_sso_url"), q.Get("prompt") == "none"}
	if !within(app.URL, f.Return) {
		return forumRequest{}, errReturn
	}
	return f, nil
}

// within reports whether an address is a page of a site.
func within(site, address string) bool {
	s, err := url.Parse(site)
	if err != nil || checkURL(address) != nil {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != s.Scheme || u.Host != s.Host || u.Fragment != "" {
		return false
	}
	if slices.ContainsFunc(strings.Split(u.Path, "/"), func(p string) bool { return p == "." || p == ".." }) {
		return false
	}
	return strings.HasPrefix(u.EscapedPath(), strings.TrimRight(s.EscapedPath(), "/")+"/")
}

// answerForum returns where the browser goes with an answer.
func answerForum(app *App, f forumRequest, fields ...string) string {
	q := url.Values{"nonce": {f.Nonce}}
	for n := 0; n+1 < len(fields); n += 2 {
		if fields[n+1] != "" {
			q.Set(fields[n], fields[n+1])
		}
	}
	payload := base64.StdEncoding.EncodeToString([]byte(q.Encode()))
	return withQuery(f.Return, "sso", payload, "sig", signForum(app.Secret, payload))
}

// reservedIDs are those that Discourse refuses, since programs write them for nobody.
var reservedIDs = []string{"none", "nil", "blank", "null", "empty", ""}

func reserved(id string) bool {
	return slices.Contains(reservedIDs, strings.ToLower(strings.TrimSpace(id)))
}

// discourse answers a forum. Of several locations with an app of that name the signature says which it is.
func (h *Handler) discourse(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	app, f, err := h.forum(r.PathValue("app"), q.Get("sso"), q.Get("sig"))
	if err != nil {
		h.Log.Warn().Err(err).Msg("a request of DiscourseConnect is refused")
		h.clearPending(w, r)
		h.trouble(w, r, app, AppMistake)
		return
	}
	s, person, err := h.Visitor(r)
	in := person != nil && s.Location == app.Location
	switch {
	case err != nil:
		h.fail(w, r, app, err)
		return
	case f.Silent && (!in || s.As != "" || !person.HasAccess()):
		redirect(w, answerForum(&app, f, "failed", "true"))
		return
	case !in:
		if !h.wait(w, app, withQuery(r.URL.Path, "sso", q.Get("sso"), "sig", q.Get("sig"))) {
			h.trouble(w, r, app, AppMistake)
		}
		return
	case s.As != "":
		h.trouble(w, r, app, Viewing)
		return
	case !person.HasAccess():
		h.count(app, NoAccess)
		redirect(w, "/")
		return
	}
	h.clearPending(w, r)
	h.introduce(w, r, app, f, s, person)
}

// forum finds the app that a request is of.
func (h *Handler) forum(name, payload, signature string) (App, forumRequest, error) {
	of, err := App{}, errSignature
	for _, a := range h.Apps() {
		if a.Name != name || a.SSO != Discourse {
			continue
		}
		f, bad := readForum(&a, payload, signature)
		if !errors.Is(bad, errSignature) {
			return a, f, bad
		}
		of = a // who signs wrongly may mean this one
	}
	return of, forumRequest{}, err
}

// introduce tells a forum who a learner is, once for each nonce.
func (h *Handler) introduce(w http.ResponseWriter, r *http.Request, app App, f forumRequest, s linkgen.Session, p *engine.Person) {
	id := p.Key.String()
	if p.Contact.Email == "" || reserved(id) {
		h.trouble(w, r, app, NoAddress)
		return
	}
	proven, err := h.proven(r.Context(), s, p)
	if err != nil {
		h.fail(w, r, app, err)
		return
	}
	fresh := false
	until := h.Now().Add(nonceLife)
	err = h.Stores.For(0).Update(r.Context(), func(tx engine.Tx) (err error) {
		fresh, err = linkgen.UseOnce(tx, "discourse", app.Location, app.Name+"\x00"+f.Nonce, until)
		return err
	})
	if err != nil {
		h.fail(w, r, app, err)
		return
	}
	if !fresh {
		h.Log.Warn().Str("location", app.Location).Str("app", app.Name).Msg("a nonce of DiscourseConnect came again")
		h.trouble(w, r, app, AppMistake)
		return
	}
	unproven := "" // the forum matches people by e-mail unless it is told not to
	if !proven {
		unproven = "true"
	}
	h.handedOff(r, s, app)
	redirect(w, answerForum(&app, f, "external_id", id, "email", p.Contact.Email, "name", p.Contact.Name(), "require_activation", unproven))
}
