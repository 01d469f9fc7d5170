package linkgen

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// Limits of a session.
const (
	SessionIdle = 12 * time.Hour      // without a page seen
	SessionLife = 14 * 24 * time.Hour // in all
	SessionsMax = 10                  // per contact; the one unseen for longest ends

	// Being seen is written down this coarsely, so that a page is seldom a write.
	seenEvery = 10 * time.Minute

	sidSize = 33 // a multiple of 3, so that it has one spelling
	sidLen  = sidSize / 3 * 4
)

// A Session is a learner who came in by a link. SpaceSessions, by the hash of what the browser holds.
type Session struct {
	Location string    `json:"location"`
	Contact  engine.ID `json:"contact"`
	Link     string    `json:"link"` // the id of the link
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen"`
	Epoch    uint32    `json:"epoch,omitempty"`

	ID string `json:"-"` // a hash, safe to show
}

// Ends returns when the session ends at the latest.
func (s Session) Ends() time.Time { return s.Created.Add(SessionLife) }

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
	return session(tx, sessionKey(sid), now)
}

func session(tx engine.Tx, key []byte, now time.Time) (Session, bool, error) {
	var s Session
	ok, err := load(tx, engine.SpaceSessions, key, &s)
	if !ok || err != nil {
		return Session{}, false, err
	}
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(s.Location, s.Contact), &acc); err != nil {
		return Session{}, false, err
	}
	s.ID = sessionID(key)
	return s, s.alive(acc.Epoch, now), nil
}

// Holder returns whose session it is, as Person does. It is nil if the session is over because the contact that absorbed
// its own lost all access since, and has some again.
func (l *Links) Holder(ctx context.Context, stores engine.Stores, s Session) (*engine.Person, error) {
	p, err := Person(ctx, stores, s.Location, s.Contact)
	if err != nil || p == nil || p.Key == s.Contact || !p.HasAccess() {
		return p, err
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

// alive reports whether a session of a contact, whose epoch is given, is not over.
func (s Session) alive(epoch uint32, now time.Time) bool {
	return s.Epoch == epoch && now.Before(s.Seen.Add(SessionIdle)) && now.Before(s.Ends())
}

// Stale reports whether a session that is seen now should be touched.
func (s Session) Stale(now time.Time) bool { return now.Sub(s.Seen) >= seenEvery }

// Touch notes that a session was seen now. It does nothing for one that is over.
func (l *Links) Touch(tx engine.Tx, sid engine.Secret, now time.Time) error {
	key := sessionKey(sid)
	s, ok, err := session(tx, key, now)
	if !ok || err != nil {
		return err
	}
	s.Seen = now
	return save(tx, engine.SpaceSessions, key, s)
}

// EndSession ends the session of what a browser holds, if there is one.
func (l *Links) EndSession(tx engine.Tx, sid engine.Secret) error {
	return endSession(tx, sessionKey(sid))
}

func endSession(tx engine.Tx, key []byte) error {
	var s Session
	ok, err := load(tx, engine.SpaceSessions, key, &s)
	if !ok || err != nil {
		return err
	}
	tx.Delete(engine.SpaceSessions, key)
	var acc account
	ak := accountKey(s.Location, s.Contact)
	if ok, err := load(tx, engine.SpaceHeads, ak, &acc); !ok || err != nil {
		return err
	}
	acc.Sessions = slices.DeleteFunc(acc.Sessions, func(k []byte) bool { return bytes.Equal(k, key) })
	return save(tx, engine.SpaceHeads, ak, acc)
}

// A Refusal is the error of a redemption that lets nobody in.
type Refusal struct {
	Link   Link // zero if Reason is Unknown
	Reason Reason
}

// Error names the reason and the link's id.
func (r *Refusal) Error() string { return fmt.Sprintf("link refused: %s", r.Reason) }

// ErrSignedIn is returned by Redeem when the browser already holds a living session of this link: nothing is to be
// changed, and it is no use of the link.
var ErrSignedIn = errors.New("already signed in by this link")

// A Visit is someone who presses the button of a link page.
type Visit struct {
	Token     Token
	Door      Door          // from Look; counts only for what is kept in another partition
	Presented engine.Secret // what the browser holds already; it is void afterwards if it is of this partition
	Fresh     engine.Secret // what it will hold: from NewSID with the link's shard
	Now       time.Time
}

// Redeem counts a use of a link and makes the session, all in tx. Returns a *Refusal if the link lets nobody in and
// ErrSignedIn if there is nothing to do; then nothing was written.
func (l *Links) Redeem(tx engine.Tx, v Visit) (engine.Redemption, error) {
	var none engine.Redemption
	rec, reason, err := l.check(tx, v.Token, v.Now)
	if err == nil && reason != Unknown {
		reason, err = l.recheck(tx, rec, reason, v.Door)
	}
	if err != nil {
		return none, fmt.Errorf("redeem link: %w", err)
	}
	if reason == OK || reason == UsedUp {
		s, ok, err := l.Session(tx, v.Presented, v.Now)
		if err != nil {
			return none, fmt.Errorf("redeem link: %w", err)
		}
		if ok && s.Link == rec.ID {
			return none, ErrSignedIn
		}
	}
	if reason != OK {
		return none, &Refusal{rec.Link, reason}
	}
	if err := endSession(tx, sessionKey(v.Presented)); err != nil {
		return none, fmt.Errorf("redeem link: %w", err)
	}
	first, err := countUse(tx, v.Token.selector, v.Now)
	if err != nil {
		return none, fmt.Errorf("redeem link: %w", err)
	}
	id, err := begin(tx, rec, v)
	if err != nil {
		return none, fmt.Errorf("redeem link: %w", err)
	}
	return engine.Redemption{Location: rec.Location, Contact: rec.Contact, Run: rec.Run, Link: rec.ID,
		Session: id, At: v.Now, First: first}, nil
}

func countUse(tx engine.Tx, s Selector, now time.Time) (first bool, err error) {
	var use usage
	if _, err := load(tx, engine.SpaceUses, s[:], &use); err != nil {
		return false, err
	}
	use.Count++
	use.Last = now
	if use.Count == 1 {
		use.First = now
	}
	return use.Count == 1, save(tx, engine.SpaceUses, s[:], use)
}

// begin stores a new session. If the contact has too many, the one unseen for longest ends.
func begin(tx engine.Tx, rec linkRecord, v Visit) (id string, err error) {
	var acc account
	ak := accountKey(rec.Location, rec.Contact)
	if _, err := load(tx, engine.SpaceHeads, ak, &acc); err != nil {
		return "", err
	}
	live, err := living(tx, acc, SessionsMax-1, v.Now)
	if err != nil {
		return "", err
	}
	key := sessionKey(v.Fresh)
	acc.Sessions = append(live, key)
	s := Session{Location: rec.Location, Contact: rec.Contact, Link: rec.ID, Created: v.Now, Seen: v.Now, Epoch: acc.Epoch}
	if err := save(tx, engine.SpaceSessions, key, s); err != nil {
		return "", err
	}
	return sessionID(key), save(tx, engine.SpaceHeads, ak, acc)
}

// living deletes a contact's sessions that are over and, if there are more than most, those unseen for longest. It
// returns the others.
func living(tx engine.Tx, acc account, most int, now time.Time) ([][]byte, error) {
	type seen struct {
		key []byte
		at  time.Time
	}
	var live []seen
	for _, k := range acc.Sessions {
		var s Session
		ok, err := load(tx, engine.SpaceSessions, k, &s)
		if err != nil {
			return nil, err
		}
		if ok && s.alive(acc.Epoch, now) {
			live = append(live, seen{k, s.Seen})
		} else {
			tx.Delete(engine.SpaceSessions, k)
		}
	}
	slices.SortStableFunc(live, func(a, b seen) int { return a.at.Compare(b.at) })
	var keys [][]byte
	for i, s := range live {
		if len(live)-i > most {
			tx.Delete(engine.SpaceSessions, s.key)
		} else {
			keys = append(keys, s.key)
		}
	}
	return keys, nil
}
