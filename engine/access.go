package engine

import (
	"maps"
	"slices"
	"time"
)

// The triggers that mean something to the core beyond starting workflows.
const (
	newSignUp            = "new_sign_up"
	offerAccessGranted   = "offer_access_granted"
	offerAccessRemoved   = "offer_access_removed"
	productAccessGranted = "product_access_granted"
	productAccessRemoved = "product_access_removed"
	userLogin            = "user_login"
)

// issueSpan is how far apart, by the publisher's clock, the events of one first purchase may be.
const issueSpan = 2 * time.Minute

// apply changes p by what the event says of profile and access. Maps are copied before they are changed.
func apply(p *Person, ev *Event, at time.Time) {
	applyContact(&p.Contact, &ev.Contact)
	a := access{p: p, at: at}
	switch ev.Type {
	case newSignUp:
		a.grant(ev.Offer, ev.Product, false)
	case offerAccessGranted, productAccessGranted:
		a.grant(ev.Offer, ev.Product, true)
	case offerAccessRemoved:
		a.removeOffer(ev.Offer)
	case productAccessRemoved:
		a.removeProduct(ev.Product)
	case userLogin:
	default: // progress proves access
		a.prove(ev.Offer, ev.Product)
		p.Progress = p.Progress.after(ev, at)
	}
	retitle(&p.Offers, ev.Offer)
	retitle(&p.Products, ev.Product)
}

// applyContact takes over what c says; what it does not say stays. A custom field given as null is forgotten.
func applyContact(to, c *Contact) {
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&to.ID, c.ID}, {&to.Email, c.Email}, {&to.Phone, c.Phone}, {&to.FirstName, c.FirstName}, {&to.LastName, c.LastName},
		{&to.Timezone, c.Timezone}, {&to.Locale, c.Locale},
	} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if c.Consent.Email != nil {
		to.Consent.Email = c.Consent.Email
	}
	if c.Consent.SMS != nil {
		to.Consent.SMS = c.Consent.SMS
	}
	if len(c.Custom) > 0 {
		to.Custom = mergeCustom(to.Custom, c.Custom)
	}
}

// access applies grants and removals, in stream order, to a person.
type access struct {
	p  *Person
	at time.Time
}

// grant gives what is named. Unless it revives, what was removed stays so, and with an offer the product that would
// come with it.
func (a access) grant(offer, product *Noun, revive bool) {
	via := ""
	if offer != nil {
		g, ok := a.p.Offers[offer.ID]
		if ok && g.Removed && !revive {
			return
		}
		if !ok || g.Removed {
			put(&a.p.Offers, offer.ID, Grant{Title: offer.Title, At: a.at})
			a.p.SignedUp = true
		}
		via = offer.ID
	}
	if product != nil {
		a.grantProduct(product, via, revive)
	}
}

func (a access) grantProduct(product *Noun, via string, revive bool) {
	g := Grant{Title: product.Title, At: a.at}
	if old, ok := a.p.Products[product.ID]; ok && !old.Removed {
		g = *old
	} else if ok && !revive {
		return
	}
	if via == "" {
		g.Direct = true
	} else if !slices.Contains(g.Via, via) {
		g.Via = append(slices.Clone(g.Via), via)
	}
	put(&a.p.Products, product.ID, g)
	a.p.SignedUp = true
}

// prove gives the product of a progress event to a contact of whom nothing is known about it.
func (a access) prove(offer, product *Noun) {
	if product == nil || a.p.Products[product.ID] != nil {
		return
	}
	via := ""
	if offer != nil {
		if g := a.p.Offers[offer.ID]; g != nil && g.Removed {
			return
		}
		via = offer.ID
	}
	a.grantProduct(product, via, false)
}

// removeOffer takes the offer, and each product that came with it and with nothing else.
func (a access) removeOffer(offer *Noun) {
	if offer == nil {
		return
	}
	a.remove(&a.p.Offers, offer)
	for _, id := range slices.Sorted(maps.Keys(a.p.Products)) {
		g := *a.p.Products[id]
		i := slices.Index(g.Via, offer.ID)
		if i < 0 {
			continue
		}
		g.Via = slices.Delete(slices.Clone(g.Via), i, i+1)
		if len(g.Via) == 0 {
			g.Via = nil
			if !g.Direct {
				g.Removed, g.At = true, a.at
			}
		}
		put(&a.p.Products, id, g)
	}
}

func (a access) removeProduct(product *Noun) {
	if product != nil {
		a.remove(&a.p.Products, product)
	}
}

// remove remembers the removal even of what was never granted, so that a sign-up that comes late does not grant it.
func (a access) remove(m *map[string]*Grant, n *Noun) {
	g := Grant{Title: n.Title, At: a.at, Removed: true}
	if old, ok := (*m)[n.ID]; ok {
		if old.Removed {
			return
		}
		g.Title = old.Title
	}
	put(m, n.ID, g)
}

// put stores g in a copy of the map.
func put(m *map[string]*Grant, id string, g Grant) {
	c := make(map[string]*Grant, len(*m)+1)
	maps.Copy(c, *m)
	c[id] = &g
	*m = c
}

// retitle keeps the newest title of what the person has a record of.
func retitle(m *map[string]*Grant, n *Noun) {
	if n == nil || n.Title == "" {
		return
	}
	if old, ok := (*m)[n.ID]; ok && old.Title != n.Title {
		g := *old
		g.Title = n.Title
		put(m, n.ID, g)
	}
}

// issueOf returns the ordinal under which links for the event are minted. The events of a first purchase share the
// first one's, so that they do not kill one another's links.
func issueOf(p *Person, ev *Event, at time.Time) uint64 {
	switch ev.Type {
	case newSignUp, offerAccessGranted, productAccessGranted:
	default:
		return ev.Ordinal
	}
	if p.Issue.Ordinal != 0 && p.Issue.At.Sub(at).Abs() <= issueSpan {
		return p.Issue.Ordinal
	}
	p.Issue = Issue{Ordinal: ev.Ordinal, At: at}
	return ev.Ordinal
}

// Absorb joins a provisional contact, known by its address only, to the one that turns out to hold the address. It returns
// both as they are afterwards: from only forwards to p, and knows its own runs. It changes none of its arguments.
func Absorb(p, from Person) (Person, Person) {
	c := from.Contact
	applyContact(&c, &p.Contact) // what p says wins
	p.Contact = c
	p.Offers = joinGrants(p.Offers, from.Offers)
	p.Products = joinGrants(p.Products, from.Products)
	starts := maps.Clone(p.Starts)
	for k, s := range from.Starts {
		if mine, ok := starts[k]; !ok || mine.At.Before(s.At) {
			if starts == nil {
				starts = make(map[string]Start, len(from.Starts))
			}
			starts[k] = s
		}
	}
	p.Starts = starts
	p.Tags = tagged(p.Tags, Tag{Add: from.Tags})
	p.Messages = joinMessages(p.Messages, from.Messages)
	p.Asked = joinAsked(p.Asked, from.Asked)
	p.Gatherings = joinGatherings(p.Gatherings, from.Gatherings)
	p.Watches = joinWatches(p.Watches, from.Watches)
	p.Progress = joinProgress(p.Progress, from.Progress)
	p.SignedUp = p.SignedUp || from.SignedUp
	if p.Since.IsZero() || !from.Since.IsZero() && from.Since.Before(p.Since) {
		p.Since = from.Since
	}
	if p.Issue.Ordinal < from.Issue.Ordinal {
		p.Issue = from.Issue
	}
	p.Took = slices.Concat(p.Took, []ID{from.Key}, from.Took)
	return p, Person{Key: from.Key, Location: from.Location, Since: from.Since, Absorbed: p.Key, Listens: from.Listens, Wakes: from.Wakes}
}

// joinGrants takes of each pair the later; two that hold join their reasons.
func joinGrants(a, b map[string]*Grant) map[string]*Grant {
	for id, g := range b {
		mine, ok := a[id]
		switch {
		case !ok || g.Removed != mine.Removed && mine.At.Before(g.At):
			put(&a, id, *g)
		case !g.Removed && !mine.Removed:
			j := *mine
			j.Direct = j.Direct || g.Direct
			j.Via = slices.Compact(slices.Sorted(slices.Values(slices.Concat(j.Via, g.Via))))
			put(&a, id, j)
		}
	}
	return a
}
