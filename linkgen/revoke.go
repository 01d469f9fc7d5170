package linkgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// endsKept is how many endings a record remembers. An older link counts as ended by the oldest of them.
const endsKept = 8

// An ending is when all that there was of a scope ended, at once.
type ending struct {
	Floor uint64 // what has a lower mark, or in an account a lower epoch, is ended
	At    time.Time
	By    string // empty if it was the loss of the last access
}

// A revocation is what ended all links and sessions of a run, workflow or location, or all of a store. SpaceRevoked; none
// until something did. Each partition has its own, with floors among its own marks.
type revocation struct{ Ends []ending }

func addEnding(ends []ending, e ending) []ending {
	ends = append(ends, e)
	return ends[max(0, len(ends)-endsKept):]
}

// A cause is what ended a link before its time. Its zero value is that nothing did.
type cause struct {
	ending
	Scope string // "link", "contact", "run", "workflow", "location", "everything", "key"
}

func everythingKey() []byte { return engine.Key("", []byte("everything")) }

func locationKey(location string) []byte { return engine.Key(location, []byte("location")) }

func workflowKey(location, workflow string) []byte {
	return engine.Key(location, []byte("workflow\x00"+workflow))
}

func runKey(location string, run engine.ID) []byte {
	return engine.Key(location, []byte("run\x00"), run[:])
}

// revokedWith returns the first thing that ended what has that mark and came of that run, if anything did.
func revokedWith(tx engine.Tx, location, workflow string, run engine.ID, mark uint64) (cause, error) {
	type scope struct {
		name string
		key  []byte
	}
	scopes := [4]scope{{"everything", everythingKey()}, {"location", locationKey(location)}}
	n := 2
	if workflow != "" {
		scopes[n] = scope{"workflow", workflowKey(location, workflow)}
		n++
	}
	if !run.IsZero() {
		scopes[n] = scope{"run", runKey(location, run)}
		n++
	}
	var first cause
	for _, s := range scopes[:n] {
		var r revocation
		if ok, err := load(tx, engine.SpaceRevoked, s.key, &r); !ok || err != nil {
			if err != nil {
				return cause{}, err
			}
			continue
		}
		for _, e := range r.Ends {
			if mark < e.Floor && (first.Scope == "" || e.At.Before(first.At)) {
				first = cause{e, s.name}
			}
		}
	}
	return first, nil
}

// endOf returns how an epoch of a contact ended.
func (a *account) endOf(epoch uint32) cause {
	for _, e := range a.Ends {
		if uint64(epoch) < e.Floor {
			return cause{e, "contact"}
		}
	}
	return cause{ending{At: a.Revoked}, "contact"} // from before endings were kept
}

// endAfter returns what ended the links of an account that were minted by then, if anything did.
func (a *account) endAfter(created time.Time) (cause, bool) {
	if created.After(a.Revoked) {
		return cause{}, false
	}
	for _, e := range a.Ends {
		if !created.After(e.At) {
			return cause{e, "contact"}, true
		}
	}
	return cause{ending{At: a.Revoked}, "contact"}, true
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
	if err == nil {
		err = revokeLink(tx, rec, s, by, now)
	}
	if err != nil {
		return fmt.Errorf("revoke link %s: %w", id, err)
	}
	return nil
}

func revokeLink(tx engine.Tx, rec linkRecord, s Selector, by string, now time.Time) error {
	var use usage
	if _, err := load(tx, engine.SpaceUses, s[:], &use); err != nil {
		return err
	}
	if use.Revoked.IsZero() {
		use.Revoked, use.By = now, by
		if err := save(tx, engine.SpaceUses, s[:], use); err != nil {
			return err
		}
	}
	if rec.Contact.IsZero() {
		return endStaffOf(tx, rec)
	}
	return endSessionsOf(tx, rec)
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
		if err := endSession(tx, k, "the link was revoked"); err != nil {
			return err
		}
	}
	return nil
}

// RevokeContact ends all links and sessions of a contact, and of those that it absorbed, at once and in constant time, as
// the loss of the last access does. They do not come back; what is minted later is not concerned.
func (l *Links) RevokeContact(tx engine.Tx, location string, contact engine.ID, now time.Time) error {
	return revokeContact(tx, location, contact, "", now)
}

func revokeContact(tx engine.Tx, location string, contact engine.ID, by string, now time.Time) error {
	key := accountKey(location, contact)
	var acc account
	if _, err := load(tx, engine.SpaceHeads, key, &acc); err != nil {
		return fmt.Errorf("revoke links of contact %s: %w", contact, err)
	}
	acc.Epoch++ // the sessions' records are deleted with the next one, or swept: until then a page can say what happened
	acc.Revoked = now
	acc.Ends = addEnding(acc.Ends, ending{uint64(acc.Epoch), now, by})
	if err := save(tx, engine.SpaceHeads, key, acc); err != nil {
		return fmt.Errorf("revoke links of contact %s: %w", contact, err)
	}
	return nil
}

// A Scope says whose links and sessions are to end: one run's, one workflow's, one contact's, a location's, or all of them.
// Location is needed by all but Everything; with no other field it is the scope.
type Scope struct {
	Location string
	Workflow string
	Run      engine.ID
	Contact  engine.ID
	// Everything is all links and sessions of every location, those of staff too, as after a theft.
	Everything bool
}

// ErrScope is returned for a Scope that names nothing, or more than one thing.
var ErrScope = errors.New("not one scope")

// key returns where the revocation of a scope is kept; nil for a contact's.
func (s Scope) key() (key []byte, err error) {
	n := 0
	for _, set := range []bool{s.Workflow != "", !s.Run.IsZero(), !s.Contact.IsZero(), s.Everything} {
		if set {
			n++
		}
	}
	switch {
	case n > 1, s.Everything == (s.Location != ""):
		return nil, ErrScope
	case s.Everything:
		return everythingKey(), nil
	case !s.Contact.IsZero():
		return nil, nil
	case !s.Run.IsZero():
		return runKey(s.Location, s.Run), nil
	case s.Workflow != "":
		return workflowKey(s.Location, s.Workflow), nil
	}
	return locationKey(s.Location), nil
}

// String says what the scope is, for people.
func (s Scope) String() string {
	switch {
	case s.Everything:
		return "everything"
	case !s.Contact.IsZero():
		return "contact " + s.Contact.String()
	case !s.Run.IsZero():
		return "run " + s.Run.String()
	case s.Workflow != "":
		return "workflow " + s.Workflow
	}
	return "location " + s.Location
}

// RevokeScope ends all links and sessions of a scope, and notes who did. It takes the same time however many there are:
// one small commit for each partition. When it returns, the very next request is refused; what is minted later
// is not concerned. Of a contact that absorbed others, or was absorbed, the others' end too. After an error it may
// have ended some: call it again. Returns ErrScope.
func (l *Links) RevokeScope(ctx context.Context, stores engine.Stores, s Scope, by string, now time.Time) error {
	if by == "" {
		by = "operator"
	}
	key, err := s.key()
	if err != nil {
		return fmt.Errorf("revoke %s: %w", s, err)
	}
	in := stores.All()
	switch {
	case key == nil:
		err, in = l.revokeContacts(ctx, stores, s, by, now), nil
	case !s.Run.IsZero(): // whose links are where it is
		in = []engine.Store{stores.For(s.Run.Shard())}
	}
	for i, store := range in {
		err = store.Update(ctx, func(tx engine.Tx) error { return revokeAll(tx, s, key, by, now, i == 0) })
		if err != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("revoke %s: %w", s, err)
	}
	return nil
}

func revokeAll(tx engine.Tx, s Scope, key []byte, by string, wall time.Time, note bool) error {
	now := engine.Tick(tx, wall)
	var r revocation
	if _, err := load(tx, engine.SpaceRevoked, key, &r); err != nil {
		return err
	}
	r.Ends = addEnding(r.Ends, ending{nextMark(tx, now), now, by})
	if err := save(tx, engine.SpaceRevoked, slices.Clone(key), r); err != nil || !note {
		return err
	}
	e := AuditEntry{At: now, Location: s.Location, Who: by, Did: "revoked all links and sessions", On: s.String()}
	if !s.Run.IsZero() {
		if run, err := engine.LoadRun(tx, s.Location, s.Run); err == nil && run != nil {
			e.Detail = contactDetail(run.Contact) // so that it is forgotten with them
		}
	}
	return Audit(tx, e)
}

// revokeContacts ends those of a contact, of the one that absorbed it, and of those that this one absorbed.
func (l *Links) revokeContacts(ctx context.Context, stores engine.Stores, s Scope, by string, wall time.Time) error {
	keys, err := kin(ctx, stores, s.Location, s.Contact)
	if err != nil {
		return err
	}
	for i, key := range keys {
		err := stores.For(key.Shard()).Update(ctx, func(tx engine.Tx) error {
			now := engine.Tick(tx, wall)
			if err := revokeContact(tx, s.Location, key, by, now); err != nil || i > 0 {
				return err
			}
			return Audit(tx, AuditEntry{At: now, Location: s.Location, Who: by, Did: "revoked all links and sessions", On: s.String()})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// kin returns the keys under which what is one contact today may have links: the one asked for first.
func kin(ctx context.Context, stores engine.Stores, location string, key engine.ID) ([]engine.ID, error) {
	keys := []engine.ID{key}
	p, err := Person(ctx, stores, location, key)
	if err != nil || p == nil {
		return keys, err
	}
	for _, k := range append([]engine.ID{p.Key}, p.Took...) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// contactDetail says in an audit entry whose something is.
func contactDetail(contact engine.ID) string {
	if contact.IsZero() {
		return ""
	}
	return "contact " + contact.String()
}
