package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A doorPage is the page of a link that lets somebody in.
type doorPage struct {
	Token string
	// Contact and Location say whom staff want to see as, where there is no link.
	Contact, Location string

	Who   string // the contact, masked
	Other string // who else the browser is signed in as
	Over  string // the id of that session: it ends if they go on
	Staff string // the member of staff who opened it
	Back  string // where they go who do not go on
	Bind  bool   // whether it will work in this browser only
}

// door serves the page that a link opens. Mail scanners, previews and prefetching browsers come here too, so it
// changes nothing.
func (p *Portal) door(w http.ResponseWriter, r *http.Request) {
	text := strings.TrimPrefix(r.URL.Path, "/l/")
	if r.URL.RawPath != "" { // a percent sign is another spelling
		text = ""
	}
	_, door, ok := p.look(w, r, text)
	if !ok {
		return
	}
	p.noteFetch(r, door)
	switch door.Link.Kind {
	case linkgen.AppOnly:
		p.appDoor(w, r, door)
	case linkgen.User:
		p.userDoor(w, r, door, text)
	default:
		p.learnerDoor(w, r, door, text)
	}
}

// noteFetch notes in a link's timeline that its page was asked for.
func (p *Portal) noteFetch(r *http.Request, door linkgen.Door) {
	e := linkgen.TrailEntry{At: p.Now(), What: linkgen.Shown, Device: linkgen.Device(r.UserAgent()), Address: linkgen.CoarseAddress(p.client(r))}
	if why, is := linkgen.LooksLikeScanner(r.Method, r.Header.Get); is {
		e.What, e.Why = linkgen.Fetched, why
	} else if door.Reason != linkgen.OK {
		e.Why = "it said: " + string(door.Reason)
	}
	p.Trail.Note(door.Link.ID, e)
}

// learnerDoor serves the page of a contact's link.
func (p *Portal) learnerDoor(w http.ResponseWriter, r *http.Request, door linkgen.Door, text string) {
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	staff, err := p.staff(r, door.Link.Location)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if staff == "" && door.Reason == linkgen.OK && door.OtherBrowser(p.bound(r)) {
		door.Reason = linkgen.OtherBrowser
	}
	same := v.live && v.session.Link == door.Link.ID && v.session.As == staff
	if door.Reason != linkgen.OK && !(same && (door.Reason == linkgen.UsedUp || door.Reason == linkgen.OtherBrowser)) {
		p.dead(w, r, door, text, v)
		return
	}
	p.showDoor(w, r, door, text, v, staff)
}

func (p *Portal) showDoor(w http.ResponseWriter, r *http.Request, door linkgen.Door, text string, v visitor, staff string) {
	loc := p.location(door.Link.Location)
	t := speakTo(r, loc, door.Person)
	page := doorPage{Token: text, Who: t.mask(&door.Person.Contact), Staff: staff, Back: "/", Bind: door.Link.Bind}
	if staff != "" && p.Console != nil {
		page.Back = p.Console(loc.ID)
	}
	if v.other(door.Person) {
		page.Other, page.Over = t.displayName(&v.person.Contact), v.session.ID
	}
	p.pages.serve(w, t, loc, http.StatusOK, "door", t.say("sign_in_to", loc.Name), page)
}

// other reports whether a learner is signed in in the browser, and another one than that. Staff who view as one sign nobody out.
func (v visitor) other(p *engine.Person) bool {
	return v.live && v.session.As == "" && v.person.Key != p.Key
}

// redeem lets a learner in: it is the button of the link page.
func (p *Portal) redeem(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "t")
	if !ok {
		return
	}
	tok, door, ok := p.look(w, r, f.get("t"))
	if !ok {
		return
	}
	if door.Link.Kind != linkgen.Learner { // no page of those has this form
		p.unknown(w, r)
		return
	}
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	staff, err := p.staff(r, door.Link.Location)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	// Who signed in elsewhere meanwhile, or out, is asked again: nobody is switched without knowing.
	if door.Reason == linkgen.OK && (staff != f.get("as") || v.other(door.Person) && v.session.ID != f.get("over")) {
		p.showDoor(w, r, door, f.get("t"), v, staff)
		return
	}
	p.enter(w, r, tok, door, f.get("t"), staff)
}

// look finds what a token opens. If nobody was given it, or the store cannot tell, it answers the request itself.
func (p *Portal) look(w http.ResponseWriter, r *http.Request, text string) (tok linkgen.Token, door linkgen.Door, ok bool) {
	tok, err := linkgen.ParseToken(text)
	if err != nil {
		p.opened(r, linkgen.Door{Reason: linkgen.Unknown})
		p.unknown(w, r)
		return tok, door, false
	}
	if door, err = p.Links.Look(r.Context(), p.Stores, tok, p.Now()); err != nil {
		p.fail(w, r, err)
		return tok, door, false
	}
	if door.Link.Kind == linkgen.Staff || p.Locations(door.Link.Location) == nil { // the one opens the console, the other has no pages any more
		door = linkgen.Door{Reason: linkgen.Unknown}
	}
	p.opened(r, door)
	if door.Reason == linkgen.Unknown {
		p.unknown(w, r)
		return tok, door, false
	}
	return tok, door, true
}

func (p *Portal) opened(r *http.Request, door linkgen.Door) {
	if p.Opened == nil {
		return
	}
	location := door.Link.Location
	if door.Reason == linkgen.Unknown {
		location = p.Home
	}
	p.Opened(location, r.Method == http.MethodPost, door.Reason)
}

// enter makes the session. The link is checked again inside the commit, whose answer is the one that counts. staff is who views
// as the learner, or nothing.
func (p *Portal) enter(w http.ResponseWriter, r *http.Request, tok linkgen.Token, door linkgen.Door, text, staff string) {
	shard := tok.Selector().Shard()
	presented, fresh, browser := p.presented(r), linkgen.NewSID(shard), p.bound(r)
	if browser.IsZero() && door.Link.Bind {
		browser = linkgen.NewSID(shard)
	}
	device, address := linkgen.Device(r.UserAgent()), linkgen.CoarseAddress(p.client(r))
	err := p.Redeemer.Redeem(r.Context(), shard, func(tx engine.Tx, now time.Time) (engine.Redemption, error) {
		return p.Links.Redeem(tx, linkgen.Visit{Token: tok, Door: door, Presented: presented, Fresh: fresh, Now: now,
			Device: device, Address: address, Browser: browser, As: staff})
	})
	var refused *linkgen.Refusal
	switch {
	case errors.As(err, &refused):
		p.Log.Info().Str("link", refused.Link.ID).Str("reason", string(refused.Reason)).Msg("link refused")
		p.Trail.Note(refused.Link.ID, linkgen.TrailEntry{At: p.Now(), What: linkgen.Refused, Why: string(refused.Reason), Device: device, Address: address})
		v, err := p.visitor(r)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.dead(w, r, linkgen.Door{Link: refused.Link, Reason: refused.Reason, Person: door.Person}, text, v)
		return
	case errors.Is(err, linkgen.ErrSignedIn):
	case err != nil:
		p.fail(w, r, err)
		return
	default:
		p.endElsewhere(r, presented, shard)
		p.setCookie(w, door.Link.Location, fresh)
		if door.Link.Bind && staff == "" {
			p.bind(w, browser)
		}
	}
	p.land(w, door)
}

// land sends the browser where a link leads: into its app, or to the client portal.
func (p *Portal) land(w http.ResponseWriter, door linkgen.Door) {
	app, set := door.Link.App, p.settings(door.Link.Location)
	if set.Legacy {
		app = coursesApp
	}
	if set.Apps[app].URL == "" {
		p.redirect(w, landing(door))
		return
	}
	q := destination{To: door.Link.To, In: door.Link.In}.query()
	q.Set("hop", "1") // see LeadOn
	p.redirect(w, goTo(app, q))
}

// landing returns the page of ours that a link leads to: a product's, if the learner holds it, or a category's or lesson's,
// which is looked for there. All else leads to the courses.
func landing(d linkgen.Door) string {
	noun, id, _ := linkgen.ParseTo(d.Link.To)
	in := destination{In: d.Link.In}.query()
	switch path := url.PathEscape(id); noun {
	case "category":
		return withQuery("/c/"+path, in)
	case "lesson":
		return withQuery("/s/"+path, in)
	case "product":
		if d.Person != nil && d.Person.Products[id] != nil && !d.Person.Products[id].Removed {
			return "/p/" + path
		}
	}
	return "/"
}

// redirect sends the browser to one of our own paths.
func (p *Portal) redirect(w http.ResponseWriter, to string) {
	setHeaders(w, "", p.https())
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
