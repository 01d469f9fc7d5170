package engine

// The fields of a task: see recordfields.go.

func (w *FieldWriter) task(t *Task) {
	w.ID(1, t.ID)
	w.Text(2, t.Location)
	w.Text(3, t.Workflow)
	w.Text(4, t.Version)
	w.Texts(5, t.Step)
	w.Time(6, t.Created)
	w.Time(7, t.NotBefore)
	w.Number(8, uint64(t.Attempts))
	w.Time(9, t.Deadline)
	w.Time(10, t.Changed)
	w.Text(11, string(t.Class))
	w.Text(12, t.To)
	w.Text(13, t.Subject)
	w.Number(14, uint64(t.Depth))
	w.Texts(15, t.Links)
	w.Text(16, t.Error)
	w.Text(17, t.Receipt)
	if t.ByHand() || len(t.Copies) > 0 {
		w.Group(30, func() {
			w.Number(1, uint64(t.Retried))
			w.Number(2, uint64(t.Before))
			w.ID(3, t.Of)
			for _, id := range t.Copies {
				w.ID(4, id)
			}
		})
	}
	for i := range t.Tries {
		w.Group(31, func() { w.try(&t.Tries[i]) })
	}
	w.hold(32, t.Held)
	w.answer(33, t.Answer)
}

func (w *FieldWriter) try(y *Try) {
	w.Number(1, uint64(y.N))
	w.Time(2, y.At)
	w.Text(3, y.Result)
	w.Text(4, y.Error)
	w.Number(5, uint64(y.Times))
}

func (r *FieldReader) try(y *Try) {
	switch r.Tag {
	case 1:
		y.N = int(r.Number())
	case 2:
		y.At = r.Time()
	case 3:
		y.Result = r.Text()
	case 4:
		y.Error = r.Text()
	case 5:
		y.Times = int(r.Number())
	}
}

func (r *FieldReader) task(t *Task) {
	switch r.Tag {
	case 1:
		t.ID = r.ID()
	case 2:
		t.Location = r.Text()
	case 3:
		t.Workflow = r.Text()
	case 4:
		t.Version = r.Text()
	case 5:
		t.Step = append(t.Step, r.Text())
	case 6:
		t.Created = r.Time()
	case 7:
		t.NotBefore = r.Time()
	case 8:
		t.Attempts = int(r.Number())
	case 9:
		t.Deadline = r.Time()
	case 10:
		t.Changed = r.Time()
	case 11:
		t.Class = Class(r.Text())
	case 12:
		t.To = r.Text()
	case 13:
		t.Subject = r.Text()
	case 14:
		t.Depth = int(r.Number())
	case 15:
		t.Links = append(t.Links, r.Text())
	case 16:
		t.Error = r.Text()
	case 17:
		t.Receipt = r.Text()
	case 30:
		r.Group(func(r *FieldReader) {
			switch r.Tag {
			case 1:
				t.Retried = int(r.Number())
			case 2:
				t.Before = int(r.Number())
			case 3:
				t.Of = r.ID()
			case 4:
				t.Copies = append(t.Copies, r.ID())
			}
		})
	case 31:
		t.Tries = append(t.Tries, Try{})
		r.Group(func(r *FieldReader) { r.try(&t.Tries[len(t.Tries)-1]) })
	case 32:
		t.Held = r.hold()
	case 33:
		t.Answer = r.answer()
	}
}
