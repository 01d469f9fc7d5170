package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
	"latchkey/linkgen"
)

// This file answers what the pages ask beyond what the API gives: finding contacts, what became of links, figures.

// Search implements console.People.
func (i adminContacts) Search(ctx context.Context, q console.PeopleQuery) ([]engine.Person, error) {
	before, err := parseID("before", q.Before)
	if err != nil {
		return nil, err
	}
	return i.runner.People(ctx, i.cfg.Location, q.Text, before, q.Limit)
}

// adminBook knows what became of links.
type adminBook struct{ *site }

// Recent implements console.LinkBook.
func (b adminBook) Recent(ctx context.Context, q console.LinkQuery) ([]console.Link, error) {
	infos, err := b.links.Recent(ctx, b.stores, linkgen.RecentQuery{Location: b.cfg.Location, Kind: linkgen.Kind(q.Kind), Before: q.Before, Limit: q.Limit}, b.cfg.Now())
	if errors.Is(err, linkgen.ErrBadID) {
		return nil, linkError("", linkgen.ErrBadID)
	}
	if err != nil {
		return nil, err
	}
	out := make([]console.Link, 0, len(infos))
	names := map[engine.ID]string{}
	for _, info := range infos {
		l := b.linkOf(info)
		if key := info.Link.Contact; !key.IsZero() {
			name, known := names[key]
			if !known {
				p, err := b.runner.Person(ctx, b.cfg.Location, key)
				if err != nil {
					return nil, err
				}
				if p != nil {
					name = p.Contact.Name()
				}
				names[key] = name
			}
			l.Name = name
		}
		out = append(out, l)
	}
	return out, nil
}

// Timeline implements console.LinkBook.
func (b adminBook) Timeline(ctx context.Context, id string) ([]console.TrailLine, error) {
	if _, err := (adminLinks{b.site}).Link(ctx, id); err != nil { // of this location
		return nil, err
	}
	entries, err := b.links.Timeline(ctx, b.stores, id)
	if err != nil {
		return nil, linkError(id, err)
	}
	out := make([]console.TrailLine, 0, len(entries))
	for _, e := range entries {
		out = append(out, console.TrailLine{At: e.At, What: e.What, Says: trailSays(e)})
	}
	return out, nil
}

// trailSays tells one thing that happened to a link as a story does.
func trailSays(e linkgen.TrailEntry) string {
	why := func(before string) string {
		if e.Why == "" {
			return ""
		}
		return before + e.Why
	}
	var says string
	switch e.What {
	case linkgen.Minted:
		says = "Made" + why(" ")
	case linkgen.Sent:
		says = "The message with it went out" + why(": ")
	case linkgen.Fetched:
		says = "Fetched by what is probably no person" + why(": ") + "; that uses nothing up"
	case linkgen.Shown:
		says = "Its page was opened"
	case linkgen.Redeemed:
		says = "Somebody pressed Continue and was signed in"
	case linkgen.Refused:
		says = "It let nobody in" + why(": ")
	case linkgen.SessionEnded:
		says = "A session that it opened ended" + why(": ")
	case linkgen.HandedOff:
		says = "Its holder went on, signed in" + why(" to ")
	case linkgen.Ended:
		says = "Revoked" + why(" ")
	default:
		says = strings.TrimSpace(e.What + " " + e.Why)
	}
	if e.Device != "" {
		says += ", on " + e.Device
	}
	if e.Address != "" {
		says += ", from " + e.Address
	}
	if e.By != "" {
		says += ", by " + e.By
	}
	if e.Times > 1 {
		says += fmt.Sprintf(", %d times until %s", e.Times, e.Last.UTC().Format("15:04:05 MST"))
	}
	return says + "."
}

// Sessions implements console.LinkBook.
func (b adminBook) Sessions(ctx context.Context, _, ref string) ([]console.LinkSession, error) {
	p, err := b.person(ctx, ref)
	if err != nil {
		return nil, err
	}
	list, err := b.links.Sessions(ctx, b.stores, b.cfg.Location, p.Key, b.cfg.Now())
	if err != nil {
		return nil, err
	}
	out := make([]console.LinkSession, 0, len(list))
	for _, s := range list {
		out = append(out, console.LinkSession{ID: s.ID, Link: s.Link, Device: s.Device, Address: s.Address, As: s.As, Created: s.Created, Seen: s.Seen})
	}
	return out, nil
}

// End implements console.LinkBook.
func (b adminBook) End(ctx context.Context, _ string, w console.What) (console.Ended, error) {
	scope := linkgen.Scope{Location: b.cfg.Location, Workflow: w.Workflow}
	switch {
	case w.Contact != "":
		p, err := b.person(ctx, w.Contact)
		if err != nil {
			return console.Ended{}, err
		}
		scope.Contact = p.Key
	case w.Run != "":
		run, err := parseID("run", w.Run)
		if err != nil {
			return console.Ended{}, err
		}
		scope.Run = run
	}
	if err := b.links.RevokeScope(ctx, b.stores, scope, console.By(ctx), b.cfg.Now()); err != nil {
		return console.Ended{}, err
	}
	return console.Ended{On: scope.String(), Says: "All links of " + scope.String() + " have ended, and the sessions that they opened."}, nil
}

// counts returns when things happened, for the overview.
func (s *site) counts(ctx context.Context, q console.Query) (out console.Counts, err error) {
	f := runner.Filter{Location: s.cfg.Location, Limit: q.Limit, Since: q.Since}
	events, err := s.runner.Events(ctx, f)
	if err != nil {
		return out, err
	}
	for _, e := range events {
		out.Events = append(out.Events, e.At)
		if e.Type == "user_login" {
			out.SignIns = append(out.SignIns, e.At)
		}
	}
	tasks, err := s.runner.Tasks(ctx, f)
	if err != nil {
		return out, err
	}
	for _, t := range tasks {
		if t.State == engine.TaskFailed {
			out.Failed = append(out.Failed, t.Changed)
		}
		out.Messages = append(out.Messages, t.Created)
	}
	return out, nil
}

// apps lists what links may be for.
func (s *site) apps() (out []console.App) {
	for _, name := range slices.Sorted(slices.Values(s.inForce().loc.Apps)) {
		out = append(out, console.App{Name: name, URL: s.inForce().cfg.Apps[name].URL})
	}
	return out
}
