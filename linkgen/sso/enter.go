package sso

import (
	"context"
	"net/http"
	"net/url"

	"latchkey/engine"
	"latchkey/linkgen"
)

// enter is /go/{app}?to=…&in=…: it asks anew whether the session lives and the contact has access, and leads the browser into the
// app. It stores nothing of its own, so it is a GET that may be repeated.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request) {
	name, to := r.PathValue("app"), r.URL.Query().Get("to")
	noun, id, ok := linkgen.ParseTo(to)
	if !ok {
		noun, id, to = "", "", ""
	}
	s, person, err := h.Visitor(r)
	if err != nil {
		h.fail(w, r, App{}, err)
		return
	}
	if person == nil {
		h.login(w, h.locationOf(name), name, to, linkgen.CleanIn(to, r.URL.Query().Get("in")))
		return
	}
	app, ok := h.app(s.Location, name)
	if !ok {
		h.Trouble(w, r, s.Location, NoApp)
		return
	}
	if !person.HasAccess() {
		h.count(app, NoAccess)
		redirect(w, "/") // which says so
		return
	}
	if s.As != "" {
		h.trouble(w, r, app, Viewing)
		return
	}
	if r.URL.Query().Has("hop") { // we were redirected here by the answer to a form
		h.LeadOn(w, r, s.Location, goPath(name, to, r.URL.Query().Get("in")))
		return
	}
	if p, ok := h.pending(r); ok && p.Location == app.Location && p.App == app.Name {
		redirect(w, p.Path)
		return
	}
	place, err := h.place(r.Context(), person, noun, id, r.URL.Query().Get("in"))
	if err != nil {
		h.fail(w, r, app, err)
		return
	}
	h.lead(w, r, s, person, app, app.target(noun, place))
}

// place is linkgen.PlaceOf among the courses that are known.
func (h *Handler) place(ctx context.Context, p *engine.Person, noun, id, in string) (linkgen.Place, error) {
	var known *engine.Courses
	if h.Courses != nil && noun != "" {
		var err error
		if known, err = h.Courses(ctx, p.Location); err != nil {
			return linkgen.Place{}, err
		}
	}
	return linkgen.PlaceOf(p, known, noun, id, in), nil
}

// lead sends the browser to a target of an app, in the app's way.
func (h *Handler) lead(w http.ResponseWriter, r *http.Request, s linkgen.Session, p *engine.Person, app App, target string) {
	if p.Contact.Email == "" && (app.SSO == Moodle || app.SSO == Thinkific) { // who know people by nothing else
		h.trouble(w, r, app, NoAddress)
		return
	}
	var to string
	var err error
	switch app.SSO {
	case JWT, Thinkific:
		to, err = h.withToken(r, s, p, &app, target)
	case Moodle, Minted:
		to, err = h.asker.ask(r.Context(), &app, p, target)
		if err != nil {
			h.Log.Warn().Err(err).Str("location", app.Location).Str("app", app.Name).Msg("no address to sign in at")
			h.trouble(w, r, app, AppDown)
			return
		}
	case Discourse:
		login := app.Login
		if login == "" {
			login = "/session/sso?return_path={path}"
		}
		redirect(w, app.loginAt(login, target)) // it asks us in turn, which is the hand-off
		return
	case OIDC:
		redirect(w, app.loginAt(app.Login, target)) // as above
		return
	default:
		to = target
	}
	if err != nil {
		h.fail(w, r, app, err)
		return
	}
	h.handedOff(r, s, app)
	redirect(w, to)
}

// login sends a visitor who is not signed in to the form that mails a link, and keeps where they wanted to go.
func (h *Handler) login(w http.ResponseWriter, location, app, to, in string) {
	params := []string{"app", app}
	if to != "" {
		params = append(params, "to", to)
	}
	if in != "" {
		params = append(params, "in", in)
	}
	if location != h.Home {
		params = append(params, "location", location)
	}
	redirect(w, withQuery("/login", params...))
}

// locationOf returns the location that has an app of that name, our own if it has one or none has.
func (h *Handler) locationOf(app string) string {
	if _, ok := h.app(h.Home, app); ok {
		return h.Home
	}
	for _, a := range h.Apps() {
		if a.Name == app {
			return a.Location
		}
	}
	return h.Home
}

// goPath is where enter is.
func goPath(app, to, in string) string {
	path := "/go/" + url.PathEscape(app)
	if to != "" {
		path = withQuery(path, "to", to)
	}
	if in != "" {
		path = withQuery(path, "in", in)
	}
	return path
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
