// Package enginetest holds the conformance suites that every implementation of the engine's interfaces passes, and
// fakes that pass them too. It is for tests only and imports nothing of Latchkey but engine.
package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

// spaceA and spaceB are where the suites write; any space would do.
const (
	spaceA = engine.SpaceRuns
	spaceB = engine.SpacePeople
)

var errWanted = errors.New("wanted")

// TestStore checks one store against the contract of engine.Store. open returns an empty one for each test
// and closes it by t.Cleanup.
func TestStore(t *testing.T, open func(testing.TB) engine.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, engine.Store)
	}{
		{"get put delete", testGetPutDelete},
		{"own writes", testOwnWrites},
		{"scan", testScan},
		{"scan and write elsewhere", testScanAndWrite},
		{"drop", testDrop},
		{"an error leaves no trace", testErrorLeavesNoTrace},
		{"a panic leaves no trace", testPanic},
		{"misuse", testMisuse},
		{"view", testView},
		{"ended context", testEndedContext},
		{"waiting context", testWaitingContext},
		{"callers at once", testConcurrent},
		{"big values", testBigValues},
		{"clock", testClock},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
	t.Run("model", func(t *testing.T) { t.Parallel(); testModel(t, open) })
	t.Run("model of callers at once", func(t *testing.T) { t.Parallel(); testConcurrentModel(t, open) })
}

// TestStores checks that shards and partitions agree, and every partition by TestStore.
func TestStores(t *testing.T, open func(t testing.TB, partitions int) engine.Stores) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprintf("partitions %d", n), func(t *testing.T) {
			t.Parallel()
			t.Run("routing", func(t *testing.T) { t.Parallel(); testRouting(t, open(t, n), n) })
			TestStore(t, func(t testing.TB) engine.Store {
				all := open(t, n).All()
				return all[len(all)-1]
			})
		})
	}
}

func testRouting(t *testing.T, s engine.Stores, n int) {
	all := s.All()
	if len(all) != n || all[0] != s.Global() {
		t.Fatalf("%d partitions, the first of them global: %v; want %d, true", len(all), all[0] == s.Global(), n)
	}
	for shard := 0; shard < 1<<16; shard += 1<<16/64 - 1 {
		if s.For(uint16(shard)) != all[shard*n>>16] {
			t.Fatalf("shard %d is not in partition %d of %d", shard, shard*n>>16, n)
		}
	}
	for i, p := range all {
		update(t, p, func(tx engine.Tx) { tx.Put(spaceA, []byte("k"), []byte{byte(i)}) })
	}
	for i, p := range all {
		if got := dump(t, p, spaceA); !cmp.Equal(got, []string{fmt.Sprintf("k=%c", i)}) {
			t.Errorf("partition %d holds %q", i, got)
		}
	}
}

func testGetPutDelete(t *testing.T, s engine.Store) {
	update(t, s, func(tx engine.Tx) {
		if v := tx.Get(spaceA, []byte("none")); v != nil {
			t.Errorf("a key that was never put is %q", v)
		}
		tx.Put(spaceA, []byte("empty"), nil)
		tx.Put(spaceA, []byte("k"), []byte("1"))
		tx.Put(spaceB, []byte("k"), []byte("2"))
		tx.Delete(spaceA, []byte("none"))
		tx.Delete(engine.SpaceOutbox, []byte("none"))
	})
	update(t, s, func(tx engine.Tx) {
		if v := tx.Get(spaceA, []byte("empty")); v == nil || len(v) > 0 {
			t.Errorf("an empty value is %v, want one that is there and empty", v)
		}
		tx.Put(spaceA, []byte("k"), []byte("3"))
		tx.Delete(spaceB, []byte("k"))
	})
	if got, want := dump(t, s, spaceA), []string{"empty=", "k=3"}; !cmp.Equal(got, want) {
		t.Errorf("%s: %q, want %q", spaceA, got, want)
	}
	if got := dump(t, s, spaceB); len(got) > 0 {
		t.Errorf("%s: %q, want nothing", spaceB, got)
	}
}

func testOwnWrites(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1", "b=1")
	update(t, s, func(tx engine.Tx) {
		tx.Put(spaceA, []byte("b"), []byte("2"))
		tx.Delete(spaceA, []byte("a"))
		tx.Put(spaceA, []byte("c"), []byte("2"))
		tx.Delete(spaceA, []byte("c"))
		tx.Put(spaceA, []byte("c"), []byte{})
		if a, b, c := tx.Get(spaceA, []byte("a")), tx.Get(spaceA, []byte("b")), tx.Get(spaceA, []byte("c")); a != nil || string(b) != "2" || c == nil {
			t.Errorf("own writes read as %q %q %v", a, b, c)
		}
	})
	if got, want := dump(t, s, spaceA), []string{"b=2", "c="}; !cmp.Equal(got, want) {
		t.Errorf("after the commit: %q, want %q", got, want)
	}
}

func testScan(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1", "c=1", "e=1", "g=1")
	own := func(tx engine.Tx) {
		tx.Put(spaceA, []byte("b"), []byte("2"))
		tx.Put(spaceA, []byte("e"), []byte("2"))
		tx.Delete(spaceA, []byte("c"))
		tx.Delete(spaceA, []byte("x"))
		tx.Put(spaceA, []byte("h"), []byte("2"))
	}
	for _, c := range []struct{ from, to, want string }{
		{"", "", "a=1 b=2 e=2 g=1 h=2"},
		{"b", "", "b=2 e=2 g=1 h=2"},
		{"bb", "h", "e=2 g=1"},
		{"c", "d", ""},
		{"", "a", ""},
		{"h", "", "h=2"},
		{"i", "", ""},
		{"e", "e", ""},
		{"g", "b", ""},
	} {
		var from, to []byte
		if c.from != "" {
			from = []byte(c.from)
		}
		if c.to != "" {
			to = []byte(c.to)
		}
		check := func(when string, tx engine.Tx) {
			if got := strings.Join(scan(tx, spaceA, from, to), " "); got != c.want {
				t.Errorf("scan [%s, %s) %s the commit: %q, want %q", c.from, c.to, when, got, c.want)
			}
		}
		err := s.Update(t.Context(), func(tx engine.Tx) error {
			own(tx)
			check("before", tx)
			return errWanted
		})
		if !errors.Is(err, errWanted) {
			t.Fatal(err)
		}
	}
	update(t, s, own)
	view(t, s, func(tx engine.Tx) {
		var got []string
		tx.Scan(spaceA, nil, nil, func(k, v []byte) bool {
			got = append(got, string(k))
			return len(got) < 2
		})
		if !cmp.Equal(got, []string{"a", "b"}) {
			t.Errorf("a scan stopped at the second key saw %q", got)
		}
	})
}

func testScanAndWrite(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1", "b=2")
	update(t, s, func(tx engine.Tx) {
		tx.Scan(spaceA, nil, nil, func(k, v []byte) bool {
			tx.Put(spaceB, bytes.Clone(k), bytes.Clone(v))
			tx.Scan(spaceA, nil, nil, func(_, _ []byte) bool { return tx.Get(spaceA, k) != nil })
			return true
		})
		tx.Put(spaceA, []byte("c"), []byte("3")) // allowed again after the scan
	})
	if got, want := dump(t, s, spaceB), []string{"a=1", "b=2"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func testDrop(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1", "b=1", "c=1")
	put(t, s, spaceB, "a=1")
	update(t, s, func(tx engine.Tx) {
		tx.Put(spaceA, []byte("lost"), []byte("2"))
		tx.Delete(spaceA, nil)
		tx.Put(spaceA, []byte("b"), []byte("2"))
		if v := tx.Get(spaceA, []byte("a")); v != nil {
			t.Errorf("after the drop a is %q", v)
		}
		if got, want := scan(tx, spaceA, nil, nil), []string{"b=2"}; !cmp.Equal(got, want) {
			t.Errorf("after the drop a scan gives %q, want %q", got, want)
		}
		tx.Delete(engine.SpaceOutbox, nil) // was never there
	})
	if got, want := dump(t, s, spaceA), []string{"b=2"}; !cmp.Equal(got, want) {
		t.Errorf("after the commit: %q, want %q", got, want)
	}
	if got := dump(t, s, spaceB); !cmp.Equal(got, []string{"a=1"}) {
		t.Errorf("the other space has %q", got)
	}
}

func testErrorLeavesNoTrace(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1", "b=1")
	for name, fn := range map[string]func(engine.Tx){
		"put":    func(tx engine.Tx) { tx.Put(spaceA, []byte("c"), []byte("2")); tx.Put(spaceA, []byte("a"), []byte("2")) },
		"delete": func(tx engine.Tx) { tx.Delete(spaceA, []byte("a")) },
		"drop":   func(tx engine.Tx) { tx.Delete(spaceA, nil); tx.Put(spaceB, []byte("a"), nil) },
	} {
		err := s.Update(t.Context(), func(tx engine.Tx) error { fn(tx); return errWanted })
		if !errors.Is(err, errWanted) {
			t.Errorf("%s: got %v, want the function's own error", name, err)
		}
		if got, want := dump(t, s, spaceA), []string{"a=1", "b=1"}; !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if got := dump(t, s, spaceB); len(got) > 0 {
			t.Errorf("%s: the other space has %q", name, got)
		}
	}
}

func testPanic(t *testing.T, s engine.Store) {
	err := s.Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(spaceA, []byte("a"), nil)
		panic("a bug")
	})
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("a panic gives %v", err)
	}
	put(t, s, spaceA, "b=1")
	if got, want := dump(t, s, spaceA), []string{"b=1"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func testMisuse(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1")
	for name, fn := range map[string]func(engine.Tx){
		"empty key":          func(tx engine.Tx) { tx.Put(spaceA, []byte{}, []byte("1")) },
		"nil key":            func(tx engine.Tx) { tx.Put(spaceA, nil, []byte("1")) },
		"empty key deleted":  func(tx engine.Tx) { tx.Delete(spaceA, []byte{}) },
		"space without name": func(tx engine.Tx) { tx.Put("", []byte("k"), nil) },
		"hidden space":       func(tx engine.Tx) { tx.Put("\x00x", []byte("k"), nil) },
		"meta dropped":       func(tx engine.Tx) { tx.Delete(engine.SpaceMeta, nil) },
		"put in a scan": func(tx engine.Tx) {
			tx.Scan(spaceA, nil, nil, func(k, v []byte) bool { tx.Put(spaceA, []byte("b"), nil); return true })
		},
		"drop in a scan": func(tx engine.Tx) {
			tx.Scan(spaceA, nil, nil, func(k, v []byte) bool { tx.Delete(spaceA, nil); return true })
		},
	} {
		err := s.Update(t.Context(), func(tx engine.Tx) error {
			tx.Put(spaceB, []byte("x"), nil)
			fn(tx)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "space") {
			t.Errorf("%s: got %v, want an error that names the space", name, err)
		}
		if a, b := dump(t, s, spaceA), dump(t, s, spaceB); !cmp.Equal(a, []string{"a=1"}) || len(b) > 0 {
			t.Errorf("%s left %q and %q", name, a, b)
		}
	}
}

func testView(t *testing.T, s engine.Store) {
	put(t, s, spaceA, "a=1")
	if err := s.View(t.Context(), func(engine.Tx) error { return errWanted }); !errors.Is(err, errWanted) {
		t.Errorf("got %v, want the function's own error", err)
	}
	for name, fn := range map[string]func(engine.Tx){
		"put":    func(tx engine.Tx) { tx.Put(spaceA, []byte("b"), nil) },
		"delete": func(tx engine.Tx) { tx.Delete(spaceA, []byte("a")) },
		"drop":   func(tx engine.Tx) { tx.Delete(spaceA, nil) },
	} {
		err := s.View(t.Context(), func(tx engine.Tx) error { fn(tx); return nil })
		if !errors.Is(err, engine.ErrReadOnly) {
			t.Errorf("%s in a view: %v", name, err)
		}
	}
	view(t, s, func(tx engine.Tx) {
		put(t, s, spaceA, "a=2", "b=2")
		if got, want := scan(tx, spaceA, nil, nil), []string{"a=1"}; !cmp.Equal(got, want) {
			t.Errorf("a view sees a later commit: %q, want %q", got, want)
		}
	})
	if got, want := dump(t, s, spaceA), []string{"a=2", "b=2"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func testEndedContext(t *testing.T, s engine.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(engine.Tx) error { t.Error("the function was run"); return nil }
	if err := s.Update(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	if err := s.View(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
}

func testBigValues(t *testing.T, s engine.Store) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	long := bytes.Repeat([]byte("k"), 4096)
	update(t, s, func(tx engine.Tx) {
		tx.Put(spaceA, long, bytes.Clone(big))
		for i := range 3000 {
			tx.Put(spaceB, binary.BigEndian.AppendUint32(nil, uint32(i*7919%3000)), []byte("v"))
		}
	})
	view(t, s, func(tx engine.Tx) {
		if !bytes.Equal(tx.Get(spaceA, long), big) {
			t.Error("a value of 1 MiB came back changed")
		}
		next := uint32(0)
		tx.Scan(spaceB, nil, nil, func(k, v []byte) bool {
			if binary.BigEndian.Uint32(k) != next {
				t.Errorf("key %x, want %d", k, next)
			}
			next++
			return true
		})
		if next != 3000 {
			t.Errorf("%d keys, want 3000", next)
		}
	})
}
