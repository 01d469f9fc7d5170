package linkgen

import (
	"fmt"

	"latchkey/engine"
)

// What the records hold, as fields. A tag keeps its meaning for ever; new fields take new tags.

// load reads a record into v and reports whether there is one.
func load(tx engine.Tx, space engine.Space, key []byte, v reader) (bool, error) {
	return decode(space, tx.Get(space, key), v)
}

type reader interface{ read(*engine.FieldReader) }

// decode reads a record of a space, if there is one.
func decode(space engine.Space, b []byte, v reader) (bool, error) {
	if b == nil {
		return false, nil
	}
	if len(b) == 0 || b[0] != recordVersion {
		return false, fmt.Errorf("record in %s has a version that this program does not know", space)
	}
	r := engine.FieldReader{Rest: b[1:]}
	for r.Next() {
		v.read(&r)
	}
	if r.Err != nil {
		return false, fmt.Errorf("record in %s: %w", space, r.Err)
	}
	return true, nil
}

func save(tx engine.Tx, space engine.Space, key []byte, v interface{ write(*engine.FieldWriter) }) error {
	w := engine.FieldWriter{B: append(make([]byte, 0, 256), recordVersion)}
	v.write(&w)
	if w.Err != nil {
		return fmt.Errorf("record in %s: %w", space, w.Err)
	}
	tx.Put(space, key, w.B)
	return nil
}

func (l linkRecord) write(w *engine.FieldWriter) {
	w.Text(1, l.Location)
	w.Text(2, string(l.Kind))
	w.ID(3, l.Contact)
	w.Text(4, l.App)
	w.Text(5, l.To)
	w.Number(6, l.Ordinal)
	w.ID(7, l.Run)
	w.Text(8, l.Workflow)
	w.Text(9, l.Step)
	w.Text(10, l.Channel)
	w.Time(11, l.Created)
	w.Time(12, l.Expires)
	w.Number(13, uint64(l.MaxUses))
	l.Family.write(w, 14)
	w.Number(15, uint64(l.Epoch))
	w.Text(16, l.KeyID)
	w.Bytes(17, l.MAC)
	w.Bytes(18, l.Address)
	w.Flag(19, l.Bind)
	w.Text(20, l.By)
	w.Text(21, l.Email)
	w.Text(22, l.In)
}

func (l *linkRecord) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		l.Location = r.Text()
	case 2:
		l.Kind = Kind(r.Text())
	case 3:
		l.Contact = r.ID()
	case 4:
		l.App = r.Text()
	case 5:
		l.To = r.Text()
	case 6:
		l.Ordinal = r.Number()
	case 7:
		l.Run = r.ID()
	case 8:
		l.Workflow = r.Text()
	case 9:
		l.Step = r.Text()
	case 10:
		l.Channel = r.Text()
	case 11:
		l.Created = r.Time()
	case 12:
		l.Expires = r.Time()
	case 13:
		l.MaxUses = int(r.Number())
	case 14:
		l.Family = readFamily(r)
	case 15:
		l.Epoch = uint32(r.Number())
	case 16:
		l.KeyID = r.Text()
	case 17:
		l.MAC = r.Bytes()
	case 18:
		l.Address = r.Bytes()
	case 19:
		l.Bind = r.Flag()
	case 20:
		l.By = r.Text()
	case 21:
		l.Email = r.Text()
	case 22:
		l.In = r.Text()
	}
}

func (f family) write(w *engine.FieldWriter, tag byte) {
	w.Group(tag, func() {
		w.Number(1, f.Ordinal)
		w.Number(2, uint64(f.Hand))
	})
}

func readFamily(r *engine.FieldReader) (f family) {
	r.Group(func(r *engine.FieldReader) {
		switch r.Tag {
		case 1:
			f.Ordinal = r.Number()
		case 2:
			f.Hand = uint32(r.Number())
		}
	})
	return f
}

func (u usage) write(w *engine.FieldWriter) {
	w.Number(1, uint64(u.Count))
	w.Time(2, u.First)
	w.Time(3, u.Last)
	w.Time(4, u.Revoked)
	w.Text(5, u.By)
	w.Bytes(6, u.Bound)
}

func (u *usage) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		u.Count = int(r.Number())
	case 2:
		u.First = r.Time()
	case 3:
		u.Last = r.Time()
	case 4:
		u.Revoked = r.Time()
	case 5:
		u.By = r.Text()
	case 6:
		u.Bound = r.Bytes()
	}
}

func (h head) write(w *engine.FieldWriter) {
	h.Newest.write(w, 1)
	h.Floor.write(w, 2)
	for _, f := range h.Accepted {
		f.write(w, 3)
	}
	if len(h.Listed) > 0 {
		w.Bytes(4, packSelectors(nil, h.Listed))
	}
}

func (h *head) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		h.Newest = readFamily(r)
	case 2:
		h.Floor = readFamily(r)
	case 3:
		h.Accepted = append(h.Accepted, readFamily(r))
	case 4:
		h.Listed = unpackSelectors(r.Bytes())
	}
}

func (a account) write(w *engine.FieldWriter) {
	w.Number(1, uint64(a.Epoch))
	w.Time(2, a.Revoked)
	for _, key := range a.Sessions {
		w.Bytes(3, key)
	}
	for _, e := range a.Ends {
		e.write(w, 4)
	}
}

func (a *account) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		a.Epoch = uint32(r.Number())
	case 2:
		a.Revoked = r.Time()
	case 3:
		a.Sessions = append(a.Sessions, r.Bytes())
	case 4:
		a.Ends = append(a.Ends, readEnding(r))
	}
}

func (e ending) write(w *engine.FieldWriter, tag byte) {
	w.Group(tag, func() {
		w.Number(1, e.Floor)
		w.Time(2, e.At)
		w.Text(3, e.By)
	})
}

func readEnding(r *engine.FieldReader) (e ending) {
	r.Group(func(r *engine.FieldReader) {
		switch r.Tag {
		case 1:
			e.Floor = r.Number()
		case 2:
			e.At = r.Time()
		case 3:
			e.By = r.Text()
		}
	})
	return e
}

func (r revocation) write(w *engine.FieldWriter) {
	for _, e := range r.Ends {
		e.write(w, 1)
	}
}

func (r *revocation) read(f *engine.FieldReader) {
	if f.Tag == 1 {
		r.Ends = append(r.Ends, readEnding(f))
	}
}

func (t trail) write(w *engine.FieldWriter) {
	for _, e := range t.Entries {
		w.Group(1, func() {
			w.Time(1, e.At)
			w.Text(2, e.What)
			w.Text(3, e.Why)
			w.Text(4, e.Device)
			w.Text(5, e.Address)
			w.Text(6, e.By)
			w.Number(7, uint64(e.Times))
			w.Time(8, e.Last)
		})
	}
	w.Number(2, uint64(t.Left))
}

func (t *trail) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		var e TrailEntry
		r.Group(func(r *engine.FieldReader) {
			switch r.Tag {
			case 1:
				e.At = r.Time()
			case 2:
				e.What = r.Text()
			case 3:
				e.Why = r.Text()
			case 4:
				e.Device = r.Text()
			case 5:
				e.Address = r.Text()
			case 6:
				e.By = r.Text()
			case 7:
				e.Times = int(r.Number())
			case 8:
				e.Last = r.Time()
			}
		})
		t.Entries = append(t.Entries, e)
	case 2:
		t.Left = int(r.Number())
	}
}

func (e AuditEntry) write(w *engine.FieldWriter) {
	w.Time(1, e.At)
	w.Text(2, e.Who)
	w.Text(3, e.Did)
	w.Text(4, e.On)
	w.Text(5, e.Detail)
}

func (e *AuditEntry) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		e.At = r.Time()
	case 2:
		e.Who = r.Text()
	case 3:
		e.Did = r.Text()
	case 4:
		e.On = r.Text()
	case 5:
		e.Detail = r.Text()
	}
}

func (n nonce) write(w *engine.FieldWriter) { w.Time(1, n.Until) }

func (n *nonce) read(r *engine.FieldReader) {
	if r.Tag == 1 {
		n.Until = r.Time()
	}
}
