package linkgen

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	Revoked   time.Time // when it was, or what it belonged to; zero if it was not
	RevokedBy string    // empty if it was the loss of access
	// RevokedWith is what was revoked: "link", "contact", "run", "workflow", "location" or "everything"; "key" if its key was
	// removed.
	RevokedWith string
	Sessions    int  // living ones that it opened
	Bound       bool // to the browser that it was first used in
}

// Show returns what is known of a link. Returns ErrBadID and ErrNoLink.
func (l *Links) Show(ctx context.Context, stores engine.Stores, id string, now time.Time) (Info, error) {
	s, err := ParseID(id)
	if err != nil {
		return Info{}, fmt.Errorf("show link: %w", err) // which may be a whole URL, given by mistake
	}
	var rec linkRecord
	var v verdict
	var n int
	err = stores.For(s.Shard()).View(ctx, func(tx engine.Tx) (err error) {
		rec, v, n, err = l.info(tx, s, now)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	info, err := l.infoToday(ctx, stores, rec, v, n)
	if err != nil {
		return Info{}, fmt.Errorf("link %s: %w", id, err)
	}
	return info, nil
}

func (l *Links) infoToday(ctx context.Context, stores engine.Stores, rec linkRecord, v verdict, sessions int) (Info, error) {
	d, err := l.today(ctx, stores, rec, v)
	if err != nil {
		return Info{}, err
	}
	if d.Reason == Moved { // they ended with it
		sessions = 0
	}
	return Info{Link: rec.Link, State: d.Reason, Uses: v.use.Count, First: v.use.First, Last: v.use.Last, Sessions: sessions,
		Revoked: d.cause.At, RevokedBy: d.cause.By, RevokedWith: d.cause.Scope, Bound: len(v.use.Bound) > 0}, nil
}

// List returns the links of a contact and of those that it absorbed, newest first, at most limit of them.
func (l *Links) List(ctx context.Context, stores engine.Stores, location string, contact engine.ID, limit int, now time.Time) ([]Info, error) {
	keys, err := kin(ctx, stores, location, contact)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var out []Info
	for _, key := range keys {
		part, err := l.listOf(ctx, stores, location, key, limit, now)
		if err != nil {
			return nil, fmt.Errorf("list links: %w", err)
		}
		out = append(out, part...)
	}
	if len(keys) > 1 {
		slices.SortStableFunc(out, func(a, b Info) int { return b.Link.Created.Compare(a.Link.Created) })
	}
	return out[:min(limit, len(out))], nil
}

// Recent returns a location's links of a kind, or of all kinds if it is empty: newest first, at most limit of them, only older
// ones than that of the id before, if it is given. Returns ErrBadID.
func (l *Links) Recent(ctx context.Context, stores engine.Stores, location string, kind Kind, before string, limit int, now time.Time) ([]Info, error) {
	to := now.Add(time.Hour) // a burst of minting may run ahead of the clock
	end := timeKey(to)
	if before != "" {
		s, err := ParseID(before)
		if err != nil {
			return nil, fmt.Errorf("list links: %w", err)
		}
		to, end = s.Time(), s[:]
	}
	var ids []Selector
	for _, store := range stores.All() {
		err := store.View(ctx, func(tx engine.Tx) error {
			part, err := lastOf(tx, location, kind, to, end, limit)
			ids = append(ids, part...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list links: %w", err)
		}
	}
	slices.SortFunc(ids, func(a, b Selector) int { return bytes.Compare(b[:], a[:]) })
	var out []Info
	for _, s := range ids[:min(limit, len(ids))] {
		info, err := l.Show(ctx, stores, s.ID(), now)
		if errors.Is(err, ErrNoLink) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list links: %w", err)
		}
		out = append(out, info)
	}
	return out, nil
}

// lastOf returns the selectors of a partition's last links before the key end, whose time is to. Spaces are read forwards
// only, so it looks at ever longer times before that.
func lastOf(tx engine.Tx, location string, kind Kind, to time.Time, end []byte, limit int) (out []Selector, err error) {
	for step := time.Minute; len(out) < limit && err == nil; step *= 4 {
		from := timeKey(to.Add(-step))
		var part []Selector
		tx.Scan(engine.SpaceLinks, from, end, func(k, v []byte) bool {
			if kind != "" && kind != Learner && len(k) == selectorSize && Selector(k).Shard() != 0 {
				return true // links of no contact are few, and of shard 0
			}
			var rec linkRecord
			if _, err = decode(engine.SpaceLinks, v, &rec); err != nil || len(k) != selectorSize {
				return false
			}
			if rec.Location == location && (kind == "" || rec.Kind == kind) {
				part = append(part, Selector(k))
			}
			return true
		})
		out = append(part[max(0, len(part)-(limit-len(out))):], out...)
		if end = from; step > 100*365*24*time.Hour {
			break
		}
	}
	return out, err
}

// timeKey returns the first key that a link minted at that time may have.
func timeKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMilli(), 0))<<16)
}

func (l *Links) listOf(ctx context.Context, stores engine.Stores, location string, contact engine.ID, limit int, now time.Time) ([]Info, error) {
	type found struct {
		rec linkRecord
		v   verdict
		n   int
	}
	var all []found
	err := stores.For(contact.Shard()).View(ctx, func(tx engine.Tx) error {
		all = all[:0]
		of, err := selectors(tx, location, contact)
		if err != nil {
			return fmt.Errorf("links of contact %s: %w", contact, err)
		}
		for i := len(of) - 1; i >= 0 && len(all) < limit; i-- {
			rec, v, n, err := l.info(tx, of[i], now)
			if err != nil {
				return err
			}
			all = append(all, found{rec, v, n})
		}
		return nil
	})
	var out []Info
	for i := 0; i < len(all) && err == nil; i++ {
		var info Info
		info, err = l.infoToday(ctx, stores, all[i].rec, all[i].v, all[i].n)
		out = append(out, info)
	}
	return out, err
}

func (l *Links) info(tx engine.Tx, s Selector, now time.Time) (rec linkRecord, v verdict, sessions int, err error) {
	rec, ok, err := loadLink(tx, s)
	if err == nil && !ok {
		err = fmt.Errorf("link %s: %w", s.ID(), ErrNoLink)
	}
	if err != nil {
		return rec, v, 0, err
	}
	v, err = state(tx, rec, s, now)
	if err != nil {
		return rec, v, 0, fmt.Errorf("link %s: %w", s.ID(), err)
	}
	if l.keys.find(rec.KeyID) == nil { // its key was removed, which ends it
		v.Reason, v.cause = Revoked, cause{Scope: "key"}
	}
	sessions, err = l.countSessions(tx, rec, now)
	if err != nil {
		return rec, v, 0, fmt.Errorf("link %s: %w", s.ID(), err)
	}
	return rec, v, sessions, nil
}

func (l *Links) countSessions(tx engine.Tx, rec linkRecord, now time.Time) (n int, err error) {
	if rec.Contact.IsZero() {
		return countStaff(tx, rec, now)
	}
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, rec.Contact), &acc); err != nil {
		return 0, err
	}
	for _, k := range acc.Sessions {
		s, ok, err := l.loadSession(tx, k)
		if err != nil {
			return 0, err
		}
		if !ok || s.Link != rec.ID {
			continue
		}
		live, err := s.alive(tx, acc.Epoch, now)
		if err != nil {
			return 0, err
		}
		if live {
			n++
		}
	}
	return n, nil
}

// Summary answers "does this link work, and if not, why?" in its first sentence. Times are in zone.
func (i Info) Summary(zone *time.Location) string {
	at := func(t time.Time) string { return t.In(zone).Format("2 January 2006 at 15:04 MST") }
	switch i.State {
	case OK:
		return i.works(at)
	case Expired:
		return fmt.Sprintf("This link does not work: it expired on %s.", at(i.Link.Expires))
	case Replaced:
		if i.Link.Kind == User {
			return "This link does not work: a newer user link of the location replaced it."
		}
		return "This link does not work: a newer link of the same contact replaced it."
	case UsedUp:
		return fmt.Sprintf("This link does not work: all of its uses (%d) are used up, the last on %s.", i.Link.MaxUses, at(i.Last))
	case Revoked:
		return "This link does not work: " + i.revoked(at)
	case Moved:
		return "This link does not work: the address that it was sent to is no longer the contact's."
	case NoAccess:
		if !i.Revoked.IsZero() {
			return fmt.Sprintf("This link does not work: its contact lost the last offer and product on %s.", at(i.Revoked))
		}
		return "This link lets nobody in now: its contact holds no offer and no product."
	}
	return "This link does not work."
}

func (i Info) works(at func(time.Time) string) string {
	says := "This link works until it is revoked."
	if i.Link.Kind == User {
		says = "This link works until a newer one is made."
	}
	if !i.Link.Expires.IsZero() {
		says = fmt.Sprintf("This link works until %s.", at(i.Link.Expires))
	}
	switch {
	case i.Bound:
		says = strings.TrimSuffix(says, ".") + ", but only in the browser that it was first used in."
	case i.Link.Kind == AppOnly:
		says += " It signs nobody in."
	}
	return says
}

func (i Info) revoked(at func(time.Time) string) string {
	what := map[string]string{"contact": "all links of its contact", "run": "all links of its run", "workflow": "all links of its workflow",
		"location": "all links of its location", "everything": "all links there were"}[i.RevokedWith]
	switch {
	case i.RevokedWith == "key":
		return "the key that it was made with was removed."
	case i.RevokedWith == "contact" && i.RevokedBy == "":
		return fmt.Sprintf("it ended when its contact lost the last access, on %s.", at(i.Revoked))
	case what == "":
		what = "it"
	}
	return fmt.Sprintf("%s revoked %s on %s.", i.RevokedBy, what, at(i.Revoked))
}
