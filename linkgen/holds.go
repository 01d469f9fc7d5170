package linkgen

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

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

// SignOut ends a session that a site asked to end, by its location, contact and id. One that is over is no error.
func (l *Links) SignOut(ctx context.Context, stores engine.Stores, s Session, site string) error {
	err := stores.For(s.Contact.Shard()).Update(ctx, func(tx engine.Tx) error {
		var acc account
		if _, err := load(tx, engine.SpaceHeads, accountKey(s.Location, s.Contact), &acc); err != nil {
			return err
		}
		for _, k := range acc.Sessions {
			if sessionID(k) == s.ID {
				return endSession(tx, k, "signed out by "+site)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("end session %s: %w", s.ID, err)
	}
	return nil
}
