package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// SpaceTimers is an index of what is to be done at a time, in the order of time:
//
//	timer     location 0 due kind id         version
//
// due is 8 bytes of Unix milliseconds, rounded up; kind is one byte. The record that asks for the timer (the run, the
// person) holds the truth, and is stored in the same commit.
//
// The key "timers" of SpaceMeta says by its version that there is an index; the first run makes it. Beside it stand, as
//
//	"timers" 0 location          version count
//
// how many runs of each location wait for a time (8 bytes). A store that has active runs and no such key was written before
// there were timers, and one of version 1 before locations were counted: IndexTimers makes both right.

// A TimerKind says what a timer's id names. It is part of stored keys: a number keeps its meaning for ever.
type TimerKind byte

// The kinds of timers.
const (
	TimerRun    TimerKind = 1 // a run's wait ends
	TimerPerson TimerKind = 2 // a person is to be looked at: something of theirs (a gathering, an absence) is over
)

// A Timer is one entry of SpaceTimers.
type Timer struct {
	Location string
	Due      time.Time
	Kind     TimerKind
	ID       ID // of a run, or a contact's key
}

// A TimerPlace is where a timer stands among those of its location: the part of its key behind the location.
type TimerPlace [timerKeyLen]byte

const timerKeyLen = 8 + 1 + 16

var waitingKey = []byte("timers")

const waitingVersion = 2 // of the key "timers"; 1 was followed by the number of all locations together

// Place returns where the timer stands.
func (t Timer) Place() TimerPlace {
	p := TimerPlaceAt(t.Due)
	p[8] = byte(t.Kind)
	copy(p[9:], t.ID[:])
	return p
}

// TimerPlaceAt returns the place before all timers of that time.
func TimerPlaceAt(due time.Time) (p TimerPlace) {
	appendMillis(p[:0], due)
	if int64(binary.BigEndian.Uint64(p[:])) <= 0 {
		clear(p[:8])
		p[7] = 1 // before 1970, and not first in the order of unsigned numbers; 0 is no time
	}
	return p
}

// Due returns the place's time.
func (p TimerPlace) Due() time.Time { return readMillis(p[:8]) }

// Compare orders places.
func (p TimerPlace) Compare(other TimerPlace) int { return bytes.Compare(p[:], other[:]) }

// After returns the place right behind p.
func (p TimerPlace) After() TimerPlace {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i]++; p[i] != 0 {
			break
		}
	}
	return p
}

// SetTimer moves a timer from one time to another; a zero old says that there was none, a zero due that there is none any
// more. Times that are equal to the millisecond change nothing.
func SetTimer(tx Tx, location string, kind TimerKind, id ID, old, due time.Time) {
	from, to := Timer{location, old, kind, id}.Place(), Timer{location, due, kind, id}.Place()
	if old.IsZero() == due.IsZero() && (old.IsZero() || from == to) {
		return
	}
	delta := 0
	if !old.IsZero() {
		if key := Key(location, from[:]); tx.Get(SpaceTimers, key) != nil {
			tx.Delete(SpaceTimers, key)
			delta--
		}
	}
	if !due.IsZero() {
		key := Key(location, to[:])
		if tx.Get(SpaceTimers, key) == nil {
			delta++
			tx.Put(SpaceTimers, key, []byte{recordVersion})
		}
	}
	if kind == TimerRun && delta != 0 && timersIndexed(tx) {
		putWaitingRuns(tx, location, waitingRuns(tx, location)+delta)
	}
}

// timersIndexed reports whether the partition has an index: one without active runs needs none to begin with.
func timersIndexed(tx Tx) bool {
	if b := tx.Get(SpaceMeta, waitingKey); b != nil {
		return len(b) == 1 && b[0] == waitingVersion
	}
	none := true
	tx.Scan(SpaceActive, nil, nil, func(_, _ []byte) bool { none = false; return false })
	return none
}

// WaitingRuns returns how many runs of the partition wait for a time, by location; known is false for a store that has no index
// yet. Locations without any may be left out.
func WaitingRuns(tx Tx) (n map[string]int, known bool) {
	if !timersIndexed(tx) {
		return nil, false
	}
	prefix := Key(string(waitingKey))
	n = map[string]int{}
	tx.Scan(SpaceMeta, prefix, PrefixEnd(prefix), func(k, v []byte) bool {
		n[string(k[len(prefix):])] = readWaiting(v)
		return true
	})
	return n, true
}

func waitingRuns(tx Tx, location string) int {
	return readWaiting(tx.Get(SpaceMeta, Key(string(waitingKey), []byte(location))))
}

func readWaiting(v []byte) int {
	if len(v) != 9 || v[0] != recordVersion {
		return 0
	}
	return int(binary.BigEndian.Uint64(v[1:]))
}

func putWaitingRuns(tx Tx, location string, n int) {
	tx.Put(SpaceMeta, Key(string(waitingKey), []byte(location)), binary.BigEndian.AppendUint64([]byte{recordVersion}, uint64(max(n, 0))))
}

// Timers calls fn for each timer of the location in [from, to), in order, until it returns false. A zero to is the end.
// A key that is none of a timer is passed over; the first one is told as ErrRecord.
func Timers(tx Tx, location string, from, to TimerPlace, fn func(Timer) bool) (err error) {
	prefix := Key(location)
	end := PrefixEnd(prefix)
	if to != (TimerPlace{}) {
		end = Key(location, to[:])
	}
	tx.Scan(SpaceTimers, Key(location, from[:]), end, func(k, _ []byte) bool {
		if len(k) != len(prefix)+timerKeyLen {
			err = fmt.Errorf("%w: key %x is no timer's", ErrRecord, k)
			return true
		}
		p := TimerPlace(k[len(prefix):])
		return fn(Timer{location, p.Due(), TimerKind(p[8]), ID(p[9:])})
	})
	return err
}

// TimerLocations returns the locations that have timers, in order.
func TimerLocations(tx Tx) (locations []string) {
	var from []byte
	for more := true; more; {
		more = false
		tx.Scan(SpaceTimers, from, nil, func(k, _ []byte) bool {
			location, _, _ := bytes.Cut(k, []byte{0})
			locations = append(locations, string(location))
			from, more = PrefixEnd(Key(string(location))), true
			return false
		})
	}
	return locations
}

// IndexTimers makes one stretch of the index of a store that has none: the timers of up to limit active runs from the one at
// key from. Call it with nil first, then with what it returned, each in a commit of its own, until next is nil; nothing
// else may save runs meanwhile. What cannot be read is told to unreadable.
func IndexTimers(tx Tx, from []byte, limit int, unreadable func(key []byte, err error)) (next []byte) {
	if timersIndexed(tx) {
		return nil
	}
	if from == nil { // what an interrupted try left is counted again
		for _, location := range waitingLocations(tx) {
			tx.Delete(SpaceMeta, Key(string(waitingKey), []byte(location)))
		}
	}
	counted := map[string]int{}
	tx.Scan(SpaceActive, from, nil, func(k, v []byte) bool {
		if limit--; limit < 0 {
			next = bytes.Clone(k)
			return false
		}
		h, err := ReadRunHead(k, v)
		switch {
		case err != nil:
			unreadable(bytes.Clone(k), err)
		case h.State == RunWaiting && !h.Due.IsZero():
			SetTimer(tx, h.Location, TimerRun, h.ID, time.Time{}, h.Due)
			counted[h.Location]++
		}
		return true
	})
	for location, n := range counted {
		putWaitingRuns(tx, location, waitingRuns(tx, location)+n)
	}
	if next == nil {
		tx.Put(SpaceMeta, waitingKey, []byte{waitingVersion})
	}
	return next
}

func waitingLocations(tx Tx) (locations []string) {
	prefix := Key(string(waitingKey))
	tx.Scan(SpaceMeta, prefix, PrefixEnd(prefix), func(k, _ []byte) bool {
		locations = append(locations, string(k[len(prefix):]))
		return true
	})
	return locations
}

// saveRunTimer keeps the index true for a run whose record was old (nil: there was none). The run is not stored yet.
func saveRunTimer(tx Tx, r *Run, key, old []byte) {
	if old == nil && tx.Get(SpaceMeta, waitingKey) == nil && timersIndexed(tx) {
		tx.Put(SpaceMeta, waitingKey, []byte{waitingVersion})
	}
	var was, due time.Time
	if old != nil {
		if h, err := ReadRunHead(key, old); err == nil && h.State == RunWaiting {
			was = h.Due
		}
	}
	if r.State == RunWaiting && r.Wait != nil {
		due = r.Wait.Due
	}
	SetTimer(tx, r.Location, TimerRun, r.ID, was, due)
}
