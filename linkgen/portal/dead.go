package portal

import (
	"net/http"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// unknown answers for every token that nobody was given: malformed, never minted, or with a wrong secret. It is the same
// page byte for byte, so that guessing teaches nothing.
func (p *Portal) unknown(w http.ResponseWriter) {
	p.say(w, p.location(""), http.StatusGone, "dead")
}

// dead tells who holds a genuine link why it lets nobody in, and what to do.
func (p *Portal) dead(w http.ResponseWriter, d linkgen.Door, v visitor) {
	loc := p.location(d.Link.Location)
	zone := time.UTC
	if loc.Zone != nil {
		zone = loc.Zone
	}
	if d.Person != nil {
		zone = d.Person.Zone(loc)
	}
	page := notice{Support: support(loc), SignedIn: v.live}
	switch d.Reason {
	case linkgen.Expired:
		page.fill("expired", loc.Name)
		at := d.Link.Expires
		page.When = &moment{say("stopped", ago(p.Now().Sub(at))), exact(at, zone), at.UTC().Format(time.RFC3339)}
	case linkgen.Replaced:
		page.fill("replaced", loc.Name)
	case linkgen.UsedUp:
		page.Head, page.Text = say("used_up.head"), plural("used_up.text", d.Link.MaxUses)
		page.Next = say("used_up.next", loc.Name)
	case linkgen.Moved:
		page.fill("moved", loc.Name)
	case linkgen.NoAccess:
		page.fill("no_access", loc.Name)
	default:
		page.fill("revoked", loc.Name)
	}
	p.pages.serve(w, loc, http.StatusGone, "notice", page.Head, page)
}

// say serves a page of one message from the catalogue.
func (p *Portal) say(w http.ResponseWriter, loc *engine.Location, status int, key string) {
	page := notice{Support: support(loc)}
	page.fill(key, loc.Name)
	p.pages.serve(w, loc, status, "notice", page.Head, page)
}

// support returns where learners of a location ask for help.
func support(loc *engine.Location) string {
	if loc.Support != "" {
		return loc.Support
	}
	return loc.Email
}
