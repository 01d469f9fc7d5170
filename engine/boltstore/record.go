package boltstore

import (
	"encoding/binary"
	"fmt"
	"math"

	"latchkey/engine"
)

// A commit record is what the journal gets of a commit. Version 1:
//
//	byte   1
//	then for each operation, in the order in which they are to be applied:
//	  byte     kind: 1 put, 2 delete, 3 drop the whole space
//	  uvarint  length of the space's name, its bytes
//	  uvarint  length of the key, its bytes      (put and delete)
//	  uvarint  length of the value, its bytes    (put)
//
// The functions of a group follow one another. What one function did is written in its net effect: spaces in the order
// of their names, in each the drop first, then keys in order. Lengths are in their shortest form, so the same
// writes always give the same bytes. A reader refuses versions and kinds that it does not know.
const recordVersion = 1

const (
	opPut    = 1
	opDelete = 2
	opDrop   = 3
)

// An op is one physical write.
type op struct {
	kind       byte
	space      engine.Space
	key, value []byte
}

func appendOp(rec []byte, o op) []byte {
	rec = append(rec, o.kind)
	rec = binary.AppendUvarint(rec, uint64(len(o.space)))
	rec = append(rec, o.space...)
	if o.kind == opDrop {
		return rec
	}
	rec = appendBytes(rec, o.key)
	if o.kind == opPut {
		rec = appendBytes(rec, o.value)
	}
	return rec
}

func appendBytes(rec, b []byte) []byte {
	rec = binary.AppendUvarint(rec, uint64(len(b)))
	return append(rec, b...)
}

// decodeRecord calls fn for each operation of rec. Its slices are parts of rec. Returns engine.ErrBadRecord.
func decodeRecord(rec []byte, fn func(op)) error {
	if len(rec) == 0 || rec[0] != recordVersion {
		return fmt.Errorf("record version: %w", engine.ErrBadRecord)
	}
	rest := rec[1:]
	for len(rest) > 0 {
		at := len(rec) - len(rest)
		o := op{kind: rest[0]}
		r := fieldReader{rest: rest[1:]}
		o.space = engine.Space(r.field())
		if o.kind != opDrop {
			o.key = r.field()
		}
		if o.kind == opPut {
			o.value = r.field()
		}
		if r.bad || o.kind < opPut || o.kind > opDrop {
			return fmt.Errorf("record operation at byte %d: %w", at, engine.ErrBadRecord)
		}
		rest = r.rest
		fn(o)
	}
	return nil
}

// A fieldReader reads length-prefixed fields and remembers the first that was none.
type fieldReader struct {
	rest []byte
	bad  bool
}

func (r *fieldReader) field() []byte {
	n, w := binary.Uvarint(r.rest)
	shortest := w == 1 || w > 1 && r.rest[w-1] != 0
	if r.bad || !shortest || n > math.MaxInt32 || int(n) > len(r.rest)-w {
		r.bad = true
		return nil
	}
	b := r.rest[w : w+int(n) : w+int(n)]
	r.rest = r.rest[w+int(n):]
	return b
}

const positionVersion = 1

func encodePosition(p engine.Position) []byte {
	b := make([]byte, 0, 17+len(p.ID))
	b = append(b, positionVersion)
	b = binary.BigEndian.AppendUint64(b, p.Seq)
	b = binary.BigEndian.AppendUint64(b, p.N)
	return append(b, p.ID...)
}

// decodePosition reads what encodePosition wrote; nil is the zero position.
func decodePosition(b []byte) (engine.Position, error) {
	if b == nil {
		return engine.Position{}, nil
	}
	if len(b) < 17 || b[0] != positionVersion {
		return engine.Position{}, fmt.Errorf("journal position: %w", engine.ErrBadRecord)
	}
	return engine.Position{
		Seq: binary.BigEndian.Uint64(b[1:9]),
		N:   binary.BigEndian.Uint64(b[9:17]),
		ID:  string(b[17:]),
	}, nil
}
