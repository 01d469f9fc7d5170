package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is known of the courses of one location. A course is one record, stored again when it grows.
const (
	maxCourse      = 128 << 10 // bytes of one course
	maxCourses     = 8 << 20   // bytes of all
	maxCourseTitle = 200       // runes
	partOverhead   = 32        // bytes, roughly, of what has no text

	// Publishers that differ about a title would have it written with each event.
	retitleEvery = time.Hour
)

// Courses are the products of a location, with their categories and lessons, as far as the events of its learners have named
// them. A value does not change. A nil one has none.
type Courses struct {
	byID map[string]*Course
	size int
}

// A Course is one product. What it consists of is in the order in which it was first seen, which is about the order in which
// learners go through it.
type Course struct {
	ID         string
	Title      string // "" is not known
	Categories []Part
	Lessons    []Part

	titled     time.Time // the time of the event that gave the title
	categories map[string]int
	lessons    map[string]int
	size       int
}

// A Part is a category or a lesson of a course.
type Part struct {
	ID       string
	Title    string // "" is not known
	Category string // of a lesson; "" is not known, or none

	titled time.Time
}

// Course returns the one of that id, or nil.
func (c *Courses) Course(id string) *Course {
	if c == nil {
		return nil
	}
	return c.byID[id]
}

// All returns all courses, by id.
func (c *Courses) All() []*Course {
	if c == nil {
		return nil
	}
	all := make([]*Course, 0, len(c.byID))
	for _, id := range sortedKeys(c.byID) {
		all = append(all, c.byID[id])
	}
	return all
}

// Category returns the category of that id, or nil.
func (c *Course) Category(id string) *Part { return partAt(c.Categories, c.categories, id) }

// Lesson returns the lesson of that id, or nil.
func (c *Course) Lesson(id string) *Part { return partAt(c.Lessons, c.lessons, id) }

func partAt(parts []Part, index map[string]int, id string) *Part {
	if i, ok := index[id]; ok {
		return &parts[i]
	}
	return nil
}

// After returns the courses as they are known after an event that happened at that time, and the course in which
// something is new, or nil. An event that names no product tells nothing. What is beyond the bounds is left out.
func (c *Courses) After(ev *Event, at time.Time) (*Courses, *Course) {
	if ev.Product == nil {
		return c, nil
	}
	size := 0
	if c != nil {
		size = c.size
	}
	old := c.Course(ev.Product.ID)
	if old != nil && !old.learns(ev, at, size) {
		return c, nil
	}
	fresh := &Course{ID: ev.Product.ID, size: partOverhead + len(ev.Product.ID)}
	switch {
	case old != nil:
		*fresh = *old
	case size+fresh.size > maxCourses:
		return c, nil
	}
	fresh.Categories, fresh.Lessons = slices.Clone(fresh.Categories), slices.Clone(fresh.Lessons)
	fresh.categories, fresh.lessons = maps.Clone(fresh.categories), maps.Clone(fresh.lessons)
	fresh.learn(ev, at, size)
	next := &Courses{byID: map[string]*Course{fresh.ID: fresh}, size: size + fresh.size}
	if old != nil {
		next.size -= old.size
	}
	if c != nil {
		for id, course := range c.byID {
			if id != fresh.ID {
				next.byID[id] = course
			}
		}
	}
	return next, fresh
}

// learns reports whether learn would change something. total is the size of all courses.
func (c *Course) learns(ev *Event, at time.Time, total int) bool {
	if c.renames(c.Title, c.titled, ev.Product, at, total) {
		return true
	}
	if n := ev.Category; n != nil && c.learnsPart(c.Category(n.ID), n, at, total) {
		return true
	}
	n := ev.Lesson
	if n == nil {
		return false
	}
	p := c.Lesson(n.ID)
	return c.learnsPart(p, n, at, total) || p != nil && c.moves(p, ev.Category, at, total)
}

// learnsPart is learns for one part, which is nil if it is new.
func (c *Course) learnsPart(p *Part, n *Noun, at time.Time, total int) bool {
	if p == nil {
		return c.hasRoom(n, total)
	}
	return c.renames(p.Title, p.titled, n, at, total)
}

// fits reports whether the course may grow by so many bytes.
func (c *Course) fits(grows, total int) bool {
	return grows <= 0 || c.size+grows <= maxCourse && total+grows <= maxCourses
}

// hasRoom reports whether a new part of that name is within the bounds.
func (c *Course) hasRoom(n *Noun, total int) bool {
	return c.fits(partOverhead+len(n.ID)+len(n.Title), total)
}

// renames reports whether a noun gives another title to what has one since that time.
func (c *Course) renames(title string, titled time.Time, n *Noun, at time.Time, total int) bool {
	given := cutTitle(n.Title)
	if given == "" || given == title || !c.fits(len(given)-len(title), total) {
		return false
	}
	return title == "" || !at.Before(titled.Add(retitleEvery))
}

// moves reports whether a lesson is told to be in another category.
func (c *Course) moves(p *Part, category *Noun, at time.Time, total int) bool {
	if category == nil || p.Category == category.ID || !c.fits(len(category.ID)-len(p.Category), total) {
		return false
	}
	return p.Category == "" || !at.Before(p.titled.Add(retitleEvery))
}

func (c *Course) learn(ev *Event, at time.Time, total int) {
	if c.renames(c.Title, c.titled, ev.Product, at, total) {
		c.size += len(cutTitle(ev.Product.Title)) - len(c.Title)
		c.Title, c.titled = cutTitle(ev.Product.Title), at
	}
	if ev.Category != nil {
		c.learnPart(&c.Categories, &c.categories, ev.Category, at, total)
	}
	if ev.Lesson == nil {
		return
	}
	c.learnPart(&c.Lessons, &c.lessons, ev.Lesson, at, total)
	if p := c.Lesson(ev.Lesson.ID); p != nil && c.moves(p, ev.Category, at, total) {
		c.size += len(ev.Category.ID) - len(p.Category)
		p.Category, p.titled = ev.Category.ID, at
	}
}

func (c *Course) learnPart(parts *[]Part, index *map[string]int, n *Noun, at time.Time, total int) {
	i, ok := (*index)[n.ID]
	if !ok {
		if !c.hasRoom(n, total) {
			return
		}
		if *index == nil {
			*index = map[string]int{}
		}
		i = len(*parts)
		(*index)[n.ID] = i
		*parts = append(*parts, Part{ID: n.ID})
		c.size += partOverhead + len(n.ID)
	}
	if p := &(*parts)[i]; c.renames(p.Title, p.titled, n, at, total) {
		c.size += len(cutTitle(n.Title)) - len(p.Title)
		p.Title, p.titled = cutTitle(n.Title), at
	}
}

// cutTitle keeps a title within its bound.
func cutTitle(s string) string {
	if len(s) <= maxCourseTitle {
		return s
	}
	if s = strings.ToValidUTF8(s, ""); utf8.RuneCountInString(s) > maxCourseTitle {
		s = string([]rune(s)[:maxCourseTitle])
	}
	return s
}

// SaveCourse stores a course of a location, in the global partition.
//
//	course    location 0 id                  version, fields: title, time, of each category and lesson id, title, time, category
func SaveCourse(tx Tx, location string, c *Course) {
	w := FieldWriter{B: []byte{recordVersion}}
	w.Text(1, c.Title)
	w.Time(2, c.titled)
	w.parts(3, c.Categories)
	w.parts(4, c.Lessons)
	tx.Put(SpaceCourses, Key(location, []byte(c.ID)), w.B)
}

func (w *FieldWriter) parts(tag byte, parts []Part) {
	for i := range parts {
		w.Group(tag, func() {
			w.Text(1, parts[i].ID)
			w.Text(2, parts[i].Title)
			w.Time(3, parts[i].titled)
			w.Text(4, parts[i].Category)
		})
	}
}

// LoadCourses returns the courses of a location, from the global partition. The error is of the first that cannot be read; the
// others are returned with it.
func LoadCourses(tx Tx, location string) (*Courses, error) {
	all := &Courses{byID: map[string]*Course{}}
	prefix := Key(location)
	var err error
	tx.Scan(SpaceCourses, prefix, PrefixEnd(prefix), func(k, v []byte) bool {
		c, bad := decodeCourse(string(k[len(prefix):]), v)
		if bad != nil {
			if err == nil {
				err = fmt.Errorf("course %q: %w", k[len(prefix):], bad)
			}
			return true
		}
		all.byID[c.ID] = c
		all.size += c.size
		return true
	})
	return all, err
}

func decodeCourse(id string, b []byte) (*Course, error) {
	if err := checkVersion(b, 1); err != nil {
		return nil, err
	}
	c := &Course{ID: id, categories: map[string]int{}, lessons: map[string]int{}, size: len(id) + len(b)}
	r := FieldReader{Rest: b[1:]}
	for r.Next() {
		switch r.Tag {
		case 1:
			c.Title = r.Text()
		case 2:
			c.titled = r.Time()
		case 3:
			p := r.part()
			c.categories[p.ID] = len(c.Categories)
			c.Categories = append(c.Categories, p)
		case 4:
			p := r.part()
			c.lessons[p.ID] = len(c.Lessons)
			c.Lessons = append(c.Lessons, p)
		}
	}
	return c, r.Err
}

func (r *FieldReader) part() (p Part) {
	r.Group(func(r *FieldReader) {
		switch r.Tag {
		case 1:
			p.ID = r.Text()
		case 2:
			p.Title = r.Text()
		case 3:
			p.titled = r.Time()
		case 4:
			p.Category = r.Text()
		}
	})
	return p
}
