package runner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/engine"
)

// TestPages reads history page by page, over days and partitions, and then forgets the older part of it.
func TestPages(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("welcome", "user_login", "email"))
		for i := range 40 {
			w.handle(login(fmt.Sprint("c", i%5), ""))
			w.idle()
			w.clock.move(time.Duration(i*i) * time.Minute)
		}
		all, err := w.Tasks(t.Context(), Filter{Limit: 1000})
		if err != nil || len(all) != 40 {
			t.Fatalf("%d tasks, %v", len(all), err)
		}
		var paged []engine.Task
		f := Filter{Location: place1, Limit: 7}
		for {
			page, err := w.Tasks(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			f.Before = page[len(page)-1].ID
		}
		same := func(a, b engine.Task) bool { return a.ID == b.ID }
		if !slices.EqualFunc(all, paged, same) {
			t.Errorf("%d tasks by pages, not those of one read", len(paged))
		}
		key := w.key("c3")
		for name, n := range map[string]int{
			"tasks": len(must(w.Tasks(t.Context(), Filter{Contact: key, State: "sent"}))(t)),
			"runs":  len(must(w.Runs(t.Context(), Filter{Contact: key}))(t)),
			"none":  len(must(w.Runs(t.Context(), Filter{Contact: key, State: "waiting"}))(t)) + 8,
			"run":   len(must(w.Tasks(t.Context(), Filter{Run: all[0].Run}))(t)) + 7,
		} {
			if n != 8 {
				t.Errorf("%s: %d, want 8", name, n)
			}
		}
		events, err := w.Events(t.Context(), Filter{Contact: key})
		if err != nil || len(events) != 8 || events[0].Decisions[0].Run.IsZero() || events[0].Ordinal != 39 {
			t.Errorf("events %+v, %v", events, err)
		}
		cut := all[19].ID.Time()
		for _, p := range w.parts {
			for _, space := range []engine.Space{engine.SpaceTasks, engine.SpaceRuns, engine.SpaceDecisions} {
				if err := w.forget(t.Context(), p, space, place1, cut); err != nil {
					t.Fatal(err)
				}
			}
		}
		if left := must(w.Tasks(t.Context(), Filter{}))(t); len(left) != 20 {
			t.Errorf("%d tasks left, want 20", len(left))
		}
	})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
