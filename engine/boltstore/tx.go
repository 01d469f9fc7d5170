package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"latchkey/engine"
)

// positionKey holds the journal's position in engine.SpaceMeta; functions may read it but not write it.
var positionKey = []byte("journal")

// buckets finds the buckets of one bbolt transaction, each once.
type buckets struct {
	tx    *bbolt.Tx
	known map[engine.Space]bucket
}

// A bucket is a space's; its Bucket is nil if the space does not exist.
type bucket struct {
	*bbolt.Bucket
	gets *bbolt.Cursor // one for all of Get, which makes a new one each time in bbolt
}

func newBuckets(tx *bbolt.Tx) buckets {
	return buckets{tx: tx, known: make(map[engine.Space]bucket, 8)}
}

func (b buckets) get(space engine.Space) *bbolt.Bucket {
	found, ok := b.known[space]
	if !ok {
		found = b.set(space, b.tx.Bucket([]byte(space)))
	}
	return found.Bucket
}

func (b buckets) set(space engine.Space, to *bbolt.Bucket) bucket {
	var found bucket
	if to != nil {
		if b.tx.Writable() {
			to.FillPercent = fillPercent(space)
		}
		found = bucket{to, to.Cursor()}
	}
	b.known[space] = found
	return found
}

// Get returns the value at key, or nil.
func (b buckets) Get(space engine.Space, key []byte) []byte {
	if b.get(space) == nil {
		return nil
	}
	k, v := b.known[space].gets.Seek(key)
	if !bytes.Equal(k, key) {
		return nil
	}
	return v
}

// fillPercent says how full pages are left when they split. Spaces whose keys come in order of time only grow
// at their end, and full pages make them half as big; the others need room to grow in.
func fillPercent(space engine.Space) float64 {
	switch space {
	case engine.SpacePeople, engine.SpaceDirectory, engine.SpaceHeads, engine.SpaceSessions, engine.SpaceMeta,
		engine.SpaceTrails, engine.SpaceNonces, engine.SpaceSSO:
		return bbolt.DefaultFillPercent
	}
	return 0.9
}

// A view is the Tx of a read-only transaction.
type view struct {
	buckets
	wrote bool
}

func (v *view) Put(engine.Space, []byte, []byte) { v.wrote = true }
func (v *view) Delete(engine.Space, []byte)      { v.wrote = true }

func (v *view) Scan(space engine.Space, from, to []byte, fn func(key, value []byte) bool) {
	b := v.get(space)
	if b == nil {
		return
	}
	c := b.Cursor()
	for k, val := c.Seek(from); k != nil && before(k, to); k, val = c.Next() {
		if !fn(k, val) {
			return
		}
	}
}

// before reports whether key lies before to, where a nil to is the end.
func before(key, to []byte) bool { return to == nil || bytes.Compare(key, to) < 0 }

// An item is a written key; a nil value marks it as deleted.
type item struct{ key, value []byte }

func itemLess(a, b item) bool { return bytes.Compare(a.key, b.key) < 0 }

// writes are what one function did to one space.
type writes struct {
	space   engine.Space
	dropped bool // before the items were written
	items   items
	scans   int // scans of the space that are under way
}

// An overlay is the Tx of one function: its own writes, over those that the transaction already holds.
type overlay struct {
	buckets
	spaces []*writes
	bytes  int
	err    error // the first write that cannot be stored
}

func (o *overlay) find(space engine.Space) *writes {
	for _, w := range o.spaces {
		if w.space == space {
			return w
		}
	}
	return nil
}

// open returns the space's writes to add one to, or nil if it must not be written.
func (o *overlay) open(space engine.Space) *writes {
	w := o.find(space)
	if w == nil {
		if space == "" || space[0] == 0 {
			o.refuse(space, errors.New("no name of a space"))
			return nil
		}
		w = &writes{space: space}
		o.spaces = append(o.spaces, w)
	}
	if w.scans > 0 {
		o.refuse(space, errors.New("written inside a scan of it"))
		return nil
	}
	return w
}

func (o *overlay) refuse(space engine.Space, err error) {
	if o.err == nil {
		o.err = fmt.Errorf("space %q: %w", space, err)
	}
}

// check refuses what bbolt could not store.
func (o *overlay) check(space engine.Space, key, value []byte) bool {
	switch {
	case len(key) == 0:
		o.refuse(space, errors.New("empty key"))
	case len(key) > bbolt.MaxKeySize:
		o.refuse(space, fmt.Errorf("key of %d bytes, at most %d are possible", len(key), bbolt.MaxKeySize))
	case int64(len(value)) > bbolt.MaxValueSize:
		o.refuse(space, fmt.Errorf("value of %d bytes, at most %d are possible", len(value), bbolt.MaxValueSize))
	case space == engine.SpaceMeta && bytes.Equal(key, positionKey):
		o.refuse(space, fmt.Errorf("key %q is the store's own", key))
	default:
		return true
	}
	return false
}

func (o *overlay) Get(space engine.Space, key []byte) []byte {
	if w := o.find(space); w != nil {
		if it, ok := w.items.Get(key); ok {
			return it.value
		}
		if w.dropped {
			return nil
		}
	}
	return o.buckets.Get(space, key)
}

func (o *overlay) Put(space engine.Space, key, value []byte) {
	w := o.open(space)
	if w == nil || !o.check(space, key, value) {
		return
	}
	if value == nil {
		value = []byte{}
	}
	w.items.Set(item{key, value})
	o.bytes += len(key) + len(value)
}

func (o *overlay) Delete(space engine.Space, key []byte) {
	w := o.open(space)
	if w == nil {
		return
	}
	if key != nil {
		if o.check(space, key, nil) {
			w.items.Set(item{key: key})
			o.bytes += len(key)
		}
		return
	}
	if space == engine.SpaceMeta {
		o.refuse(space, errors.New("cannot be dropped"))
		return
	}
	w.dropped = true
	w.items.Clear()
	o.bytes += len(space)
}

// Scan merges the function's own writes with the bucket, both in order.
func (o *overlay) Scan(space engine.Space, from, to []byte, fn func(key, value []byte) bool) {
	w := o.find(space)
	if w == nil {
		// An entry is needed all the same, to notice a write to the space that is being scanned.
		if w = o.open(space); w == nil {
			return
		}
	}
	w.scans++
	defer func() { w.scans-- }()

	own := w.items.From(from)
	hasOwn := own.ok
	var cursor *bbolt.Cursor
	var key, value []byte
	if b := o.get(space); b != nil && !w.dropped {
		cursor = b.Cursor()
		key, value = cursor.Seek(from)
	}
	for hasOwn || key != nil {
		order := 1 // of the own key against the bucket's
		if hasOwn {
			order = -1
			if key != nil {
				order = bytes.Compare(own.Item().key, key)
			}
		}
		it := item{key, value}
		if order <= 0 {
			it, hasOwn = own.Item(), own.Next()
		}
		if order >= 0 {
			key, value = cursor.Next()
		}
		if !before(it.key, to) || it.value != nil && !fn(it.key, it.value) {
			return
		}
	}
}

// ops calls fn for each write in the order of a commit record, until fn fails.
func (o *overlay) ops(fn func(op) error) error {
	slices.SortFunc(o.spaces, func(a, b *writes) int { return strings.Compare(string(a.space), string(b.space)) })
	for _, w := range o.spaces {
		if w.dropped {
			if err := fn(op{kind: opDrop, space: w.space}); err != nil {
				return err
			}
		}
		var err error
		w.items.Scan(func(it item) bool {
			kind := byte(opPut)
			if it.value == nil {
				kind = opDelete
			}
			err = fn(op{kind, w.space, it.key, it.value})
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// apply makes one write in the transaction.
func (b buckets) apply(o op) error {
	bucket := b.get(o.space)
	switch o.kind {
	case opPut:
		if bucket == nil {
			made, err := b.tx.CreateBucket([]byte(o.space))
			if err != nil {
				return fmt.Errorf("make space %q: %w", o.space, err)
			}
			bucket = b.set(o.space, made).Bucket
		}
		return bucket.Put(o.key, o.value)
	case opDelete:
		if bucket != nil {
			return bucket.Delete(o.key)
		}
	case opDrop:
		if bucket != nil {
			b.set(o.space, nil)
			return b.tx.DeleteBucket([]byte(o.space))
		}
	}
	return nil
}
