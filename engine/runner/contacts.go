package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"latchkey/engine"
)

// An ImportedContact is a learner that the site already has, and what was granted.
type ImportedContact struct {
	Contact  engine.Contact `json:"contact"` // needs ID or Email
	Offers   []engine.Noun  `json:"offers,omitempty"`
	Products []engine.Noun  `json:"products,omitempty"`
}

// Import adds and updates contacts. It removes nothing, starts nothing and may be run again: access that was taken away
// since stays away. It returns how many of them were not known before. An error says which contact it is about, by its
// place in the list, and is engine.Final if it is about what the contact says; those of full chunks of chunkEvents before
// it are stored.
func (r *Runner) Import(ctx context.Context, location string, contacts []ImportedContact) (added int, err error) {
	if err := r.awaitReady(ctx); err != nil {
		return 0, err
	}
	done := 0
	for part := range slices.Chunk(contacts, chunkEvents) {
		n, err := r.importChunk(ctx, location, part, done)
		added += n
		if err != nil {
			return added, err
		}
		done += len(part)
	}
	return added, nil
}

func (r *Runner) importChunk(ctx context.Context, location string, contacts []ImportedContact, before int) (added int, err error) {
	if err := r.lock(ctx); err != nil {
		return 0, err
	}
	defer r.unlock()
	keys := make([]engine.ID, len(contacts))
	err = r.directory(ctx, func(d *resolver) (err error) {
		for i := range contacts {
			keys[i], err = d.resolve(location, &contacts[i].Contact)
			if errors.Is(err, errAmbiguous) || errors.Is(err, errTooLong) || errors.Is(err, errNobody) {
				err = engine.Final(err)
			}
			if err != nil {
				return fmt.Errorf("contact %d: %w", before+i+1, err)
			}
		}
		return nil
	}, func(from, to engine.ID) {
		for i, k := range keys {
			if k == from {
				keys[i] = to
			}
		}
	})
	if err != nil {
		return 0, err
	}
	if err := r.learn(ctx, productsOf(location, contacts)); err != nil {
		return 0, err
	}
	for _, p := range r.parts {
		var mine []int
		for i, k := range keys {
			if r.partition(k) == p {
				mine = append(mine, i)
			}
		}
		if len(mine) == 0 {
			continue
		}
		fresh := 0
		err := r.update(ctx, p, func(s *scope) error {
			fresh = 0
			for _, i := range mine {
				isNew, err := s.importOne(location, keys[i], &contacts[i])
				if err != nil {
					return fmt.Errorf("contact %d: %w", before+i+1, err)
				}
				if isNew {
					fresh++
				}
			}
			return nil
		})
		if err != nil {
			return added, err
		}
		added += fresh
	}
	return added, nil
}

// productsOf names the contacts' products as events would.
func productsOf(location string, contacts []ImportedContact) (events []planned) {
	for i := range contacts {
		for j := range contacts[i].Products {
			events = append(events, planned{ev: &engine.Event{Location: location, Product: &contacts[i].Products[j]}})
		}
	}
	return events
}

func (s *scope) importOne(location string, key engine.ID, c *ImportedContact) (isNew bool, err error) {
	have, err := s.person(location, key)
	switch {
	case errors.Is(err, ErrNoPerson):
		have, isNew = &engine.Person{Key: key, Location: location, Since: s.now}, true
	case err != nil || have == nil:
		return false, err
	}
	// To the core a contact that a site already has is one who signs up where no workflow is: that grants what was never
	// granted, and does not undo a removal.
	nobody := engine.NewSet(nil, nil)
	p := *have
	tell := func(ev engine.Event) {
		ev.Location, ev.Time, ev.Contact = location, s.now, c.Contact
		p, _, _, _ = engine.Plan(nobody, p, ev, s.now)
	}
	tell(engine.Event{Type: "user_login"}) // the profile alone
	for i := range c.Offers {
		tell(engine.Event{Type: "new_sign_up", Offer: &c.Offers[i]})
	}
	for i := range c.Products {
		tell(engine.Event{Type: "new_sign_up", Product: &c.Products[i]})
	}
	p.Issue = have.Issue
	s.moved(have, &p)
	s.keep(p)
	return isNew, nil
}

// Lookup returns the keys of the contacts that text names: a key, the site's own id, or an e-mail address
// (which several may share). None is no error.
func (r *Runner) Lookup(ctx context.Context, location, text string) ([]engine.ID, error) {
	if key, err := engine.ParseID(text); err == nil {
		p, err := r.Person(ctx, location, key)
		if err != nil || p != nil {
			return []engine.ID{key}, err
		}
	}
	var keys []engine.ID
	err := r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) error {
		keys = nil
		d := &resolver{tx: tx, readOnly: true}
		if e, known, err := d.id(location, text); err != nil || known {
			keys = append(keys, e.key)
			return err
		}
		var err error
		keys, err = d.holders(location, normal(text))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up contact: %w", err)
	}
	return keys, nil
}

// holders returns the keys of the contacts that hold an address.
func (d *resolver) holders(location, email string) (keys []engine.ID, err error) {
	a, err := d.address(location, email)
	if err != nil {
		return nil, err
	}
	if !a.provisional.IsZero() {
		keys = append(keys, a.provisional)
	}
	ids, err := a.first(math.MaxInt)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		e, _, err := d.id(location, id)
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.key)
	}
	return keys, nil
}

// Person returns the person of that key, or of the contact that absorbed it, or nil.
func (r *Runner) Person(ctx context.Context, location string, key engine.ID) (*engine.Person, error) {
	for {
		var p *engine.Person
		err := r.partition(key).store.View(ctx, func(tx engine.Tx) (err error) {
			p, err = engine.LoadPerson(tx, location, key)
			return err
		})
		if err != nil || p == nil || p.Absorbed.IsZero() {
			return p, err
		}
		key = p.Absorbed
	}
}
