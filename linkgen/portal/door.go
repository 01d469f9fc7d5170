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
	v, err := p.visitor(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	same := v.live && v.session.Link == door.Link.ID
	if door.Reason != linkgen.OK && !(door.Reason == linkgen.UsedUp && same) {
		p.dead(w, r, door, text, v)
		return
	}
	loc := p.location(door.Link.Location)
	t := speakTo(r, loc, door.Person)
	page := doorPage{Token: text, Who: t.mask(&door.Person.Contact)}
	if v.live && v.person.Key != door.Person.Key {
		page.Other = t.displayName(&v.person.Contact)
	}
	p.pages.serve(w, t, loc, http.StatusOK, "door", t.say("sign_in_to", loc.Name), page)
}

// redeem lets a learner in: it is the button of the link page.
func (p *Portal) redeem(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "t")
	if !ok {
		return
	}
	if tok, door, ok := p.look(w, r, f.get("t")); ok {
		p.enter(w, r, tok, door, f)
	}
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
	p.opened(r, door)
	if door.Reason == linkgen.Unknown || door.Link.Kind != linkgen.Learner {
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

// enter makes the session. The link is checked again inside the commit, whose answer is the one that counts.
func (p *Portal) enter(w http.ResponseWriter, r *http.Request, tok linkgen.Token, door linkgen.Door, f form) {
	shard := tok.Selector().Shard()
	presented, fresh := p.presented(r), linkgen.NewSID(shard)
	err := p.Redeemer.Redeem(r.Context(), shard, func(tx engine.Tx, now time.Time) (engine.Redemption, error) {
		return p.Links.Redeem(tx, linkgen.Visit{Token: tok, Door: door, Presented: presented, Fresh: fresh, Now: now})
	})
	var refused *linkgen.Refusal
	switch {
	case errors.As(err, &refused):
		p.Log.Info().Str("link", refused.Link.ID).Str("reason", string(refused.Reason)).Msg("link refused")
		v, err := p.visitor(r)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.dead(w, r, linkgen.Door{Link: refused.Link, Reason: refused.Reason, Person: door.Person}, f.get("t"), v)
		return
	case errors.Is(err, linkgen.ErrSignedIn):
	case err != nil:
		p.fail(w, r, err)
		return
	default:
		p.endElsewhere(r, presented, shard)
		p.setCookie(w, door.Link.Location, fresh)
	}
	p.leave(w, door.Link.Location, door.Link.App, door.Link.To, landing(door))
}

// landing returns the anchor on the client portal that a link leads to: a product's card, if the learner holds it.
// All else leads to its top.
func landing(d linkgen.Door) string {
	id, ok := strings.CutPrefix(d.Link.To, "product:")
	if !ok || d.Person == nil {
		return ""
	}
	if g := d.Person.Products[id]; g == nil || g.Removed {
		return ""
	}
	return anchor(id)
}

// anchor returns the id of a product's card, as an URL's fragment writes it. Browsers look for a fragment as it is
// written before they decode it.
func anchor(product string) string { return "product-" + url.PathEscape(product) }

// toPortal sends the browser to the client portal, at an anchor if there is one.
func (p *Portal) toPortal(w http.ResponseWriter, anchor string) {
	setHeaders(w, "", p.https())
	to := "/"
	if anchor != "" {
		to += "#" + anchor
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
