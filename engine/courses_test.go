package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told returns the courses after events, each an hour after the one before. Words with "=" are as in event; titles
// follow the id after a slash.
func told(c *Courses, events ...string) *Courses {
	for i, e := range events {
		ev := event(i+1, e)
		for _, n := range []*Noun{ev.Product, ev.Category, ev.Lesson} {
			if n != nil {
				n.ID, n.Title, _ = strings.Cut(n.ID, "/")
			}
		}
		c, _ = c.After(&ev, day1.Add(time.Duration(i)*time.Hour))
	}
	return c
}

// outline writes courses as id/title[category/title; lesson/title@category].
func outline(c *Courses) string {
	var out []string
	for _, course := range c.All() {
		s := course.ID + "/" + course.Title + "["
		for _, p := range course.Categories {
			s += " " + p.ID + "/" + p.Title
		}
		s += ";"
		for _, p := range course.Lessons {
			s += " " + p.ID + "/" + p.Title + "@" + p.Category
		}
		out = append(out, s+"]")
	}
	return strings.Join(out, " ")
}

func TestCoursesAreLearned(t *testing.T) {
	t.Parallel()
	c := told(nil, "user_login", "lesson_started lesson=loose/Loose", "product_access_granted product=go", "product_started product=go/Go",
		"lesson_started product=go lesson=b/Second category=basics/Basics", "lesson_completed product=go lesson=a/First",
		"lesson_completed product=rust/Rust lesson=a/Other", "lesson_completed product=go lesson=a category=basics")
	if got, want := outline(c), "go/Go[ basics/Basics; b/Second@basics a/First@basics] rust/Rust[; a/Other@]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if l := c.Course("go").Lesson("a"); l == nil || l.Title != "First" || c.Course("go").Lesson("x") != nil || c.Course("x") != nil {
		t.Errorf("%+v", l)
	}
}

// What is known already is no change; another title is one, but not every minute.
func TestCoursesChangeSeldom(t *testing.T) {
	t.Parallel()
	c := told(nil, "lesson_started product=go/Go lesson=a/A category=x/X")
	ev := event(1, "lesson_started product=go lesson=a category=x")
	for _, e := range []struct {
		product, lesson, category string
		after                     time.Duration
		changes                   bool
	}{
		{"Go", "A", "X", 0, false}, {"", "", "", time.Minute, false}, {"Go!", "A", "X", time.Minute, false}, {"Go!", "A", "X", 2 * time.Hour, true},
		{"Go", "B", "X", time.Hour, true}, {"Go", "A", "Y", -48 * time.Hour, false}, {strings.Repeat("ä", 300), "A", "X", 2 * time.Hour, true},
	} {
		ev.Product.Title, ev.Lesson.Title, ev.Category.Title = e.product, e.lesson, e.category
		next, changed := c.After(&ev, day1.Add(e.after))
		if (changed != nil) != e.changes || (next != c) != e.changes {
			t.Errorf("%+v: changed %v", e, changed != nil)
		}
	}
	if outline(c) != "go/Go[ x/X; a/A@x]" {
		t.Errorf("a value has changed: %s", outline(c))
	}
	moved := event(1, "lesson_started product=go lesson=a category=y")
	if next, _ := c.After(&moved, day1.Add(time.Minute)); next.Course("go").Lesson("a").Category != "x" || next.Course("go").Category("y") == nil {
		t.Error("a lesson moves within a minute")
	}
	if next, _ := c.After(&moved, day1.Add(2*time.Hour)); next.Course("go").Lesson("a").Category != "y" {
		t.Error("a lesson does not move")
	}
}

func TestCoursesAreBounded(t *testing.T) {
	t.Parallel()
	var c *Courses
	tx := mapTx{}
	long := strings.Repeat("x", 200)
	for i := range 1000 {
		ev := event(1, "lesson_started product=go lesson="+fmt.Sprint(i)+long)
		c, _ = c.After(&ev, day1)
	}
	SaveCourse(tx, "academy", c.Course("go"))
	if n := len(tx.Get(SpaceCourses, Key("academy", []byte("go")))); n > maxCourse || len(c.Course("go").Lessons) < 300 {
		t.Errorf("%d bytes, %d lessons", n, len(c.Course("go").Lessons))
	}
	ev := event(1, "lesson_started product=go lesson=one-more")
	for range 1000 {
		c, _ = c.After(&ev, day1) // fills what is left
		ev.Lesson.ID += "!"
	}
	if _, changed := c.After(&ev, day1); changed != nil {
		t.Error("a full course changes")
	}
	for i := range 100_000 {
		if c.size > maxCourses-1000 {
			break
		}
		c.byID[fmt.Sprint(i)] = &Course{ID: fmt.Sprint(i), size: 1000}
		c.size += 1000
	}
	ev = event(1, "product_started product="+strings.Repeat("y", 2000))
	if next, changed := c.After(&ev, day1); changed != nil || next != c {
		t.Error("a full location learns a course")
	}
}

// TestCoursesStayBounded has what is known already grow: titles come later than ids, and lessons move.
func TestCoursesStayBounded(t *testing.T) {
	t.Parallel()
	var c *Courses
	for _, n := range []Noun{{ID: "x"}, {ID: "x", Title: strings.Repeat("t", maxCourseTitle)}} {
		for i := range 1000 {
			lesson := Noun{ID: fmt.Sprint(i, strings.Repeat(n.ID, 40)), Title: n.Title}
			c, _ = c.After(&Event{Product: &Noun{ID: "go"}, Lesson: &lesson}, day1)
		}
	}
	tx := mapTx{}
	SaveCourse(tx, "academy", c.Course("go"))
	if n := len(tx.Get(SpaceCourses, Key("academy", []byte("go")))); n > maxCourse || c.size > maxCourse || n < maxCourse/2 {
		t.Errorf("%d bytes are stored, %d are counted", n, c.size)
	}
	const a, b = "lesson_started product=go lesson=a category=x", "lesson_started product=go lesson=a category=longer"
	once := told(nil, a, b)
	if again := told(nil, a, b, a, b, a, b); outline(again) != outline(once) || again.size != once.size {
		t.Errorf("a lesson that moved to and fro counts %d, not %d", again.size, once.size)
	}
}

func TestGoldenCourse(t *testing.T) {
	t.Parallel()
	c := told(nil, "lesson_started product=go-101/Go category=basics/Basics lesson=intro/Introduction")
	tx := mapTx{}
	SaveCourse(tx, "academy", c.Course("go-101"))
	key := Key("academy", []byte("go-101"))
	tx.Put(SpaceCourses, key, golden(t, "course.v1", tx.Get(SpaceCourses, key)))
	tx.Put(SpaceCourses, Key("academ", []byte("x")), []byte{1})
	got, err := LoadCourses(tx, "academy")
	if err != nil || outline(got) != "go-101/Go[ basics/Basics; intro/Introduction@basics]" {
		t.Errorf("%v: %s", err, outline(got))
	}
	if again := told(got, "lesson_started product=go-101 category=basics lesson=intro", "product_started product=go-101"); again != got {
		t.Error("what was stored is learned again")
	}
	tx.Put(SpaceCourses, Key("academy", []byte("bad")), []byte{9})
	if got, err = LoadCourses(tx, "academy"); !errors.Is(err, ErrRecord) || len(got.All()) != 1 {
		t.Errorf("%v: %s", err, outline(got))
	}
}

func TestNoCourses(t *testing.T) {
	t.Parallel()
	var c *Courses
	if c.Course("x") != nil || c.All() != nil || !cmp.Equal(new(Course).Lesson("x"), (*Part)(nil)) {
		t.Error("there is something")
	}
}
