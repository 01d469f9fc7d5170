package linkgen

import (
	"maps"
	"slices"
	"time"

	"latchkey/engine"
)

// A Place is somewhere in a location's courses, by the ids that events gave it. Those not known are empty.
type Place struct{ Product, Category, Lesson string }

// PlaceOf finds where a noun's id stands for a learner, as ParseTo reads both: in the product in, if they hold it, else in that of
// theirs in which they did something last. known may be nil. The place is empty if that is in no product that they hold; of the only
// one that they hold a part may be there that no event has named yet.
func PlaceOf(p *engine.Person, known *engine.Courses, noun, id, in string) Place {
	if noun == "" {
		return Place{}
	}
	held := heldBy(p)
	if noun == "product" {
		if !slices.Contains(held, id) {
			return Place{}
		}
		return Place{Product: id}
	}
	if slices.Contains(held, in) {
		held = []string{in}
	}
	return among(p, held, known, noun, id)
}

// heldBy lists the products that a learner holds, by id.
func heldBy(p *engine.Person) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Products)), func(id string) bool { return p.Products[id].Removed })
}

// among finds a category or lesson among the products that a learner holds. Where several have one of that id it is that in
// which they did something last.
func among(p *engine.Person, held []string, known *engine.Courses, noun, id string) Place {
	at := Place{}
	var last time.Time
	for _, product := range held {
		here, ok := partOf(known.Course(product), noun, id)
		if !ok && len(held) > 1 {
			continue // of the only one it may be a part that no event has named yet
		}
		here.Product = product
		if did := lastIn(p.Progress.Of(product)); at == (Place{}) || did.After(last) {
			at, last = here, did
		}
	}
	return at
}

// partOf returns a category or lesson of a course, and whether it is known to have it.
func partOf(c *engine.Course, noun, id string) (Place, bool) {
	at := Place{Category: id}
	if noun == "lesson" {
		at = Place{Lesson: id}
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
