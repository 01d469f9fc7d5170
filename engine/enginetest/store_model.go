package enginetest

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/engine"
)

// A script is one random function: its writes, and whether it fails after them.
type script struct {
	Steps []step
	Fails bool
}

type step struct {
	Kind       string // put, delete, drop
	Space      engine.Space
	Key, Value string
}

var (
	modelSpaces = []engine.Space{engine.SpaceRuns, engine.SpacePeople, engine.SpaceLinks}
	serialKey   = []byte("serial")
)

func scripts() *rapid.Generator[script] {
	// Few keys, so that functions meet; among them bytes that sort at both ends.
	key := rapid.OneOf(
		rapid.SampledFrom([]string{"\x00", "a", "a\x00", "ab", "b", "\xff", "\xff\xff"}),
		rapid.StringMatching(`[a-f]{1,3}`),
	)
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			// Drops are rare, else there would be nothing to find.
			Kind:  rapid.SampledFrom([]string{"put", "put", "put", "put", "delete", "delete", "drop"}).Draw(t, "kind"),
			Space: rapid.SampledFrom(modelSpaces).Draw(t, "space"),
			Key:   key.Draw(t, "key"),
			Value: rapid.StringN(0, 12, -1).Draw(t, "value"),
		}
	})
	return rapid.Custom(func(t *rapid.T) script {
		return script{
			Steps: rapid.SliceOfN(one, 0, 12).Draw(t, "steps"),
			Fails: rapid.IntRange(0, 3).Draw(t, "fails") == 0,
		}
	})
}

func (s step) do(tx engine.Tx) {
	switch s.Kind {
	case "put":
		tx.Put(s.Space, []byte(s.Key), []byte(s.Value))
	case "delete":
		tx.Delete(s.Space, []byte(s.Key))
	case "drop":
		tx.Delete(s.Space, nil)
	}
}

// A model is what a store should hold.
type model map[engine.Space]map[string]string

func newModel() model {
	m := model{}
	for _, space := range modelSpaces {
		m[space] = map[string]string{}
	}
	return m
}

func (m model) clone() model {
	c := newModel()
	for space, pairs := range m {
		for k, v := range pairs {
			c[space][k] = v
		}
	}
	return c
}

func (m model) do(s step) {
	switch s.Kind {
	case "put":
		m[s.Space][s.Key] = s.Value
	case "delete":
		delete(m[s.Space], s.Key)
	case "drop":
		clear(m[s.Space])
	}
}

// scan returns the pairs of [from, to) in order.
func (m model) scan(space engine.Space, from, to []byte) (pairs []string) {
	var keys []string
	for k := range m[space] {
		if k >= string(from) && (to == nil || k < string(to)) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		pairs = append(pairs, k+"="+m[space][k])
	}
	return pairs
}

// check compares all keys and one random range of each space with what tx gives.
func (m model) check(t *rapid.T, when string, tx engine.Tx) {
	for _, space := range modelSpaces {
		from := []byte(rapid.StringMatching(`[a-f]{0,2}`).Draw(t, "from"))
		to := engine.PrefixEnd([]byte(rapid.StringMatching(`[a-f]{0,2}`).Draw(t, "to")))
		for _, r := range [][2][]byte{{nil, nil}, {from, to}} {
			got, want := scan(tx, space, r[0], r[1]), m.scan(space, r[0], r[1])
			if !slices.Equal(got, want) {
				t.Fatalf("%s: scan of %s [%q, %q): %q, want %q", when, space, r[0], r[1], got, want)
			}
		}
		for _, k := range []string{"a", "ab", "\x00", "\xff\xff", string(from) + "c"} {
			want, there := m[space][k]
			if got := tx.Get(space, []byte(k)); (got != nil) != there || string(got) != want {
				t.Fatalf("%s: %s at %q is %q (there: %v), want %q (%v)", when, space, k, got, got != nil, want, there)
			}
		}
	}
}

func clearSpaces(tx engine.Tx) {
	for _, space := range modelSpaces {
		tx.Delete(space, nil)
	}
}

// testModel runs random functions one after another and compares the store with a map, inside the functions
// and after them.
func testModel(t *testing.T, open func(testing.TB) engine.Store) {
	s := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		update(t, s, clearSpaces)
		m := newModel()
		for _, f := range rapid.SliceOfN(scripts(), 1, 6).Draw(rt, "functions") {
			var next model
			err := s.Update(t.Context(), func(tx engine.Tx) error {
				next = m.clone()
				for i, st := range f.Steps {
					st.do(tx)
					next.do(st)
					if i%4 == 3 {
						next.check(rt, "inside", tx)
					}
				}
				next.check(rt, "at the end", tx)
				if f.Fails {
					return errWanted
				}
				return nil
			})
			if !f.Fails && err != nil || f.Fails && !errors.Is(err, errWanted) {
				rt.Fatalf("update: %v", err)
			}
			if !f.Fails {
				m = next
			}
			view(t, s, func(tx engine.Tx) { m.check(rt, "after", tx) })
		}
	})
}

// testConcurrentModel runs random functions at once. Each that succeeds takes the next serial number inside its
// function; done on a map in the order of the numbers they must give what the store holds.
func testConcurrentModel(t *testing.T, open func(testing.TB) engine.Store) {
	s := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		update(t, s, func(tx engine.Tx) { clearSpaces(tx); tx.Delete(engine.SpaceMeta, serialKey) })
		callers := rapid.SliceOfN(rapid.SliceOfN(scripts(), 1, 4), 2, 6).Draw(rt, "callers")
		var mu sync.Mutex
		done := map[uint64]script{}
		var wg sync.WaitGroup
		for _, functions := range callers {
			wg.Go(func() {
				for _, f := range functions {
					var serial uint64
					err := s.Update(t.Context(), func(tx engine.Tx) error {
						serial = nextSerial(tx)
						for _, st := range f.Steps {
							st.do(tx)
						}
						if f.Fails {
							return errWanted
						}
						return nil
					})
					if f.Fails != (err != nil) {
						t.Errorf("fails %v, got %v", f.Fails, err)
					}
					if err == nil {
						mu.Lock()
						done[serial] = f
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		m := newModel()
		for i := range uint64(len(done)) {
			f, ok := done[i+1]
			if !ok {
				rt.Fatalf("no function has number %d of %d", i+1, len(done))
			}
			for _, st := range f.Steps {
				m.do(st)
			}
		}
		view(t, s, func(tx engine.Tx) {
			for _, space := range modelSpaces {
				if diff := cmp.Diff(m.scan(space, nil, nil), scan(tx, space, nil, nil)); diff != "" {
					rt.Fatalf("%s (-want +got):\n%s", space, diff)
				}
			}
		})
	})
}

func nextSerial(tx engine.Tx) uint64 {
	n := uint64(1)
	if v := tx.Get(engine.SpaceMeta, serialKey); v != nil {
		n += binary.BigEndian.Uint64(v)
	}
	tx.Put(engine.SpaceMeta, serialKey, binary.BigEndian.AppendUint64(nil, n))
	return n
}
