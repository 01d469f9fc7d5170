package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// This file answers the console's questions about links.

type adminLinks struct{ *site }

// New implements console.Links.
func (i adminLinks) New(ctx context.Context, n console.NewLink) (console.Link, error) {
	ttl, err := i.checkLink(n)
	if err != nil {
		return console.Link{}, err
	}
	shard, by := uint16(0), console.By(ctx)
	var minting minter
	switch n.Kind {
	case console.KindLearner:
		p, err := i.person(ctx, n.Contact)
		if err != nil {
			return console.Link{}, err
		}
		shard = p.Key.Shard()
		minting = func(tx engine.Tx, now time.Time) (string, engine.Secret, error) {
			return i.links.Mint(tx, engine.LinkRequest{Now: now, Location: i.cfg.Location, Contact: p.Key, App: n.App, To: n.To, TTL: ttl,
				Uses: n.Uses, Bind: n.Bind != "", Channel: "hand", ByHand: true, By: by})
		}
	case console.KindApp:
		minting = func(tx engine.Tx, now time.Time) (string, engine.Secret, error) {
			return i.links.MintApp(tx, linkgen.AppRequest{Now: now, Location: i.cfg.Location, App: n.App, To: n.To, TTL: ttl, By: by})
		}
	case console.KindUser:
		minting = func(tx engine.Tx, now time.Time) (string, engine.Secret, error) {
			return i.links.MintUser(tx, linkgen.UserRequest{Now: now, Location: i.cfg.Location, By: by})
		}
	}
	id, url, err := i.mint(ctx, i.cfg.Location, shard, minting)
	if err != nil {
		return console.Link{}, err
	}
	l, err := i.Link(ctx, id)
	l.URL = url.Reveal()
	return l, err
}

// checkLink returns how long a link that is asked for is to work, or what is wrong with it.
func (i adminLinks) checkLink(n console.NewLink) (ttl time.Duration, err error) {
	bad := func(format string, args ...any) (time.Duration, error) {
		return 0, fmt.Errorf("%w: "+format, append([]any{console.ErrInvalid}, args...)...)
	}
	cfg := i.inForce().cfg
	_, _, leads := linkgen.ParseTo(n.To)
	switch {
	case n.Kind != console.KindLearner && n.Kind != console.KindApp && n.Kind != console.KindUser:
		return bad("kind is learner, app or user; not %q", n.Kind)
	case n.Uses < 0:
		return bad("uses is a number above zero")
	case n.Kind != console.KindLearner && n.Uses > 0:
		return bad("only a learner's link has a number of uses: others let nobody in by themselves")
	case n.Kind != console.KindLearner && n.Bind != "":
		return bad("only a learner's link can be bound to a browser")
	case n.Bind != "" && n.Bind != "browser":
		return bad("bind is browser; not %q", n.Bind)
	case n.Kind == console.KindUser && len(cfg.Links.Embed.Hosts)+len(cfg.Links.Embed.Locations) == 0:
		return bad("links.embed in latchkey.yaml names no hosts: the user link could be opened nowhere")
	case n.Kind == console.KindUser && (n.App != "" || n.To != "" || n.TTL != ""):
		return bad("the user link takes no app, to or ttl: it works until the next one is made")
	case n.To != "" && !leads:
		return bad("to is product:, category: or lesson: and an id, as in product:go-101; not %q", n.To)
	}
	if _, ok := cfg.Apps[n.App]; n.App != "" && !ok {
		if near := engine.Nearest(n.App, slices.Sorted(maps.Keys(cfg.Apps))); near != "" {
			return bad("no app %q in latchkey.yaml; did you mean %s?", n.App, near)
		}
		return bad("no app %q in latchkey.yaml", n.App)
	}
	if n.TTL == "" {
		return 0, nil
	}
	d, err := engine.ParseDuration(n.TTL)
	if err != nil {
		return bad("ttl: %v", err)
	}
	if ttl = d.Fixed(); n.Kind == console.KindLearner && ttl > cfg.Links.MaxTTL {
		return bad("ttl: %s is longer than the longest allowed, %s (links.max_ttl)", n.TTL, days(cfg.Links.MaxTTL))
	}
	return ttl, nil
}

// days writes a length as users do: 30d, and neither 720h nor 4w2d.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return engine.Duration{Days: int(d / day), Rest: d % day}.String()
}

// A minter makes a link in a transaction.
type minter func(tx engine.Tx, now time.Time) (id string, url engine.Secret, err error)

// mint makes a link outside any message.
func (i *instance) mint(ctx context.Context, location string, shard uint16, minting minter) (id string, url engine.Secret, err error) {
	wall := i.cfg.Now()
	err = i.stores.For(shard).Update(ctx, func(tx engine.Tx) (err error) {
		id, url, err = minting(tx, engine.Tick(tx, wall))
		return err
	})
	if err == nil {
		i.metrics.mintedByHand(location)
	}
	return id, url, err
}

// Link implements console.Links.
func (i adminLinks) Link(ctx context.Context, id string) (console.Link, error) {
	info, err := i.linkHere(ctx, id)
	if err != nil {
		return console.Link{}, linkError(id, err)
	}
	out := i.linkOf(info)
	if !info.Link.Contact.IsZero() {
		p, err := linkgen.Person(ctx, i.stores, info.Link.Location, info.Link.Contact)
		if err != nil {
			return console.Link{}, err
		}
		if p != nil {
			out.Who = strings.TrimSpace(p.Contact.ID + " " + cmp.Or(p.Contact.Email, p.Contact.Phone))
		}
	}
	return out, nil
}

// linkHere returns what is known of a link of this location.
func (i *site) linkHere(ctx context.Context, id string) (linkgen.Info, error) {
	info, err := i.links.Show(ctx, i.stores, id, i.cfg.Now())
	if err == nil && info.Link.Location != i.cfg.Location {
		err = linkgen.ErrNoLink
	}
	return info, err
}

// neverMinted is the error of a link's id that no link has.
type neverMinted string

func (id neverMinted) Error() string     { return "link " + string(id) + " was never minted here" }
func (neverMinted) Is(target error) bool { return target == console.ErrNotFound }

func linkError(id string, err error) error {
	switch {
	case errors.Is(err, linkgen.ErrNoLink):
		return neverMinted(id)
	case errors.Is(err, linkgen.ErrBadID):
		return fmt.Errorf("%w: that is no link's id; they begin with lnk_", console.ErrInvalid) // it may be a whole URL: not repeated
	}
	return err
}

// genuine implements console.Config.Genuine.
func (i *site) genuine(ctx context.Context, id string, token engine.Secret) (bool, error) {
	tok, err := linkgen.ParseToken(token.Reveal())
	if err != nil || tok.Selector().ID() != id {
		return false, nil
	}
	return i.links.Genuine(ctx, i.stores, tok)
}

func (i *site) linkOf(info linkgen.Info) console.Link {
	l := info.Link
	out := console.Link{
		ID: l.ID, Says: info.Summary(i.inForce().loc.Zone), State: string(info.State), Kind: string(l.Kind), Location: l.Location,
		App: l.App, To: l.To, In: l.In, Channel: l.Channel, By: l.By, Workflow: l.Workflow, Step: l.Step,
		Created: l.Created, Expires: l.Expires, Uses: info.Uses, MaxUses: l.MaxUses, Sessions: info.Sessions,
	}
	if !l.Contact.IsZero() {
		out.Contact = l.Contact.String()
	}
	if !l.Run.IsZero() {
		out.Run = l.Run.String()
	}
	if l.Bind {
		out.Bind = "browser"
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
	err = i.stores.For(sel.Shard()).Update(ctx, func(tx engine.Tx) error {
		return i.links.Revoke(tx, id, console.By(ctx), engine.Tick(tx, wall))
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
	return i.linksOf(infos), nil
}

func (i *site) linksOf(infos []linkgen.Info) []console.Link {
	out := make([]console.Link, 0, len(infos))
	for _, info := range infos {
		out = append(out, i.linkOf(info))
	}
	return out
}

type adminBook struct{ *site }

// Recent implements console.LinkBook.
func (i adminBook) Recent(ctx context.Context, q console.LinkQuery) ([]console.Link, error) {
	infos, err := i.links.Recent(ctx, i.stores, i.cfg.Location, linkgen.Kind(q.Kind), q.Before, q.Limit, i.cfg.Now())
	if err != nil {
		return nil, linkError(q.Before, err)
	}
	return i.linksOf(infos), nil
}

// Timeline implements console.LinkBook.
func (i adminBook) Timeline(ctx context.Context, id string) ([]console.TrailLine, error) {
	if _, err := i.linkHere(ctx, id); err != nil {
		return nil, linkError(id, err)
	}
	entries, err := i.links.Timeline(ctx, i.stores, id)
	if err != nil {
		return nil, linkError(id, err)
	}
	out := make([]console.TrailLine, 0, len(entries))
	for _, e := range entries {
		out = append(out, console.TrailLine{At: e.At, What: e.What, Says: e.Says()})
	}
	return out, nil
}

// Sessions implements console.LinkBook.
func (i adminBook) Sessions(ctx context.Context, _, ref string) ([]console.LinkSession, error) {
	p, err := i.person(ctx, ref)
	if err != nil {
		return nil, err
	}
	all, err := i.links.Sessions(ctx, i.stores, i.cfg.Location, p.Key, i.cfg.Now())
	if err != nil {
		return nil, err
	}
	out := make([]console.LinkSession, 0, len(all))
	for _, s := range all {
		out = append(out, console.LinkSession{ID: s.ID, Link: s.Link, Device: s.Device, Address: s.Address, As: s.As, Created: s.Created, Seen: s.Seen})
	}
	return out, nil
}

// End implements console.LinkBook.
func (i adminBook) End(ctx context.Context, _ string, w console.What) (console.Ended, error) {
	scope, err := i.scope(ctx, w)
	if err != nil {
		return console.Ended{}, err
	}
	if err := i.links.RevokeScope(ctx, i.stores, scope, console.By(ctx), i.cfg.Now()); err != nil {
		return console.Ended{}, err
	}
	says := fmt.Sprintf("All links and sessions of %s are ended.", scope)
	if scope.Everything {
		says = "All links and sessions of all locations, those of staff too, are ended."
	}
	if scope.Workflow != "" && !slices.Contains(i.workflowIDs(), scope.Workflow) {
		says = fmt.Sprintf("There is no workflow %s. If there was one, all links and sessions of it are ended.", scope.Workflow)
	}
	return console.Ended{On: scope.String(), Says: says + " What is made from now on works."}, nil
}

// scope finds what is meant, so that a typing mistake does not pass for something done.
func (i adminBook) scope(ctx context.Context, w console.What) (linkgen.Scope, error) {
	s := linkgen.Scope{Location: i.cfg.Location}
	switch {
	case w.Everything:
		return linkgen.Scope{Everything: true}, nil
	case w.Contact != "":
		p, err := i.person(ctx, w.Contact)
		if err != nil {
			return s, err
		}
		s.Contact = p.Key
	case w.Run != "":
		id, err := parseID("run", w.Run)
		if err != nil {
			return s, err
		}
		var run *engine.Run
		err = i.stores.For(id.Shard()).View(ctx, func(tx engine.Tx) (err error) {
			run, err = engine.LoadRun(tx, i.cfg.Location, id)
			return err
		})
		if err == nil && run == nil {
			err = fmt.Errorf("run %s: %w", id, console.ErrNotFound)
		}
		if err != nil {
			return s, err
		}
		s.Run = id
	case w.Workflow != "":
		names := i.workflowIDs()
		// One whose file is gone has links too.
		if near := engine.Nearest(w.Workflow, names); near != "" && !slices.Contains(names, w.Workflow) {
			return s, fmt.Errorf("%w: no workflow %q; did you mean %s?", console.ErrInvalid, w.Workflow, near)
		}
		s.Workflow = w.Workflow
	}
	return s, nil
}

// workflowIDs lists the workflows in force.
func (i adminBook) workflowIDs() (ids []string) {
	for _, f := range i.inForce().set().Workflows {
		ids = append(ids, f.ID)
	}
	return ids
}
