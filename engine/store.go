package engine

import (
	"context"
	"errors"
)

// A Space names one flat, ordered key space of a store. Each space has one owner, named here.
// A record's first byte is its version.
type Space string

// The spaces. Every key but a link's selector and a session's hash begins with its location and a zero byte
// (see Key), except in SpaceMeta, which is the store's own.
const (
	SpaceMeta      Space = "meta"      // store: clock, offsets, store id
	SpacePeople    Space = "people"    // runner: persons, and beside each the identities of its past events
	SpaceDirectory Space = "directory" // runner: contact ids and addresses -> contact keys (global partition)
	SpaceVersions  Space = "versions"  // runner: source text of workflow versions (global partition)
	SpaceCourses   Space = "courses"   // runner: products, categories and lessons that events named (global partition)
	SpaceActive    Space = "active"    // runner: runs that are not over
	SpaceTimers    Space = "timers"    // runner: when waiting runs, and persons, are to be looked at
	SpaceRuns      Space = "runs"      // runner: runs that are over
	SpaceDue       Space = "due"       // runner: tasks that are not over (due or sending)
	SpaceTasks     Space = "tasks"     // runner: tasks that are over
	SpaceNotices   Space = "notices"   // runner: what is still to be published
	SpaceOwed      Space = "owed"      // runner: what runs did to persons of other partitions and is still to be carried over
	SpaceDecisions Space = "decisions" // runner: for each event, what it started and what said no
	SpaceHeads     Space = "heads"     // linkgen: a contact's link families, per app
	SpaceLinks     Space = "links"     // linkgen: link records by selector
	SpaceUses      Space = "uses"      // linkgen: use counts by selector
	SpaceTrails    Space = "trails"    // linkgen: links' timelines by selector
	SpaceRevoked   Space = "revoked"   // linkgen: what all links of a run, workflow, location or store were ended by
	SpaceSessions  Space = "sessions"  // linkgen: sessions by hash
	SpaceAudit     Space = "audit"     // linkgen: what staff did, in order of time
	SpaceNonces    Space = "nonces"    // linkgen: what may be used only once and was
	SpaceSSO       Space = "sso"       // sso: codes and tokens of OpenID
	SpaceBudgets   Space = "budgets"   // command: what was sent at strangers' wish, by location and channel (global partition)
	SpaceLogins    Space = "logins"    // command: login links that were asked for and are not under way yet (global partition)
	SpaceOutbox    Space = "outbox"    // outbox: messages as delivered, without live links
)

// Spaces returns all spaces, for what treats them alike: comparing, counting, checking.
func Spaces() []Space {
	return []Space{
		SpaceMeta, SpacePeople, SpaceDirectory, SpaceVersions, SpaceCourses, SpaceActive, SpaceTimers, SpaceRuns,
		SpaceDue, SpaceTasks, SpaceNotices, SpaceOwed, SpaceDecisions, SpaceHeads, SpaceLinks, SpaceUses, SpaceTrails, SpaceRevoked,
		SpaceSessions, SpaceAudit, SpaceNonces, SpaceSSO, SpaceBudgets, SpaceLogins, SpaceOutbox,
	}
}

// Errors of a Store.
var (
	// ErrClosed is returned by a store that was closed in order.
	ErrClosed = errors.New("store is closed")
	// ErrLost is returned by every call after the journal refused a commit, or a commit failed after the
	// journal took it. What became of the call's own writes is unknown; the store stays closed.
	ErrLost = errors.New("store is lost: outcome unknown")
	// ErrFull is returned when the disk has no room. Nothing of the call was stored; it may be tried again.
	ErrFull = errors.New("store has no room on disk")
	// ErrReadOnly is returned by View when its function wrote.
	ErrReadOnly = errors.New("write in a read-only view")
)

// A Tx reads and writes the spaces of one partition. It is valid only inside the function it is given to.
type Tx interface {
	// Get returns the value at key, or nil. The bytes belong to the transaction: do not keep or change them.
	Get(space Space, key []byte) []byte
	// Put stores value at key; nil is stored as empty. The store takes both over: do not change them afterwards.
	// A key must not be empty: the function's Update fails, as it does after every misuse named here.
	Put(space Space, key, value []byte)
	// Delete removes key. A nil key drops the whole space, which SpaceMeta refuses.
	Delete(space Space, key []byte)
	// Scan calls fn for each key in [from, to) in order until fn returns false. A nil to means the end.
	// fn must not write to the space it scans.
	Scan(space Space, from, to []byte, fn func(key, value []byte) bool)
}

// A Store is the one write path of a partition.
type Store interface {
	// Update runs fn and stores what it wrote, all or nothing, on disk when Update returns nil.
	// Calls that come at the same time share a commit; each sees what those before it wrote, and an fn
	// that returns an error or panics leaves no trace. fn may run twice and must have no side effects; it
	// must not call Update, which would wait for itself.
	// Update returns fn's error, ErrClosed, ErrLost, ErrFull, or the context's error if it ended before
	// fn was taken up (then fn did not and will not run).
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on the state after some commit. Returns fn's error, ErrReadOnly, ErrClosed or ErrLost.
	View(ctx context.Context, fn func(Tx) error) error
}

// Stores are the partitions of one instance. With one partition all of these are the same store.
type Stores interface {
	// For returns the partition that holds the shard. See ShardOf.
	For(shard uint16) Store
	// Global returns the partition for what belongs to no contact: the directory and workflow versions.
	Global() Store
	// All returns every partition once, the global one first.
	All() []Store
}

// Key joins a location and parts into a key: location, zero byte, parts.
func Key(location string, parts ...[]byte) []byte {
	n := len(location) + 1
	for _, p := range parts {
		n += len(p)
	}
	k := make([]byte, 0, n)
	k = append(k, location...)
	k = append(k, 0)
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

// PrefixEnd returns the first key after all keys that begin with prefix, or nil if there is none.
func PrefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}
