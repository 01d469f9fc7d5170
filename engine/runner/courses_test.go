package runner

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// lessonDone is an event of a contact of a location.
func lessonDone(location, contact, product, lesson string) engine.Event {
	ev := granted(contact, "gold")
	ev.ID = fmt.Sprint(location, contact, product, lesson)
	ev.Location, ev.Type, ev.Offer = location, "lesson_completed", nil
	ev.Product, ev.Lesson = &engine.Noun{ID: product, Title: "The " + product}, &engine.Noun{ID: lesson}
	return ev
}

func lessonsOf(t *testing.T, r *Runner, location, product string) int {
	t.Helper()
	c, err := r.Courses(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	if course := c.Course(product); course != nil {
		return len(course.Lessons)
	}
	return 0
}

// What the learners of a location do tells of its courses, over restarts, and to no other location. Only what is new is
// written.
func TestCoursesOfEvents(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		counted := newMortal(enginetest.NewStores(parts), func(int64) (error, error) { return nil, nil })
		w := newWorld(t, counted)
		w.start(flow("w", "lesson_completed", "end"))
		w.handle(lessonDone("academy", "c1", "go", "a"), lessonDone("academy", "c2", "go", "b"), lessonDone("academy", "c2", "rust", "a"))
		if n := lessonsOf(t, w.Runner, "academy", "go"); n != 2 || lessonsOf(t, w.Runner, "studio", "go") != 0 {
			t.Errorf("%d lessons", n)
		}
		w.handle(lessonDone("academy", "c3", "go", "a"))
		w.idle() // whatever else commits has done so
		known, before := lessonDone("academy", "c3", "go", "b"), counted.updates.Load()
		if err := w.learn(t.Context(), []planned{{ev: &known}}); err != nil || counted.updates.Load() != before {
			t.Errorf("what is known costs %d commits, %v", counted.updates.Load()-before, err)
		}
		if _, err := w.Import(t.Context(), "academy", []ImportedContact{{Contact: engine.Contact{ID: "c9"}, Products: []engine.Noun{{ID: "zig", Title: "Zig"}}}}); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start(flow("w", "lesson_completed", "end"))
		c, err := w.Courses(t.Context(), "academy")
		if err != nil || len(c.All()) != 3 || c.Course("go").Title != "The go" || c.Course("zig").Title != "Zig" || lessonsOf(t, w.Runner, "academy", "go") != 2 {
			t.Errorf("%v: %+v", err, c.All())
		}
	}
}

// TestCourseOfFastClock has a publisher whose clock is years ahead give a title, which another then mends.
func TestCourseOfFastClock(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("w", "lesson_completed", "end"))
	for i, title := range []string{"Gow", "Go"} {
		ev := lessonDone("academy", fmt.Sprint("c", i), "go", "a")
		ev.Product.Title = title
		if i == 0 {
			ev.Time = w.clock.now().AddDate(5, 0, 0)
		} else {
			w.clock.move(2 * time.Hour)
			ev.Time = w.clock.now()
		}
		w.handle(ev)
	}
	if c, err := w.Courses(t.Context(), "academy"); err != nil || c.Course("go").Title != "Go" {
		t.Errorf("%v: %+v", err, c.Course("go"))
	}
}

// A batch whose courses cannot be stored is not handled, and can be handed in again.
func TestCoursesWithoutRoom(t *testing.T) {
	t.Parallel()
	full := errors.New("no room")
	var fail atomic.Bool
	counted := newMortal(enginetest.NewStores(1), func(int64) (error, error) {
		if fail.Load() {
			return full, nil
		}
		return nil, nil
	})
	w := newWorld(t, counted)
	w.start(flow("w", "lesson_completed", "end"))
	w.handle(lessonDone("academy", "c1", "go", "a"))
	fail.Store(true)
	if err := w.Handle(t.Context(), w.batch(lessonDone("academy", "c1", "go", "b"))); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if n := lessonsOf(t, w.Runner, "academy", "go"); n != 1 {
		t.Errorf("%d lessons are known that are not stored", n)
	}
	fail.Store(false)
	w.handle(lessonDone("academy", "c1", "go", "b"))
	if n := lessonsOf(t, w.Runner, "academy", "go"); n != 2 {
		t.Errorf("%d lessons", n)
	}
}
