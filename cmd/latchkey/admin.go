package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
	"latchkey/linkgen"
)

// This file answers the console's questions with what the other rooms know.

func parseID(name, text string) (engine.ID, error) {
	if text == "" {
		return engine.ID{}, nil
	}
	id, err := engine.ParseID(text)
	if err != nil {
		return id, fmt.Errorf("%w: %s: %q is no id", console.ErrInvalid, name, text)
	}
	return id, nil
}

// person finds the one contact that text names.
func (i *site) person(ctx context.Context, text string) (*engine.Person, error) {
	keys, err := i.runner.Lookup(ctx, i.cfg.Location, text)
	if err != nil {
		return nil, err
	}
	switch len(keys) {
	case 0:
		return nil, fmt.Errorf("contact %q: %w", text, console.ErrNotFound)
	case 1:
	default:
		return nil, fmt.Errorf("%w: %d contacts have the address %q; give an id", console.ErrInvalid, len(keys), text)
	}
	p, err := i.runner.Person(ctx, i.cfg.Location, keys[0])
	if err == nil && p == nil {
		err = fmt.Errorf("contact %q: %w", text, console.ErrNotFound)
	}
	return p, err
}

type adminContacts struct{ *site }

// Contact implements console.Contacts.
func (i adminContacts) Contact(ctx context.Context, _, ref string) (*engine.Person, error) {
	return i.person(ctx, ref)
}

// Import implements console.Contacts.
func (i adminContacts) Import(ctx context.Context, location string, rows []console.Row) (console.ImportResult, error) {
	contacts := make([]runner.ImportedContact, len(rows))
	var cl cleaner
	for n, r := range rows {
		if err := cl.row(&r); err != nil {
			return console.ImportResult{}, fmt.Errorf("%w: row %d: %w", console.ErrInvalid, n+1, err)
		}
		contacts[n] = runner.ImportedContact(r)
	}
	added, err := i.runner.Import(ctx, location, contacts)
	if engine.IsFinal(err) {
		err = fmt.Errorf("%w: %w", console.ErrInvalid, err)
	}
	return console.ImportResult{Added: added, Updated: len(rows) - added}, err
}

type adminLinks struct{ *site }

// New implements console.Links.
func (i adminLinks) New(ctx context.Context, n console.NewLink) (console.Link, error) {
	ttl, err := i.checkNew(n)
	if err != nil {
		return console.Link{}, err
	}
	var id string
	var url engine.Secret
	switch n.Kind {
	case console.KindApp, console.KindUser:
		id, url, err = i.mintForNobody(ctx, n, ttl)
	default:
		p, findErr := i.person(ctx, n.Contact)
		if findErr != nil {
			return console.Link{}, findErr
		}
		id, url, err = i.mint(ctx, engine.LinkRequest{Location: i.cfg.Location, Contact: p.Key, App: n.App, To: n.To, TTL: ttl, Uses: n.Uses,
			Channel: "hand", ByHand: true, By: console.By(ctx), Bind: n.Bind != ""})
	}
	if err != nil {
		return console.Link{}, err
	}
	l, err := i.Link(ctx, id)
	l.URL = url.Reveal()
	return l, err
}

// checkNew refuses what no link can be, and returns how long it is to work; 0 is the default.
func (i adminLinks) checkNew(n console.NewLink) (ttl time.Duration, err error) {
	cfg := i.inForce().cfg
	switch _, known := cfg.Apps[n.App]; {
	case n.Uses < 0:
		return 0, fmt.Errorf("%w: uses is a number above zero", console.ErrInvalid)
	case n.Kind != console.KindLearner && n.Uses > 0:
		return 0, fmt.Errorf("%w: uses are counted of links for a contact", console.ErrInvalid)
	case !leadsSomewhere(n.To):
		return 0, fmt.Errorf("%w: to is product:, category: or lesson: and an id, as in product:go-101; not %q", console.ErrInvalid, n.To)
	case n.App != "" && !known:
		return 0, fmt.Errorf("%w: no app %q in latchkey.yaml", console.ErrInvalid, n.App)
	case n.TTL == "":
		return 0, nil
	}
	d, err := engine.ParseDuration(n.TTL)
	if err != nil {
		return 0, fmt.Errorf("%w: ttl: %v", console.ErrInvalid, err)
	}
	if n.Kind == console.KindLearner && d.Fixed() > cfg.Links.MaxTTL { // the others let nobody in by themselves
		return 0, fmt.Errorf("%w: ttl: links.max_ttl is %v", console.ErrInvalid, days(cfg.Links.MaxTTL))
	}
	return d.Fixed(), nil
}

// mintForNobody makes a link without a contact: to an app, or that of the location's staff.
func (i adminLinks) mintForNobody(ctx context.Context, n console.NewLink, ttl time.Duration) (id string, url engine.Secret, err error) {
	by, wall := console.By(ctx), i.cfg.Now()
	err = i.stores.For(0).Update(ctx, func(tx engine.Tx) (err error) {
		now := engine.Tick(tx, wall)
		if n.Kind == console.KindUser {
			id, url, err = i.links.MintUser(tx, linkgen.UserRequest{Now: now, Location: i.cfg.Location, By: by})
		} else {
			id, url, err = i.links.MintApp(tx, linkgen.AppRequest{Now: now, Location: i.cfg.Location, App: n.App, To: n.To, TTL: ttl, By: by})
		}
		return err
	})
	if err == nil {
		i.metrics.mintedByHand(i.cfg.Location)
	}
	return id, url, err
}

// leadsSomewhere reports whether a link made by hand may lead to that: nowhere in particular, or a noun with an id.
func leadsSomewhere(to string) bool {
	noun, id, _ := strings.Cut(to, ":")
	switch noun {
	case "product", "category", "lesson":
		return id != "" && strings.TrimSpace(id) == id
	}
	return to == ""
}

// days writes a length as users do: 30d and not 720h.
func days(d time.Duration) engine.Duration {
	const day = 24 * time.Hour
	return engine.Duration{Days: int(d / day), Rest: d % day}
}

// mint makes a link outside any message.
func (i *instance) mint(ctx context.Context, req engine.LinkRequest) (id string, url engine.Secret, err error) {
	wall := i.cfg.Now()
	err = i.stores.For(req.Contact.Shard()).Update(ctx, func(tx engine.Tx) (err error) {
		req.Now = engine.Tick(tx, wall)
		id, url, err = i.links.Mint(tx, req)
		return err
	})
	if err == nil {
		i.metrics.mintedByHand(req.Location)
	}
	return id, url, err
}

// renewLink makes another link for whom and where an older one was. It joins the same family: looking at a message
// in the outbox must not end the learner's links.
func (i *instance) renewLink(ctx context.Context, _ engine.ID, link string) (actions.Link, error) {
	info, err := i.links.Show(ctx, i.stores, link, i.cfg.Now())
	if err != nil {
		return actions.Link{}, err
	}
	old := info.Link
	if old.Kind != linkgen.Learner {
		return actions.Link{}, errStaffLink
	}
	id, url, err := i.mint(ctx, engine.LinkRequest{
		Location: old.Location, Contact: old.Contact, Ordinal: old.Ordinal, App: old.App, To: old.To,
		Run: old.Run, Workflow: old.Workflow, Step: old.Step, Channel: "hand",
	})
	return actions.Link{ID: id, URL: url}, err
}

// Link implements console.Links.
func (i adminLinks) Link(ctx context.Context, id string) (console.Link, error) {
	info, err := i.links.Show(ctx, i.stores, id, i.cfg.Now())
	if err == nil && info.Link.Location != i.cfg.Location {
		err = linkgen.ErrNoLink
	}
	if err != nil {
		return console.Link{}, linkError(id, err)
	}
	return i.linkOf(info), nil
}

func linkError(id string, err error) error {
	switch {
	case errors.Is(err, linkgen.ErrNoLink):
		return fmt.Errorf("link %s was never minted here: %w", id, console.ErrNotFound)
	case errors.Is(err, linkgen.ErrBadID):
		return fmt.Errorf("%w: that is no link's id; they begin with lnk_", console.ErrInvalid) // it may be a whole URL: not repeated
	}
	return err
}

func (i *site) linkOf(info linkgen.Info) console.Link {
	l := info.Link
	out := console.Link{
		ID: l.ID, Says: info.Summary(i.inForce().loc.Zone), State: string(info.State), Kind: string(l.Kind), Location: l.Location, By: l.By,
		App: l.App, To: l.To, Channel: l.Channel, Workflow: l.Workflow, Step: l.Step,
		Created: l.Created, Expires: l.Expires, Uses: info.Uses, MaxUses: l.MaxUses,
	}
	if !l.Contact.IsZero() {
		out.Contact = l.Contact.String()
	}
	if !l.Run.IsZero() {
		out.Run = l.Run.String()
	}
	return out
}

// Revoke implements console.Links.
func (i adminLinks) Revoke(ctx context.Context, id string) (console.Link, error) {
	sel, err := linkgen.ParseID(id)
	if err != nil {
		return console.Link{}, linkError(id, err)
	}
	if _, err := i.Link(ctx, id); err != nil { // of this location
		return console.Link{}, err
	}
	wall := i.cfg.Now()
	by := console.By(ctx)
	err = i.stores.For(sel.Shard()).Update(ctx, func(tx engine.Tx) error {
		return i.links.Revoke(tx, id, by, engine.Tick(tx, wall))
	})
	if err != nil {
		return console.Link{}, linkError(id, err)
	}
	return i.Link(ctx, id)
}

// OfContact implements console.Links.
func (i adminLinks) OfContact(ctx context.Context, _, ref string) ([]console.Link, error) {
	p, err := i.person(ctx, ref)
	if err != nil {
		return nil, err
	}
	infos, err := i.links.List(ctx, i.stores, i.cfg.Location, p.Key, 50, i.cfg.Now())
	if err != nil {
		return nil, err
	}
	out := make([]console.Link, 0, len(infos))
	for _, info := range infos {
		out = append(out, i.linkOf(info))
	}
	return out, nil
}
