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

// Sweep deletes what is over for good: links that expired before a time, with their uses, and the sessions of their
// contacts that ended. Call it now and then, with a time that lies as far back as history is kept. It may be
// interrupted at any point.
func (l *Links) Sweep(ctx context.Context, stores engine.Stores, before, now time.Time) error {
	for _, s := range stores.All() {
		for from := []byte(nil); ; {
			old, next, err := expired(ctx, s, from, before)
			if err != nil {
				return fmt.Errorf("sweep links: %w", err)
			}
			if len(old) > 0 {
				if err := s.Update(ctx, func(tx engine.Tx) error { return forget(tx, old, now) }); err != nil {
					return fmt.Errorf("sweep links: %w", err)
				}
			}
			if next == nil {
				break
			}
			from = next
		}
	}
	return nil
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
			if rec.Expires.Before(before) {
				old = append(old, rec)
			}
			return true
		})
		return bad
	})
	return old, next, err
}

func forget(tx engine.Tx, old []linkRecord, now time.Time) error {
	for _, rec := range old {
		s, err := ParseID(rec.ID)
		if err != nil {
			return err
		}
		tx.Delete(engine.SpaceLinks, s[:])
		tx.Delete(engine.SpaceUses, s[:])
		tx.Delete(engine.SpaceHeads, append(indexPrefix(rec.Location, rec.Contact), s[:]...))
		if err := forgetSessions(tx, rec.Location, rec.Contact, now); err != nil {
			return err
		}
	}
	return nil
}

// forgetSessions deletes those of a contact that are over.
func forgetSessions(tx engine.Tx, location string, contact engine.ID, now time.Time) error {
	key := accountKey(location, contact)
	var acc account
	ok, err := load(tx, engine.SpaceHeads, key, &acc)
	if !ok || err != nil || len(acc.Sessions) == 0 {
		return err
	}
	if acc.Sessions, err = living(tx, acc, SessionsMax, now); err != nil {
		return err
	}
	return save(tx, engine.SpaceHeads, key, acc)
}
