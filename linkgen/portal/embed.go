package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// This file is about links that belong to no contact: those to an app, for a menu, and the user link, by which a
// location's staff see the portal in a sidebar of another site.

// appDoor serves a link to an app. It knows nobody: it opens the session's app, or the form.
func (p *Portal) appDoor(w http.ResponseWriter, r *http.Request, door linkgen.Door) {
	if door.Reason != linkgen.OK {
		p.dead(w, r, door, "", visitor{})
		return
	}
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	set := p.settings(door.Link.Location)
	d := destinationOf(set, door.Link.App, door.Link.To, door.Link.In)
	if v.live && v.session.Location == door.Link.Location {
		p.redirect(w, d.path(set))
		return
	}
	q := d.query()
	if door.Link.Location != p.Home {
		q.Set("location", door.Link.Location)
	}
	p.redirect(w, withQuery("/login", q))
}

// A staffDoorPage is the page of the user link.
type staffDoorPage struct {
	Token, Assertion string
	Who              string
}

// audience is what an assertion for a location's user link is made for.
func audience(loc *engine.Location) string { return loc.BaseURL + "/" + loc.ID }

// userDoor serves the user link. It opens only within a page of an allowed host, which says who looks: a link that
// all staff share cannot.
func (p *Portal) userDoor(w http.ResponseWriter, r *http.Request, door linkgen.Door, text string) {
	loc, set := p.location(door.Link.Location), p.settings(door.Link.Location)
	t := speak(r, loc, nil)
	hosts := set.Embed.hosts()
	switch {
	case len(hosts) == 0 || !embedded(r):
		page := notice{}
		page.fill(t, "user_outside", loc.Name)
		if page.Next = ""; len(hosts) > 0 {
			page.Next = t.say("user_within", strings.Join(hosts, ", "))
		}
		p.pages.serve(w, t, loc, http.StatusForbidden, "notice", page.Head, page)
		return
	case door.Reason != linkgen.OK:
		p.tellIn(w, t, loc, hosts, http.StatusGone, "user_dead")
		return
	}
	s, err := p.framed(r, loc.ID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	given := r.URL.Query().Get("assertion")
	said, err := set.Embed.verify(given, audience(loc), p.Now())
	switch {
	case s.Email != "" && (err != nil || said.Email == s.Email): // who reloads the page brings an old one
		p.redirect(w, p.staffPath(loc.ID))
		return
	case err != nil:
		p.refuseAssertion(w, t, loc, hosts, door.Link.ID, err)
		return
	}
	p.pages.serveIn(w, t, loc, hosts, http.StatusOK, "staff_door", t.say("sign_in_to", loc.Name),
		staffDoorPage{Token: text, Assertion: given, Who: said.Email})
}

// embedded reports whether a page is asked for by a frame. Which sites may have that frame is in the answer's
// frame-ancestors.
func embedded(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return (dest == "iframe" || dest == "frame") && r.Header.Get("Sec-Fetch-Site") != "none"
}

func (p *Portal) refuseAssertion(w http.ResponseWriter, t *tongue, loc *engine.Location, hosts []string, link string, why error) {
	p.Log.Info().Str("link", link).Err(why).Msg("user link refused")
	if errors.Is(why, errLate) || errors.Is(why, errUsed) {
		p.tellIn(w, t, loc, hosts, http.StatusForbidden, "user_late")
		return
	}
	p.tellIn(w, t, loc, hosts, http.StatusForbidden, "user_unknown")
}

var errUsed = errors.New("assertion refused: it was used before")

// enterStaff takes the button of the user link's page. What the host said counts once.
func (p *Portal) enterStaff(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxLoginBody, "t", "assertion")
	if !ok {
		return
	}
	_, door, ok := p.look(w, r, f.get("t"))
	if !ok {
		return
	}
	if door.Link.Kind != linkgen.User {
		p.unknown(w, r)
		return
	}
	loc, set := p.location(door.Link.Location), p.settings(door.Link.Location)
	t, hosts := speak(r, loc, nil), set.Embed.hosts()
	if !embedded(r) || door.Reason != linkgen.OK {
		p.tellIn(w, t, loc, hosts, http.StatusGone, "user_dead")
		return
	}
	said, err := set.Embed.verify(f.get("assertion"), audience(loc), p.Now())
	fresh := linkgen.NewSID(0)
	if err == nil {
		err = p.beginStaff(r, door, said, fresh)
	}
	switch {
	case errors.Is(err, errAssertion), errors.Is(err, errUsed):
		p.refuseAssertion(w, t, loc, hosts, door.Link.ID, err)
	case err != nil:
		p.fail(w, r, err)
	default:
		p.keep(w, frameCookie, fresh.Reveal(), int(frameLife/time.Second))
		p.redirect(w, p.staffPath(loc.ID))
	}
}

func (p *Portal) beginStaff(r *http.Request, door linkgen.Door, said assertion, fresh engine.Secret) error {
	entry := linkgen.StaffEntry{Now: p.Now(), Location: door.Link.Location, Email: said.Email, Via: linkgen.ViaHost, Link: door.Link.ID,
		Presented: p.frameSID(r), Fresh: fresh, Device: linkgen.Device(r.UserAgent()), Address: linkgen.CoarseAddress(p.client(r))}
	return p.Stores.For(0).Update(r.Context(), func(tx engine.Tx) error {
		first, err := linkgen.UseOnce(tx, "assertion", door.Link.Location, said.Issuer+"\x00"+said.ID, said.Expires)
		if err != nil {
			return err
		}
		if !first {
			return errUsed
		}
		if _, err := p.Links.BeginStaff(tx, entry); err != nil {
			return err
		}
		return linkgen.NoteTx(tx, door.Link.ID, linkgen.TrailEntry{At: entry.Now, What: linkgen.Redeemed, By: said.Email,
			Device: entry.Device, Address: entry.Address})
	})
}

// frameLife is how long such a session lasts: who is no longer staff there is not for long here.
const frameLife = 12 * time.Hour

// framed returns the session of staff whom a host vouched for, of the location; without an address if there is none.
func (p *Portal) framed(r *http.Request, location string) (s linkgen.StaffSession, err error) {
	sid := p.frameSID(r)
	if sid.IsZero() {
		return s, nil
	}
	err = p.Stores.For(0).View(r.Context(), func(tx engine.Tx) error {
		found, ok, err := p.Links.StaffSession(tx, sid, p.Now())
		if ok && found.Via == linkgen.ViaHost && found.Location == location && p.Now().Sub(found.Created) < frameLife {
			s = found
		}
		return err
	})
	return s, err
}

// staff returns the address of the member of a location's staff whose browser a request comes from, or nothing.
func (p *Portal) staff(r *http.Request, location string) (string, error) {
	if p.Staff != nil {
		if who, err := p.Staff(r, location); who != "" || err != nil {
			return who, err
		}
	}
	s, err := p.framed(r, location)
	return s.Email, err
}

// A staffPage is what staff see in the sidebar.
type staffPage struct {
	Who      string
	Location string
	Menu     []menuLink
	Courses  []courseLine
}

// A courseLine is a course that somebody's event has named.
type courseLine struct{ Title, Lessons string }

// A menuLink is a line of the menu.
type menuLink struct{ Label, URL string }

func (p *Portal) staffPath(location string) string {
	q := url.Values{}
	if location != p.Home {
		q.Set("location", location)
	}
	return withQuery("/staff", q)
}

// staffHome serves the page that staff see in the sidebar: all that the location has.
func (p *Portal) staffHome(w http.ResponseWriter, r *http.Request) {
	loc := p.location(r.URL.Query().Get("location"))
	set, t := p.settings(loc.ID), speak(r, loc, nil)
	hosts := set.Embed.hosts()
	if len(hosts) == 0 {
		p.say(w, r, loc, http.StatusNotFound, "not_found")
		return
	}
	s, err := p.framed(r, loc.ID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if s.Email == "" {
		p.tellIn(w, t, loc, hosts, http.StatusForbidden, "user_late")
		return
	}
	p.touchStaff(r, s)
	page := staffPage{Who: s.Email, Location: loc.ID}
	for _, m := range set.Menu {
		page.Menu = append(page.Menu, menuLink{m.Label, cmp.Or(m.URL, set.Apps[m.App].URL)})
	}
	courses, err := p.courses(r, loc.ID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	page.Courses = courseLines(t, courses)
	p.pages.serveIn(w, t, loc, hosts, http.StatusOK, "staff", loc.Name, page)
}

// courseLines lists all courses of a location, by title.
func courseLines(t *tongue, courses *engine.Courses) (lines []courseLine) {
	for _, c := range courses.All() {
		l := courseLine{Title: clean(cmp.Or(c.Title, c.ID))}
		if n := len(c.Lessons); n > 0 {
			l.Lessons = t.plural("staff_lessons", n)
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b courseLine) int { return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)) })
	return lines
}

func (p *Portal) touchStaff(r *http.Request, s linkgen.StaffSession) {
	now := p.Now()
	if !s.Stale(now) {
		return
	}
	sid := p.frameSID(r)
	if err := p.Stores.For(0).Update(r.Context(), func(tx engine.Tx) error { return p.Links.TouchStaff(tx, sid, now) }); err != nil {
		p.Log.Warn().Err(err).Str("session", s.ID).Msg("cannot note that a session was seen")
	}
}

// leaveStaff ends the session of the sidebar.
func (p *Portal) leaveStaff(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "location")
	if !ok {
		return
	}
	if sid := p.frameSID(r); !sid.IsZero() {
		if err := p.Stores.For(0).Update(r.Context(), func(tx engine.Tx) error { return p.Links.EndStaff(tx, sid) }); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	p.keep(w, frameCookie, "", -1)
	p.redirect(w, p.staffPath(p.location(f.get("location")).ID))
}
