package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"latchkey/engine"
)

// absorb lets one contact take over another: access, ledger and past events. Runs and links stay under the old key, and
// find the new one through Person.Absorbed. Each of its commits may be repeated, so that a crash between
// them is mended by the next start.
func (r *Runner) absorb(ctx context.Context, a absorption) error {
	err := r.join(ctx, a)
	if err == nil {
		err = r.cfg.Stores.Global().Update(ctx, func(tx engine.Tx) error {
			tx.Delete(engine.SpaceDirectory, engine.Key(a.location, []byte{absorbing}, a.from[:]))
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("contact %s is to absorb %s: %w", a.to, a.from, err)
	}
	return nil
}

// join does it in one commit if both are in one partition. If not, the one that takes over comes first, so that nothing
// is lost if there is no second commit.
func (r *Runner) join(ctx context.Context, a absorption) error {
	from, to := r.partition(a.from), r.partition(a.to)
	var joined engine.Person
	if from == to {
		err := to.store.Update(ctx, func(tx engine.Tx) error {
			old, err := engine.LoadPerson(tx, a.location, a.from)
			if err != nil || old == nil || !old.Absorbed.IsZero() {
				return err
			}
			engine.MoveEvents(tx, a.location, a.from, a.to)
			var forward engine.Person
			if joined, forward, err = r.takeOver(tx, a, old); err != nil {
				return err
			}
			return engine.SavePerson(tx, &forward)
		})
		if err == nil {
			r.remind(to, &joined)
		}
		return err
	}
	var old *engine.Person
	var events map[string]string
	err := from.store.View(ctx, func(tx engine.Tx) (err error) {
		old, err = engine.LoadPerson(tx, a.location, a.from)
		events = eventsOf(tx, a.location, a.from)
		return err
	})
	if err != nil || old == nil || !old.Absorbed.IsZero() {
		return err
	}
	err = to.store.Update(ctx, func(tx engine.Tx) error {
		for k, v := range events {
			tx.Put(engine.SpacePeople, engine.Key(a.location, a.to[:], []byte(k)), []byte(v))
		}
		joined, _, err = r.takeOver(tx, a, old)
		return err
	})
	if err != nil {
		return err
	}
	r.remind(to, &joined)
	return r.leaveForward(ctx, a, from)
}

// takeOver stores the person that takes over, and returns them and what the other one becomes.
func (r *Runner) takeOver(tx engine.Tx, a absorption, old *engine.Person) (joined, forward engine.Person, err error) {
	p, err := engine.LoadPerson(tx, a.location, a.to)
	if err != nil {
		return joined, forward, err
	}
	if p == nil {
		p = &engine.Person{Key: a.to, Location: a.location}
	}
	joined, forward = engine.Absorb(*p, *old)
	had := p.HasAccess() || old.HasAccess()
	if err := r.lostAccess(tx, had, &joined, engine.Tick(tx, r.cfg.Now())); err != nil {
		return joined, forward, err
	}
	return joined, forward, engine.SavePerson(tx, &joined)
}

// leaveForward makes the old person a forward.
func (r *Runner) leaveForward(ctx context.Context, a absorption, from *partition) error {
	return from.store.Update(ctx, func(tx engine.Tx) error {
		old, err := engine.LoadPerson(tx, a.location, a.from)
		if err != nil {
			return err
		}
		_, forward := engine.Absorb(engine.Person{Key: a.to}, *old)
		return engine.SavePerson(tx, &forward)
	})
}

// eventsOf returns the identities of a person's past events by the end of their key.
func eventsOf(tx engine.Tx, location string, key engine.ID) map[string]string {
	events := map[string]string{}
	prefix := engine.Key(location, key[:])
	from := append(slices.Clone(prefix), 1) // 0 is the person itself
	tx.Scan(engine.SpacePeople, from, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		events[string(k[len(prefix):])] = string(v)
		return true
	})
	return events
}

// endStarts ends in the ledger those runs of other partitions that are over: they began under a key that the person
// absorbed, and their end is stored there alone. It returns nil if they must be looked at first.
func (s *scope) endStarts(p *engine.Person) *engine.Person {
	if len(s.r.parts) == 1 {
		return p
	}
	var ended map[string]engine.Start
	lacks := false
	for k, start := range p.Starts {
		if start.Ended || s.r.partition(start.Run) == s.p {
			continue
		}
		over, known := s.have.over[start.Run]
		if !known {
			s.lack.run(start.Run, p.Location)
			lacks = true
		}
		if over {
			if ended == nil {
				ended = maps.Clone(p.Starts)
			}
			start.Ended = true
			ended[k] = start
		}
	}
	switch {
	case lacks:
		return nil
	case ended == nil:
		return p
	}
	mended := *p
	mended.Starts = ended
	return &mended
}
