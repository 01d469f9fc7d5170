package portal

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"latchkey/engine"
)

// home serves the client portal: what is granted to the learner now, and nothing else. Where there is none it leads to the course
// library.
func (p *Portal) home(w http.ResponseWriter, r *http.Request) {
	p.inside(w, r, func(l *learner) {
		if l.set.Legacy {
			p.redirect(w, goTo(coursesApp, nil))
			return
		}
		courses, err := p.courses(r, l.loc.ID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		page := homePage{insidePage: l.page("/"), Hello: l.t.say("hello_nobody"), Offers: l.offers(), Courses: l.cards(courses)}
		if first := clean(l.person.Contact.FirstName); first != "" {
			page.Hello = l.t.say("hello", first)
		}
		p.pages.serve(w, l.t, l.loc, http.StatusOK, "home", l.loc.Name, page)
	})
}

// logout ends the session. It is safe to repeat.
func (p *Portal) logout(w http.ResponseWriter, r *http.Request) {
	if err := p.end(r, p.presented(r)); err != nil {
		p.fail(w, r, err)
		return
	}
	p.clearCookie(w)
	p.redirect(w, "/")
}

// A homePage is the client portal of one learner.
type homePage struct {
	insidePage
	Hello   string
	Offers  []granted
	Courses []card
}

// A granted is one offer.
type granted struct{ Title, Since string }

// A card is a product on the home page.
type card struct {
	Title string
	Path  string // of its page
	Via   string // the offers that it came with
	Since string
	Done  progress
	Lead  *lead
}

// offers lists those held now, by title.
func (l *learner) offers() []granted {
	var out []granted
	for id, g := range l.person.Offers {
		if !g.Removed {
			out = append(out, granted{named(g.Title, id), l.t.say("since", l.day(g.At))})
		}
	}
	slices.SortFunc(out, func(a, b granted) int { return byTitle(a.Title, b.Title) })
	return out
}

// cards lists the products held now, by title.
func (l *learner) cards(courses *engine.Courses) []card {
	var out []card
	for id, g := range l.person.Products {
		if g.Removed {
			continue
		}
		c := l.course(id, courses)
		out = append(out, card{Title: c.title, Path: c.path(), Via: l.via(g), Since: l.t.say("since", l.day(g.At)), Done: c.progress(), Lead: c.lead()})
	}
	slices.SortFunc(out, func(a, b card) int { return cmp.Or(byTitle(a.Title, b.Title), strings.Compare(a.Path, b.Path)) })
	return out
}

// via names the offers held that a product came with.
func (l *learner) via(g *engine.Grant) string {
	var via []string
	for _, id := range g.Via {
		if o := l.person.Offers[id]; o != nil && !o.Removed {
			via = append(via, named(o.Title, id))
		}
	}
	if len(via) == 0 {
		return ""
	}
	slices.Sort(via)
	return l.t.say("via", strings.Join(via, ", "))
}

func byTitle(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}
