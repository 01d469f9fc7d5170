package engine

import (
	"bytes"
	"encoding/json"
	"time"
)

// maxProgress is how many bytes the progress of one contact takes. It is stored again with every event of theirs. A lesson
// takes about 30.
const maxProgress = 32 << 10

// Progress is what a contact did in the products of the site, as their events tell. It stays as it is stored, since all but
// events of progress and pages pass over it; see Of.
//
// Beyond 32 KiB the product in which nothing happened for longest is forgotten for a newer one. Titles are the location's
// to know: see Courses.
type Progress string

// A Track is a contact's progress in one product.
type Track struct {
	Mark
	Categories map[string]Mark `json:"categories,omitempty"`
	Lessons    map[string]Mark `json:"lessons,omitempty"`
}

// A Mark says when something was first started and first completed, to the second. Zero is not known.
type Mark struct {
	Started   time.Time `json:"started,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
}

// The fields of a track: its id, when it was started and completed (Unix seconds), and the same of each category and lesson.
const (
	trackID byte = iota + 1
	trackStarted
	trackCompleted
	trackCategory
	trackLesson

	progressProduct byte = 1
)

// Of returns the progress in a product. A product whose id is "" has what events told without naming one.
func (p Progress) Of(product string) Track {
	var t Track
	p.each(func(id []byte, fields []byte) {
		if string(id) == product {
			t = readTrack(fields)
		}
	})
	return t
}

// All returns the progress in each product.
func (p Progress) All() map[string]Track {
	var all map[string]Track
	p.each(func(id, fields []byte) {
		if all == nil {
			all = map[string]Track{}
		}
		all[string(id)] = readTrack(fields)
	})
	return all
}

func (p Progress) each(fn func(id, fields []byte)) {
	r := FieldReader{Rest: []byte(p)}
	for r.Next() {
		if r.Tag == progressProduct {
			fn(idOf(r.value), r.value)
		}
	}
}

// MarshalJSON writes what All returns.
func (p Progress) MarshalJSON() ([]byte, error) { return json.Marshal(p.All()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Progress) UnmarshalJSON(b []byte) error {
	var all map[string]Track
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*p = Progress("").withAll(all)
	return nil
}

// after returns the progress after an event.
func (p Progress) after(ev *Event, at time.Time) Progress {
	var m Mark
	var tag byte
	var part *Noun
	switch ev.Type {
	case "product_started", "category_started", "lesson_started":
		m.Started = at
	case "product_completed", "category_completed", "lesson_completed":
		m.Completed = at
	default:
		return p
	}
	switch ev.Type[0] {
	case 'c':
		tag, part = trackCategory, ev.Category
	case 'l':
		tag, part = trackLesson, ev.Lesson
	}
	if ev.Product == nil && part == nil {
		return p
	}
	product := ""
	if ev.Product != nil {
		product = ev.Product.ID
	}
	if part == nil {
		return p.with(product, 0, "", m)
	}
	return p.with(product, tag, part.ID, m)
}

// with notes a mark: of a product, or with a tag of its category or lesson.
func (p Progress) with(product string, tag byte, part string, m Mark) Progress {
	now := splice([]byte(p), progressProduct, product, func(track []byte) []byte {
		if tag == 0 {
			return marked(track, m)
		}
		return splice(track, tag, part, func(fields []byte) []byte { return marked(fields, m) })
	})
	for len(now) > maxProgress {
		kept := withoutOldest(now, product)
		if len(kept) == len(now) {
			return p
		}
		now = kept
	}
	if string(now) == string(p) {
		return p
	}
	return Progress(now)
}

// withTrack notes all of a track.
func (p Progress) withTrack(product string, t Track) Progress {
	p = p.with(product, 0, "", t.Mark)
	for _, id := range sortedKeys(t.Categories) {
		p = p.with(product, trackCategory, id, t.Categories[id])
	}
	for _, id := range sortedKeys(t.Lessons) {
		p = p.with(product, trackLesson, id, t.Lessons[id])
	}
	return p
}

// withAll notes all of the tracks, by product.
func (p Progress) withAll(all map[string]Track) Progress {
	for _, product := range sortedKeys(all) {
		p = p.withTrack(product, all[product])
	}
	return p
}

// joinProgress returns what both tell.
func joinProgress(a, b Progress) Progress {
	if a == "" {
		return b
	}
	return a.withAll(b.All())
}

// splice replaces the insides of the group with that tag and id by what edit returns, and adds one if there is none.
// It does not change fields.
func splice(fields []byte, tag byte, id string, edit func(inside []byte) []byte) []byte {
	r := FieldReader{Rest: fields}
	for from := 0; r.Next(); from = len(fields) - len(r.Rest) {
		if r.Tag != tag || string(idOf(r.value)) != id {
			continue
		}
		inside := edit(r.value)
		if bytes.Equal(inside, r.value) {
			return fields
		}
		w := FieldWriter{B: append(make([]byte, 0, len(fields)+16), fields[:from]...)}
		w.head(tag, len(inside))
		return append(append(w.B, inside...), r.Rest...)
	}
	var fresh FieldWriter
	fresh.Text(trackID, id)
	inside := edit(fresh.B)
	w := FieldWriter{B: append(make([]byte, 0, len(fields)+len(inside)+4), fields...)}
	w.head(tag, len(inside))
	return append(w.B, inside...)
}

// marked returns the fields of a track or part with a mark noted: the earlier of what is known and what is new.
func marked(fields []byte, m Mark) []byte {
	was := readMark(fields)
	now := Mark{firstOf(was.Started, m.Started), firstOf(was.Completed, m.Completed)}
	if now == was {
		return fields
	}
	var w FieldWriter
	r := FieldReader{Rest: fields}
	w.Text(trackID, string(idOf(fields)))
	w.seconds(trackStarted, now.Started)
	w.seconds(trackCompleted, now.Completed)
	for r.Next() {
		if r.Tag > trackCompleted {
			w.Bytes(r.Tag, r.value)
		}
	}
	return w.B
}

func firstOf(a, b time.Time) time.Time {
	b = b.Truncate(time.Second)
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// seconds writes a time as Unix seconds. One before 1970 counts as its first second: no site kept records then.
func (w *FieldWriter) seconds(tag byte, t time.Time) {
	if !t.IsZero() {
		w.Number(tag, uint64(max(1, t.Unix())))
	}
}

func (r *FieldReader) seconds() time.Time { return time.Unix(int64(r.Number()), 0).UTC() }

// withoutOldest removes the product in which nothing happened for longest, but never the one named.
func withoutOldest(fields []byte, but string) []byte {
	oldest, at := -1, uint64(0)
	r := FieldReader{Rest: fields}
	for i := 0; r.Next(); i++ {
		if string(idOf(r.value)) == but {
			continue
		}
		if t := latest(r.value); oldest < 0 || t < at {
			oldest, at = i, t
		}
	}
	var w FieldWriter
	r = FieldReader{Rest: fields}
	for i := 0; r.Next(); i++ {
		if i != oldest {
			w.Bytes(r.Tag, r.value)
		}
	}
	return w.B
}

// latest returns the latest of all times of a track, in Unix seconds.
func latest(track []byte) (at uint64) {
	r := FieldReader{Rest: track}
	for r.Next() {
		switch r.Tag {
		case trackStarted, trackCompleted:
			at = max(at, r.Number())
		case trackCategory, trackLesson:
			at = max(at, latest(r.value))
		}
	}
	return at
}

func idOf(fields []byte) []byte {
	r := FieldReader{Rest: fields}
	if r.Next() && r.Tag == trackID {
		return r.value
	}
	return nil
}

func readMark(fields []byte) (m Mark) {
	r := FieldReader{Rest: fields}
	for r.Next() {
		switch r.Tag {
		case trackStarted:
			m.Started = r.seconds()
		case trackCompleted:
			m.Completed = r.seconds()
		}
	}
	return m
}

func readTrack(fields []byte) Track {
	t := Track{Mark: readMark(fields)}
	r := FieldReader{Rest: fields}
	for r.Next() {
		switch r.Tag {
		case trackCategory:
			t.Categories = withMark(t.Categories, r.value)
		case trackLesson:
			t.Lessons = withMark(t.Lessons, r.value)
		}
	}
	return t
}

func withMark(m map[string]Mark, fields []byte) map[string]Mark {
	if m == nil {
		m = map[string]Mark{}
	}
	m[string(idOf(fields))] = readMark(fields)
	return m
}
