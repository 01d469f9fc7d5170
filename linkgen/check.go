package linkgen

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/engine"
)

// A Reason says whether a link lets someone in and, if not, why. Its text is for operators.
type Reason string

// The reasons. All but Unknown are told only to who holds the link.
const (
	OK       Reason = "ok"
	Revoked  Reason = "revoked"
	Expired  Reason = "expired"
	Replaced Reason = "replaced"        // superseded by a newer link
	UsedUp   Reason = "used up"         // Link.MaxUses
	Moved    Reason = "address changed" // it was sent to an address that is no longer the contact's
	NoAccess Reason = "no access"       // the contact holds no offer and no product
	// OtherBrowser is of a link that works only in the browser that it was first used in.
	OtherBrowser Reason = "other browser"
	Unknown      Reason = "unknown" // malformed, never minted, or with a wrong secret

	// ended is what a link is by itself when all links of its contact were ended since. It never leaves this package:
	// to a contact without access it is NoAccess, and else Revoked.
	ended Reason = "ended"
)

// A verdict is what a link is by itself.
type verdict struct {
	Reason Reason
	use    usage
	cause  cause // what ended it before its time
}

// check reports whether a token's link lives: whether it is genuine, in time, of a living family, not revoked and not
// used up. For Unknown the record is zero. The error is the store's.
func (l *Links) check(tx engine.Tx, t Token, now time.Time) (linkRecord, verdict, error) {
	none := verdict{Reason: Unknown}
	rec, ok, err := loadLink(tx, t.selector)
	if err != nil {
		return linkRecord{}, none, err
	}
	if !l.genuine(rec, ok, t) {
		return linkRecord{}, none, nil
	}
	v, err := state(tx, rec, t.selector, now)
	if err != nil {
		return linkRecord{}, none, err
	}
	return rec, v, nil
}

// genuine compares a token with its record. Without one it compares too, so that the time taken tells nothing.
func (l *Links) genuine(rec linkRecord, found bool, t Token) bool {
	k := l.keys.find(rec.KeyID)
	if !found || k == nil {
		k, rec, found = l.keys.mint(), linkRecord{MAC: make([]byte, 32)}, false
	}
	return hmac.Equal(k.linkMAC(rec.Kind, rec.Location, t), rec.MAC) && found
}

// Genuine reports whether a token has the secret of its link, for who was shown a URL that does not open. It is true of a link whose
// key is gone, since nobody can tell.
func (l *Links) Genuine(ctx context.Context, stores engine.Stores, t Token) (genuine bool, err error) {
	err = stores.For(t.selector.Shard()).View(ctx, func(tx engine.Tx) error {
		rec, found, err := loadLink(tx, t.selector)
		genuine = err == nil && (l.genuine(rec, found, t) || found && l.keys.find(rec.KeyID) == nil)
		return err
	})
	return genuine, err
}

func loadLink(tx engine.Tx, s Selector) (linkRecord, bool, error) {
	var rec linkRecord
	ok, err := load(tx, engine.SpaceLinks, s[:], &rec)
	if ok && rec.Created.IsZero() {
		err = fmt.Errorf("%w: cut short", engine.ErrRecord)
	}
	if err != nil {
		return linkRecord{}, false, fmt.Errorf("link %s: %w", s.ID(), err)
	}
	rec.ID = s.ID()
	return rec, ok, nil
}

// state reads what became of a link. Of several reasons the one that the site gave comes first.
func state(tx engine.Tx, rec linkRecord, s Selector, now time.Time) (verdict, error) {
	v := verdict{Reason: Unknown}
	if _, err := load(tx, engine.SpaceUses, s[:], &v.use); err != nil {
		return v, err
	}
	var err error
	if v.cause, err = revokedWith(tx, rec.Location, rec.Workflow, rec.Run, s.mark()); err != nil {
		return v, err
	}
	var acc account
	if !rec.Contact.IsZero() {
		if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, rec.Contact), &acc); err != nil {
			return v, err
		}
	}
	var h head
	if key := headOf(rec.Link); key != nil {
		if _, err := load(tx, engine.SpaceHeads, key, &h); err != nil {
			return v, err
		}
	}
	switch {
	case !v.use.Revoked.IsZero():
		v.Reason, v.cause = Revoked, cause{ending{At: v.use.Revoked, By: v.use.By}, "link"}
	case v.cause.Scope != "":
		v.Reason = Revoked
	case rec.Epoch != acc.Epoch:
		v.cause = acc.endOf(rec.Epoch)
		v.Reason = v.cause.reason()
	case !rec.Expires.IsZero() && !now.Before(rec.Expires):
		v.Reason = Expired
	case rec.Family.less(h.Floor):
		v.Reason = Replaced
	case rec.MaxUses > 0 && v.use.Count >= rec.MaxUses:
		v.Reason = UsedUp
	default:
		v.Reason = OK
	}
	return v, nil
}

// reason tells what a person ended from what the loss of access did.
func (c cause) reason() Reason {
	if c.By == "" {
		return ended
	}
	return Revoked
}

// admit reports whether a living link lets its contact in today: OK, Moved or NoAccess. p is the contact's person, as
// Person returns it.
func (l *Links) admit(rec linkRecord, p *engine.Person) Reason {
	if p == nil {
		return NoAccess
	}
	if l.movedFrom(rec, p) {
		return Moved
	}
	if !p.HasAccess() {
		return NoAccess
	}
	return OK
}

// movedFrom reports whether a link was sent to an address that is not the contact's today.
func (l *Links) movedFrom(rec linkRecord, p *engine.Person) bool {
	k := l.keys.find(rec.KeyID)
	return len(rec.Address) > 0 && k != nil && !hmac.Equal(rec.Address, k.addressMAC(rec.Location, p.Contact.Email)) &&
		!hmac.Equal(rec.Address, k.addressMAC(rec.Location, p.Contact.Phone))
}

// A Door is what a token opens. Only a Learner link has a Person and lets somebody in by itself; what the other kinds open is
// for the caller to know, by Link.Kind.
type Door struct {
	Link   Link // zero if Reason is Unknown
	Reason Reason
	Person *engine.Person // the contact today; nil if Reason is Unknown, nothing is known of them, or there is none

	heir  Reason // what the contact that absorbed this one makes of the link; OK if there is none
	cause cause
	bound []byte
}

// Over reports whether a link that is NoAccess ended with its contact's last access, so that a later grant does not bring it back.
func (d Door) Over() bool { return d.Reason == NoAccess && !d.cause.At.IsZero() }

// OtherBrowser reports whether the link is bound to another browser than the one that proves itself by that: see
// Visit.Browser.
func (d Door) OtherBrowser(browser engine.Secret) bool { return boundElsewhere(d.bound, browser) }

// Look reports what a token opens at that time, and changes nothing.
func (l *Links) Look(ctx context.Context, stores engine.Stores, t Token, now time.Time) (Door, error) {
	var rec linkRecord
	v := verdict{Reason: Unknown}
	err := stores.For(t.selector.Shard()).View(ctx, func(tx engine.Tx) (err error) {
		rec, v, err = l.check(tx, t, now)
		return err
	})
	if err != nil {
		return Door{Reason: Unknown}, fmt.Errorf("look up link: %w", err)
	}
	if v.Reason == Unknown {
		return Door{Reason: Unknown}, nil
	}
	d, err := l.today(ctx, stores, rec, v)
	if err != nil {
		return Door{Reason: Unknown}, fmt.Errorf("look up link %s: %w", rec.ID, err)
	}
	return d, nil
}

// today adds to what a link is by itself what its contact is today.
func (l *Links) today(ctx context.Context, stores engine.Stores, rec linkRecord, v verdict) (Door, error) {
	d := Door{Link: rec.Link, Reason: v.Reason, heir: OK, cause: v.cause, bound: v.use.Bound}
	if rec.Contact.IsZero() {
		return d, nil
	}
	p, err := Person(ctx, stores, rec.Location, rec.Contact)
	if err != nil {
		return Door{}, err
	}
	d.Person = p
	var why cause
	if p != nil && p.Key != rec.Contact {
		if d.heir, why, err = heir(ctx, stores, rec, p.Key); err != nil {
			return Door{}, err
		}
	}
	if d.Reason == OK {
		d.Reason, d.cause = d.heir, why
	}
	d.Reason = l.resolve(rec, d.Reason, p)
	return d, nil
}

// resolve turns what a link is by itself into what it is to its contact today.
func (l *Links) resolve(rec linkRecord, reason Reason, p *engine.Person) Reason {
	switch {
	case reason == OK:
		return l.admit(rec, p)
	case reason == ended && (p == nil || !p.HasAccess()):
		return NoAccess
	case reason == ended:
		return Revoked
	}
	return reason
}

// heir asks whether a link died with what happened to the contact that absorbed its own: ordinals and times are
// comparable from one contact to another.
func heir(ctx context.Context, stores engine.Stores, rec linkRecord, key engine.ID) (reason Reason, why cause, err error) {
	err = stores.For(key.Shard()).View(ctx, func(tx engine.Tx) error {
		reason, why = OK, cause{}
		var acc account
		if _, err := load(tx, engine.SpaceHeads, accountKey(rec.Location, key), &acc); err != nil {
			return err
		}
		var h head
		if _, err := load(tx, engine.SpaceHeads, headKey(rec.Location, key, rec.App), &h); err != nil {
			return err
		}
		c, ended := acc.endAfter(rec.Created)
		switch {
		case ended:
			reason, why = c.reason(), c
		case rec.Family.less(h.Floor):
			reason = Replaced
		}
		return nil
	})
	return reason, why, err
}

var errForward = errors.New("contact was absorbed in a circle")

// Person returns the contact of that key as it is today: that of the contact which absorbed it, if one did. It may have
// to look in several partitions. nil means that there is none.
func Person(ctx context.Context, stores engine.Stores, location string, key engine.ID) (*engine.Person, error) {
	for range 8 {
		var p *engine.Person
		err := stores.For(key.Shard()).View(ctx, func(tx engine.Tx) (err error) {
			p, err = engine.LoadPerson(tx, location, key)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("contact %s: %w", key, err)
		}
		if p == nil || p.Absorbed.IsZero() {
			return p, nil
		}
		key = p.Absorbed
	}
	return nil, fmt.Errorf("contact %s: %w", key, errForward)
}

// recheck returns what a door is inside a commit. What this partition holds is read again; of a contact that another
// absorbed it holds nothing, so there the door counts as it was found.
func (l *Links) recheck(tx engine.Tx, rec linkRecord, reason Reason, d Door) (Reason, error) {
	p, err := engine.LoadPerson(tx, rec.Location, rec.Contact)
	if err != nil {
		return Unknown, fmt.Errorf("contact %s: %w", rec.Contact, err)
	}
	if p != nil && !p.Absorbed.IsZero() {
		if p = d.Person; reason == OK {
			reason = d.heir
		}
	}
	if reason == UsedUp { // which it may still be to the browser that it let in
		if r := l.admit(rec, p); r != OK {
			return r, nil
		}
	}
	return l.resolve(rec, reason, p), nil
}

// redactToken is what a log shows of a path that may hold a token.
const redactToken = "/l/[redacted]"

// Redact returns a URL path that is safe to log: the token of a link's path is left out.
func Redact(path string) string {
	if strings.HasPrefix(path, "/l/") {
		return redactToken
	}
	return path
}
