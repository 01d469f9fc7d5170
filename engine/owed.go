package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// A run is in the partition of the key that it began with. If another contact absorbed that one, the run's person may be in
// another partition. What the run does to them is committed with the run, as owed, and is then carried over.
//
// Key of SpaceOwed: location 0 number (8 bytes, counted up in SpaceMeta). Value: version (1), time (8 bytes of Unix milliseconds),
// length of the first record (4), and two persons' records: see Owed.

var owedKey = []byte("owed") // in SpaceMeta: a version (1) and the last number

// An Owed is what a run did to a person of another partition.
type Owed struct {
	Key      []byte   // in SpaceOwed
	Identity [16]byte // by which the person's partition knows that it was carried over
	// Was and Is have nothing but what differs, and whose person it is.
	Was, Is Person
}

// Difference returns what a run did to a person: of both only what differs, and whether anything does. A run changes tags,
// custom fields, the ledger of messages and that of starts.
func Difference(was, is *Person) (before, after Person, any bool) {
	before = Person{Key: was.Key, Location: was.Location}
	after = Person{Key: is.Key, Location: is.Location}
	before.Tags, after.Tags = lacking(was.Tags, is.Tags), lacking(is.Tags, was.Tags)
	before.Contact.Custom, after.Contact.Custom = differing(was.Contact.Custom, is.Contact.Custom), differing(is.Contact.Custom, was.Contact.Custom)
	before.Starts, after.Starts = differing(was.Starts, is.Starts), differing(is.Starts, was.Starts)
	before.Messages, after.Messages = lacking(was.Messages, is.Messages), lacking(is.Messages, was.Messages)
	for _, p := range []*Person{&before, &after} {
		any = any || len(p.Tags)+len(p.Contact.Custom)+len(p.Starts)+len(p.Messages) > 0
	}
	return before, after, any
}

// lacking returns those of a that b does not have.
func lacking[T any](a, b []T) []T {
	var left []T
	for _, v := range a {
		if !slices.ContainsFunc(b, func(o T) bool { return reflect.DeepEqual(v, o) }) {
			left = append(left, v)
		}
	}
	return left
}

// differing returns those entries of a that b does not have, or has another value for.
func differing[M ~map[string]V, V any](a, b M) M {
	var left M
	for k, v := range a {
		if o, ok := b[k]; !ok || !reflect.DeepEqual(v, o) {
			if left == nil {
				left = M{}
			}
			left[k] = v
		}
	}
	return left
}

// Carry returns p with a Difference done to it. What was done to p meanwhile stays, as if it had been done before. p is not
// changed.
func Carry(p, was, is Person) Person {
	p.Tags = tagged(p.Tags, Tag{Add: is.Tags, Remove: was.Tags})
	if len(was.Contact.Custom)+len(is.Contact.Custom) > 0 {
		given := Custom{}
		for name := range was.Contact.Custom {
			given[name] = nil // forgotten, unless it has a new value
		}
		maps.Copy(given, is.Contact.Custom)
		p.Contact.Custom = mergeCustom(p.Contact.Custom, given)
	}
	if len(is.Starts) > 0 {
		p.Starts = maps.Clone(p.Starts)
		if p.Starts == nil {
			p.Starts = map[string]Start{}
		}
	}
	for k, s := range is.Starts {
		if mine, ok := p.Starts[k]; !ok || mine.Run == s.Run || mine.At.Before(s.At) {
			p.Starts[k] = s
		}
	}
	if len(was.Messages)+len(is.Messages) > 0 {
		p.Messages = slices.DeleteFunc(slices.Clone(p.Messages), func(d Delivery) bool {
			same := func(o Delivery) bool { return o.Task == d.Task }
			return slices.ContainsFunc(was.Messages, same) || slices.ContainsFunc(is.Messages, same)
		})
		p.Messages = joinMessages(p.Messages, is.Messages)
	}
	return p
}

// SaveOwed stores what Difference returned.
func SaveOwed(tx Tx, was, is *Person, now time.Time) error {
	a, err := encodePerson(was)
	if err != nil {
		return fmt.Errorf("person %s: %w", was.Key, err)
	}
	b, err := encodePerson(is)
	if err != nil {
		return fmt.Errorf("person %s: %w", is.Key, err)
	}
	last := uint64(0)
	if v := tx.Get(SpaceMeta, owedKey); len(v) == 9 {
		last = binary.BigEndian.Uint64(v[1:])
	}
	number := binary.BigEndian.AppendUint64(nil, last+1)
	tx.Put(SpaceMeta, owedKey, append([]byte{recordVersion}, number...))
	v := appendMillis(append(make([]byte, 0, 16+len(a)+len(b)), recordVersion), now)
	v = binary.BigEndian.AppendUint32(v, uint32(len(a)))
	tx.Put(SpaceOwed, Key(is.Location, number), slices.Concat(v, a, b))
	return nil
}

// DecodeOwed reads a record of SpaceOwed. It returns an error that wraps ErrRecord if it cannot.
func DecodeOwed(key, v []byte) (*Owed, error) {
	const head = 1 + 8 + 4
	if err := checkVersion(v, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(v[9:]))
	if n > len(v)-head || len(key) < 8 {
		return nil, fmt.Errorf("%w: what a run owes a person", ErrRecord)
	}
	o := &Owed{Key: slices.Clone(key)}
	for i, b := range [][]byte{v[head : head+n], v[head+n:]} {
		p, err := DecodePerson(b)
		if err != nil {
			return nil, err
		}
		*[]*Person{&o.Was, &o.Is}[i] = *p
	}
	// Two partitions may owe the same under the same number only if it is the same change, made in the same millisecond.
	sum := sha256.Sum256(slices.Concat([]byte("owed"), key[len(key)-8:], v))
	copy(o.Identity[:], sum[:])
	return o, nil
}
