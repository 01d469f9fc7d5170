package linkgen

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"latchkey/engine"
)

// sweepMost is how many links one commit of Sweep looks at, so that others are not held up.
const sweepMost = 200

// Sweep deletes what is over for good: links that expired before a time, or that no contact has and were revoked before it,
// with their uses and timelines; the sessions of their contacts and of staff that ended; what staff did before it; what may be
// used once and no longer be used at all. Call it now and then, with a time that lies as far back as history is kept. It may
// be interrupted at any point.
func (l *Links) Sweep(ctx context.Context, stores engine.Stores, before, now time.Time) error {
	for _, s := range stores.All() {
		for from := []byte(nil); ; {
			old, next, err := expired(ctx, s, from, before)
			if err != nil {
				return fmt.Errorf("sweep links: %w", err)
			}
			if len(old) > 0 {
				if err := s.Update(ctx, func(tx engine.Tx) error { return l.forget(tx, old, now) }); err != nil {
					return fmt.Errorf("sweep links: %w", err)
				}
			}
			if next == nil {
				break
			}
			from = next
		}
		for _, part := range []func(engine.Tx, []byte) ([]byte, error){
			func(tx engine.Tx, from []byte) ([]byte, error) { return sweepNonces(tx, from, now) },
			func(tx engine.Tx, from []byte) ([]byte, error) { return sweepAudit(tx, from, before) },
			func(tx engine.Tx, from []byte) ([]byte, error) { return sweepRuns(tx, from, before) },
		} {
			if err := sweepBy(ctx, s, part); err != nil {
				return fmt.Errorf("sweep links: %w", err)
			}
		}
	}
	return nil
}

// sweepBy calls part in commits of their own until it has gone through all.
func sweepBy(ctx context.Context, s engine.Store, part func(tx engine.Tx, from []byte) (next []byte, err error)) error {
	for from := []byte(nil); ; {
		var next []byte
		err := s.Update(ctx, func(tx engine.Tx) (err error) {
			next, err = part(tx, from)
			return err
		})
		if err != nil || next == nil {
			return err
		}
		from = next
	}
}

// sweepSpace deletes of the next records of a space those that are over, and returns where to go on; nil at the end.
func sweepSpace(tx engine.Tx, space engine.Space, from []byte, over func(key, value []byte) (bool, error)) (next []byte, err error) {
	n := 0
	var drop [][]byte
	tx.Scan(space, from, nil, func(k, v []byte) bool {
		if n++; n > sweepMost {
			next = bytes.Clone(k)
			return false
		}
		var is bool
		if is, err = over(k, v); is {
			drop = append(drop, bytes.Clone(k))
		}
		return err == nil
	})
	for _, k := range drop {
		tx.Delete(space, k)
	}
	return next, err
}

// revokedKept is how long it is remembered that the links of a run were ended: longer than any link lives.
const revokedKept = 400 * 24 * time.Hour

// sweepRuns deletes what ended the links of runs so long ago that none of them is left.
func sweepRuns(tx engine.Tx, from []byte, before time.Time) ([]byte, error) {
	return sweepSpace(tx, engine.SpaceRevoked, from, func(k, v []byte) (bool, error) {
		_, what, _ := bytes.Cut(k, []byte{0})
		if !bytes.HasPrefix(what, []byte("run\x00")) {
			return false, nil
		}
		var r revocation
		if _, err := decode(engine.SpaceRevoked, v, &r); err != nil || len(r.Ends) == 0 {
			return false, err
		}
		return r.Ends[len(r.Ends)-1].At.Before(before.Add(-revokedKept)), nil
	})
}

// expired returns the links among the next ones that expired before a time, and where to go on; nil at the end.
// Links are in the order of their minting, so none minted at that time or later is looked at.
func expired(ctx context.Context, s engine.Store, from []byte, before time.Time) (old []linkRecord, next []byte, err error) {
	err = s.View(ctx, func(tx engine.Tx) error {
		old, next = nil, nil
		n := 0
		var bad error
		tx.Scan(engine.SpaceLinks, from, nil, func(k, _ []byte) bool {
			if len(k) != selectorSize || !Selector(k).Time().Before(before) {
				return false
			}
			if n++; n > sweepMost {
				next = bytes.Clone(k)
				return false
			}
			rec, _, err := loadLink(tx, Selector(k))
			if err != nil {
				bad = err
				return false
			}
			var over bool
			if over, bad = isOver(tx, rec, before); over {
				old = append(old, rec)
			}
			return bad == nil
		})
		return bad
	})
	return old, next, err
}

// isOver reports whether a link is of no more use to anybody. One that does not expire is when it was revoked or replaced.
func isOver(tx engine.Tx, rec linkRecord, before time.Time) (bool, error) {
	if !rec.Expires.IsZero() {
		return rec.Expires.Before(before), nil
	}
	s, err := ParseID(rec.ID)
	if err != nil {
		return false, err
	}
	v, err := state(tx, rec, s, before)
	return v.Reason == Replaced || v.Reason == Revoked && v.cause.At.Before(before), err
}

func (l *Links) forget(tx engine.Tx, old []linkRecord, now time.Time) error {
	for _, rec := range old {
		s, err := ParseID(rec.ID)
		if err != nil {
			return err
		}
		for _, space := range []engine.Space{engine.SpaceLinks, engine.SpaceUses, engine.SpaceTrails} {
			tx.Delete(space, bytes.Clone(s[:]))
		}
		if rec.Contact.IsZero() {
			if err := forgetStaff(tx, rec.Location, now); err != nil {
				return err
			}
			continue
		}
		if err := unlist(tx, rec.Link, s); err != nil {
			return err
		}
		if err := l.forgetSessions(tx, rec.Location, rec.Contact, now); err != nil {
			return err
		}
	}
	return nil
}

// forgetStaff deletes those sessions of a location's staff that are over.
func forgetStaff(tx engine.Tx, location string, now time.Time) error {
	key := accountKey(location, staffAccount)
	var acc account
	ok, err := load(tx, engine.SpaceHeads, key, &acc)
	if !ok || err != nil || len(acc.Sessions) == 0 {
		return err
	}
	live, err := livingStaff(tx, acc, now)
	if err != nil {
		return err
	}
	acc.Sessions = acc.Sessions[:0]
	for _, l := range live {
		acc.Sessions = append(acc.Sessions, l.key)
	}
	return save(tx, engine.SpaceHeads, key, acc)
}

// forgetSessions deletes those of a contact that are over.
func (l *Links) forgetSessions(tx engine.Tx, location string, contact engine.ID, now time.Time) error {
	key := accountKey(location, contact)
	var acc account
	ok, err := load(tx, engine.SpaceHeads, key, &acc)
	if !ok || err != nil || len(acc.Sessions) == 0 {
		return err
	}
	if acc.Sessions, err = l.living(tx, acc, SessionsMax, viewsMax, now); err != nil {
		return err
	}
	return save(tx, engine.SpaceHeads, key, acc)
}
