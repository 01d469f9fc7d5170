package runner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestDeathAtEveryCommit lets the process die before and after each commit of a story, and checks what the next one makes
// of the store: nothing lost, nothing started twice, no SMS sent twice.
func TestDeathAtEveryCommit(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("partitions=%d/after=%v", partitions, after), func(t *testing.T) {
				t.Parallel()
				n := int64(1)
				for dieAt(t, partitions, n, after) && !t.Failed() {
					n++
				}
				t.Logf("died at %d commits", n-1)
			})
		}
	}
}

// dieAt tells the story with a death at the n-th commit, and reports whether there was one.
func dieAt(t *testing.T, partitions int, n int64, after bool) (died bool) {
	t.Helper()
	stores := enginetest.NewStores(partitions)
	m := newMortal(stores, func(i int64) (error, error) {
		switch {
		case i != n:
			return nil, nil
		case after:
			return nil, errDied
		}
		return errDied, nil
	})
	w := newWorld(t, m)
	welcome := flow("welcome", "offer_access_granted", "email", "wait 1h", "sms")
	cfg := w.config()
	cfg.Linger, cfg.Grace = time.Millisecond, 50*time.Millisecond
	w.startConfig(cfg, welcome)
	var batches []engine.Batch
	for i := range 3 {
		batches = append(batches, w.batch(granted(fmt.Sprint("a", i), "gold"), granted(fmt.Sprint("b", i), "gold")))
	}
	tell := func(dead func() bool) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // for hangs, not for busy machines
		defer cancel()
		for _, b := range rest(t, ctx, w, batches, dead) {
			if err := w.Handle(ctx, b); err != nil {
				return
			}
		}
		for range 2 {
			for !w.Runner.idle() {
				if dead() || ctx.Err() != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
			w.clock.move(time.Hour)
		}
	}
	tell(m.dead.Load)
	err := w.stop()
	if died = m.dead.Load(); died && !errors.Is(err, errDied) && err != nil {
		t.Fatalf("died at %d: Run returned %v", n, err)
	}
	w.stores = stores
	cfg.Stores = stores
	w.startConfig(cfg, welcome)
	tell(func() bool { return false })
	w.idle()
	checkStory(t, w, fmt.Sprintf("died at %d", n))
	w.stop()
	return died
}

// rest is what a trigger hands in: what the store does not have yet.
func rest(t *testing.T, ctx context.Context, w *world, batches []engine.Batch, dead func() bool) (todo []engine.Batch) {
	for ready := false; !ready; {
		select {
		case <-w.Ready():
			ready = true
		case <-ctx.Done():
			return nil
		case <-time.After(time.Millisecond):
			if dead() {
				return nil
			}
		}
	}
	off, err := w.Offsets(ctx, "COURSES")
	if err != nil {
		return nil
	}
	for _, b := range batches {
		if b.Offset.Seq <= off.Seq {
			continue
		}
		for len(b.Events) > 0 && b.Events[0].Ordinal <= off.Seq {
			b.Events = b.Events[1:]
		}
		todo = append(todo, b)
	}
	return todo
}

func checkStory(t *testing.T, w *world, when string) {
	t.Helper()
	runs, err := w.Runs(t.Context(), Filter{})
	if err != nil || len(runs) != 6 {
		t.Fatalf("%s: %d runs, %v, want 6", when, len(runs), err)
	}
	for _, r := range runs {
		if r.State != engine.RunFinished {
			t.Errorf("%s: run is %s", when, r.State)
		}
	}
	tasks, err := w.Tasks(t.Context(), Filter{})
	if err != nil || len(tasks) != 12 {
		t.Fatalf("%s: %d tasks, %v, want 12", when, len(tasks), err)
	}
	performed := map[engine.ID]int{}
	for _, m := range w.mail.messages() {
		performed[m.task]++
	}
	for _, task := range tasks {
		n := performed[task.ID]
		switch {
		case task.Kind == "email" && (task.State != engine.TaskSent || n < 1 || n > 2):
			t.Errorf("%s: e-mail is %s after %d sends", when, task.State, n)
		case task.Kind == "sms" && n > 1:
			t.Errorf("%s: SMS sent %d times", when, n)
		case task.Kind == "sms" && task.State != engine.TaskUnknown && (task.State != engine.TaskSent || n != 1):
			t.Errorf("%s: SMS is %s after %d sends", when, task.State, n)
		}
	}
	if n := w.bus.count("run.finished"); n != 6 {
		t.Errorf("%s: %d notices of runs, want 6", when, n)
	}
}
