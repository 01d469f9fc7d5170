package engine

// The fields of what holds messages back; see recordfields.go.

func (w *FieldWriter) hold(tag byte, h *Hold) {
	if h != nil {
		w.Group(tag, func() {
			w.Time(1, h.Since)
			w.Time(2, h.Until)
			w.Text(3, h.By)
		})
	}
}

func (r *FieldReader) hold() *Hold {
	h := new(Hold)
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			h.Since = r.Time()
		case 2:
			h.Until = r.Time()
		case 3:
			h.By = r.Text()
		}
	})
	return h
}

func (w *FieldWriter) deliveries(tag byte, list []Delivery) {
	for _, d := range list {
		w.Group(tag, func() {
			w.ID(1, d.Task)
			w.Text(2, string(d.Class))
			w.Time(3, d.At)
			w.Flag(4, d.Reserved)
		})
	}
}

func (r *FieldReader) delivery() (d Delivery) {
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			d.Task = r.ID()
		case 2:
			d.Class = Class(r.Text())
		case 3:
			d.At = r.Time()
		case 4:
			d.Reserved = r.Flag()
		}
	})
	return d
}
