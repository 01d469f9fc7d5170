package portal

import (
	"net/http"
	"time"

	"latchkey/engine"
)

// A learner is who is signed in and asks for a page, and how they are spoken to.
type learner struct {
	visitor
	loc *engine.Location
	set Settings
	t   *tongue
	now time.Time
}

// An insidePage is what all pages after sign-in have.
type insidePage struct {
	Name    string // of the learner
	Menu    []navLink
	Support string
	Banner  *banner
	Viewed  bool // by staff, who may look and not act
}

// A banner stands above every page that a member of staff sees as a learner, and ends that. A page that has one shows it
// with {{with .Banner}}{{template "banner" .}}{{end}} at the beginning of its body.
type banner struct {
	Staff   string // who looks
	Learner string // as whom
}

// A navLink leads somewhere; Here is where one is.
type navLink struct {
	Label, To string
	Here      bool
}

// inside calls fn for a learner who is signed in and holds something now. It answers everybody else itself. In a location whose learners
// go to its course library there is no such page but /, which leads there. Access is read anew for each page.
func (p *Portal) inside(w http.ResponseWriter, r *http.Request, fn func(l *learner)) {
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	loc := p.location(v.session.Location)
	set := p.settings(loc.ID)
	switch {
	case set.Legacy && r.URL.Path != "/":
		p.say(w, r, loc, http.StatusNotFound, "not_found")
		return
	case v.person == nil:
		p.say(w, r, loc, http.StatusOK, "signed_out")
		return
	}
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
	fn(&learner{visitor: v, loc: loc, set: set, t: t, now: p.Now()})
}

// page returns what the page at a path of ours has around it.
func (l *learner) page(path string) insidePage {
	page := insidePage{Name: l.t.displayName(&l.person.Contact), Support: support(l.loc)}
	if l.session.As != "" {
		page.Viewed = true
		page.Banner = &banner{Staff: clean(l.session.As), Learner: page.Name}
	}
	if len(l.set.Menu) > 0 {
		page.Menu = append(page.Menu, navLink{l.t.say("menu.courses"), "/", path == "/"})
	}
	for _, m := range l.set.Menu {
		to := m.URL
		if m.App != "" {
			to = goTo(m.App, nil)
		}
		page.Menu = append(page.Menu, navLink{Label: clean(m.Label), To: to})
	}
	return page
}

func (l *learner) day(at time.Time) string { return l.t.day(at, l.person.Zone(l.loc)) }

// moment says when something was, in words and exactly.
func (l *learner) moment(key string, at time.Time) *moment {
	return &moment{l.t.say(key, l.t.ago(l.now.Sub(at))), l.t.exact(at, l.person.Zone(l.loc)), at.UTC().Format(time.RFC3339)}
}

// missing answers for what a learner does not have, whether or not there is such a thing.
func (p *Portal) missing(w http.ResponseWriter, l *learner) {
	page := notice{Support: support(l.loc), SignedIn: true}
	page.fill(l.t, "not_yours", l.loc.Name)
	p.pages.serve(w, l.t, l.loc, http.StatusNotFound, "notice", page.Head, page)
}
