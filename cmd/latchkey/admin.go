package main

import (
	"context"
	"fmt"
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
			if len(rows) > 1 {
				err = fmt.Errorf("row %d: %w", n+1, err)
			}
			return console.ImportResult{}, fmt.Errorf("%w: %w", console.ErrInvalid, err)
		}
		contacts[n] = runner.ImportedContact(r)
	}
	added, err := i.runner.Import(ctx, location, contacts)
	if engine.IsFinal(err) {
		err = fmt.Errorf("%w: %w", console.ErrInvalid, err)
	}
	return console.ImportResult{Added: added, Updated: len(rows) - added}, err
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
	id, url, err := i.mint(ctx, old.Location, old.Contact.Shard(), func(tx engine.Tx, now time.Time) (string, engine.Secret, error) {
		return i.links.Mint(tx, engine.LinkRequest{Now: now, Location: old.Location, Contact: old.Contact, Ordinal: old.Ordinal, App: old.App, To: old.To, In: old.In,
			Run: old.Run, Workflow: old.Workflow, Step: old.Step, Channel: "hand", Bind: old.Bind})
	})
	return actions.Link{ID: id, URL: url}, err
}
