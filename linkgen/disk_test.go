package linkgen

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

// A diskModel is the model of two contacts whose store is in files, closed under the minters' hands or left as a dead process
// leaves it.
type diskModel struct {
	t     *testing.T
	parts int
	dir   string
	bolt  *boltstore.Stores
	who   []*model
	last  uint64
}

func (d *diskModel) open() {
	var err error
	if d.bolt, err = boltstore.Open(d.dir, boltstore.Options{Partitions: d.parts, NoSync: true}); err != nil {
		d.t.Fatal(err)
	}
	for _, m := range d.who {
		m.stores = d.bolt
		m.bench.links = New(m.keys, func(string) (Settings, bool) { return *m.set, true })
	}
}

// crash leaves the files as they are, as a process that is killed does, and goes on with them.
func (d *diskModel) crash() {
	next := d.t.TempDir()
	files, err := os.ReadDir(d.dir)
	for _, f := range files {
		err = errors.Join(err, copySparse(filepath.Join(next, f.Name()), filepath.Join(d.dir, f.Name())))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.bolt.Close()
	os.RemoveAll(d.dir)
	d.dir = next
	d.open()
}

// copySparse copies a file that is room to grow in but for its beginning.
func copySparse(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<20)) // far more than a run of the model writes
	return errors.Join(err, os.WriteFile(to, b, 0o600), os.Truncate(to, info.Size()))
}

// checkFew is rapid.Check with fewer runs, for what takes long.
func checkFew(t *testing.T, most int, prop func(*rapid.T)) {
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > most && !failed { // after a failure rapid tries again
			return
		}
		done := false
		defer func() { failed = failed || !done || rt.Failed() }()
		prop(rt)
		done = true
	})
}

// A burst is what eight minters did at once for one contact, all for one ordinal. Those that the store did not answer in order left
// nothing.
type burst struct {
	mu      sync.Mutex
	toks    []Token
	settled bool
}

// atOnce has eight mint for one ordinal, and half of them note that their message was accepted. If shut, the store is closed
// meanwhile.
func (d *diskModel) atOnce(t *rapid.T, m *model, ordinal uint64, shut bool) {
	var b burst
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			tok, err := m.tryMint(ordinal)
			if err != nil {
				b.failed(t, err, shut)
				return
			}
			settled := false
			if i%2 == 0 {
				err := m.stores.For(m.ada.Shard()).Update(t.Context(), func(tx engine.Tx) error {
					return m.bench.links.Settle(tx, loc, m.ada, "", ordinal)
				})
				b.failed(t, err, shut)
				settled = err == nil
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.toks, b.settled = append(b.toks, tok), b.settled || settled
		})
	}
	if shut {
		time.Sleep(time.Duration(rapid.IntRange(0, 1500).Draw(t, "closed after us")) * time.Microsecond)
		d.bolt.Close()
	}
	wg.Wait()
	if shut {
		d.open()
	}
	if len(b.toks) > 0 {
		m.minted("", ordinal, false, 0, b.toks...)
	}
	if b.settled && !m.onMint && ordinal <= m.newest[""].Ordinal {
		m.accept("", family{Ordinal: ordinal})
	}
}

func (b *burst) failed(t *rapid.T, err error, shut bool) {
	if err != nil && !(shut && errors.Is(err, engine.ErrClosed)) {
		t.Errorf("a minter: %v", err)
	}
}

// tryMint is mint, whose commit may fail.
func (m *model) tryMint(ordinal uint64) (tok Token, err error) {
	err = m.stores.For(m.ada.Shard()).Update(m.Context(), func(tx engine.Tx) error {
		_, url, err := m.bench.links.Mint(tx, engine.LinkRequest{Now: m.now, Location: loc, Contact: m.ada, Ordinal: ordinal, Workflow: "welcome"})
		if err == nil {
			tok, err = ParseToken(url.Reveal()[len(m.set.BaseURL+"/l/"):])
		}
		return err
	})
	return tok, err
}

// abandon has a commit fail after its function minted, as one does whose process dies.
func (m *model) abandon(t *rapid.T, ordinal uint64) {
	crash := errors.New("crash")
	err := m.stores.For(m.ada.Shard()).Update(t.Context(), func(tx engine.Tx) error {
		_, _, err := m.bench.links.Mint(tx, engine.LinkRequest{Now: m.now, Location: loc, Contact: m.ada, Ordinal: ordinal})
		return errors.Join(err, m.bench.links.Settle(tx, loc, m.ada, "", ordinal), crash)
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
}

// revokeScope ends all links of some of the models.
func (d *diskModel) revokeScope(t *rapid.T) {
	m := rapid.SampledFrom(d.who).Draw(t, "who")
	scope := rapid.SampledFrom([]Scope{{Location: loc}, {Everything: true}, {Location: loc, Workflow: "welcome"}, {Location: loc, Contact: m.ada}}).Draw(t, "scope")
	m.bench.revoke(scope)
	for _, o := range d.who {
		for _, l := range o.links {
			if o == m || scope.Contact.IsZero() {
				l.gone = l.gone || scope.Workflow == "" || l.flow
			}
		}
	}
}

// TestAttack06FamiliesOnDisk is the model of families on the store that is used, whose process dies at any time, with eight
// who mint at once. A head.join without its `if !h.Newest.less(next)` turns it red, as does a nextMark without lastMark.
func TestAttack06FamiliesOnDisk(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		bench := newBench(t, 1)
		checkFew(t, 12, func(rt *rapid.T) {
			d := &diskModel{t: t, parts: parts, dir: t.TempDir()}
			set := *bench.set
			set.Keep, set.Supersede = rapid.SampledFrom([]int{1, 1, 2, KeepAll}).Draw(rt, "keep"), rapid.SampledFrom([]Supersede{OnHandoff, OnMint}).Draw(rt, "supersede")
			for _, id := range []string{"c-17", "bob"} {
				b := *bench
				b.set, b.now = &set, t0
				b.ada = engine.NewID(t0, engine.ShardOf(loc, id), loc, id)
				d.who = append(d.who, &model{bench: &b, keep: set.Keep, onMint: set.Supersede == OnMint, newest: map[string]family{}, accepted: map[string]map[family]bool{}})
			}
			d.open()
			defer func() { d.bolt.Close() }()
			d.who[0].person("c-17", "ada@example.com", "")
			d.who[1].person("bob", "bob@example.com", "")
			rt.Repeat(d.steps())
		})
	}
}

func (d *diskModel) steps() map[string]func(*rapid.T) {
	pick := func(t *rapid.T) *model { return rapid.SampledFrom(d.who).Draw(t, "who") }
	known := func(t *rapid.T) uint64 { return rapid.Uint64Range(0, d.last).Draw(t, "ordinal") }
	next := func() uint64 { d.last++; return d.last }
	return map[string]func(*rapid.T){
		"event":        func(t *rapid.T) { pick(t).mint(t, next(), false) },
		"message":      func(t *rapid.T) { pick(t).mint(t, known(t), false) },
		"accepted":     func(t *rapid.T) { pick(t).settle(t, known(t)) },
		"by hand":      func(t *rapid.T) { pick(t).mint(t, 0, true) },
		"eight, new":   func(t *rapid.T) { d.atOnce(t, pick(t), next(), false) },
		"eight, known": func(t *rapid.T) { d.atOnce(t, pick(t), known(t), false) },
		"eight and closed": func(t *rapid.T) {
			d.atOnce(t, pick(t), rapid.SampledFrom([]uint64{known(t), next()}).Draw(t, "of"), true)
		},
		"dies in a commit": func(t *rapid.T) { pick(t).abandon(t, next()) },
		"dies":             func(*rapid.T) { d.crash() },
		"revoke":           d.revokeScope,
		"time": func(*rapid.T) {
			for _, m := range d.who {
				m.now = m.now.Add(20 * time.Minute)
			}
		},
		"": func(t *rapid.T) {
			ids := map[Selector]bool{}
			for _, m := range d.who {
				m.check(t)
				for _, l := range m.links {
					if ids[l.tok.selector] {
						t.Fatalf("two links have the id %s", l.tok.selector.ID())
					}
					ids[l.tok.selector] = true
				}
			}
		},
	}
}
