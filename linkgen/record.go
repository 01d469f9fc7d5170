package linkgen

import (
	"slices"
	"time"

	"latchkey/engine"
)

// A record is one version byte and fields (see fields.go). What version 1 means never changes; testdata holds examples.
const recordVersion = 1

// A Kind says who a link is for. It is under the link's keyed hash: one kind never passes for another.
type Kind string

// The kinds. Links of all but the first belong to no contact: they are kept in the partition of shard 0.
const (
	Learner Kind = "learner" // sent to a contact; opens the client portal, or an app, as that contact
	AppOnly Kind = "app"     // for a menu: carries no identity and lets nobody in
	User    Kind = "user"    // for the staff of a location, in a sidebar; who opens it must say who they are
	Staff   Kind = "staff"   // mailed to one member of staff, to sign in to the console
)

// A Link is what is stored of a link when it is minted. It never changes and holds no secret.
type Link struct {
	Location string    `json:"location"`
	Kind     Kind      `json:"kind"`
	Contact  engine.ID `json:"contact,omitzero"` // of a Learner link only
	App      string    `json:"app,omitempty"`    // "" is the client portal
	To       string    `json:"to,omitempty"`
	In       string    `json:"in,omitempty"`      // the product that To is in; empty if that is not known
	Ordinal  uint64    `json:"ordinal,omitempty"` // of the event it was minted for
	Run      engine.ID `json:"run,omitzero"`
	Workflow string    `json:"workflow,omitempty"`
	Step     string    `json:"step,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`   // zero if it does not
	MaxUses  int       `json:"max_uses,omitempty"` // 0 is unlimited
	Bind     bool      `json:"bind,omitempty"`     // it works only in the browser that it is first used in
	By       string    `json:"by,omitempty"`       // who made it by hand
	Email    string    `json:"email,omitempty"`    // of a Staff link: whom it signs in

	ID string `json:"-"` // safe to show
}

// A linkRecord is a Link and what decides whether it still lets someone in. SpaceLinks, by selector.
type linkRecord struct {
	Link
	Family  family
	Epoch   uint32
	KeyID   string
	MAC     []byte
	Address []byte // keyed hash; none if the link was not sent anywhere
}

// A usage is what happened to a link after it was minted. SpaceUses, by selector; none until something did.
type usage struct {
	Count   int
	First   time.Time
	Last    time.Time
	Revoked time.Time
	By      string
	Bound   []byte // hash of what the first browser holds, if the link is bound to it
}

// A family is the links that live and die together: those minted for one ordinal, or by one hand after it.
// Families are ordered.
type family struct {
	Ordinal uint64
	Hand    uint32
}

func (f family) less(o family) bool {
	if f.Ordinal != o.Ordinal {
		return f.Ordinal < o.Ordinal
	}
	return f.Hand < o.Hand
}

// A head says which families of a contact live, per app. What dies is always the oldest, so one floor says it all.
// SpaceHeads.
type head struct {
	Newest family
	Floor  family // families below it are superseded
	// Accepted are the families whose messages were handed over, newest first, no more than are kept.
	Accepted []family
	Listed   []Selector // the newest links of the contact and app, oldest first; see list.go
}

// accept notes that a family's message was handed over and raises the floor so that keep such families live. It
// reports whether that changed anything.
func (h *head) accept(f family, keep int) bool {
	i, known := slices.BinarySearchFunc(h.Accepted, f, func(a, b family) int {
		switch {
		case b.less(a):
			return -1
		case a.less(b):
			return 1
		}
		return 0
	})
	n := max(keep, 1) // KeepAll too: the newest is where a later setting begins
	if known && len(h.Accepted) <= n || !known && i >= n {
		return false
	}
	if !known {
		h.Accepted = slices.Insert(h.Accepted, i, f)
	}
	h.Accepted = h.Accepted[:min(n, len(h.Accepted))]
	if keep != KeepAll && len(h.Accepted) == n && h.Floor.less(h.Accepted[n-1]) {
		h.Floor = h.Accepted[n-1]
	}
	return true
}

// An account is what concerns all links of a contact. SpaceHeads.
type account struct {
	Epoch    uint32    // links of an earlier one are revoked
	Revoked  time.Time // when the last one ended
	Sessions [][]byte
	Ends     []ending // how the last few epochs ended
}

// staffAccount is where a location's staff sessions are listed: that of no contact.
var staffAccount engine.ID

func headKey(location string, contact engine.ID, app string) []byte {
	return engine.Key(location, contact[:], []byte("app\x00"+app))
}

// userHead is where a location's user links have their families. No app is called that.
const userHead = "\x00user"

// headOf returns the key of the head that a link's family is of, or nil if it has none.
func headOf(l Link) []byte {
	switch l.Kind {
	case Learner:
		return headKey(l.Location, l.Contact, l.App)
	case User:
		return headKey(l.Location, l.Contact, userHead)
	}
	return nil
}

func accountKey(location string, contact engine.ID) []byte {
	return engine.Key(location, contact[:], []byte("account"))
}
