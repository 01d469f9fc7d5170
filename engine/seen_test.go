package engine

import (
	"slices"
	"testing"
)

// mapTx is the simplest Tx: a sorted scan over a map.
type mapTx map[Space]map[string][]byte

func (m mapTx) Get(s Space, k []byte) []byte { return m[s][string(k)] }
func (m mapTx) Put(s Space, k, v []byte) {
	if m[s] == nil {
		m[s] = map[string][]byte{}
	}
	m[s][string(k)] = v
}
func (m mapTx) Delete(s Space, k []byte) { delete(m[s], string(k)) }
func (m mapTx) Scan(s Space, from, to []byte, fn func(k, v []byte) bool) {
	var keys []string
	for k := range m[s] {
		if k >= string(from) && (to == nil || k < string(to)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !fn([]byte(k), m[s][k]) {
			return
		}
	}
}

func TestSeenEvents(t *testing.T) {
	t.Parallel()
	tx := mapTx{}
	var people []ID
	for i := range 3 {
		p := Person{Key: NewID(day1, uint16(i), "p"), Location: "academy"}
		people = append(people, p.Key)
		if err := SavePerson(tx, &p); err != nil {
			t.Fatal(err)
		}
	}
	a, b := people[0], people[1]
	ident := func(i int) [16]byte { return [16]byte{byte(i * 37), byte(i)} }
	for i := range 200 {
		if SeenEvent(tx, "academy", a, ident(i), day1.AddDate(0, 0, i)) {
			t.Fatalf("event %d was there before", i)
		}
	}
	if !SeenEvent(tx, "academy", a, ident(5), day1) || SeenEvent(tx, "academy", b, ident(5), day1) || SeenEvent(tx, "other", a, ident(5), day1) {
		t.Error("events of one person are another's, or forgotten")
	}
	count := 0
	scanPeople(tx, "academy", func(key ID, rec []byte) bool {
		if p, err := DecodePerson(rec); err != nil || p.Key != key || key != people[count] {
			t.Errorf("person %v: %v, %v", key, p, err)
		}
		count++
		return true
	})
	if count != 3 {
		t.Errorf("scanned %d people", count)
	}
	before := len(tx[SpacePeople])
	PruneEvents(tx, "academy", a, [16]byte{}, day1.AddDate(0, 0, 100), 20)
	if gone := before - len(tx[SpacePeople]); gone == 0 || gone > 20 {
		t.Errorf("one pruning of at most 20 took %d", gone)
	}
	for i := range 200 {
		PruneEvents(tx, "academy", a, ident(i), day1.AddDate(0, 0, 100), 20)
	}
	for i := range 200 {
		_, there := tx[SpacePeople][string(append(seenPrefix("academy", a), func() []byte { x := ident(i); return x[:] }()...))]
		if there != (i >= 100) {
			t.Errorf("day %d: kept %v", i, there)
		}
	}
	MoveEvents(tx, "academy", a, b)
	if !SeenEvent(tx, "academy", b, ident(150), day1) || SeenEvent(tx, "academy", a, ident(150), day1) {
		t.Error("events did not move")
	}
}

// scanPeople calls fn for each person of the location in the order of their keys until fn returns false. The record is
// DecodePerson's, and belongs to the transaction.
func scanPeople(tx Tx, location string, fn func(key ID, record []byte) bool) {
	prefix := Key(location)
	end := PrefixEnd(prefix)
	for from := prefix; from != nil; {
		next := []byte(nil)
		tx.Scan(SpacePeople, from, end, func(k, v []byte) bool {
			if len(k) != len(prefix)+17 {
				next = PrefixEnd(k[:len(prefix)+17]) // past the events of this person
				return false
			}
			return fn(ID(k[len(prefix):len(prefix)+16]), v)
		})
		from = next
	}
}
