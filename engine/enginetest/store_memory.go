package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tidwall/btree"

	"latchkey/engine"
)

// NewStores returns stores that live in memory, for tests of what is built on them. They keep the same contract as
// real ones and are stricter in one thing: bytes they lent to a function are overwritten when it ends, so a test
// fails that keeps them.
func NewStores(partitions int) engine.Stores {
	m := make(memoryStores, partitions)
	for i := range m {
		m[i] = newMemory()
	}
	return m
}

type memoryStores []engine.Store

func (m memoryStores) For(shard uint16) engine.Store { return m[engine.Partition(shard, len(m))] }
func (m memoryStores) Global() engine.Store          { return m[0] }
func (m memoryStores) All() []engine.Store           { return m }

type pair struct{ key, value []byte }

type tree = btree.BTreeG[pair]

func newTree() *tree {
	less := func(a, b pair) bool { return bytes.Compare(a.key, b.key) < 0 }
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

// A memory is a Store. Its writer works on a fork of its spaces; readers have forks of their own that nobody changes.
type memory struct {
	writing chan struct{} // holds one token while nobody writes
	spaces  map[engine.Space]*tree
	current atomic.Pointer[map[engine.Space]*tree]
}

func newMemory() *memory {
	m := &memory{writing: make(chan struct{}, 1), spaces: map[engine.Space]*tree{}}
	m.writing <- struct{}{}
	m.current.Store(&map[engine.Space]*tree{})
	return m
}

func (m *memory) Update(ctx context.Context, fn func(engine.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-m.writing:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { m.writing <- struct{}{} }()
	tx := &memoryTx{base: m.spaces, forks: map[engine.Space]*tree{}, scans: map[engine.Space]int{}}
	if err := tx.run(fn); err != nil {
		return err
	}
	spaces, public := map[engine.Space]*tree{}, map[engine.Space]*tree{}
	for space, t := range m.spaces {
		spaces[space], public[space] = t, (*m.current.Load())[space]
	}
	for space, t := range tx.forks {
		spaces[space], public[space] = t, t.Copy()
	}
	m.spaces = spaces
	m.current.Store(&public)
	return nil
}

func (m *memory) View(ctx context.Context, fn func(engine.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := &memoryTx{base: *m.current.Load()}
	defer tx.takeBack()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}

// A memoryTx is the Tx of one function. A view has no forks.
type memoryTx struct {
	base, forks map[engine.Space]*tree
	scans       map[engine.Space]int
	lent        [][]byte
	err         error
}

func (t *memoryTx) run(fn func(engine.Tx) error) (err error) {
	defer t.takeBack()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("function panicked: %v", r)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.err
}

// lend returns a copy that is spoilt when the function has ended.
func (t *memoryTx) lend(b []byte) []byte {
	c := append(make([]byte, 0, len(b)), b...)
	t.lent = append(t.lent, c)
	return c
}

func (t *memoryTx) takeBack() {
	for _, b := range t.lent {
		for i := range b {
			b[i] = 0xdb
		}
	}
}

func (t *memoryTx) tree(space engine.Space) *tree {
	if f := t.forks[space]; f != nil {
		return f
	}
	return t.base[space]
}

// fork returns the tree to write to, or nil if the write is refused.
func (t *memoryTx) fork(space engine.Space) *tree {
	switch {
	case t.forks == nil:
		t.err = engine.ErrReadOnly
	case space == "" || space[0] == 0:
		t.refuse(space, "no name of a space")
	case t.scans[space] > 0:
		t.refuse(space, "written inside a scan of it")
	default:
		if t.forks[space] == nil {
			t.forks[space] = newTree()
			if b := t.base[space]; b != nil {
				t.forks[space] = b.Copy()
			}
		}
		return t.forks[space]
	}
	return nil
}

func (t *memoryTx) refuse(space engine.Space, why string) {
	t.err = errors.Join(t.err, fmt.Errorf("space %q: %s", space, why))
}

func (t *memoryTx) Get(space engine.Space, key []byte) []byte {
	if tr := t.tree(space); tr != nil {
		if p, ok := tr.Get(pair{key: key}); ok {
			return t.lend(p.value)
		}
	}
	return nil
}

func (t *memoryTx) Put(space engine.Space, key, value []byte) {
	if tr := t.fork(space); tr != nil {
		if len(key) == 0 {
			t.refuse(space, "empty key")
			return
		}
		tr.Set(pair{bytes.Clone(key), append([]byte{}, value...)})
	}
}

func (t *memoryTx) Delete(space engine.Space, key []byte) {
	tr := t.fork(space)
	switch {
	case tr == nil:
	case key == nil && space == engine.SpaceMeta:
		t.refuse(space, "cannot be dropped")
	case key == nil:
		t.forks[space] = newTree()
	case len(key) == 0:
		t.refuse(space, "empty key")
	default:
		tr.Delete(pair{key: key})
	}
}

func (t *memoryTx) Scan(space engine.Space, from, to []byte, fn func(key, value []byte) bool) {
	tr := t.tree(space)
	if t.forks != nil {
		t.scans[space]++
		defer func() { t.scans[space]-- }()
	}
	if tr == nil {
		return
	}
	tr.Ascend(pair{key: from}, func(p pair) bool {
		if to != nil && bytes.Compare(p.key, to) >= 0 {
			return false
		}
		return fn(t.lend(p.key), t.lend(p.value))
	})
}
