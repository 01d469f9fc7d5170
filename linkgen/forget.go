package linkgen

import (
	"bytes"
	"fmt"

	"latchkey/engine"
)

// Held counts what is stored of a contact.
type Held struct {
	Links, Sessions int
}

// Held returns how much Forget would remove. It runs on the contact's partition.
func (l *Links) Held(tx engine.Tx, location string, contact engine.ID) (Held, error) {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, contact), &acc); err != nil {
		return Held{}, fmt.Errorf("links of contact %s: %w", contact, err)
	}
	all, err := selectors(tx, location, contact)
	if err != nil {
		return Held{}, fmt.Errorf("links of contact %s: %w", contact, err)
	}
	return Held{Links: len(all), Sessions: len(acc.Sessions)}, nil
}

// Forget removes all that is stored of a contact: links, their uses and timelines, sessions, which families live, and what staff
// did to them. Their links then are unknown ones. It runs on the contact's partition; a contact of which nothing is stored is no error.
func (l *Links) Forget(tx engine.Tx, location string, contact engine.ID) error {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, contact), &acc); err != nil {
		return fmt.Errorf("forget links of contact %s: %w", contact, err)
	}
	for _, k := range acc.Sessions {
		tx.Delete(engine.SpaceSessions, bytes.Clone(k))
	}
	all, err := selectors(tx, location, contact)
	if err != nil {
		return fmt.Errorf("forget links of contact %s: %w", contact, err)
	}
	for _, s := range all {
		rec, ok, err := loadLink(tx, s)
		if err != nil {
			return fmt.Errorf("forget links of contact %s: %w", contact, err)
		}
		if ok && !rec.Run.IsZero() {
			tx.Delete(engine.SpaceRevoked, runKey(location, rec.Run))
		}
		for _, space := range []engine.Space{engine.SpaceLinks, engine.SpaceUses, engine.SpaceTrails} {
			tx.Delete(space, bytes.Clone(s[:]))
		}
	}
	if err := forgetAudit(tx, location, contact); err != nil {
		return fmt.Errorf("forget links of contact %s: %w", contact, err)
	}
	var keys [][]byte
	prefix := engine.Key(location, contact[:])
	tx.Scan(engine.SpaceHeads, prefix, engine.PrefixEnd(prefix), func(k, _ []byte) bool {
		keys = append(keys, bytes.Clone(k))
		return true
	})
	for _, k := range keys {
		tx.Delete(engine.SpaceHeads, k)
	}
	return nil
}
