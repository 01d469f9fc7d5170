package engine

import (
	"encoding/binary"
	"time"
)

// The identities of a person's past events stand beside the person, so that they cost no page of their own: key
// location 0 contact-key 1 identity, value version and day (Unix days, 4 bytes).

const eventRecordLen = 5

func seenPrefix(location string, key ID) []byte { return Key(location, key[:], []byte{1}) }

// SeenEvent reports whether the person had an event of that identity before, and keeps the identity if not.
func SeenEvent(tx Tx, location string, key ID, identity [16]byte, now time.Time) bool {
	k := append(seenPrefix(location, key), identity[:]...)
	if tx.Get(SpacePeople, k) != nil {
		return true
	}
	v := append(make([]byte, 0, eventRecordLen), recordVersion)
	tx.Put(SpacePeople, k, binary.BigEndian.AppendUint32(v, unixDay(now)))
	return false
}

// PruneEvents forgets identities of the person's events from days before that time. It looks at no more than max of them,
// beginning at an identity: given that of each new event, in time it comes past all.
func PruneEvents(tx Tx, location string, key ID, identity [16]byte, before time.Time, max int) {
	prefix := seenPrefix(location, key)
	day := unixDay(before)
	var old [][]byte
	tx.Scan(SpacePeople, append(prefix[:len(prefix):len(prefix)], identity[:]...), PrefixEnd(prefix), func(k, v []byte) bool {
		if len(v) == eventRecordLen && v[0] == recordVersion && binary.BigEndian.Uint32(v[1:]) < day {
			old = append(old, append([]byte(nil), k...))
		}
		max--
		return max > 0
	})
	for _, k := range old {
		tx.Delete(SpacePeople, k)
	}
}

// MoveEvents gives the identities of one person's events to another, which absorbed it.
func MoveEvents(tx Tx, location string, from, to ID) {
	prefix, dest := seenPrefix(location, from), seenPrefix(location, to)
	type record struct{ key, value []byte }
	var all []record
	tx.Scan(SpacePeople, prefix, PrefixEnd(prefix), func(k, v []byte) bool {
		all = append(all, record{append([]byte(nil), k...), append([]byte(nil), v...)})
		return true
	})
	for _, r := range all {
		tx.Delete(SpacePeople, r.key)
		tx.Put(SpacePeople, append(dest[:len(dest):len(dest)], r.key[len(prefix):]...), r.value)
	}
}

func unixDay(t time.Time) uint32 { return uint32(t.Unix() / 86400) }
