package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// did has events happen to a person, each an hour after the one before.
func did(p Person, events ...string) Person {
	set := NewSet(academy, nil)
	for i, e := range events {
		ev := event(i+1, e)
		ev.Time = day1.Add(time.Duration(i) * time.Hour)
		p, _, _, _ = Plan(set, p, ev, ev.Time)
	}
	return p
}

// hour is when the n-th event of did happened, as progress keeps it.
func hour(n int) time.Time { return day1.Add(time.Duration(n) * time.Hour).Truncate(time.Second) }

func TestProgressOfEvents(t *testing.T) {
	t.Parallel()
	p := did(ada(), "product_access_granted product=go", "product_started product=go", "category_started product=go category=basics",
		"lesson_started product=go category=basics lesson=intro", "lesson_completed product=go lesson=intro", "lesson_started product=go lesson=intro",
		"lesson_completed product=go lesson=intro", "lesson_completed product=rust lesson=intro", "category_completed product=go category=basics",
		"lesson_started lesson=loose", "product_completed product=go", "user_login", "product_access_removed product=go")
	want := map[string]Track{
		"go":   {Mark: Mark{hour(1), hour(10)}, Categories: map[string]Mark{"basics": {hour(2), hour(8)}}, Lessons: map[string]Mark{"intro": {hour(3), hour(4)}}},
		"rust": {Lessons: map[string]Mark{"intro": {Completed: hour(7)}}},
		"":     {Lessons: map[string]Mark{"loose": {Started: hour(9)}}},
	}
	if got := p.Progress.All(); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got := p.Progress.Of("go"); !cmp.Equal(got, want["go"]) {
		t.Error(cmp.Diff(want["go"], got))
	}
	if got := p.Progress.Of("none"); !cmp.Equal(got, Track{}) {
		t.Errorf("progress in nothing: %+v", got)
	}
	j, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(j), `"intro":{"started":"`) {
		t.Errorf("as JSON: %v %s", err, j)
	}
	var back Person
	if err := json.Unmarshal(j, &back); err != nil || !cmp.Equal(back.Progress.All(), want) {
		t.Errorf("read back: %v\n%s", err, cmp.Diff(want, back.Progress.All()))
	}
}

// An event that tells nothing new leaves the very same progress, and one that is no progress does not look at it.
func TestProgressRepeated(t *testing.T) {
	t.Parallel()
	p := did(ada(), "lesson_completed product=go lesson=intro")
	again := did(p, "user_login", "lesson_completed product=go lesson=intro", "product_access_granted product=go", "offer_access_removed offer=x")
	if again.Progress != p.Progress {
		t.Errorf("%q, was %q", again.Progress, p.Progress)
	}
}

// What one contact did takes a bounded room: products left long ago make way, the one in hand does not.
func TestProgressIsBounded(t *testing.T) {
	t.Parallel()
	p := ada()
	long := strings.Repeat("x", 100)
	for product := range 9 {
		for lesson := range 60 {
			p.Progress = p.Progress.with(fmt.Sprint("p", product), trackLesson, fmt.Sprint(lesson, long), Mark{Completed: hour(product*60 + lesson)})
		}
	}
	all := p.Progress.All()
	if len(p.Progress) > maxProgress || len(all["p8"].Lessons) != 60 || len(all["p7"].Lessons) != 60 || all["p0"].Lessons != nil {
		t.Errorf("%d bytes in %d products", len(p.Progress), len(all))
	}
	var one Progress
	for lesson := range 1000 {
		one = one.with("only", trackLesson, fmt.Sprint(lesson, long), Mark{Started: hour(lesson)})
	}
	known := len(one.Of("only").Lessons)
	if len(one) > maxProgress || known < 200 {
		t.Errorf("%d bytes, %d lessons", len(one), known)
	}
	if one = one.with("only", trackLesson, "0"+long, Mark{Completed: hour(5)}); len(one) > maxProgress {
		t.Errorf("%d bytes", len(one))
	}
}

// What events told without a product makes way like any product.
func TestProgressWithoutProductMakesWay(t *testing.T) {
	t.Parallel()
	var p Progress
	long := strings.Repeat("x", 100)
	for lesson := range 1000 {
		p = p.with("", trackLesson, fmt.Sprint(lesson, long), Mark{Started: hour(lesson)})
	}
	for lesson := range 200 {
		p = p.with("go", trackLesson, fmt.Sprint(lesson, long), Mark{Started: hour(2000 + lesson)})
	}
	if all := p.All(); len(all["go"].Lessons) != 200 || all[""].Lessons != nil {
		t.Errorf("%d lessons of the course, %d of none", len(all["go"].Lessons), len(all[""].Lessons))
	}
}

// Joining two contacts gives what one would have had who did all of it, in whatever order.
func TestProgressJoins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var a, b, both Progress
		for range rapid.IntRange(0, 30).Draw(rt, "events") {
			product, part := rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "product"), rapid.SampledFrom([]string{"", "l", "m"}).Draw(rt, "part")
			tag := rapid.SampledFrom([]byte{0, trackCategory, trackLesson}).Draw(rt, "tag")
			m := Mark{Started: hour(rapid.IntRange(0, 50).Draw(rt, "at"))}
			if rapid.Bool().Draw(rt, "completed") {
				m = Mark{Completed: m.Started}
			}
			to := &a
			if rapid.Bool().Draw(rt, "of the other") {
				to = &b
			}
			*to, both = to.with(product, tag, part, m), both.with(product, tag, part, m)
		}
		for _, joined := range []Progress{joinProgress(a, b), joinProgress(b, a)} {
			if !cmp.Equal(joined.All(), both.All()) {
				rt.Fatal(cmp.Diff(both.All(), joined.All()))
			}
		}
	})
}

func TestAbsorbJoinsProgress(t *testing.T) {
	t.Parallel()
	from := did(Person{Key: NewID(day1, 9, "mail"), Location: "academy"}, "lesson_completed product=go lesson=intro")
	p := did(ada(), "user_login", "lesson_completed product=go lesson=types")
	got, left := Absorb(p, from)
	if len(got.Progress.Of("go").Lessons) != 2 || left.Progress != "" {
		t.Errorf("%+v, left %+v", got.Progress.All(), left.Progress)
	}
}

// Damage is never more than progress that is not known.
func FuzzProgress(f *testing.F) {
	f.Add([]byte(did(ada(), "lesson_completed product=go category=c lesson=intro").Progress), "go", "intro")
	f.Fuzz(func(t *testing.T, b []byte, product, lesson string) {
		p := Progress(b)
		p.All()
		q := p.with(product, trackLesson, lesson, Mark{Completed: day1})
		joinProgress(p, q)
		if len(q) > max(maxProgress, len(p)) {
			t.Error("beyond its bound")
		}
	})
}

func BenchmarkProgress(b *testing.B) {
	var p Progress
	for i := range 200 {
		p = p.with(fmt.Sprint("product-", i/50), trackLesson, fmt.Sprint("lesson-", i), Mark{Started: day1, Completed: day1})
	}
	ev := event(1, "lesson_completed product=product-3 lesson=lesson-new")
	b.ReportAllocs()
	for b.Loop() {
		if len(p.after(&ev, day1)) <= len(p) {
			b.Fatal("nothing noted")
		}
	}
}
