package engine

// The fields of a Gathering and a Watch: tags 15 and 17 of a person, who has the time of the timer in 16.

func (w *FieldWriter) wakes(p *Person) {
	for i := range p.Gatherings {
		w.Group(15, func() { w.gathering(&p.Gatherings[i]) })
	}
	w.Time(16, p.Wakes)
	for i := range p.Watches {
		w.Group(17, func() { w.watch(&p.Watches[i]) })
	}
}

func (w *FieldWriter) gathering(g *Gathering) {
	w.Text(1, g.Workflow)
	w.Group(2, func() { w.event(&g.Event) })
	w.Number(3, g.Ordinal)
	w.Time(4, g.Due)
	w.Texts(5, g.Keys)
	w.gathered(6, g.Offers)
	w.gathered(7, g.Products)
	for _, id := range g.Records {
		w.ID(8, id)
	}
}

func (r *FieldReader) gathering(g *Gathering) {
	switch r.Tag {
	case 1:
		g.Workflow = r.Text()
	case 2:
		r.Group(func(r *FieldReader) { r.event(&g.Event) })
	case 3:
		g.Ordinal = r.Number()
	case 4:
		g.Due = r.Time()
	case 5:
		g.Keys = append(g.Keys, r.Text())
	case 6:
		g.Offers = append(g.Offers, r.gathered())
	case 7:
		g.Products = append(g.Products, r.gathered())
	case 8:
		g.Records = append(g.Records, r.ID())
	}
}

func (w *FieldWriter) gathered(tag byte, list []Gathered) {
	for i := range list {
		w.Group(tag, func() {
			w.Text(1, list[i].ID)
			w.Text(2, list[i].Title)
			w.Flag(3, list[i].Held)
		})
	}
}

func (r *FieldReader) gathered() (g Gathered) {
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			g.ID = r.Text()
		case 2:
			g.Title = r.Text()
		case 3:
			g.Held = r.Flag()
		}
	})
	return g
}

func (w *FieldWriter) watch(t *Watch) {
	w.Text(1, t.Workflow)
	w.Text(2, t.Of)
	w.Text(3, t.By)
	w.Text(4, t.After)
	w.Group(5, func() { w.event(&t.Event) })
	w.Number(6, t.Ordinal)
	w.Flag(7, t.Held)
	w.Time(8, t.Due)
	w.ID(9, t.Record)
}

func (r *FieldReader) watch(t *Watch) {
	switch r.Tag {
	case 1:
		t.Workflow = r.Text()
	case 2:
		t.Of = r.Text()
	case 3:
		t.By = r.Text()
	case 4:
		t.After = r.Text()
	case 5:
		r.Group(func(r *FieldReader) { r.event(&t.Event) })
	case 6:
		t.Ordinal = r.Number()
	case 7:
		t.Held = r.Flag()
	case 8:
		t.Due = r.Time()
	case 9:
		t.Record = r.ID()
	}
}
