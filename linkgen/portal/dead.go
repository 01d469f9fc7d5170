package portal

import (
	"net/http"
	"net/url"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// unknown answers for every token that nobody was given: malformed, never minted, or with a wrong secret. It is the same
// page byte for byte, so that guessing teaches nothing.
func (p *Portal) unknown(w http.ResponseWriter, r *http.Request) {
	if !p.MayGuess(r) {
		w.Header().Set("Retry-After", "60")
		p.say(w, r, p.location(""), http.StatusTooManyRequests, "guessed_too_often")
		return
	}
	p.say(w, r, p.location(""), http.StatusGone, "dead")
}

// MayGuess counts one more guess at a secret by who makes a request, and reports whether that is within the limit of who tries tokens
// that nobody was given.
func (p *Portal) MayGuess(r *http.Request) bool { return p.guesses.allow(p.client(r)) }

// dead tells who holds a genuine link why it lets nobody in, and offers a new one. text is the link's token.
func (p *Portal) dead(w http.ResponseWriter, r *http.Request, d linkgen.Door, text string, v visitor) {
	loc := p.location(d.Link.Location)
	t := speakTo(r, loc, d.Person)
	page := notice{Support: support(loc), SignedIn: v.live}
	switch d.Reason {
	case linkgen.Expired:
		page.fill(t, "expired", loc.Name)
		at := d.Link.Expires
		page.When = &moment{t.say("stopped", t.ago(p.Now().Sub(at))), t.exact(at, zoneOf(d.Person, loc)), at.UTC().Format(time.RFC3339)}
	case linkgen.Replaced:
		page.fill(t, "replaced", loc.Name)
	case linkgen.UsedUp:
		page.Head, page.Text = t.say("used_up.head"), t.plural("used_up.text", d.Link.MaxUses)
		page.Next = t.say("used_up.next", loc.Name)
	case linkgen.Moved:
		page.fill(t, "moved", loc.Name)
	case linkgen.NoAccess:
		if d.Over() { // it is no use to open it again
			page.fill(t, "access_over", loc.Name)
		} else {
			page.fill(t, "no_access", loc.Name)
		}
	case linkgen.OtherBrowser:
		page.fill(t, "other_browser", loc.Name)
	default:
		page.fill(t, "revoked", loc.Name)
	}
	if d.Link.Kind != linkgen.Learner {
		page.Login = p.loginFor(loc, "dead")
	}
	if page.Renew = p.renewalOf(t, d, text); page.Renew != nil {
		page.Next = ""
	}
	p.pages.serve(w, t, loc, http.StatusGone, "notice", page.Head, page)
}

// zoneOf returns the zone in which a person is told times; nil is nobody known.
func zoneOf(person *engine.Person, loc *engine.Location) *time.Location {
	switch {
	case person != nil:
		return person.Zone(loc)
	case loc.Zone != nil:
		return loc.Zone
	}
	return time.UTC
}

// say serves a page of one message from the catalogue to who is not known.
func (p *Portal) say(w http.ResponseWriter, r *http.Request, loc *engine.Location, status int, key string) {
	p.tell(w, speak(r, loc, nil), loc, status, key)
}

// tell is say in a language.
func (p *Portal) tell(w http.ResponseWriter, t *tongue, loc *engine.Location, status int, key string) {
	page := notice{Support: support(loc), Login: p.loginFor(loc, key), Again: key == "sent"}
	page.fill(t, key, loc.Name)
	p.pages.serve(w, t, loc, status, "notice", page.Head, page)
}

// tellIn is tell for a page that those sites may embed.
func (p *Portal) tellIn(w http.ResponseWriter, t *tongue, loc *engine.Location, hosts []string, status int, key string) {
	page := notice{}
	page.fill(t, key, loc.Name)
	p.pages.serveIn(w, t, loc, hosts, status, "notice", page.Head, page)
}

// loginFor returns where a message's reader may ask for a link, if that helps.
func (p *Portal) loginFor(loc *engine.Location, key string) string {
	set := p.settings(loc.ID)
	if p.Mail == nil || !set.Login.Email && !set.Login.SMS || key != "dead" && key != "signed_out" && key != "sent" {
		return ""
	}
	q := url.Values{}
	if loc.ID != p.Home {
		q.Set("location", loc.ID)
	}
	return withQuery("/login", q)
}

// support returns where learners of a location ask for help.
func support(loc *engine.Location) string {
	if loc.Support != "" {
		return loc.Support
	}
	return loc.Email
}
