package engine

import "slices"

// The fields of each record. A tag keeps its meaning for ever; new fields take new tags. What a record's head says
// (see records.go) is not said again. What several records have stands here, the rest in a file for each.

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

// sortedKeys is slices.Sorted(maps.Keys(m)) in one allocation.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
