package sso

import (
	"context"
	"maps"
	"slices"
	"time"

	"latchkey/engine"
)

// place finds where a noun's id stands for a learner, in that product if one is named. It is empty if that is in no product
// that they hold.
func (h *Handler) place(ctx context.Context, p *engine.Person, noun, id, in string) (place, error) {
	if noun == "" {
		return place{}, nil
	}
	held := heldBy(p)
	if noun == "product" {
		if !slices.Contains(held, id) {
			return place{}, nil
		}
		return place{Product: id}, nil
	}
	if slices.Contains(held, in) {
		held = []string{in}
	}
	var known *engine.Courses
	if h.Courses != nil {
		var err error
		if known, err = h.Courses(ctx, p.Location); err != nil {
			return place{}, err
		}
	}
	return among(p, held, known, noun, id), nil
}

// heldBy lists the products that a learner holds, by id.
func heldBy(p *engine.Person) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Products)), func(id string) bool { return p.Products[id].Removed })
}

// among finds a category or lesson among the products that a learner holds. Where several have one of that id it is that in
// which they did something last.
func among(p *engine.Person, held []string, known *engine.Courses, noun, id string) place {
	at := place{}
	var last time.Time
	for _, product := range held {
		here, ok := partOf(known.Course(product), noun, id)
		if !ok && len(held) > 1 {
			continue // of the only one it may be a part that no event has named yet
		}
		here.Product = product
		if did := lastIn(p.Progress.Of(product)); at == (place{}) || did.After(last) {
			at, last = here, did
		}
	}
	return at
}

// partOf returns a category or lesson of a course, and whether it is known to have it.
func partOf(c *engine.Course, noun, id string) (place, bool) {
	at := place{Category: id}
	if noun == "lesson" {
		at = place{Lesson: id}
	}
	if c == nil {
		return at, false
	}
	part := c.Category(id)
	if noun == "lesson" {
		if part = c.Lesson(id); part != nil {
			at.Category = part.Category
		}
	}
	return at, part != nil
}

// lastIn returns when a learner last did something in a product.
func lastIn(t engine.Track) time.Time {
	last := t.Started
	for _, marks := range []map[string]engine.Mark{t.Categories, t.Lessons} {
		for _, m := range marks {
			for _, at := range []time.Time{m.Started, m.Completed} {
				if at.After(last) {
					last = at
				}
			}
		}
	}
	return last
}
