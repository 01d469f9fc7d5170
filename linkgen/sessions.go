package linkgen

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// Sessions returns the living sessions of a contact and of those that it absorbed, the one seen last first.
func (l *Links) Sessions(ctx context.Context, stores engine.Stores, location string, contact engine.ID, now time.Time) ([]Session, error) {
	keys, err := kin(ctx, stores, location, contact)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	var out []Session
	for _, key := range keys {
		var part []Session
		err := stores.For(key.Shard()).View(ctx, func(tx engine.Tx) (err error) {
			part, err = l.sessionsOf(tx, location, key, now)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		for _, s := range part { // the one that absorbed it may have lost all access since
			p, err := l.Holder(ctx, stores, s)
			if err != nil {
				return nil, fmt.Errorf("list sessions: %w", err)
			}
			if p != nil {
				out = append(out, s)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Session) int { return b.Seen.Compare(a.Seen) })
	return out, nil
}

func (l *Links) sessionsOf(tx engine.Tx, location string, contact engine.ID, now time.Time) (out []Session, err error) {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, contact), &acc); err != nil {
		return nil, err
	}
	for _, k := range acc.Sessions {
		s, ok, err := l.loadSession(tx, k)
		if err == nil && ok {
			ok, err = s.alive(tx, acc.Epoch, now)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// SignOut ends a session by its location, contact and id, as Sessions returns it; why is for its link's timeline. One that is over is no
// error.
func (l *Links) SignOut(ctx context.Context, stores engine.Stores, s Session, why string) error {
	err := stores.For(s.Contact.Shard()).Update(ctx, func(tx engine.Tx) error {
		var acc account
		if _, err := load(tx, engine.SpaceHeads, accountKey(s.Location, s.Contact), &acc); err != nil {
			return err
		}
		for _, k := range acc.Sessions {
			if sessionID(k) == s.ID {
				return endSession(tx, k, why)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("end session %s: %w", s.ID, err)
	}
	return nil
}

// Proven reports whether a session was begun by a link that was sent to that e-mail address: whoever holds it has read what
// was sent there. Of a link that is no longer stored it is not known, and false.
func (l *Links) Proven(ctx context.Context, stores engine.Stores, s Session, address string) (bool, error) {
	sel, err := ParseID(s.Link)
	if err != nil || address == "" {
		return false, nil
	}
	proven := false
	err = stores.For(sel.Shard()).View(ctx, func(tx engine.Tx) error {
		rec, ok, err := loadLink(tx, sel)
		if err != nil || !ok {
			return err
		}
		k := l.keys.find(rec.KeyID)
		proven = k != nil && len(rec.Address) > 0 && hmac.Equal(rec.Address, k.addressMAC(rec.Location, address))
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return proven, nil
}

// Alive reports whether a session lives, by its location, contact and id.
func (l *Links) Alive(ctx context.Context, stores engine.Stores, s Session, now time.Time) (live bool, err error) {
	err = stores.For(s.Contact.Shard()).View(ctx, func(tx engine.Tx) error {
		all, err := l.sessionsOf(tx, s.Location, s.Contact, now)
		live = slices.ContainsFunc(all, func(o Session) bool { return o.ID == s.ID })
		return err
	})
	if err != nil {
		return false, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return live, nil
}
