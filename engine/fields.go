package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// Fields are how the insides of a record are written: for each a tag (one byte, never 0), the length of the value as a
// uvarint, the value. A field that is zero is left out; a list repeats its tag; a group is fields in a value. A reader
// passes over tags that it does not know, so a later version may add some. JSON would do the same at ten times the cost.

// A fieldWriter appends fields to b. err is the first value that could not be written.
type fieldWriter struct {
	b   []byte
	err error
}

func (w *fieldWriter) head(tag byte, n int) {
	w.b = binary.AppendUvarint(append(w.b, tag), uint64(n))
}

func (w *fieldWriter) text(tag byte, s string) {
	if s != "" {
		w.head(tag, len(s))
		w.b = append(w.b, s...)
	}
}

func (w *fieldWriter) texts(tag byte, list []string) {
	for _, s := range list {
		w.head(tag, len(s))
		w.b = append(w.b, s...)
	}
}

func (w *fieldWriter) bytes(tag byte, b []byte) {
	if len(b) > 0 {
		w.head(tag, len(b))
		w.b = append(w.b, b...)
	}
}

func (w *fieldWriter) number(tag byte, n uint64) {
	if n != 0 {
		var v [binary.MaxVarintLen64]byte
		w.head(tag, binary.PutUvarint(v[:], n))
		w.b = binary.AppendUvarint(w.b, n)
	}
}

func (w *fieldWriter) flag(tag byte, on bool) {
	if on {
		w.number(tag, 1)
	}
}

// maybe writes a flag that may be unknown.
func (w *fieldWriter) maybe(tag byte, on *bool) {
	switch {
	case on == nil:
	case *on:
		w.number(tag, 1)
	default:
		w.number(tag, 2)
	}
}

func (w *fieldWriter) id(tag byte, id ID) {
	if !id.IsZero() {
		w.head(tag, len(id))
		w.b = append(w.b, id[:]...)
	}
}

// time writes seconds and nanoseconds, since a publisher's clock may show any year.
func (w *fieldWriter) time(tag byte, t time.Time) {
	if !t.IsZero() {
		w.head(tag, 12)
		w.b = binary.BigEndian.AppendUint64(w.b, uint64(t.Unix()))
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(t.Nanosecond()))
	}
}

// custom is the one field whose insides are not ours, and so JSON.
func (w *fieldWriter) custom(tag byte, c Custom) {
	if len(c) == 0 {
		return
	}
	j, err := json.Marshal(c)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.bytes(tag, j)
}

// group writes the fields that fn writes as one value.
func (w *fieldWriter) group(tag byte, fn func()) {
	w.b = append(w.b, tag, 0)
	start := len(w.b)
	fn()
	n := len(w.b) - start
	if n < 0x80 {
		w.b[start-1] = byte(n)
		return
	}
	var v [binary.MaxVarintLen64]byte
	extra := binary.PutUvarint(v[:], uint64(n)) - 1
	w.b = append(w.b, v[:extra]...)
	copy(w.b[start+extra:], w.b[start:start+n])
	copy(w.b[start-1:], v[:extra+1])
}

// A fieldReader goes through fields. Its methods read the value of the one that next stopped at; err is the first
// thing wrong.
type fieldReader struct {
	rest  []byte
	tag   byte
	value []byte
	err   error
}

func (r *fieldReader) next() bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	r.tag = r.rest[0]
	n, w := binary.Uvarint(r.rest[1:])
	if w <= 0 || n > uint64(len(r.rest)-1-w) || r.tag == 0 {
		r.fail("cut short")
		return false
	}
	from := 1 + w
	r.value, r.rest = r.rest[from:from+int(n)], r.rest[from+int(n):]
	return true
}

func (r *fieldReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: field %d: %s", ErrRecord, r.tag, what)
	}
}

func (r *fieldReader) text() string { return string(r.value) }

func (r *fieldReader) bytes() []byte { return bytes.Clone(r.value) }

func (r *fieldReader) number() uint64 {
	n, w := binary.Uvarint(r.value)
	if w <= 0 {
		r.fail("no number")
	}
	return n
}

func (r *fieldReader) flag() bool { return r.number() == 1 }

func (r *fieldReader) maybe() *bool {
	on := r.flag()
	return &on
}

func (r *fieldReader) id() (id ID) {
	if copy(id[:], r.value) != len(id) {
		r.fail("no id")
	}
	return id
}

func (r *fieldReader) time() time.Time {
	if len(r.value) != 12 {
		r.fail("no time")
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(r.value)), int64(binary.BigEndian.Uint32(r.value[8:]))).UTC()
}

func (r *fieldReader) custom() (c Custom) {
	if err := c.UnmarshalJSON(r.value); err != nil {
		r.fail(err.Error())
	}
	return c
}

// group calls fn for each field of a group.
func (r *fieldReader) group(fn func(*fieldReader)) {
	in := fieldReader{rest: r.value}
	for in.next() {
		fn(&in)
	}
	if in.err != nil {
		r.fail(in.err.Error())
	}
}
