package linkgen

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// Limits of a session.
const (
	SessionIdle = 12 * time.Hour      // without a page seen, unless the location says otherwise
	SessionLife = 14 * 24 * time.Hour // in all, likewise
	SessionsMax = 10                  // per contact; the one unseen for longest ends
	ViewLife    = time.Hour           // of staff who view as a learner, in all
	viewsMax    = 2                   // such sessions per contact, beside the learner's

	// Being seen is written down this coarsely, so that a page is seldom a write.
	seenEvery = 10 * time.Minute

	sidSize = 33 // a multiple of 3, so that it has one spelling
	sidLen  = sidSize / 3 * 4
)

// A Session is a learner who came in by a link. SpaceSessions, by the hash of what the browser holds.
type Session struct {
	Location string    `json:"location"`
	Contact  engine.ID `json:"contact"`
	Link     string    `json:"link"` // the id of the link; "" of a view from the console
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen"`
	Epoch    uint32    `json:"epoch,omitempty"`
	Device   string    `json:"device,omitempty"`
	Address  string    `json:"address,omitempty"`  // coarse
	As       string    `json:"as,omitempty"`       // the member of staff who views as the contact
	Workflow string    `json:"workflow,omitempty"` // that the link came of
	Run      engine.ID `json:"run,omitzero"`
	App      string    `json:"app,omitempty"` // that the link was for

	ID string `json:"-"` // a hash, safe to show

	mark   uint64        // the partition's last when it began, if no link began it
	limits sessionLimits // of the location, as they are now
}

type sessionLimits struct{ idle, life time.Duration }

// SessionLimits returns for how long a location's learners stay signed in without a page seen, and in all.
func (l *Links) SessionLimits(location string) (idle, life time.Duration) {
	s, _ := l.settings(location) // a location that is gone has the defaults
	return cmp.Or(max(s.Idle, 0), SessionIdle), cmp.Or(max(s.Life, 0), SessionLife)
}

// loadSession reads a session and the limits that are in force for it.
func (l *Links) loadSession(tx engine.Tx, key []byte) (s Session, ok bool, err error) {
	if ok, err = load(tx, engine.SpaceSessions, key, &s); ok && err == nil {
		s.ID = sessionID(key)
		s.limits.idle, s.limits.life = l.SessionLimits(s.Location)
	}
	return s, ok, err
}

// ends returns when the session ends at the latest.
func (s Session) ends() time.Time {
	life := cmp.Or(s.limits.life, SessionLife)
	if s.As != "" {
		life = min(life, ViewLife)
	}
	return s.Created.Add(life)
}

// NewSID returns what a browser is given to hold: the shard, so that the session's partition is known, and 248
// random bits.
func NewSID(shard uint16) engine.Secret {
	b := make([]byte, sidSize)
	rand.Read(b) // never fails
	binary.BigEndian.PutUint16(b, shard)
	return engine.NewSecret(encoding.EncodeToString(b))
}

// ShardOfSID returns the shard of a session by what the browser holds, and whether that is well formed.
func ShardOfSID(sid engine.Secret) (uint16, bool) {
	if len(sid.Reveal()) != sidLen {
		return 0, false
	}
	b, err := encoding.DecodeString(sid.Reveal())
	if err != nil || len(b) != sidSize {
		return 0, false
	}
	return binary.BigEndian.Uint16(b), true
}

// sessionKey hashes what the browser holds. It has 248 random bits, so a plain hash is enough.
func sessionKey(sid engine.Secret) []byte {
	h := sha256.Sum256([]byte("ses\x00v1\x00" + sid.Reveal()))
	return h[:]
}

func sessionID(key []byte) string { return "ses_" + hex.EncodeToString(key[:8]) }

// Session returns the session of what a browser holds, and whether it lives. One that is over may still be known; one that
// is not has no contact. It runs on the partition of ShardOfSID. Whether the contact still has access is the
// caller's to ask.
func (l *Links) Session(tx engine.Tx, sid engine.Secret, now time.Time) (Session, bool, error) {
	return l.session(tx, sessionKey(sid), now)
}

func (l *Links) session(tx engine.Tx, key []byte, now time.Time) (Session, bool, error) {
	s, ok, err := l.loadSession(tx, key)
	if !ok || err != nil {
		return Session{}, false, err
	}
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(s.Location, s.Contact), &acc); err != nil {
		return Session{}, false, err
	}
	live, err := s.alive(tx, acc.Epoch, now)
	if err != nil {
		return Session{}, false, err
	}
	return s, live, nil
}

// Holder returns whose session it is, as Person does. It is nil if the session is over although Session does not know: because
// the address that its link was sent to is no longer the contact's, or because the contact that absorbed its own lost all
// access since, and has some again.
func (l *Links) Holder(ctx context.Context, stores engine.Stores, s Session) (*engine.Person, error) {
	p, err := Person(ctx, stores, s.Location, s.Contact)
	if err != nil || p == nil {
		return nil, err
	}
	moved, err := l.moved(ctx, stores, s, p)
	switch {
	case err != nil:
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	case moved:
		return nil, nil
	case p.Key == s.Contact || !p.HasAccess():
		return p, nil
	}
	var acc account
	err = stores.For(p.Key.Shard()).View(ctx, func(tx engine.Tx) error {
		_, err := load(tx, engine.SpaceHeads, accountKey(s.Location, p.Key), &acc)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	if !s.Created.After(acc.Revoked) {
		return nil, nil
	}
	return p, nil
}

// moved reports whether a session's link was sent to an address that is not the contact's today. A link that is not stored any
// more tells nothing.
func (l *Links) moved(ctx context.Context, stores engine.Stores, s Session, p *engine.Person) (moved bool, err error) {
	link, err := ParseID(s.Link)
	if err != nil {
		return false, nil // made by no link
	}
	err = stores.For(link.Shard()).View(ctx, func(tx engine.Tx) error {
		rec, ok, err := loadLink(tx, link)
		moved = ok && l.movedFrom(rec, p)
		return err
	})
	return moved, err
}

// alive reports whether a session of a contact, whose epoch is given, is not over.
func (s Session) alive(tx engine.Tx, epoch uint32, now time.Time) (bool, error) {
	if s.Epoch != epoch || !now.Before(s.Seen.Add(cmp.Or(s.limits.idle, SessionIdle))) || !now.Before(s.ends()) {
		return false, nil
	}
	mark := s.mark
	if s.Link != "" {
		link, err := ParseID(s.Link)
		if err != nil {
			return false, fmt.Errorf("session %s: %w", s.ID, err)
		}
		mark = link.mark()
	}
	c, err := revokedWith(tx, s.Location, s.Workflow, s.Run, mark)
	return c.Scope == "", err
}

// Stale reports whether a session that is seen now should be touched.
func (s Session) Stale(now time.Time) bool {
	return now.Sub(s.Seen) >= min(seenEvery, cmp.Or(s.limits.idle, SessionIdle)/4)
}

// Touch notes that a session was seen now. It does nothing for one that is over.
func (l *Links) Touch(tx engine.Tx, sid engine.Secret, now time.Time) error {
	key := sessionKey(sid)
	s, ok, err := l.session(tx, key, now)
	if !ok || err != nil {
		return err
	}
	s.Seen = now
	return save(tx, engine.SpaceSessions, key, s)
}

// EndSession ends the session of what a browser holds, if there is one.
func (l *Links) EndSession(tx engine.Tx, sid engine.Secret) error {
	return endSession(tx, sessionKey(sid), "signed out")
}

func endSession(tx engine.Tx, key []byte, why string) error {
	var s Session
	ok, err := load(tx, engine.SpaceSessions, key, &s)
	if !ok || err != nil {
		return err
	}
	tx.Delete(engine.SpaceSessions, key)
	if err := noteEnd(tx, s, why); err != nil {
		return err
	}
	var acc account
	ak := accountKey(s.Location, s.Contact)
	if ok, err := load(tx, engine.SpaceHeads, ak, &acc); !ok || err != nil {
		return err
	}
	acc.Sessions = slices.DeleteFunc(acc.Sessions, func(k []byte) bool { return bytes.Equal(k, key) })
	return save(tx, engine.SpaceHeads, ak, acc)
}

// living deletes a contact's sessions that are over and, if there are more than most, or than views of staff, those unseen for
// longest. It returns the others.
func (l *Links) living(tx engine.Tx, acc account, most, views int, now time.Time) ([][]byte, error) {
	type seen struct {
		key []byte
		s   Session
	}
	var live []seen
	room := map[bool]int{false: most, true: views} // by whether staff view as the learner
	for _, k := range acc.Sessions {
		s, ok, err := l.loadSession(tx, k)
		if err == nil && ok {
			ok, err = s.alive(tx, acc.Epoch, now)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			tx.Delete(engine.SpaceSessions, k)
			continue
		}
		live = append(live, seen{k, s})
		room[s.As != ""]--
	}
	slices.SortStableFunc(live, func(a, b seen) int { return a.s.Seen.Compare(b.s.Seen) })
	var keys [][]byte
	for _, one := range live {
		if view := one.s.As != ""; room[view] < 0 {
			room[view]++
			tx.Delete(engine.SpaceSessions, one.key)
			if err := noteEnd(tx, one.s, "its contact signed in on too many devices"); err != nil {
				return nil, err
			}
			continue
		}
		keys = append(keys, one.key)
	}
	return keys, nil
}

// noteEnd notes in the timeline of a session's link that it ended.
func noteEnd(tx engine.Tx, s Session, why string) error {
	link, err := ParseID(s.Link)
	if err != nil || tx.Get(engine.SpaceLinks, link[:]) == nil {
		return nil
	}
	return noteTx(tx, link, TrailEntry{At: engine.LastTick(tx), What: SessionEnded, Why: why, Device: s.Device, Address: s.Address, By: s.As})
}
