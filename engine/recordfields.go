package engine

import "slices"

// The fields of each record. A tag keeps its meaning for ever; new fields take new tags. What a record's head says
// (see records.go) is not said again.

func (w *FieldWriter) person(p *Person) {
	w.ID(1, p.Key)
	w.Text(2, p.Location)
	w.Group(3, func() { w.contact(&p.Contact) })
	w.Time(4, p.Since)
	w.grants(5, p.Offers)
	w.grants(6, p.Products)
	for _, k := range sortedKeys(p.Starts) {
		s := p.Starts[k]
		w.Group(7, func() {
			w.Text(1, k)
			w.Time(2, s.At)
			w.ID(3, s.Run)
			w.Flag(4, s.Ended)
		})
	}
	w.Number(8, p.Issue.Ordinal)
	w.Time(9, p.Issue.At)
	w.Flag(10, p.SignedUp)
	w.ID(11, p.Absorbed)
	w.Texts(12, p.Tags)
	for i := range p.Listens {
		w.Group(13, func() {
			w.ID(1, p.Listens[i].Run)
			w.Texts(2, p.Listens[i].Types)
		})
	}
	for _, key := range p.Took {
		w.ID(14, key)
	}
	w.deliveries(19, p.Messages)
	for _, at := range p.Asked {
		w.Time(24, at)
	}
	w.Text(20, string(p.Progress))
	w.wakes(p)
}

func (r *FieldReader) person(p *Person) {
	switch r.Tag {
	case 1:
		p.Key = r.ID()
	case 2:
		p.Location = r.Text()
	case 3:
		r.Group(func(r *FieldReader) { r.contact(&p.Contact) })
	case 4:
		p.Since = r.Time()
	case 5:
		r.grant(&p.Offers)
	case 6:
		r.grant(&p.Products)
	case 7:
		r.start(&p.Starts)
	case 8:
		p.Issue.Ordinal = r.Number()
	case 9:
		p.Issue.At = r.Time()
	case 10:
		p.SignedUp = r.Flag()
	case 11:
		p.Absorbed = r.ID()
	case 12:
		p.Tags = append(p.Tags, r.Text())
	case 13:
		p.Listens = append(p.Listens, r.listen())
	case 14:
		p.Took = append(p.Took, r.ID())
	case 19:
		p.Messages = append(p.Messages, r.delivery())
	case 20:
		p.Progress = Progress(r.Text())
	case 24:
		p.Asked = append(p.Asked, r.Time())
	case 15:
		p.Gatherings = append(p.Gatherings, Gathering{})
		r.Group(func(r *FieldReader) { r.gathering(&p.Gatherings[len(p.Gatherings)-1]) })
	case 16:
		p.Wakes = r.Time()
	case 17:
		p.Watches = append(p.Watches, Watch{})
		r.Group(func(r *FieldReader) { r.watch(&p.Watches[len(p.Watches)-1]) })
	}
}

func (r *FieldReader) listen() (l Listen) {
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			l.Run = r.ID()
		case 2:
			l.Types = append(l.Types, r.Text())
		}
	})
	return l
}

func (w *FieldWriter) grants(tag byte, m map[string]*Grant) {
	for _, id := range sortedKeys(m) {
		g := m[id]
		w.Group(tag, func() {
			w.Text(1, id)
			w.Text(2, g.Title)
			w.Time(3, g.At)
			w.Flag(4, g.Removed)
			w.Texts(5, g.Via)
			w.Flag(6, g.Direct)
		})
	}
}

// sortedKeys is slices.Sorted(maps.Keys(m)) in one allocation.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r *FieldReader) grant(m *map[string]*Grant) {
	var id string
	g := new(Grant)
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			id = r.Text()
		case 2:
			g.Title = r.Text()
		case 3:
			g.At = r.Time()
		case 4:
			g.Removed = r.Flag()
		case 5:
			g.Via = append(g.Via, r.Text())
		case 6:
			g.Direct = r.Flag()
		}
	})
	if *m == nil {
		*m = map[string]*Grant{}
	}
	(*m)[id] = g
}

func (r *FieldReader) start(m *map[string]Start) {
	var k string
	var s Start
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			k = r.Text()
		case 2:
			s.At = r.Time()
		case 3:
			s.Run = r.ID()
		case 4:
			s.Ended = r.Flag()
		}
	})
	if *m == nil {
		*m = map[string]Start{}
	}
	(*m)[k] = s
}

func (w *FieldWriter) contact(c *Contact) {
	w.Text(1, c.ID)
	w.Text(2, c.Email)
	w.Text(3, c.Phone)
	w.Text(4, c.FirstName)
	w.Text(5, c.LastName)
	w.Text(6, c.Timezone)
	w.Text(7, c.Locale)
	w.Maybe(8, c.Consent.Email)
	w.Maybe(9, c.Consent.SMS)
	w.custom(10, c.Custom)
}

func (r *FieldReader) contact(c *Contact) {
	switch r.Tag {
	case 1:
		c.ID = r.Text()
	case 2:
		c.Email = r.Text()
	case 3:
		c.Phone = r.Text()
	case 4:
		c.FirstName = r.Text()
	case 5:
		c.LastName = r.Text()
	case 6:
		c.Timezone = r.Text()
	case 7:
		c.Locale = r.Text()
	case 8:
		c.Consent.Email = r.Maybe()
	case 9:
		c.Consent.SMS = r.Maybe()
	case 10:
		c.Custom = r.custom()
	}
}

func (w *FieldWriter) event(e *Event) {
	w.Text(1, e.ID)
	w.Text(2, e.Source)
	w.Text(3, e.Type)
	w.Text(4, e.Location)
	w.Time(5, e.Time)
	w.Number(6, e.Ordinal)
	w.Group(7, func() { w.contact(&e.Contact) })
	w.noun(8, e.Offer)
	w.noun(9, e.Product)
	w.noun(10, e.Category)
	w.noun(11, e.Lesson)
	w.custom(12, e.Custom)
	w.Number(13, uint64(e.Depth))
	w.Texts(14, e.Warnings)
}

func (r *FieldReader) event(e *Event) {
	switch r.Tag {
	case 1:
		e.ID = r.Text()
	case 2:
		e.Source = r.Text()
	case 3:
		e.Type = r.Text()
	case 4:
		e.Location = r.Text()
	case 5:
		e.Time = r.Time()
	case 6:
		e.Ordinal = r.Number()
	case 7:
		r.Group(func(r *FieldReader) { r.contact(&e.Contact) })
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
		e.Depth = int(r.Number())
	case 14:
		e.Warnings = append(e.Warnings, r.Text())
	}
}

func (w *FieldWriter) noun(tag byte, n *Noun) {
	if n != nil {
		w.Group(tag, func() {
			w.Text(1, n.ID)
			w.Text(2, n.Title)
		})
	}
}

func (r *FieldReader) noun() *Noun {
	n := new(Noun)
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			n.ID = r.Text()
		case 2:
			n.Title = r.Text()
		}
	})
	return n
}

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
