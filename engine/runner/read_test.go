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
		testFind(t, w, events[0])
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

// testFind looks for single records, and for those of a workflow and of a publisher's id.
func testFind(t *testing.T, w *world, ev engine.EventRecord) {
	t.Helper()
	ctx := t.Context()
	run := must(w.FindRun(ctx, place1, ev.Decisions[0].Run))(t)
	if run == nil || run.Event.ID != ev.ID {
		t.Fatalf("run of event %s: %+v", ev.ID, run)
	}
	if got := must(w.FindEvent(ctx, run))(t); got == nil || got.ID != ev.ID || got.Ordinal != ev.Ordinal {
		t.Errorf("event of the run: %+v", got)
	}
	if got := must(w.FindTask(ctx, place1, run.Steps[0].Task))(t); got == nil || got.Run != run.ID {
		t.Errorf("task of the run: %+v", got)
	}
	if got := must(w.FindRun(ctx, place1, ev.Contact))(t); got != nil {
		t.Errorf("a contact's key finds run %+v", got)
	}
	if got := must(w.Events(ctx, Filter{Event: ev.ID}))(t); len(got) != 1 || got[0].Ordinal != ev.Ordinal {
		t.Errorf("events by id: %+v", got)
	}
	for name, n := range map[string]int{"welcome": 40, "welcom": 0} {
		runs, tasks := must(w.Runs(ctx, Filter{Workflow: name}))(t), must(w.Tasks(ctx, Filter{Workflow: name}))(t)
		if len(runs) != n || len(tasks) != n {
			t.Errorf("workflow %s: %d runs, %d tasks, want %d", name, len(runs), len(tasks), n)
		}
	}
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
