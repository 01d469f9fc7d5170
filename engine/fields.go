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

// A FieldWriter appends fields to B. Err is the first value that could not be written.
type FieldWriter struct {
	B   []byte
	Err error
}

func (w *FieldWriter) head(tag byte, n int) {
	w.B = binary.AppendUvarint(append(w.B, tag), uint64(n))
}

// Text writes a text.
func (w *FieldWriter) Text(tag byte, s string) {
	if s != "" {
		w.head(tag, len(s))
		w.B = append(w.B, s...)
	}
}

// Texts writes a list.
func (w *FieldWriter) Texts(tag byte, list []string) {
	for _, s := range list {
		w.head(tag, len(s))
		w.B = append(w.B, s...)
	}
}

// Bytes writes bytes.
func (w *FieldWriter) Bytes(tag byte, b []byte) {
	if len(b) > 0 {
		w.head(tag, len(b))
		w.B = append(w.B, b...)
	}
}

// Number writes a number.
func (w *FieldWriter) Number(tag byte, n uint64) {
	if n != 0 {
		var v [binary.MaxVarintLen64]byte
		w.head(tag, binary.PutUvarint(v[:], n))
		w.B = binary.AppendUvarint(w.B, n)
	}
}

// Flag writes what is true or false.
func (w *FieldWriter) Flag(tag byte, on bool) {
	if on {
		w.Number(tag, 1)
	}
}

// Maybe writes a flag that may be unknown.
func (w *FieldWriter) Maybe(tag byte, on *bool) {
	switch {
	case on == nil:
	case *on:
		w.Number(tag, 1)
	default:
		w.Number(tag, 2)
	}
}

// ID writes an id.
func (w *FieldWriter) ID(tag byte, id ID) {
	if !id.IsZero() {
		w.head(tag, len(id))
		w.B = append(w.B, id[:]...)
	}
}

// Time writes seconds and nanoseconds, since a publisher's clock may show any year.
func (w *FieldWriter) Time(tag byte, t time.Time) {
	if !t.IsZero() {
		w.head(tag, 12)
		w.B = binary.BigEndian.AppendUint64(w.B, uint64(t.Unix()))
		w.B = binary.BigEndian.AppendUint32(w.B, uint32(t.Nanosecond()))
	}
}

// custom is the one field whose insides are not ours, and so JSON.
func (w *FieldWriter) custom(tag byte, c Custom) {
	if len(c) == 0 {
		return
	}
	j, err := json.Marshal(c)
	if err != nil && w.Err == nil {
		w.Err = err
	}
	w.Bytes(tag, j)
}

// Group writes the fields that fn writes as one value.
func (w *FieldWriter) Group(tag byte, fn func()) {
	w.B = append(w.B, tag, 0)
	start := len(w.B)
	fn()
	n := len(w.B) - start
	if n < 0x80 {
		w.B[start-1] = byte(n)
		return
	}
	var v [binary.MaxVarintLen64]byte
	extra := binary.PutUvarint(v[:], uint64(n)) - 1
	w.B = append(w.B, v[:extra]...)
	copy(w.B[start+extra:], w.B[start:start+n])
	copy(w.B[start-1:], v[:extra+1])
}

// A FieldReader goes through the fields in Rest. Its methods read the value of the one that Next stopped at; Err is the
// first thing wrong.
type FieldReader struct {
	Rest  []byte
	Tag   byte
	Err   error
	value []byte
}

// Next goes on to the next field and reports whether there is one.
func (r *FieldReader) Next() bool {
	if len(r.Rest) == 0 || r.Err != nil {
		return false
	}
	r.Tag = r.Rest[0]
	n, w := binary.Uvarint(r.Rest[1:])
	if w <= 0 || n > uint64(len(r.Rest)-1-w) || r.Tag == 0 {
		r.fail("cut short")
		return false
	}
	from := 1 + w
	r.value, r.Rest = r.Rest[from:from+int(n)], r.Rest[from+int(n):]
	return true
}

func (r *FieldReader) fail(what string) {
	if r.Err == nil {
		r.Err = fmt.Errorf("%w: field %d: %s", ErrRecord, r.Tag, what)
	}
}

// Text reads a text.
func (r *FieldReader) Text() string { return string(r.value) }

// Bytes reads bytes, which are the caller's.
func (r *FieldReader) Bytes() []byte { return bytes.Clone(r.value) }

// Number reads a number.
func (r *FieldReader) Number() uint64 {
	n, w := binary.Uvarint(r.value)
	if w <= 0 {
		r.fail("no number")
	}
	return n
}

// Flag reads what is true or false.
func (r *FieldReader) Flag() bool { return r.Number() == 1 }

// Maybe reads a flag that may be unknown.
func (r *FieldReader) Maybe() *bool {
	on := r.Flag()
	return &on
}

// ID reads an id.
func (r *FieldReader) ID() (id ID) {
	if copy(id[:], r.value) != len(id) {
		r.fail("no id")
	}
	return id
}

// Time reads a time, in UTC.
func (r *FieldReader) Time() time.Time {
	if len(r.value) != 12 {
		r.fail("no time")
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(r.value)), int64(binary.BigEndian.Uint32(r.value[8:]))).UTC()
}

func (r *FieldReader) custom() (c Custom) {
	if err := c.UnmarshalJSON(r.value); err != nil {
		r.fail(err.Error())
	}
	return c
}

// Group calls fn for each field of a group.
func (r *FieldReader) Group(fn func(*FieldReader)) {
	in := FieldReader{Rest: r.value}
	for in.Next() {
		fn(&in)
	}
	if in.Err != nil {
		r.fail(in.Err.Error())
	}
}
