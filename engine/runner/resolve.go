package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"latchkey/engine"
)

// A letter is an event that goes to the dead letters.
type letter struct {
	ev     *engine.Event
	reason string
}

// resolve finds the contacts of the events beyond floor and sends the dead letters among them. A directory that
// knows all of them is only read; else everything new of the batch is one commit.
func (r *Runner) resolve(ctx context.Context, events []engine.Event, floor uint64) ([]planned, error) {
	var todo []planned
	var letters []letter
	for i := range events {
		ev := &events[i]
		set := r.place(ev.Location).set.Load()
		switch {
		case ev.Ordinal <= floor:
		case set == nil:
			letters = append(letters, letter{ev, causeNoPlace})
		case ev.Depth >= maxDepth:
			letters = append(letters, letter{ev, causeLoop})
		default:
			todo = append(todo, planned{ev: ev, set: set})
		}
	}
	todo, more, err := r.findContacts(ctx, todo)
	if err != nil {
		return nil, err
	}
	for _, l := range append(letters, more...) {
		if err := r.dead(ctx, *l.ev, l.reason); err != nil {
			return nil, err
		}
	}
	return todo, nil
}

// findContacts sets the keys of the events and returns those that have one.
func (r *Runner) findContacts(ctx context.Context, events []planned) (found []planned, letters []letter, err error) {
	if len(events) == 0 {
		return nil, nil, nil
	}
	all := func(d *resolver) error {
		found, letters = make([]planned, 0, len(events)), nil
		for _, e := range events {
			key, err := d.resolve(e.ev.Location, &e.ev.Contact)
			switch {
			case errors.Is(err, errAmbiguous), errors.Is(err, errTooLong), errors.Is(err, errNobody):
				letters = append(letters, letter{e.ev, err.Error()})
				continue
			case err != nil:
				return err
			}
			e.key = key
			found = append(found, e)
		}
		return nil
	}
	err = r.directory(ctx, all, func(from, to engine.ID) {
		for i := range found {
			if found[i].key == from {
				found[i].key = to
			}
		}
	})
	return found, letters, err
}

// directory runs fn against the directory: reading, and again in a commit if it must write. It then does what absorbing
// is to be done, telling moved. The caller has the lock.
func (r *Runner) directory(ctx context.Context, fn func(*resolver) error, moved func(from, to engine.ID)) error {
	global := r.parts[0].store
	var pending []absorption // of an earlier call that failed after its commit
	err := global.View(ctx, func(tx engine.Tx) error {
		pending = pendingAbsorptions(tx, r.locations())
		return fn(&resolver{tx: tx, readOnly: true})
	})
	if errors.Is(err, errMustWrite) {
		wall, nonce := r.cfg.Now(), rand.Text()
		err = global.Update(ctx, func(tx engine.Tx) error {
			err := fn(&resolver{tx: tx, now: engine.Tick(tx, wall), nonce: nonce})
			pending = pendingAbsorptions(tx, r.locations())
			return err
		})
	}
	if err != nil {
		return err
	}
	for _, a := range pending {
		if err := r.absorb(ctx, a); err != nil {
			return err
		}
		moved(a.from, a.to)
	}
	return nil
}

// locations returns the ids of all locations that are configured.
func (r *Runner) locations() []string {
	r.places.Lock()
	defer r.places.Unlock()
	return slices.Sorted(maps.Keys(r.places.m))
}
