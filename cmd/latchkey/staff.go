package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// This file knows who works here: the staff of latchkey.yaml, their sessions, and the keys.

// theOwner is who signs in by a link that the server itself prints: whoever sees it can read the keys folder too.
const theOwner = "owner"

// viaKey begins how somebody signed in who did so with a key; its id follows.
const viaKey = "key "

// roleOf returns the role of an address in this location's latchkey.yaml as it is now; "" if it has none.
func (s *site) roleOf(address string) console.Role {
	address = engine.NormalAddress(address)
	if address == "" {
		return ""
	}
	staff := s.inForce().cfg.Staff
	for _, role := range console.Roles() {
		for _, a := range staff[role] {
			if engine.NormalAddress(a) == address {
				return role
			}
		}
	}
	return ""
}

type adminStaff struct{ *site }

var _ console.Staff = adminStaff{}

// Known implements console.Staff.
func (s adminStaff) Known(ctx context.Context, p console.Proof) (console.Who, bool, error) {
	if !p.Key.IsZero() {
		who, _, err := s.byKey(p.Key)
		if !errors.Is(err, errNoKey) {
			return who, err == nil, err
		}
	}
	if p.Session.IsZero() {
		return console.Who{}, false, nil
	}
	return s.bySession(ctx, p.Session)
}

// byKey returns whose key it is, and its id. Returns errNoKey for one that is not known, or not in this location.
func (s *site) byKey(key engine.Secret) (console.Who, string, error) {
	if subtle.ConstantTimeCompare([]byte(key.Reveal()), []byte(s.apiKey.Reveal())) == 1 {
		return console.Who{Name: "key api.key", Role: console.Owner, Everywhere: true}, s.ownKeyID(), nil
	}
	k, err := findKey(s.cfg.Keys, key)
	if err != nil && !errors.Is(err, errNoKey) { // its file cannot be read: that is told here, not to who brings the key
		s.log.Error().Err(err).Msg("an API key is refused")
		err = errNoKey
	}
	if err == nil && !k.covers(s.cfg.Location) {
		err = errNoKey
	}
	if err != nil {
		return console.Who{}, "", err
	}
	return k.who(), k.ID, nil
}

func (k *keyFile) who() console.Who {
	return console.Who{Name: "key " + k.Name, Role: k.Role, Everywhere: k.everywhere()}
}

// ownKeyID tells one api.key from another, so that sessions end with it.
func (i *instance) ownKeyID() string { return "api.key " + hashKey(i.apiKey.Reveal())[:16] }

// bySession returns whose session it is, by what they may do now.
func (s adminStaff) bySession(ctx context.Context, sid engine.Secret) (console.Who, bool, error) {
	var ses linkgen.StaffSession
	live := false
	now := s.cfg.Now()
	err := s.stores.For(0).View(ctx, func(tx engine.Tx) (err error) {
		ses, live, err = s.links.StaffSession(tx, sid, now)
		return err
	})
	if err != nil || !live || ses.Location != s.cfg.Location {
		return console.Who{}, false, err
	}
	who, ok, err := s.today(ses)
	if err != nil || !ok {
		return console.Who{}, false, err
	}
	if ses.Stale(now) {
		err := s.stores.For(0).Update(ctx, func(tx engine.Tx) error { return s.links.TouchStaff(tx, sid, now) })
		if err != nil { // it keeps nobody out
			s.log.Warn().Err(err).Str("session", ses.ID).Msg("cannot note that a session of staff was seen")
		}
	}
	who.Session = true
	return who, true, nil
}

// today says what somebody who signed in some time ago is now.
func (s *site) today(ses linkgen.StaffSession) (console.Who, bool, error) {
	if id, ok := strings.CutPrefix(ses.Via, viaKey); ok {
		if id == s.ownKeyID() {
			return console.Who{Name: ses.Email, Role: console.Owner, Everywhere: true}, true, nil
		}
		k, err := readKeyFile(s.cfg.Keys, id)
		if errors.Is(err, errNoKey) || err == nil && !k.covers(s.cfg.Location) {
			return console.Who{}, false, nil
		}
		if err != nil {
			return console.Who{}, false, err
		}
		return k.who(), true, nil
	}
	if ses.Via != "link" { // another site vouched for them (linkgen.ViaHost), for its sidebar and no more
		return console.Who{}, false, nil
	}
	if ses.Email == theOwner {
		return console.Who{Name: theOwner, Role: console.Owner}, true, nil
	}
	role := s.roleOf(ses.Email)
	return console.Who{Name: ses.Email, Role: role}, role != "", nil
}

// Enter implements console.Staff.
func (s adminStaff) Enter(ctx context.Context, e console.Entry) (engine.Secret, console.Who, error) {
	fresh, device := linkgen.NewSID(0), linkgen.Device(e.Device)
	begin := func(tx engine.Tx, now time.Time) (linkgen.StaffSession, error) {
		return linkgen.StaffSession{}, fmt.Errorf("%w: give a key, or open a sign-in link", console.ErrRefused)
	}
	switch {
	case !e.Token.IsZero():
		tok, err := s.lookStaff(ctx, e.Token)
		if err != nil {
			return engine.Secret{}, console.Who{}, err
		}
		begin = func(tx engine.Tx, now time.Time) (linkgen.StaffSession, error) {
			return s.links.RedeemStaff(tx, linkgen.Visit{Token: tok, Presented: e.Presented, Fresh: fresh, Now: now, Device: device})
		}
	case !e.Key.IsZero():
		who, id, err := s.byKey(e.Key)
		if errors.Is(err, errNoKey) {
			err = fmt.Errorf("%w: that key is not one of this location", console.ErrRefused)
		}
		if err != nil {
			return engine.Secret{}, console.Who{}, err
		}
		begin = func(tx engine.Tx, now time.Time) (linkgen.StaffSession, error) {
			return s.links.BeginStaff(tx, linkgen.StaffEntry{Now: now, Location: s.cfg.Location, Email: who.Name, Via: viaKey + id,
				Presented: e.Presented, Fresh: fresh, Device: device})
		}
	}
	var ses linkgen.StaffSession
	err := s.stores.For(0).Update(ctx, func(tx engine.Tx) (err error) {
		ses, err = begin(tx, engine.Tick(tx, s.cfg.Now()))
		return err
	})
	switch {
	case errors.Is(err, linkgen.ErrSignedIn):
		fresh, err = e.Presented, nil
	case err != nil:
		return engine.Secret{}, console.Who{}, staffRefusal(err)
	}
	who, _, err := s.today(ses)
	return fresh, who, err
}

// lookStaff returns the token of a sign-in link that lets somebody in now. Returns console.ErrRefused with why it does not.
func (s *site) lookStaff(ctx context.Context, text engine.Secret) (linkgen.Token, error) {
	tok, door, err := s.staffDoor(ctx, text)
	if err != nil {
		return tok, err
	}
	if door.Reason != linkgen.OK && door.Reason != linkgen.UsedUp { // used up may be by this browser
		return tok, staffRefusal(&linkgen.Refusal{Link: door.Link, Reason: door.Reason})
	}
	if door.Link.Email != theOwner && s.roleOf(door.Link.Email) == "" {
		return tok, fmt.Errorf("%w: %s is not one of the staff any more", console.ErrRefused, door.Link.Email)
	}
	return tok, nil
}

func (s *site) staffDoor(ctx context.Context, text engine.Secret) (linkgen.Token, linkgen.Door, error) {
	unknown := staffRefusal(&linkgen.Refusal{Reason: linkgen.Unknown})
	tok, err := linkgen.ParseToken(text.Reveal())
	if err != nil {
		return tok, linkgen.Door{}, unknown
	}
	door, err := s.links.Look(ctx, s.stores, tok, s.cfg.Now())
	if err != nil {
		return tok, door, err
	}
	if door.Reason == linkgen.Unknown || door.Link.Kind != linkgen.Staff || door.Link.Location != s.cfg.Location {
		return tok, linkgen.Door{}, unknown
	}
	return tok, door, nil
}

// staffRefusal words why a sign-in link lets nobody in.
func staffRefusal(err error) error {
	r, ok := errors.AsType[*linkgen.Refusal](err)
	if !ok {
		return err
	}
	switch r.Reason {
	case linkgen.Expired:
		return fmt.Errorf("%w: this link has expired. Ask for a new one", console.ErrRefused)
	case linkgen.UsedUp:
		return fmt.Errorf("%w: this link was used already, and works once. Ask for a new one", console.ErrRefused)
	case linkgen.Revoked:
		return fmt.Errorf("%w: this link was revoked. Ask for a new one", console.ErrRefused)
	}
	return fmt.Errorf("%w: this is no sign-in link of this location. Ask for a new one", console.ErrRefused)
}

// Look implements console.Looker.
func (s adminStaff) Look(r *http.Request, token engine.Secret) (string, error) {
	_, door, err := s.staffDoor(r.Context(), token)
	if errors.Is(err, console.ErrRefused) || err == nil && door.Reason != linkgen.OK {
		return "", nil
	}
	return door.Link.Email, err
}

// SignedIn implements console.Roster.
func (s adminStaff) SignedIn(ctx context.Context) ([]console.Seat, error) {
	var all []linkgen.StaffSession
	now := s.cfg.Now()
	err := s.stores.For(0).View(ctx, func(tx engine.Tx) (err error) {
		all, err = s.links.StaffSessions(tx, s.cfg.Location, now)
		return err
	})
	var out []console.Seat
	for _, ses := range all {
		who, ok, wrong := s.today(ses)
		if wrong != nil {
			return nil, wrong
		}
		if !ok { // of a sidebar, too: it is none of the console
			who.Role = ""
		}
		out = append(out, console.Seat{ID: ses.ID, Who: ses.Email, Role: who.Role, Device: ses.Device, Created: ses.Created, Seen: ses.Seen})
	}
	return out, err
}

// SignOut implements console.Roster.
func (s adminStaff) SignOut(ctx context.Context, id string) error {
	err := s.stores.For(0).Update(ctx, func(tx engine.Tx) error { return s.links.EndStaffID(tx, s.cfg.Location, id) })
	if errors.Is(err, linkgen.ErrNoSession) {
		return fmt.Errorf("session %s: %w", id, console.ErrNotFound)
	}
	return err
}

// Leave implements console.Staff.
func (s adminStaff) Leave(ctx context.Context, sid engine.Secret) error {
	return s.stores.For(0).Update(ctx, func(tx engine.Tx) error {
		now := engine.Tick(tx, s.cfg.Now())
		ses, live, err := s.links.StaffSession(tx, sid, now)
		if err != nil || !live || ses.Location != s.cfg.Location {
			return err
		}
		if err := s.links.EndStaff(tx, sid); err != nil {
			return err
		}
		return linkgen.Audit(tx, linkgen.AuditEntry{At: now, Location: ses.Location, Who: ses.Email, Did: "signed out"})
	})
}
