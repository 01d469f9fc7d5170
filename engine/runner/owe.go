package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"latchkey/engine"
)

const oweMost = 64 // of what is owed, read at once

// owe stores, beside the run, what the run did to a person of another partition. After the commit it is carried over; if the
// process dies in between, the next start does. The person's partition knows what it was given already.
func (s *scope) owe(p *engine.Person) error {
	before := s.have.people[p.Key]
	if before == nil {
		return fmt.Errorf("contact %s of another partition was changed and not read", p.Key)
	}
	was, is, any := engine.Difference(before, p)
	if !any {
		return nil
	}
	s.owes = true
	return engine.SaveOwed(s.tx, &was, &is, s.now)
}

// oweing is told that a transaction which owes something has ended: it is carried over now, or else by the loop that announces.
func (p *partition) oweing(ctx context.Context, r *Runner) {
	p.owed.Add(1)
	if err := r.pay(ctx, p); err != nil {
		if ctx.Err() == nil {
			r.cfg.Logger.Error().Err(err).Msg("what runs did to contacts of other partitions waits")
		}
		p.mu.Lock()
		p.unread = true
		p.mu.Unlock()
		signal(p.announce)
	}
}

// pay carries over all that a partition's runs did to persons of others. Two may do it at once: it counts once.
func (r *Runner) pay(ctx context.Context, p *partition) error {
	n := p.owed.Load()
	for p.paid.Load() != n {
		var owed []*engine.Owed
		var keys [][]byte
		err := p.store.View(ctx, func(tx engine.Tx) error {
			owed, keys = nil, nil
			tx.Scan(engine.SpaceOwed, nil, nil, func(k, v []byte) bool {
				o, err := engine.DecodeOwed(k, v)
				if err != nil {
					r.cfg.Logger.Error().Err(err).Hex("key", k).Msg("what a run did to its contact cannot be read and is left out")
				} else {
					owed = append(owed, o)
				}
				keys = append(keys, bytes.Clone(k))
				return len(keys) < oweMost
			})
			return nil
		})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			p.paid.Store(n)
			return nil
		}
		for _, o := range owed {
			if err := r.carry(ctx, o); err != nil {
				return fmt.Errorf("what a run did to contact %s: %w", o.Is.Key, err)
			}
		}
		err = p.store.Update(ctx, func(tx engine.Tx) error {
			for _, k := range keys {
				tx.Delete(engine.SpaceOwed, k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// carry does to a person what a run in another partition did. One who was absorbed since passes it on.
func (r *Runner) carry(ctx context.Context, o *engine.Owed) error {
	return r.update(ctx, r.partition(o.Is.Key), func(s *scope) error {
		person, err := s.person(o.Is.Location, o.Is.Key)
		switch {
		case errors.Is(err, ErrNoPerson): // they were forgotten
			return nil
		case errors.Is(err, engine.ErrRecord):
			r.cfg.Logger.Error().Err(err).Msg("what a run did to its contact is left out")
			return nil
		case err != nil || person == nil: // if it is nil it is fetched, and the transaction runs again
			return err
		}
		key := person.Key
		if r.partition(key) != s.p {
			key = o.Is.Key
		}
		if engine.SeenEvent(s.tx, o.Is.Location, key, o.Identity, s.now) {
			return nil
		}
		s.keep(engine.Carry(*person, o.Was, o.Is))
		if len(o.Was.Messages) > 0 {
			s.woken = append(s.woken, person.Key) // there may be room for another message
		}
		return nil
	})
}
