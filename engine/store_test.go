package engine_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestPrefixEnd checks that [prefix, PrefixEnd(prefix)) holds the keys with the prefix and no others.
func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		prefix, k := key.Draw(t, "prefix"), key.Draw(t, "key")
		before := bytes.Clone(prefix)
		end := engine.PrefixEnd(prefix)
		if !bytes.Equal(before, prefix) {
			t.Fatalf("the prefix %x became %x", before, prefix)
		}
		inside := bytes.Compare(k, prefix) >= 0 && (end == nil || bytes.Compare(k, end) < 0)
		if inside != bytes.HasPrefix(k, prefix) {
			t.Fatalf("prefix %x ends at %x: key %x inside %v", prefix, end, k, inside)
		}
	})
	if end := engine.PrefixEnd([]byte{0xff, 0xff}); end != nil {
		t.Errorf("%x, want no end", end)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	if got := engine.Key("academy", []byte("a"), nil, []byte("bc")); string(got) != "academy\x00abc" {
		t.Errorf("%q", got)
	}
	// No location's keys lie among another's, because names have no zero byte.
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,3}`)
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		k := engine.Key(a, rapid.SliceOf(rapid.Byte()).Draw(t, "part"))
		if inside := bytes.HasPrefix(k, engine.Key(b)); inside != (a == b) {
			t.Fatalf("key %q of %q has the prefix of %q: %v", k, a, b, inside)
		}
	})
}

func TestSpaces(t *testing.T) {
	t.Parallel()
	spaces := engine.Spaces()
	if n := len(slices.Compact(slices.Sorted(slices.Values(spaces)))); n != len(spaces) {
		t.Errorf("%d names for %d spaces", n, len(spaces))
	}
}

// TestTick runs a wall clock that jumps about: the store's time follows it forward and never goes back.
func TestTick(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := enginetest.NewStores(1).Global()
		var last time.Time
		for _, ms := range rapid.SliceOfN(rapid.Int64Range(-2, 40), 1, 20).Draw(t, "wall clock") {
			wall := time.UnixMilli(1_800_000_000_000 + ms).Add(999 * time.Microsecond)
			err := s.Update(t.Context(), func(tx engine.Tx) error {
				got := engine.Tick(tx, wall)
				if got.Before(last) {
					t.Fatalf("%v after %v", got, last)
				}
				if want := wall.Truncate(time.Millisecond); want.After(last) && !got.Equal(want) {
					t.Fatalf("%v, want the wall clock's %v", got, want)
				}
				last = got
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
