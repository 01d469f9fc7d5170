package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen"
)

// This file is the way from the console to what a learner sees. It needs no link: the browser proves who of the staff it is. To
// everybody else there is no such page.

// ViewPath returns where a member of staff who is signed in to a location's console sees what a contact sees.
func ViewPath(location string, contact engine.ID) string {
	return withQuery("/view/"+contact.String(), url.Values{"location": {location}})
}

// A viewed is whom staff want to see as.
type viewed struct {
	loc    *engine.Location
	person *engine.Person
	staff  string
}

// viewDoor serves the page that asks before it begins.
func (p *Portal) viewDoor(w http.ResponseWriter, r *http.Request) {
	if one, ok := p.viewedBy(w, r, r.URL.Query().Get("location"), strings.TrimPrefix(r.URL.Path, "/view/")); ok {
		p.showView(w, r, one)
	}
}

// viewedBy finds whom a request is about. It answers all who may not see them, and if there is nothing to see.
func (p *Portal) viewedBy(w http.ResponseWriter, r *http.Request, location, contact string) (one viewed, ok bool) {
	key, err := engine.ParseID(contact)
	if err != nil || p.Staff == nil || p.Locations(location) == nil || p.settings(location).Legacy {
		p.say(w, r, p.location(""), http.StatusNotFound, "not_found")
		return one, false
	}
	one.loc = p.location(location)
	if one.staff, err = p.Staff(r, location); err == nil && one.staff != "" { // a site around a sidebar vouches for nobody here
		one.person, err = linkgen.Person(r.Context(), p.Stores, location, key)
	}
	switch {
	case err != nil:
		p.fail(w, r, err)
	case one.person == nil:
		p.say(w, r, p.location(""), http.StatusNotFound, "not_found")
	case !one.person.HasAccess():
		p.tellIn(w, speak(r, one.loc, nil), one.loc, nil, http.StatusForbidden, "nothing_to_view")
	default:
		return one, true
	}
	return one, false
}

func (p *Portal) showView(w http.ResponseWriter, r *http.Request, one viewed) {
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	t := speak(r, one.loc, nil)
	page := doorPage{Contact: one.person.Key.String(), Location: one.loc.ID, Who: t.displayName(&one.person.Contact), Staff: one.staff, Back: "/"}
	if p.Console != nil {
		page.Back = p.Console(one.loc.ID)
	}
	if v.other(one.person) {
		page.Other, page.Over = t.displayName(&v.person.Contact), v.session.ID
	}
	p.pages.serve(w, t, one.loc, http.StatusOK, "door", t.say("view_as_learner"), page)
}

// view begins it: it is the button of that page.
func (p *Portal) view(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "contact", "location", "as")
	if !ok {
		return
	}
	one, ok := p.viewedBy(w, r, f.get("location"), f.get("contact"))
	if !ok {
		return
	}
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	// As in redeem: who signed in elsewhere meanwhile is asked again.
	if one.staff != f.get("as") || v.other(one.person) && v.session.ID != f.get("over") {
		p.showView(w, r, one)
		return
	}
	shard := one.person.Key.Shard()
	presented, fresh := p.presented(r), linkgen.NewSID(shard)
	err = p.Stores.For(shard).Update(r.Context(), func(tx engine.Tx) error {
		return p.Links.View(tx, linkgen.StaffView{Location: one.loc.ID, Contact: one.person.Key, As: one.staff, Presented: presented, Fresh: fresh,
			Now: engine.Tick(tx, p.Now()), Device: linkgen.Device(r.UserAgent()), Address: linkgen.CoarseAddress(p.client(r))})
	})
	var refused *linkgen.Refusal
	switch {
	case errors.As(err, &refused): // they lost their access this moment
		p.tellIn(w, speak(r, one.loc, nil), one.loc, nil, http.StatusForbidden, "nothing_to_view")
	case err != nil:
		p.fail(w, r, err)
	default:
		p.endElsewhere(r, presented, shard)
		p.setCookie(w, one.loc.ID, fresh)
		p.redirect(w, "/")
	}
}
