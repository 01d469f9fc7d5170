package boltstore

import (
	"bytes"
	"slices"

	"github.com/tidwall/btree"
)

// itemsFew is how many items are kept in a slice. Most functions write a few keys, for which a tree costs more to make than to
// use.
const itemsFew = 32

// items are what one function wrote to one space, in order of keys: in a slice, and in a tree once they are many.
type items struct {
	few  []item
	many *btree.BTreeG[item]
}

func (s *items) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(s.few, key, func(it item, key []byte) int { return bytes.Compare(it.key, key) })
}

// Get returns the item of a key, and whether there is one.
func (s *items) Get(key []byte) (item, bool) {
	if s.many != nil {
		return s.many.Get(item{key: key})
	}
	if i, ok := s.find(key); ok {
		return s.few[i], true
	}
	return item{}, false
}

// Set adds an item, or takes the place of that of the same key.
func (s *items) Set(it item) {
	if s.many != nil {
		s.many.Set(it)
		return
	}
	i, ok := s.find(it.key)
	switch {
	case ok:
		s.few[i] = it
	case len(s.few) < itemsFew:
		s.few = slices.Insert(s.few, i, it)
	default:
		s.many = btree.NewBTreeGOptions(itemLess, btree.Options{NoLocks: true})
		for _, old := range s.few {
			s.many.Set(old)
		}
		s.few = nil
		s.many.Set(it)
	}
}

// Clear removes all.
func (s *items) Clear() { s.few, s.many = nil, nil }

// Scan calls fn for each in order until it returns false.
func (s *items) Scan(fn func(item) bool) {
	if s.many != nil {
		s.many.Scan(fn)
		return
	}
	for _, it := range s.few {
		if !fn(it) {
			return
		}
	}
}

// An itemsFrom goes through items in order. They must not change meanwhile.
type itemsFrom struct {
	few  []item
	many btree.IterG[item]
	tree bool
	ok   bool
}

// From returns the items from a key on.
func (s *items) From(key []byte) (it itemsFrom) {
	if s.many != nil {
		it.tree, it.many = true, s.many.Iter()
		it.ok = it.many.Seek(item{key: key})
		return it
	}
	i, _ := s.find(key)
	it.few = s.few[i:]
	it.ok = len(it.few) > 0
	return it
}

// Item returns that which it stands at.
func (it *itemsFrom) Item() item {
	if it.tree {
		return it.many.Item()
	}
	return it.few[0]
}

// Next goes on to the next and reports whether there is one.
func (it *itemsFrom) Next() bool {
	if it.tree {
		it.ok = it.many.Next()
	} else {
		it.few = it.few[1:]
		it.ok = len(it.few) > 0
	}
	return it.ok
}
