package linkgen

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// Limits of a session of staff.
const (
	StaffIdle = 12 * time.Hour     // without a page seen
	StaffLife = 7 * 24 * time.Hour // in all
	StaffMax  = 10                 // per address; the one unseen for longest ends

	staffInAll = 2000 // per location, likewise
)

// ErrNoSession is returned for the id of a session that is not, or no more, a living one of the location's staff.
var ErrNoSession = errors.New("no such session")

// ViaHost is how staff sign in whom the site around a sidebar vouches for. Such a session is good for the portal's pages and not for
// the console: a host says who somebody is, not what they may do.
const ViaHost = "host"

// A StaffSession is a member of staff who signed in. It never passes for a learner's, nor a learner's for it. SpaceSessions, by the
// hash of what the browser holds; all are of shard 0. Whether the address still is one of staff is the caller's to ask.
type StaffSession struct {
	ID       string    `json:"id"` // a hash, safe to show
	Location string    `json:"location"`
	Email    string    `json:"email"`
	Via      string    `json:"via"` // how they signed in: "link", "key", "host", ...
	Link     string    `json:"link,omitempty"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen"`
	Device   string    `json:"device,omitempty"`
	Address  string    `json:"address,omitempty"` // coarse

	mark uint64 // the partition's last when it began
}

// ends returns when the session ends at the latest.
func (s StaffSession) ends() time.Time { return s.Created.Add(StaffLife) }

// Stale reports whether a session that is seen now should be touched.
func (s StaffSession) Stale(now time.Time) bool { return now.Sub(s.Seen) >= seenEvery }

func (s StaffSession) alive(tx engine.Tx, now time.Time) (bool, error) {
	if !now.Before(s.Seen.Add(StaffIdle)) || !now.Before(s.ends()) {
		return false, nil
	}
	c, err := revokedWith(tx, s.Location, "", engine.ID{}, s.mark)
	return c.Scope == "", err
}

// staffKey is as sessionKey: under another name, so that neither passes for the other.
func staffKey(sid engine.Secret) []byte {
	h := sha256.Sum256([]byte("stf\x00v1\x00" + sid.Reveal()))
	return h[:]
}

// A StaffEntry is a member of staff who signs in otherwise than by a link of their own.
type StaffEntry struct {
	Now       time.Time
	Location  string
	Email     string
	Via       string        // "key", "host", ...
	Link      string        // the id of the user link that it came by, if it did: the session ends when that is revoked
	Presented engine.Secret // what the browser holds already; it is void afterwards
	Fresh     engine.Secret // what it will hold: NewSID(0)
	Device    string
	Address   string // coarse
}

// RedeemStaff uses a Staff link up and makes the session. It runs on the partition of shard 0. Returns a *Refusal if the link
// lets nobody in and ErrSignedIn if the browser already holds the session of this link.
func (l *Links) RedeemStaff(tx engine.Tx, v Visit) (StaffSession, error) {
	rec, is, err := l.check(tx, v.Token, v.Now)
	if err != nil {
		return StaffSession{}, fmt.Errorf("redeem staff link: %w", err)
	}
	if is.Reason == Unknown || rec.Kind != Staff {
		return StaffSession{}, &Refusal{Reason: Unknown}
	}
	old, ok, err := l.StaffSession(tx, v.Presented, v.Now)
	switch {
	case err != nil:
		return StaffSession{}, fmt.Errorf("redeem staff link: %w", err)
	case ok && old.Link == rec.ID:
		return old, ErrSignedIn
	case is.Reason != OK:
		return StaffSession{}, &Refusal{rec.Link, is.Reason}
	}
	if _, err := countUse(tx, rec, v); err != nil {
		return StaffSession{}, fmt.Errorf("redeem staff link: %w", err)
	}
	e := TrailEntry{At: v.Now, What: Redeemed, Device: v.Device, Address: v.Address}
	if err := noteTx(tx, v.Token.selector, e); err != nil {
		return StaffSession{}, fmt.Errorf("redeem staff link: %w", err)
	}
	return l.BeginStaff(tx, StaffEntry{Now: v.Now, Location: rec.Location, Email: rec.Email, Via: "link", Link: rec.ID,
		Presented: v.Presented, Fresh: v.Fresh, Device: v.Device, Address: v.Address})
}

// BeginStaff makes the session of a member of staff who proved who they are by other means. It runs on the partition of shard 0.
func (l *Links) BeginStaff(tx engine.Tx, e StaffEntry) (StaffSession, error) {
	if _, err := l.of(e.Location); err != nil {
		return StaffSession{}, fmt.Errorf("sign in staff: %w", err)
	}
	if e.Email == "" || e.Fresh.IsZero() {
		return StaffSession{}, engine.Final(errors.New("sign in staff: no address or no session"))
	}
	if err := endStaff(tx, staffKey(e.Presented)); err != nil {
		return StaffSession{}, fmt.Errorf("sign in staff: %w", err)
	}
	key := staffKey(e.Fresh)
	s := StaffSession{ID: sessionID(key), Location: e.Location, Email: e.Email, Via: e.Via, Link: e.Link, Created: e.Now, Seen: e.Now,
		Device: cut(e.Device), Address: cut(e.Address), mark: lastMark(tx)}
	if err := listStaff(tx, key, s); err != nil {
		return StaffSession{}, fmt.Errorf("sign in staff: %w", err)
	}
	err := Audit(tx, AuditEntry{At: e.Now, Location: e.Location, Who: e.Email, Did: "signed in", On: e.Link, Detail: e.Via})
	return s, err
}

// listStaff stores a session, and deletes those of its location that are over or too many.
func listStaff(tx engine.Tx, key []byte, s StaffSession) error {
	ak := accountKey(s.Location, staffAccount)
	var acc account
	if _, err := load(tx, engine.SpaceHeads, ak, &acc); err != nil {
		return err
	}
	live, err := livingStaff(tx, acc, s.Created)
	if err != nil {
		return err
	}
	// A host's staff are counted by themselves: it may vouch for any address, also for one of ours.
	alike := func(l StaffSession) bool { return (l.Via == ViaHost) == (s.Via == ViaHost) }
	own := func(l StaffSession) bool { return alike(l) && l.Email == s.Email }
	live = dropOldest(tx, live, StaffMax-1, own) // first, so that nobody pushes another out
	live = dropOldest(tx, live, staffInAll-1, alike)
	acc.Sessions = acc.Sessions[:0]
	for _, l := range live {
		acc.Sessions = append(acc.Sessions, l.key)
	}
	acc.Sessions = append(acc.Sessions, key)
	if err := save(tx, engine.SpaceSessions, key, s); err != nil {
		return err
	}
	return save(tx, engine.SpaceHeads, ak, acc)
}

// dropOldest deletes those of a kind that are unseen for longest, so that no more than most are left of it. It returns what is left in all.
func dropOldest(tx engine.Tx, live []staffSeen, most int, is func(StaffSession) bool) []staffSeen {
	n := 0
	for _, l := range live {
		if is(l.s) {
			n++
		}
	}
	return slices.DeleteFunc(live, func(l staffSeen) bool {
		if n <= most || !is(l.s) {
			return false
		}
		n--
		tx.Delete(engine.SpaceSessions, l.key)
		return true
	})
}

type staffSeen struct {
	key []byte
	s   StaffSession
}

// livingStaff returns the sessions of a location's staff that are not over, that unseen for longest first, and deletes the others.
func livingStaff(tx engine.Tx, acc account, now time.Time) ([]staffSeen, error) {
	all, err := staffOf(tx, acc, now)
	if err != nil {
		return nil, err
	}
	for _, k := range acc.Sessions {
		if !slices.ContainsFunc(all, func(s staffSeen) bool { return bytes.Equal(s.key, k) }) {
			tx.Delete(engine.SpaceSessions, k)
		}
	}
	return all, nil
}

func staffOf(tx engine.Tx, acc account, now time.Time) ([]staffSeen, error) {
	var live []staffSeen
	for _, k := range acc.Sessions {
		var s StaffSession
		ok, err := load(tx, engine.SpaceSessions, k, &s)
		if err == nil && ok {
			s.ID = sessionID(k)
			ok, err = s.alive(tx, now)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			live = append(live, staffSeen{k, s})
		}
	}
	slices.SortStableFunc(live, func(a, b staffSeen) int { return a.s.Seen.Compare(b.s.Seen) })
	return live, nil
}

// StaffSession returns the session of what a browser holds, and whether it lives. It runs on the partition of shard 0.
func (l *Links) StaffSession(tx engine.Tx, sid engine.Secret, now time.Time) (StaffSession, bool, error) {
	key := staffKey(sid)
	var s StaffSession
	ok, err := load(tx, engine.SpaceSessions, key, &s)
	if !ok || err != nil {
		return StaffSession{}, false, err
	}
	s.ID = sessionID(key)
	live, err := s.alive(tx, now)
	if err != nil {
		return StaffSession{}, false, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return s, live, nil
}

// StaffSessions returns the living sessions of a location's staff, the one seen last first. It runs on the partition of shard 0.
func (l *Links) StaffSessions(tx engine.Tx, location string, now time.Time) ([]StaffSession, error) {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, staffAccount), &acc); err != nil {
		return nil, fmt.Errorf("list staff sessions: %w", err)
	}
	live, err := staffOf(tx, acc, now)
	if err != nil {
		return nil, fmt.Errorf("list staff sessions: %w", err)
	}
	var out []StaffSession
	for _, l := range slices.Backward(live) {
		out = append(out, l.s)
	}
	return out, nil
}

// TouchStaff notes that a session was seen now. It does nothing for one that is over. It runs on the partition of shard 0.
func (l *Links) TouchStaff(tx engine.Tx, sid engine.Secret, now time.Time) error {
	s, ok, err := l.StaffSession(tx, sid, now)
	if !ok || err != nil {
		return err
	}
	s.Seen = now
	return save(tx, engine.SpaceSessions, staffKey(sid), s)
}

// EndStaff ends the session of what a browser holds, if there is one. It runs on the partition of shard 0.
func (l *Links) EndStaff(tx engine.Tx, sid engine.Secret) error { return endStaff(tx, staffKey(sid)) }

// EndStaffID ends a session of a location's staff by its id. It runs on the partition of shard 0. Returns ErrNoSession.
func (l *Links) EndStaffID(tx engine.Tx, location, id string) error {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, staffAccount), &acc); err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	for _, k := range acc.Sessions {
		if sessionID(k) == id {
			return endStaff(tx, k)
		}
	}
	return fmt.Errorf("end session: %w", ErrNoSession)
}

func endStaff(tx engine.Tx, key []byte) error {
	var s StaffSession
	ok, err := load(tx, engine.SpaceSessions, key, &s)
	if !ok || err != nil {
		return err
	}
	tx.Delete(engine.SpaceSessions, key)
	ak := accountKey(s.Location, staffAccount)
	var acc account
	if ok, err := load(tx, engine.SpaceHeads, ak, &acc); !ok || err != nil {
		return err
	}
	acc.Sessions = slices.DeleteFunc(acc.Sessions, func(k []byte) bool { return bytes.Equal(k, key) })
	return save(tx, engine.SpaceHeads, ak, acc)
}

// endStaffOf ends the sessions that came by a link of no contact.
func endStaffOf(tx engine.Tx, rec linkRecord) error {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, staffAccount), &acc); err != nil {
		return err
	}
	for _, k := range acc.Sessions {
		var s StaffSession
		if ok, err := load(tx, engine.SpaceSessions, k, &s); !ok || err != nil || s.Link != rec.ID {
			if err != nil {
				return err
			}
			continue
		}
		if err := endStaff(tx, k); err != nil {
			return err
		}
	}
	return nil
}

func countStaff(tx engine.Tx, rec linkRecord, now time.Time) (n int, err error) {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, staffAccount), &acc); err != nil {
		return 0, err
	}
	live, err := staffOf(tx, acc, now)
	for _, l := range live {
		if l.s.Link == rec.ID {
			n++
		}
	}
	return n, err
}
