package portal

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// home serves the client portal: what is granted to the learner now, and nothing else.
func (p *Portal) home(w http.ResponseWriter, r *http.Request) {
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if v.person == nil {
		p.say(w, r, p.location(""), http.StatusOK, "signed_out")
		return
	}
	loc := p.location(v.session.Location)
	t := speakTo(r, loc, v.person)
	if !v.person.HasAccess() { // which ended the session, unless nobody told us of it
		if err := p.end(r, p.presented(r)); err != nil {
			p.fail(w, r, err)
			return
		}
		p.clearCookie(w)
		p.tell(w, t, loc, http.StatusForbidden, "access_lost")
		return
	}
	if !v.live {
		p.tell(w, t, loc, http.StatusOK, "signed_out")
		return
	}
	p.touch(r, v)
	p.pages.serve(w, t, loc, http.StatusOK, "home", loc.Name, t.homeOf(v.person, loc))
}

// logout ends the session. It is safe to repeat.
func (p *Portal) logout(w http.ResponseWriter, r *http.Request) {
	if err := p.end(r, p.presented(r)); err != nil {
		p.fail(w, r, err)
		return
	}
	p.clearCookie(w)
	p.toPortal(w, "")
}

// A homePage is the client portal of one learner.
type homePage struct {
	Name     string // as in the header
	Hello    string
	Offers   []granted
	Products []granted
	Support  string
}

// A granted is one offer or product.
type granted struct {
	Title string
	ID    string // of a product's card, for links that lead to it
	Since string
	Via   string // the offers that a product came with
}

func (t *tongue) homeOf(person *engine.Person, loc *engine.Location) homePage {
	zone := person.Zone(loc)
	page := homePage{Name: t.displayName(&person.Contact), Hello: t.say("hello_nobody"), Support: support(loc),
		Offers: t.grants(person.Offers, nil, zone), Products: t.grants(person.Products, person.Offers, zone)}
	if first := clean(person.Contact.FirstName); first != "" {
		page.Hello = t.say("hello", first)
	}
	return page
}

// grants lists what is held now, by title.
func (t *tongue) grants(held, offers map[string]*engine.Grant, zone *time.Location) []granted {
	var out []granted
	for id, g := range held {
		if g.Removed {
			continue
		}
		var via []string
		for _, o := range g.Via {
			if og := offers[o]; og != nil && !og.Removed {
				via = append(via, title(o, og))
			}
		}
		slices.Sort(via)
		item := granted{Title: title(id, g), ID: anchor(id), Since: t.say("since", t.day(g.At, zone))}
		if len(via) > 0 {
			item.Via = t.say("via", strings.Join(via, ", "))
		}
		out = append(out, item)
	}
	slices.SortFunc(out, func(a, b granted) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Title, b.Title))
	})
	return out
}

func title(id string, g *engine.Grant) string {
	if t := clean(g.Title); t != "" {
		return t
	}
	return clean(id)
}
