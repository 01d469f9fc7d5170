package linkgen

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestLists mints, deletes and finds the links of two apps and two contacts, some of them listed as earlier versions did: each
// under a key of its own. A head.list that keeps its list when it puts it away turns it red, as does an unlist that looks into
// the head alone.
func TestLists(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t, 1)
		people := []engine.ID{b.ada, b.person("eve", "eve@example.com", "").Key}
		want := map[engine.ID][]Selector{}
		for range rapid.IntRange(1, 5).Draw(r, "rounds") {
			who := rapid.SampledFrom(people).Draw(r, "who")
			app := rapid.SampledFrom([]string{"", "courses"}).Draw(r, "app")
			b.update(who, func(tx engine.Tx) error {
				for range rapid.IntRange(0, 3*listedInHead).Draw(r, "minted") {
					s := nextSelector(tx, who.Shard(), b.now)
					var h head
					key := headKey(loc, who, app)
					if _, err := load(tx, engine.SpaceHeads, key, &h); err != nil {
						return err
					}
					if rapid.IntRange(0, 9).Draw(r, "old") == 0 {
						tx.Put(engine.SpaceHeads, append(listPrefix(loc, who), s[:]...), []byte{recordVersion})
					} else {
						h.list(tx, loc, who, s)
					}
					if err := save(tx, engine.SpaceHeads, key, h); err != nil {
						return err
					}
					if len(h.Listed) > listedInHead {
						r.Fatalf("%d selectors in a head", len(h.Listed))
					}
					want[who] = append(want[who], s)
				}
				kept := want[who][:0]
				for _, s := range want[who] {
					if rapid.IntRange(0, 3).Draw(r, "deleted") > 0 {
						kept = append(kept, s)
						continue
					}
					for _, app := range []string{"", "courses"} { // the other is not to mind
						if err := unlist(tx, Link{Location: loc, Contact: who, App: app}, s); err != nil {
							return err
						}
					}
				}
				want[who] = kept
				return nil
			})
			for _, who := range people {
				b.update(who, func(tx engine.Tx) error {
					got, err := selectors(tx, loc, who)
					if !slices.Equal(got, want[who]) {
						r.Fatalf("%d selectors listed of %d", len(got), len(want[who]))
					}
					return err
				})
			}
		}
	})
}

// TestManyLinks gives one contact more links than a head lists: all are shown, and forgotten.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	var want []string
	for i := range 3*listedInHead + 5 {
		b.now = b.now.Add(time.Second)
		app := ""
		if i%3 == 0 {
			app = "courses"
		}
		want = append(want, b.mint(engine.LinkRequest{App: app}).selector.ID())
	}
	slices.Reverse(want)
	list, err := b.links.List(t.Context(), b.stores, loc, b.ada, 1000, b.now)
	if err != nil || !slices.EqualFunc(list, want, func(i Info, id string) bool { return i.Link.ID == id }) {
		t.Errorf("%d listed, %v", len(list), err)
	}
	b.update(b.ada, func(tx engine.Tx) error { return b.links.Forget(tx, loc, b.ada) })
	for space, recs := range enginetest.Dump(t, b.stores.All()[0]) {
		for k := range recs {
			if space != engine.SpacePeople && bytes.Contains([]byte(k), b.ada[:]) || space == engine.SpaceLinks {
				t.Errorf("left in %s: %q", space, k)
			}
		}
	}
}

// A scanCounter counts the records that are read by Scan.
type scanCounter struct {
	engine.Tx
	read int
}

func (c *scanCounter) Scan(space engine.Space, from, to []byte, fn func(key, value []byte) bool) {
	c.Tx.Scan(space, from, to, func(k, v []byte) bool { c.read++; return fn(k, v) })
}

// A contact may have very many links. Whoever deletes the oldest of them reads few of its lists: reading all of them for each held
// up everybody else for seconds.
func TestUnlistReadsFew(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	const n = 100 * listedInHead
	b.update(b.ada, func(tx engine.Tx) error {
		var all []Selector
		var h head
		for range n {
			s := nextSelector(tx, b.ada.Shard(), b.now)
			h.list(tx, loc, b.ada, s)
			all = append(all, s)
		}
		if err := save(tx, engine.SpaceHeads, headKey(loc, b.ada, ""), h); err != nil {
			return err
		}
		count := &scanCounter{Tx: tx}
		for _, s := range all {
			if err := unlist(count, Link{Location: loc, Contact: b.ada}, s); err != nil {
				return err
			}
		}
		if count.read > 2*n {
			t.Errorf("%d lists were read to delete %d links", count.read, n)
		}
		left, err := selectors(tx, loc, b.ada)
		if len(left) > 0 {
			t.Errorf("%d links are listed still", len(left))
		}
		return err
	})
}
