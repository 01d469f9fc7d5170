package boltstore

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Few or many, items are what a sorted map is.
func TestItems(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s items
		want := map[string]string{}
		key := rapid.StringMatching(`[a-d]{0,4}`)
		for i := range rapid.IntRange(0, 4*itemsFew).Draw(t, "writes") {
			k, v := key.Draw(t, "key"), fmt.Sprint(i)
			s.Set(item{[]byte(k), []byte(v)})
			want[k] = v
		}
		if rapid.IntRange(0, 20).Draw(t, "clear") == 0 {
			s.Clear()
			clear(want)
		}
		for range 5 {
			k := key.Draw(t, "key")
			it, ok := s.Get([]byte(k))
			if v, known := want[k]; ok != known || ok && !bytes.Equal(it.value, []byte(v)) {
				t.Fatalf("%q: %q %v, want %q %v", k, it.value, ok, v, known)
			}
			var from []string
			it2 := s.From([]byte(k))
			for more := it2.ok; more; more = it2.Next() {
				from = append(from, string(it2.Item().key))
			}
			sorted := slices.Sorted(maps.Keys(want))
			i, _ := slices.BinarySearch(sorted, k)
			if !slices.Equal(from, sorted[i:]) {
				t.Fatalf("from %q: %q, want %q", k, from, sorted[i:])
			}
		}
		var all []string
		s.Scan(func(it item) bool { all = append(all, string(it.key)); return len(all) < 40 })
		if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(all, sorted[:min(40, len(sorted))]) {
			t.Fatalf("%q, want %q", all, sorted)
		}
	})
}
