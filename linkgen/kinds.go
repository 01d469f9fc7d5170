package linkgen

import (
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// StaffTTL is how long a link that signs staff in works, unless its request says otherwise.
const StaffTTL = 15 * time.Minute

var errNoBase = errors.New("no base URL")

// An AppRequest asks for a link to an app, or to the client portal, that belongs to no contact.
type AppRequest struct {
	Now      time.Time
	Location string
	App      string        // "" is the client portal
	To       string        // as LinkRequest.To
	TTL      time.Duration // 0 is for ever
	By       string        // who makes it
}

// MintApp makes a link for a menu: it opens what the browser is signed in to, or the way to sign in, and carries no identity.
// Several work at once. It runs on the partition of shard 0. Its errors are Final.
func (l *Links) MintApp(tx engine.Tx, req AppRequest) (id string, url engine.Secret, err error) {
	rec := linkRecord{Link: Link{Kind: AppOnly, Location: req.Location, App: req.App, To: cleanTo(req.To), By: req.By}}
	return l.mintFor(tx, &rec, req.Now, req.TTL, "")
}

// A UserRequest asks for the link of a location's staff.
type UserRequest struct {
	Now      time.Time
	Location string
	By       string // who makes it
}

// MintUser makes the one link of a location's staff, for a sidebar. It works until the next one is made, which ends it at
// once. It runs on the partition of shard 0. Its errors are Final.
func (l *Links) MintUser(tx engine.Tx, req UserRequest) (id string, url engine.Secret, err error) {
	rec := linkRecord{Link: Link{Kind: User, Location: req.Location, By: req.By}}
	key := headOf(rec.Link)
	var h head
	if _, err := load(tx, engine.SpaceHeads, key, &h); err != nil {
		return "", url, fmt.Errorf("mint user link: %w", engine.Final(err))
	}
	h.Newest.Hand++
	h.accept(h.Newest, 1)
	rec.Family = h.Newest
	if err := save(tx, engine.SpaceHeads, key, h); err != nil {
		return "", url, fmt.Errorf("mint user link: %w", err)
	}
	return l.mintFor(tx, &rec, req.Now, 0, "")
}

// A StaffRequest asks for a link that signs a member of staff in to the console.
type StaffRequest struct {
	Now      time.Time
	Location string
	Email    string        // whom it signs in
	TTL      time.Duration // default StaffTTL
	By       string        // who makes it; empty if they asked for it themselves
	Base     string        // where it leads: the URL is Base and the token
}

// MintStaff makes a link that signs a member of staff in, once. Whether the address is one of staff is the caller's to know,
// now and when it is used. It runs on the partition of shard 0. Its errors are Final.
func (l *Links) MintStaff(tx engine.Tx, req StaffRequest) (id string, url engine.Secret, err error) {
	if req.Email == "" {
		return "", url, engine.Final(errors.New("mint staff link: no address"))
	}
	if req.TTL <= 0 {
		req.TTL = StaffTTL
	}
	rec := linkRecord{Link: Link{Kind: Staff, Location: req.Location, Email: req.Email, By: req.By, MaxUses: 1}}
	base := req.Base
	if base == "" {
		base = "/"
	}
	return l.mintFor(tx, &rec, req.Now, req.TTL, base)
}

// mintFor stores a link of no contact. Its URL is base and the token; without base it is that of the portal.
func (l *Links) mintFor(tx engine.Tx, rec *linkRecord, now time.Time, ttl time.Duration, base string) (id string, url engine.Secret, err error) {
	set, err := l.of(rec.Location)
	if err == nil && set.BaseURL == "" {
		err = engine.Final(errNoBase)
	}
	if err != nil {
		return "", url, fmt.Errorf("mint %s link: %w", rec.Kind, err)
	}
	rec.Created = now.UTC().Truncate(time.Millisecond)
	if ttl > 0 {
		rec.Expires = rec.Created.Add(ttl)
	}
	rec.Channel = "hand"
	tok, err := l.store(tx, rec, 0, "")
	if err != nil {
		return "", url, fmt.Errorf("mint %s link: %w", rec.Kind, err)
	}
	if base != "" {
		return rec.ID, engine.NewSecret(base + tok.reveal()), nil
	}
	return rec.ID, tok.url(set.BaseURL), nil
}
