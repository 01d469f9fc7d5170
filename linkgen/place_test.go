package linkgen

import (
	"testing"
	"time"

	"latchkey/engine"
)

// An event says that something happened to a lesson of a course.
type event struct{ what, product, category, lesson string }

// heard learns courses and a person's progress from events an hour apart, as the runner does.
func heard(events ...event) (*engine.Courses, *engine.Person) {
	var c *engine.Courses
	p := engine.Person{Location: "academy"}
	set := engine.NewSet(&engine.Location{ID: "academy"}, nil)
	for n, e := range events {
		at := time.Date(2026, 11, 22, 9+n, 0, 0, 0, time.UTC)
		ev := engine.Event{ID: e.what, Type: e.what, Location: "academy", Time: at, Product: noun(e.product), Category: noun(e.category), Lesson: noun(e.lesson)}
		c, _ = c.After(&ev, at)
		p, _, _, _ = engine.Plan(set, p, ev, at)
	}
	return c, &p
}

func noun(id string) *engine.Noun {
	if id == "" {
		return nil
	}
	return &engine.Noun{ID: id}
}

// Where a lesson is, is known from events; of several products with one of that id it is that in which the learner did something
// last, unless one is named.
func TestPlace(t *testing.T) {
	t.Parallel()
	c, p := heard(
		event{"product_access_granted", "go", "", ""}, event{"product_access_granted", "rust", "", ""}, event{"product_access_granted", "zig", "", ""},
		event{"lesson_completed", "go", "basics", "intro"}, event{"lesson_started", "rust", "", "intro"}, event{"lesson_started", "go", "basics", "loops"},
		event{"lesson_started", "zig", "more", "comptime"}, event{"product_access_removed", "zig", "", ""},
	)
	for _, tc := range []struct {
		noun, id, in string
		want         Place
	}{
		{"product", "go", "", Place{Product: "go"}},
		{"product", "zig", "", Place{}}, // taken away
		{"product", "none", "", Place{}},
		{"lesson", "intro", "", Place{"go", "basics", "intro"}},
		{"lesson", "intro", "rust", Place{"rust", "", "intro"}},
		{"lesson", "intro", "zig", Place{"go", "basics", "intro"}},
		{"lesson", "loops", "", Place{"go", "basics", "loops"}},
		{"lesson", "loops", "rust", Place{"rust", "", "loops"}}, // which no event has named there yet
		{"lesson", "comptime", "", Place{}},
		{"lesson", "unheard", "", Place{}},
		{"category", "basics", "", Place{"go", "basics", ""}},
		{"category", "more", "", Place{}},
		{"", "", "go", Place{}},
	} {
		if got := PlaceOf(p, c, tc.noun, tc.id, tc.in); got != tc.want {
			t.Errorf("%s %s in %q is at %+v, want %+v", tc.noun, tc.id, tc.in, got, tc.want)
		}
	}
}
