package engine

import (
	"maps"
	"slices"
)

// The fields of each record. A tag keeps its meaning for ever; new fields take new tags. What a record's head says
// (see records.go) is not said again.

func (w *fieldWriter) person(p *Person) {
	w.id(1, p.Key)
	w.text(2, p.Location)
	w.group(3, func() { w.contact(&p.Contact) })
	w.time(4, p.Since)
	w.grants(5, p.Offers)
	w.grants(6, p.Products)
	for _, k := range slices.Sorted(maps.Keys(p.Starts)) {
		s := p.Starts[k]
		w.group(7, func() {
			w.text(1, k)
			w.time(2, s.At)
			w.id(3, s.Run)
			w.flag(4, s.Ended)
		})
	}
	w.number(8, p.Issue.Ordinal)
	w.time(9, p.Issue.At)
	w.flag(10, p.SignedUp)
	w.id(11, p.Absorbed)
}

func (r *fieldReader) person(p *Person) {
	switch r.tag {
	case 1:
		p.Key = r.id()
	case 2:
		p.Location = r.text()
	case 3:
		r.group(func(r *fieldReader) { r.contact(&p.Contact) })
	case 4:
		p.Since = r.time()
	case 5:
		r.grant(&p.Offers)
	case 6:
		r.grant(&p.Products)
	case 7:
		r.start(&p.Starts)
	case 8:
		p.Issue.Ordinal = r.number()
	case 9:
		p.Issue.At = r.time()
	case 10:
		p.SignedUp = r.flag()
	case 11:
		p.Absorbed = r.id()
	}
}

func (w *fieldWriter) grants(tag byte, m map[string]*Grant) {
	for _, id := range slices.Sorted(maps.Keys(m)) {
		g := m[id]
		w.group(tag, func() {
			w.text(1, id)
			w.text(2, g.Title)
			w.time(3, g.At)
			w.flag(4, g.Removed)
			w.texts(5, g.Via)
			w.flag(6, g.Direct)
		})
	}
}

func (r *fieldReader) grant(m *map[string]*Grant) {
	var id string
	g := new(Grant)
	r.group(func(r *fieldReader) {
		switch r.tag {
		case 1:
			id = r.text()
		case 2:
			g.Title = r.text()
		case 3:
			g.At = r.time()
		case 4:
			g.Removed = r.flag()
		case 5:
			g.Via = append(g.Via, r.text())
		case 6:
			g.Direct = r.flag()
		}
	})
	if *m == nil {
		*m = map[string]*Grant{}
	}
	(*m)[id] = g
}

func (r *fieldReader) start(m *map[string]Start) {
	var k string
	var s Start
	r.group(func(r *fieldReader) {
		switch r.tag {
		case 1:
			k = r.text()
		case 2:
			s.At = r.time()
		case 3:
			s.Run = r.id()
		case 4:
			s.Ended = r.flag()
		}
	})
	if *m == nil {
		*m = map[string]Start{}
	}
	(*m)[k] = s
}

func (w *fieldWriter) contact(c *Contact) {
	w.text(1, c.ID)
	w.text(2, c.Email)
	w.text(3, c.Phone)
	w.text(4, c.FirstName)
	w.text(5, c.LastName)
	w.text(6, c.Timezone)
	w.text(7, c.Locale)
	w.maybe(8, c.Consent.Email)
	w.maybe(9, c.Consent.SMS)
	w.custom(10, c.Custom)
}

func (r *fieldReader) contact(c *Contact) {
	switch r.tag {
	case 1:
		c.ID = r.text()
	case 2:
		c.Email = r.text()
	case 3:
		c.Phone = r.text()
	case 4:
		c.FirstName = r.text()
	case 5:
		c.LastName = r.text()
	case 6:
		c.Timezone = r.text()
	case 7:
		c.Locale = r.text()
	case 8:
		c.Consent.Email = r.maybe()
	case 9:
		c.Consent.SMS = r.maybe()
	case 10:
		c.Custom = r.custom()
	}
}

func (w *fieldWriter) event(e *Event) {
	w.text(1, e.ID)
	w.text(2, e.Source)
	w.text(3, e.Type)
	w.text(4, e.Location)
	w.time(5, e.Time)
	w.number(6, e.Ordinal)
	w.group(7, func() { w.contact(&e.Contact) })
	w.noun(8, e.Offer)
	w.noun(9, e.Product)
	w.noun(10, e.Category)
	w.noun(11, e.Lesson)
	w.custom(12, e.Custom)
	w.number(13, uint64(e.Depth))
	w.texts(14, e.Warnings)
}

func (r *fieldReader) event(e *Event) {
	switch r.tag {
	case 1:
		e.ID = r.text()
	case 2:
		e.Source = r.text()
	case 3:
		e.Type = r.text()
	case 4:
		e.Location = r.text()
	case 5:
		e.Time = r.time()
	case 6:
		e.Ordinal = r.number()
	case 7:
		r.group(func(r *fieldReader) { r.contact(&e.Contact) })
	case 8:
		e.Offer = r.noun()
	case 9:
		e.Product = r.noun()
	case 10:
		e.Category = r.noun()
	case 11:
		e.Lesson = r.noun()
	case 12:
		e.Custom = r.custom()
	case 13:
		e.Depth = int(r.number())
	case 14:
		e.Warnings = append(e.Warnings, r.text())
	}
}

func (w *fieldWriter) noun(tag byte, n *Noun) {
	if n != nil {
		w.group(tag, func() {
			w.text(1, n.ID)
			w.text(2, n.Title)
		})
	}
}

func (r *fieldReader) noun() *Noun {
	n := new(Noun)
	r.group(func(r *fieldReader) {
		switch r.tag {
		case 1:
			n.ID = r.text()
		case 2:
			n.Title = r.text()
		}
	})
	return n
}

func (w *fieldWriter) run(r *Run) {
	w.id(1, r.ID)
	w.text(2, r.Location)
	w.text(3, r.Workflow)
	w.text(4, r.Version)
	w.group(5, func() { w.event(&r.Event) })
	w.number(6, r.Ordinal)
	w.texts(7, r.At)
	if r.Wait != nil {
		w.group(8, func() {
			w.text(1, r.Wait.Kind)
			w.time(2, r.Wait.Since)
			w.time(3, r.Wait.Due)
		})
	}
	w.id(9, r.Task)
	for i := range r.Steps {
		w.group(10, func() { w.step(&r.Steps[i]) })
	}
	w.time(11, r.Started)
	w.time(12, r.Ended)
	w.text(13, r.End)
	w.time(14, r.Redeemed)
}

func (r *fieldReader) run(to *Run) {
	switch r.tag {
	case 1:
		to.ID = r.id()
	case 2:
		to.Location = r.text()
	case 3:
		to.Workflow = r.text()
	case 4:
		to.Version = r.text()
	case 5:
		r.group(func(r *fieldReader) { r.event(&to.Event) })
	case 6:
		to.Ordinal = r.number()
	case 7:
		to.At = append(to.At, r.text())
	case 8:
		to.Wait = new(Wait)
		r.group(func(r *fieldReader) { r.wait(to.Wait) })
	case 9:
		to.Task = r.id()
	case 10:
		to.Steps = append(to.Steps, StepResult{})
		r.group(func(r *fieldReader) { r.step(&to.Steps[len(to.Steps)-1]) })
	case 11:
		to.Started = r.time()
	case 12:
		to.Ended = r.time()
	case 13:
		to.End = r.text()
	case 14:
		to.Redeemed = r.time()
	}
}

func (r *fieldReader) wait(w *Wait) {
	switch r.tag {
	case 1:
		w.Kind = r.text()
	case 2:
		w.Since = r.time()
	case 3:
		w.Due = r.time()
	}
}

func (w *fieldWriter) step(s *StepResult) {
	w.texts(1, s.Path)
	w.text(2, s.Kind)
	w.time(3, s.At)
	w.text(4, s.Outcome)
	w.id(5, s.Task)
	w.text(6, s.Fault)
}

func (r *fieldReader) step(s *StepResult) {
	switch r.tag {
	case 1:
		s.Path = append(s.Path, r.text())
	case 2:
		s.Kind = r.text()
	case 3:
		s.At = r.time()
	case 4:
		s.Outcome = r.text()
	case 5:
		s.Task = r.id()
	case 6:
		s.Fault = r.text()
	}
}

func (w *fieldWriter) task(t *Task) {
	w.id(1, t.ID)
	w.text(2, t.Location)
	w.text(3, t.Workflow)
	w.text(4, t.Version)
	w.texts(5, t.Step)
	w.time(6, t.Created)
	w.time(7, t.NotBefore)
	w.number(8, uint64(t.Attempts))
	w.time(9, t.Deadline)
	w.time(10, t.Changed)
	w.text(11, string(t.Class))
	w.text(12, t.To)
	w.text(13, t.Subject)
	w.number(14, uint64(t.Depth))
	w.texts(15, t.Links)
	w.text(16, t.Error)
	w.text(17, t.Receipt)
}

func (r *fieldReader) task(t *Task) {
	switch r.tag {
	case 1:
		t.ID = r.id()
	case 2:
		t.Location = r.text()
	case 3:
		t.Workflow = r.text()
	case 4:
		t.Version = r.text()
	case 5:
		t.Step = append(t.Step, r.text())
	case 6:
		t.Created = r.time()
	case 7:
		t.NotBefore = r.time()
	case 8:
		t.Attempts = int(r.number())
	case 9:
		t.Deadline = r.time()
	case 10:
		t.Changed = r.time()
	case 11:
		t.Class = Class(r.text())
	case 12:
		t.To = r.text()
	case 13:
		t.Subject = r.text()
	case 14:
		t.Depth = int(r.number())
	case 15:
		t.Links = append(t.Links, r.text())
	case 16:
		t.Error = r.text()
	case 17:
		t.Receipt = r.text()
	}
}
