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

// Learner links are sent to contacts and open the client portal.
const Learner Kind = "learner"

// A Link is what is stored of a link when it is minted. It never changes and holds no secret.
type Link struct {
	Location string    `json:"location"`
	Kind     Kind      `json:"kind"`
	Contact  engine.ID `json:"contact"`
	App      string    `json:"app,omitempty"` // "" is the client portal
	To       string    `json:"to,omitempty"`
	Ordinal  uint64    `json:"ordinal,omitempty"` // of the event it was minted for
	Run      engine.ID `json:"run,omitzero"`
	Workflow string    `json:"workflow,omitempty"`
	Step     string    `json:"step,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	MaxUses  int       `json:"max_uses,omitempty"` // 0 is unlimited

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
}

func headKey(location string, contact engine.ID, app string) []byte {
	return engine.Key(location, contact[:], []byte("app\x00"+app))
}

func accountKey(location string, contact engine.ID) []byte {
	return engine.Key(location, contact[:], []byte("account"))
}

// indexPrefix begins the keys that list a contact's links; the selector follows.
func indexPrefix(location string, contact engine.ID) []byte {
	return engine.Key(location, contact[:], []byte("link\x00"))
}
