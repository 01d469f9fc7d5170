package linkgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// ErrNoSession is returned for the id of a session that is not, or no more, a living one of the contact.
var ErrNoSession = errors.New("no such session")

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

// EndSessionID ends a session of a contact by its id. It runs on the partition of Session.Contact, which for one of Sessions need
// not be the contact that was asked for. Returns ErrNoSession.
func (l *Links) EndSessionID(tx engine.Tx, location string, contact engine.ID, id string) error {
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(location, contact), &acc); err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	for _, k := range acc.Sessions {
		if sessionID(k) != id {
			continue
		}
		if err := endSession(tx, k, "ended from the list of sessions"); err != nil {
			return fmt.Errorf("end session %s: %w", id, err)
		}
		return nil
	}
	return fmt.Errorf("end session: %w", ErrNoSession)
}
