package portal

import (
	"net/http"

	"latchkey/engine"
	"latchkey/linkgen"
)

// SignedIn returns whose browser a request comes from: the living session and its contact as they are today. The person is nil
// if there is no living session. Whether the contact still has access is the caller's to ask. It notes that the session was seen.
func (p *Portal) SignedIn(r *http.Request) (linkgen.Session, *engine.Person, error) {
	v, err := p.visitor(r)
	if err != nil || !v.live {
		return linkgen.Session{}, nil, err
	}
	p.touch(r, v)
	return v.session, v.person, nil
}

// A Trouble is why a learner is not led on into an app.
type Trouble string

// The troubles.
const (
	NoApp      Trouble = "no app"      // there is no such app
	AppDown    Trouble = "app down"    // the app's server gives no address to sign in at
	AppMistake Trouble = "app mistake" // the app asked for something that cannot be done
	NoAddress  Trouble = "no address"  // the app wants an e-mail address, and the contact has none
	Viewing    Trouble = "viewing"     // it is staff, who view as the contact
	NotStored  Trouble = "not stored"  // the fault is ours
)

// Trouble answers a request with a page that says it.
func (p *Portal) Trouble(w http.ResponseWriter, r *http.Request, location string, why Trouble) {
	loc := p.location(location)
	switch why {
	case NoApp:
		p.say(w, r, loc, http.StatusNotFound, "not_found")
	case AppDown:
		w.Header().Set("Retry-After", "30")
		p.say(w, r, loc, http.StatusServiceUnavailable, "app_down")
	case AppMistake:
		p.say(w, r, loc, http.StatusBadRequest, "app_mistake")
	case Viewing:
		p.say(w, r, loc, http.StatusForbidden, "viewing")
	case NoAddress:
		p.say(w, r, loc, http.StatusForbidden, "no_address")
	default:
		w.Header().Set("Retry-After", "10")
		p.say(w, r, loc, http.StatusServiceUnavailable, "failed")
	}
}

// An onward page says that the browser is on its way.
type onward struct{ To string }

// LeadOn answers with a page that leads to one of our own paths at once. It ends the submission of the link page's form: what a
// form's answer redirects to is bound by the page's policy (form-action), which knows no other sites, and so is what that
// redirects to.
func (p *Portal) LeadOn(w http.ResponseWriter, r *http.Request, location, to string) {
	loc := p.location(location)
	t := speak(r, loc, nil)
	w.Header().Set("Refresh", "0; url="+to)
	p.pages.serve(w, t, loc, http.StatusOK, "onward", t.say("onward", loc.Name), onward{to})
}
