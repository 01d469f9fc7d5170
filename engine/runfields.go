package engine

// The fields of a run: see recordfields.go.

func (w *FieldWriter) run(r *Run) {
	w.ID(1, r.ID)
	w.Text(2, r.Location)
	w.Text(3, r.Workflow)
	w.Text(4, r.Version)
	w.Group(5, func() { w.event(&r.Event) })
	w.Number(6, r.Ordinal)
	w.Texts(7, r.At)
	if r.Wait != nil {
		w.Group(8, func() {
			w.Text(1, r.Wait.Kind)
			w.Time(2, r.Wait.Since)
			w.Time(3, r.Wait.Due)
			w.Texts(4, r.Wait.For)
		})
	}
	w.ID(9, r.Task)
	for i := range r.Steps {
		w.Group(10, func() { w.step(&r.Steps[i]) })
	}
	w.Time(11, r.Started)
	w.Time(12, r.Ended)
	w.Text(13, r.End)
	w.Time(14, r.Redeemed)
	for i := range r.Offers {
		w.noun(17, &r.Offers[i])
	}
	for i := range r.Products {
		w.noun(18, &r.Products[i])
	}
	w.ID(19, r.StartedBy)
	w.ID(20, r.Record)
}

func (r *FieldReader) run(to *Run) {
	switch r.Tag {
	case 1:
		to.ID = r.ID()
	case 2:
		to.Location = r.Text()
	case 3:
		to.Workflow = r.Text()
	case 4:
		to.Version = r.Text()
	case 5:
		r.Group(func(r *FieldReader) { r.event(&to.Event) })
	case 6:
		to.Ordinal = r.Number()
	case 7:
		to.At = append(to.At, r.Text())
	case 8:
		to.Wait = new(Wait)
		r.Group(func(r *FieldReader) { r.wait(to.Wait) })
	case 9:
		to.Task = r.ID()
	case 10:
		to.Steps = append(to.Steps, StepResult{})
		r.Group(func(r *FieldReader) { r.step(&to.Steps[len(to.Steps)-1]) })
	case 11:
		to.Started = r.Time()
	case 12:
		to.Ended = r.Time()
	case 13:
		to.End = r.Text()
	case 14:
		to.Redeemed = r.Time()
	case 17:
		to.Offers = append(to.Offers, *r.noun())
	case 18:
		to.Products = append(to.Products, *r.noun())
	case 20:
		to.Record = r.ID()
	case 19:
		to.StartedBy = r.ID()
	}
}

func (r *FieldReader) wait(w *Wait) {
	switch r.Tag {
	case 1:
		w.Kind = r.Text()
	case 2:
		w.Since = r.Time()
	case 3:
		w.Due = r.Time()
	case 4:
		w.For = append(w.For, r.Text())
	}
}

func (w *FieldWriter) step(s *StepResult) {
	w.Texts(1, s.Path)
	w.Text(2, s.Kind)
	w.Time(3, s.At)
	w.Text(4, s.Outcome)
	w.ID(5, s.Task)
	w.Text(6, s.Fault)
	w.custom(7, s.Response)
	w.Text(10, s.By)
}

func (r *FieldReader) step(s *StepResult) {
	switch r.Tag {
	case 1:
		s.Path = append(s.Path, r.Text())
	case 2:
		s.Kind = r.Text()
	case 3:
		s.At = r.Time()
	case 4:
		s.Outcome = r.Text()
	case 5:
		s.Task = r.ID()
	case 6:
		s.Fault = r.Text()
	case 7:
		s.Response = r.custom()
	case 10:
		s.By = r.Text()
	}
}
