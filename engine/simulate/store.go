package simulate

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"latchkey/engine"
)

// A memory is one partition in memory. It is not for several goroutines: a world has one.
type memory struct{ spaces map[engine.Space]*space }

// A space keeps its keys in order.
type space struct {
	keys   [][]byte
	values map[string][]byte
}

func newMemory() *memory { return &memory{map[engine.Space]*space{}} }

// For, Global and All implement engine.Stores.
func (m *memory) For(uint16) engine.Store { return m }

func (m *memory) Global() engine.Store { return m }

func (m *memory) All() []engine.Store { return []engine.Store{m} }

// View implements engine.Store.
func (m *memory) View(_ context.Context, fn func(engine.Tx) error) error { return fn(&memoryTx{m: m}) }

// Update implements engine.Store.
func (m *memory) Update(_ context.Context, fn func(engine.Tx) error) error {
	tx := &memoryTx{m: m, undo: []func(){}}
	err := fn(tx)
	if err = errors.Join(err, tx.err); err != nil {
		for _, undo := range slices.Backward(tx.undo) {
			undo()
		}
	}
	return err
}

// A memoryTx writes at once and undoes it if its function fails. That of a view cannot write.
type memoryTx struct {
	m    *memory
	undo []func()
	err  error
}

func (t *memoryTx) space(name engine.Space) *space {
	s := t.m.spaces[name]
	if s == nil {
		s = &space{values: map[string][]byte{}}
		t.m.spaces[name] = s
	}
	return s
}

func (t *memoryTx) Get(name engine.Space, key []byte) []byte {
	return bytes.Clone(t.space(name).values[string(key)])
}

func (t *memoryTx) Put(name engine.Space, key, value []byte) {
	t.set(name, key, append([]byte{}, value...))
}

func (t *memoryTx) Delete(name engine.Space, key []byte) {
	if key != nil {
		t.set(name, key, nil)
		return
	}
	for _, k := range slices.Clone(t.space(name).keys) {
		t.set(name, k, nil)
	}
}

func (t *memoryTx) set(name engine.Space, key, value []byte) {
	if t.undo == nil {
		t.err = engine.ErrReadOnly
		return
	}
	s, key := t.space(name), bytes.Clone(key)
	old := s.values[string(key)]
	t.undo = append(t.undo, func() { s.set(key, old) })
	s.set(key, value)
}

// set stores a value, or nothing if it is nil.
func (s *space) set(key, value []byte) {
	i, found := slices.BinarySearchFunc(s.keys, key, bytes.Compare)
	switch {
	case value == nil && found:
		s.keys = slices.Delete(s.keys, i, i+1)
	case value != nil && !found:
		s.keys = slices.Insert(s.keys, i, key)
	}
	if value == nil {
		delete(s.values, string(key))
		return
	}
	s.values[string(key)] = value
}

func (t *memoryTx) Scan(name engine.Space, from, to []byte, fn func(key, value []byte) bool) {
	s := t.space(name)
	i, _ := slices.BinarySearchFunc(s.keys, from, bytes.Compare)
	for _, k := range s.keys[i:] {
		if to != nil && bytes.Compare(k, to) >= 0 || !fn(bytes.Clone(k), bytes.Clone(s.values[string(k)])) {
			return
		}
	}
}
