package portal

import (
	"net/http"

	"latchkey/linkgen"
)

// A sessionsPage lists where the learner is signed in.
type sessionsPage struct {
	insidePage
	Way      []crumb
	Sessions []sessionLine
	Others   bool // whether there are more than this one
}

// A sessionLine is one session.
type sessionLine struct {
	ID     string
	Device string
	Where  string // coarse; may be empty
	Seen   *moment
	Since  string
	This   bool // it is the one that asks
	Staff  bool // it is staff who view as the learner
}

// sessions serves the list.
func (p *Portal) sessions(w http.ResponseWriter, r *http.Request) {
	p.inside(w, r, func(l *learner) {
		all, err := p.Links.Sessions(r.Context(), p.Stores, l.loc.ID, l.person.Key, l.now)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		page := sessionsPage{insidePage: l.page("/sessions"), Way: []crumb{{l.t.say("your_courses"), "/"}}}
		for _, s := range all {
			page.Sessions = append(page.Sessions, l.sessionLine(s))
		}
		page.Others = len(all) > 1
		p.pages.serve(w, l.t, l.loc, http.StatusOK, "sessions", l.t.say("sessions.head")+" · "+l.loc.Name, page)
	})
}

func (l *learner) sessionLine(s linkgen.Session) sessionLine {
	line := sessionLine{ID: s.ID, Device: clean(s.Device), Where: clean(s.Address), Seen: l.moment("sessions.seen", s.Seen),
		Since: l.t.say("sessions.since", l.day(s.Created)), This: s.ID == l.session.ID, Staff: s.As != ""}
	switch {
	case line.Staff:
		line.Device, line.Where = l.t.say("sessions.staff", l.loc.Name), ""
	case line.Device == "":
		line.Device = l.t.say("sessions.device")
	}
	return line
}

// endSessions ends one session of the learner's, or all others.
func (p *Portal) endSessions(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "end")
	if !ok {
		return
	}
	p.inside(w, r, func(l *learner) {
		if l.session.As != "" { // staff look, and end nothing of the learner's
			p.tell(w, l.t, l.loc, http.StatusForbidden, "only_view")
			return
		}
		all, err := p.Links.Sessions(r.Context(), p.Stores, l.loc.ID, l.person.Key, l.now)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		what := f.get("end")
		for _, s := range all {
			if s.ID != what && !(what == "others" && s.ID != l.session.ID) {
				continue
			}
			if err := p.Links.SignOut(r.Context(), p.Stores, s, "ended from the list of sessions"); err != nil {
				p.fail(w, r, err)
				return
			}
			if s.ID == l.session.ID {
				p.clearCookie(w)
			}
		}
		p.redirect(w, "/sessions")
	})
}
