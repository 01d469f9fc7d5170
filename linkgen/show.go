package linkgen

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// ErrNoLink is returned for the id of a link that is not stored.
var ErrNoLink = errors.New("no such link")

// An Info is what an operator sees of a link.
type Info struct {
	Link      Link
	State     Reason    // OK if it lets its contact in now
	Uses      int       // times it was used
	First     time.Time // its first use; zero if none
	Last      time.Time
	Revoked   time.Time // zero if it was not by itself
	RevokedBy string
	Sessions  int // living ones that it opened
}

// Show returns what is known of a link. Returns ErrBadID and ErrNoLink.
func (l *Links) Show(ctx context.Context, stores engine.Stores, id string, now time.Time) (Info, error) {
	s, err := ParseID(id)
	if err != nil {
		return Info{}, fmt.Errorf("show link: %w", err) // which may be a whole URL, given by mistake
	}
	var rec linkRecord
	var info Info
	err = stores.For(s.Shard()).View(ctx, func(tx engine.Tx) (err error) {
		rec, info, err = l.info(tx, s, now)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	d, err := l.today(ctx, stores, rec, info.State)
	if err != nil {
		return Info{}, fmt.Errorf("link %s: %w", id, err)
	}
	info.State = d.Reason
	return info, nil
}

// List returns a contact's links, newest first, at most limit of them.
func (l *Links) List(ctx context.Context, stores engine.Stores, location string, contact engine.ID, limit int, now time.Time) ([]Info, error) {
	var recs []linkRecord
	var out []Info
	err := stores.For(contact.Shard()).View(ctx, func(tx engine.Tx) error {
		recs, out = recs[:0], out[:0]
		all := selectors(tx, location, contact)
		for i := len(all) - 1; i >= 0 && len(out) < limit; i-- {
			rec, info, err := l.info(tx, all[i], now)
			if err != nil {
				return err
			}
			recs, out = append(recs, rec), append(out, info)
		}
		return nil
	})
	for i := 0; i < len(out) && err == nil; i++ {
		var d Door
		d, err = l.today(ctx, stores, recs[i], out[i].State)
		out[i].State = d.Reason
	}
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return out, nil
}

func (l *Links) info(tx engine.Tx, s Selector, now time.Time) (linkRecord, Info, error) {
	rec, ok, err := loadLink(tx, s)
	if err == nil && !ok {
		err = fmt.Errorf("link %s: %w", s.ID(), ErrNoLink)
	}
	if err != nil {
		return rec, Info{}, err
	}
	reason, use, err := state(tx, rec, s, now)
	if err != nil {
		return rec, Info{}, fmt.Errorf("link %s: %w", s.ID(), err)
	}
	if l.keys.find(rec.KeyID) == nil { // its key was removed, which ends it
		reason = Revoked
	}
	n, err := countSessions(tx, rec, now)
	if err != nil {
		return rec, Info{}, fmt.Errorf("link %s: %w", s.ID(), err)
	}
	return rec, Info{Link: rec.Link, State: reason, Uses: use.Count, First: use.First, Last: use.Last,
		Revoked: use.Revoked, RevokedBy: use.By, Sessions: n}, nil
}

func countSessions(tx engine.Tx, rec linkRecord, now time.Time) (n int, err error) {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, rec.Contact), &acc); err != nil {
		return 0, err
	}
	for _, k := range acc.Sessions {
		var s Session
		ok, err := load(tx, engine.SpaceSessions, k, &s)
		if err != nil {
			return 0, err
		}
		if ok && s.Link == rec.ID && s.alive(acc.Epoch, now) {
			n++
		}
	}
	return n, nil
}

// selectors returns those of a contact's links, oldest first.
func selectors(tx engine.Tx, location string, contact engine.ID) []Selector {
	var out []Selector
	prefix := indexPrefix(location, contact)
	tx.Scan(engine.SpaceHeads, prefix, engine.PrefixEnd(prefix), func(k, _ []byte) bool {
		if len(k) == len(prefix)+selectorSize {
			out = append(out, Selector(k[len(prefix):]))
		}
		return true
	})
	return out
}

// Summary answers "does this link work, and if not, why?" in one sentence. Times are in zone.
func (i Info) Summary(zone *time.Location) string {
	at := func(t time.Time) string { return t.In(zone).Format("2 January 2006 at 15:04 MST") }
	switch i.State {
	case OK:
		return fmt.Sprintf("This link works until %s.", at(i.Link.Expires))
	case Expired:
		return fmt.Sprintf("This link does not work: it expired on %s.", at(i.Link.Expires))
	case Replaced:
		return "This link does not work: a newer link of the same contact replaced it."
	case UsedUp:
		return fmt.Sprintf("This link does not work: all of its uses (%d) are used up, the last on %s.", i.Link.MaxUses, at(i.Last))
	case Revoked:
		if i.Revoked.IsZero() {
			return "This link does not work: it ended with its contact's access, or with the key that it was made with."
		}
		return fmt.Sprintf("This link does not work: %s revoked it on %s.", i.RevokedBy, at(i.Revoked))
	case Moved:
		return "This link does not work: the address that it was sent to is no longer the contact's."
	case NoAccess:
		return "This link lets nobody in now: its contact holds no offer and no product."
	}
	return "This link does not work."
}

// Revoke ends a link and the sessions that it opened. by says who did so, for people. A second time changes
// nothing. It runs on the partition of ParseID's shard. Returns ErrBadID and ErrNoLink.
func (l *Links) Revoke(tx engine.Tx, id, by string, now time.Time) error {
	s, err := ParseID(id)
	if err != nil {
		return fmt.Errorf("revoke link: %w", err)
	}
	rec, ok, err := loadLink(tx, s)
	if err == nil && !ok {
		err = ErrNoLink
	}
	if err != nil {
		return fmt.Errorf("revoke link %s: %w", id, err)
	}
	var use usage
	if _, err := load(tx, engine.SpaceUses, s[:], &use); err != nil {
		return fmt.Errorf("revoke link %s: %w", id, err)
	}
	if use.Revoked.IsZero() {
		use.Revoked, use.By = now, by
		if err := save(tx, engine.SpaceUses, s[:], use); err != nil {
			return fmt.Errorf("revoke link %s: %w", id, err)
		}
	}
	if err := endSessionsOf(tx, rec); err != nil {
		return fmt.Errorf("revoke link %s: %w", id, err)
	}
	return nil
}

func endSessionsOf(tx engine.Tx, rec linkRecord) error {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, rec.Contact), &acc); err != nil {
		return err
	}
	for _, k := range acc.Sessions {
		var s Session
		if _, err := load(tx, engine.SpaceSessions, k, &s); err != nil {
			return err
		}
		if s.Link != rec.ID {
			continue
		}
		if err := endSession(tx, k); err != nil {
			return err
		}
	}
	return nil
}

// RevokeContact ends all links and sessions of a contact, and of those that it absorbed, at once and in constant time.
// They do not come back; what is minted later is not concerned.
func (l *Links) RevokeContact(tx engine.Tx, location string, contact engine.ID, now time.Time) error {
	key := accountKey(location, contact)
	var acc account
	if _, err := load(tx, engine.SpaceHeads, key, &acc); err != nil {
		return fmt.Errorf("revoke links of contact %s: %w", contact, err)
	}
	acc.Epoch++ // the sessions' records are deleted with the next one, or swept: until then a page can say what happened
	acc.Revoked = now
	if err := save(tx, engine.SpaceHeads, key, acc); err != nil {
		return fmt.Errorf("revoke links of contact %s: %w", contact, err)
	}
	return nil
}
