package engine

// The fields of a person: see recordfields.go.

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
