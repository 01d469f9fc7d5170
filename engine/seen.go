package engine

import (
	"encoding/binary"
	"time"
)

// The identities of a person's past events stand beside the person, so that they cost no page of their own: key
// location 0 contact-key 1 identity, value version (1) and day (Unix days, 4 bytes). One that came again has version 2 and
// behind that how often it did (4 bytes) and when last (8 bytes of Unix milliseconds).

const (
	eventRecordLen   = 5
	seenAgainLen     = eventRecordLen + 4 + 8
	seenAgainVersion = 2
)

// seenDay returns the day of a record, and whether it can be read.
func seenDay(v []byte) (day uint32, ok bool) {
	ok = len(v) == eventRecordLen && v[0] == recordVersion || len(v) == seenAgainLen && v[0] == seenAgainVersion
	if ok {
		day = binary.BigEndian.Uint32(v[1:])
	}
	return day, ok
}

// Duplicates returns how often an event of the person came again, and when last.
func Duplicates(tx Tx, location string, key ID, identity [16]byte) (n int, last time.Time) {
	v := tx.Get(SpacePeople, append(seenPrefix(location, key), identity[:]...))
	if len(v) != seenAgainLen || v[0] != seenAgainVersion {
		return 0, time.Time{}
	}
	return int(binary.BigEndian.Uint32(v[5:])), readMillis(v[9:])
}

// cameAgain returns the record of an event that came again.
func cameAgain(v []byte, now time.Time) []byte {
	day, ok := seenDay(v)
	if !ok {
		return nil
	}
	n := uint32(0)
	if len(v) == seenAgainLen {
		n = binary.BigEndian.Uint32(v[5:])
	}
	b := binary.BigEndian.AppendUint32(append(make([]byte, 0, seenAgainLen), seenAgainVersion), day)
	return appendMillis(binary.BigEndian.AppendUint32(b, n+min(1, ^n)), now)
}

func seenPrefix(location string, key ID) []byte { return Key(location, key[:], []byte{1}) }

// SeenEvent reports whether the person had an event of that identity before, and keeps the identity if not. It counts those that
// come again.
func SeenEvent(tx Tx, location string, key ID, identity [16]byte, now time.Time) bool {
	k := append(seenPrefix(location, key), identity[:]...)
	if was := tx.Get(SpacePeople, k); was != nil {
		if v := cameAgain(was, now); v != nil {
			tx.Put(SpacePeople, k, v)
		}
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
		if seen, ok := seenDay(v); ok && seen < day {
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
