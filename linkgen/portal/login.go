package portal

import (
	"errors"
	"net/http"

	"latchkey/engine"
)

// A loginPage is the form by which a learner without a link asks for one.
type loginPage struct {
	Head     string
	Location string // its id, if it is not the portal's own
	destination
	Email, SMS bool   // by which a link may be asked for
	Address    string // as it was typed, if it is none
	Wrong      string // what is wrong with it
	SignedIn   bool
	Support    string
}

// loginForm serves the form.
func (p *Portal) loginForm(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	loc := p.location(q.Get("location"))
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.showLogin(w, r, loc, destinationOf(p.settings(loc.ID), q.Get("app"), q.Get("to"), q.Get("in")), http.StatusOK, loginPage{SignedIn: v.live})
}

func (p *Portal) showLogin(w http.ResponseWriter, r *http.Request, loc *engine.Location, d destination, status int, page loginPage) {
	t, set := speak(r, loc, nil), p.settings(loc.ID)
	if p.Mail == nil || !set.Login.Email && !set.Login.SMS {
		p.tell(w, t, loc, status, "no_login")
		return
	}
	page.Head, page.Support, page.destination = t.say("login.head", loc.Name), support(loc), d
	page.Email, page.SMS = set.Login.Email, set.Login.SMS
	if loc.ID != p.Home {
		page.Location = loc.ID
	}
	p.pages.serve(w, t, loc, status, "login", page.Head, page)
}

// login takes the form. Whether anybody has that address is not asked before it is answered, so neither the answer nor
// the time it takes can tell.
func (p *Portal) login(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxLoginBody, "address")
	if !ok || !p.mayAsk(w, r) {
		return
	}
	loc := p.location(f.get("location"))
	t, set := speak(r, loc, nil), p.settings(loc.ID)
	d := destinationOf(set, f.get("app"), f.get("to"), f.get("in"))
	address, ok := readAddress(f.get("address"))
	if !ok {
		p.showLogin(w, r, loc, d, http.StatusUnprocessableEntity, loginPage{Address: f.get("address"), Wrong: t.say("login.wrong")})
		return
	}
	channel := "email"
	if set.Login.SMS && (f.get("by") == "sms" || !set.Login.Email) {
		channel = "sms"
	}
	if p.Mail == nil || channel == "email" && !set.Login.Email {
		p.tell(w, t, loc, http.StatusNotFound, "no_login")
		return
	}
	err := p.Mail.Send(r.Context(), LoginRequest{Location: loc.ID, Address: address, App: d.App, To: d.To, In: d.In, Channel: channel,
		Lang: t.tag.String(), Client: p.client(r), Reason: "form"})
	p.asked(w, r, loc, t, err, "sent")
}

// mayAsk counts a request for a link, and answers one too many.
func (p *Portal) mayAsk(w http.ResponseWriter, r *http.Request) bool {
	if p.forms.allow(p.client(r)) {
		return true
	}
	w.Header().Set("Retry-After", "60")
	p.say(w, r, p.location(""), http.StatusTooManyRequests, "asked_too_often")
	return false
}

// asked answers a request for a link: with the page of that key, whoever it is for.
func (p *Portal) asked(w http.ResponseWriter, r *http.Request, loc *engine.Location, t *tongue, err error, key string) {
	switch {
	case err == nil:
		p.tell(w, t, loc, http.StatusAccepted, key)
	case errors.Is(err, ErrTooOften):
		w.Header().Set("Retry-After", "60")
		p.tell(w, t, loc, http.StatusTooManyRequests, "asked_too_often")
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", "60")
		p.tell(w, t, loc, http.StatusServiceUnavailable, "busy")
	default:
		p.fail(w, r, err)
	}
}
