package runner

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// inOrder checks that each contact's messages were first attempted in the order of their events, and returns
// how many contacts there were.
func inOrder(t *testing.T, w *world, when string, ms []message) int {
	t.Helper()
	runs, err := w.Runs(t.Context(), Filter{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	ordinals := map[engine.ID]uint64{}
	for _, r := range runs {
		ordinals[r.ID] = r.Event.Ordinal
	}
	tasks, err := w.Tasks(t.Context(), Filter{Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	event := map[engine.ID]uint64{}
	for _, task := range tasks {
		event[task.ID] = ordinals[task.Run]
	}
	seen := map[engine.ID]bool{}
	sent := map[string][]uint64{}
	for _, m := range ms {
		if n := event[m.task]; !seen[m.task] {
			seen[m.task] = true
			sent[m.contact] = append(sent[m.contact], n)
		}
	}
	for c, ns := range sent {
		for i := 1; i < len(ns); i++ {
			if ns[i] <= ns[i-1] {
				t.Errorf("%s: messages to %s of the events %d", when, c, ns)
				break
			}
		}
	}
	return len(sent)
}

// TestOrderAfterDeath lets the process die around each commit of many events of few contacts, and looks at the order of what
// each process attempts.
func TestOrderAfterDeath(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("partitions=%d/after=%v", partitions, after), func(t *testing.T) {
				t.Parallel()
				for n := int64(1); orderDiesAt(t, partitions, n, after) && !t.Failed(); n++ {
				}
			})
		}
	}
}

func orderDiesAt(t *testing.T, partitions int, n int64, after bool) (died bool) {
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
	welcome := flow("welcome", "user_login", "email")
	cfg := w.config()
	cfg.Linger, cfg.Grace = time.Millisecond, 50*time.Millisecond
	w.startConfig(cfg, welcome)
	var batches []engine.Batch
	for range 2 {
		batches = append(batches, w.batch(login("a", ""), login("b", ""), login("a", ""), login("a", ""), login("b", "")))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tell := func(dead func() bool) {
		for _, b := range rest(t, ctx, w, batches, dead) {
			if err := w.Handle(ctx, b); err != nil {
				return
			}
			w.clock.move(time.Millisecond)
		}
		for !w.Runner.idle() && !dead() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	tell(m.dead.Load)
	w.stop()
	died = m.dead.Load()
	before := len(w.mail.messages())
	w.stores, cfg.Stores = stores, stores
	w.startConfig(cfg, welcome)
	tell(func() bool { return false })
	w.idle()
	when := fmt.Sprintf("died at %d", n)
	ms := w.mail.messages()
	inOrder(t, w, when, ms)
	inOrder(t, w, when+", what came then", ms[before:])
	if tasks, err := w.Tasks(t.Context(), Filter{State: "sent"}); err != nil || len(tasks) != 10 {
		t.Errorf("%s: %d messages are sent, %v, want 10", when, len(tasks), err)
	}
	w.stop()
	return died
}

// TestOrderChannelDown hands attempts back while the channel is down, and looks at the order when it is up.
func TestOrderChannelDown(t *testing.T) {
	t.Parallel()
	w := memory(t)
	var down atomic.Bool
	down.Store(true)
	w.mail.perform = func(context.Context, message) error {
		if down.Load() {
			return engine.Down(errors.New("connection refused"))
		}
		return nil
	}
	w.start(flow("welcome", "user_login", "email"))
	var events []engine.Event
	for range 4 {
		for i := range 100 {
			events = append(events, login(fmt.Sprint("c", i), ""))
		}
	}
	w.handle(events...)
	eventually(t, "the channel is tried", func() bool { return len(w.mail.messages()) > 0 })
	time.Sleep(50 * time.Millisecond)
	down.Store(false)
	eventually(t, "all are sent", func() bool {
		w.clock.move(time.Second)
		st := w.Stats()
		return st.Due+st.Later+st.Sending == 0
	})
	if n := inOrder(t, w, "after", w.mail.messages()); n != 100 {
		t.Errorf("%d contacts have their mail, want 100", n)
	}
}

// TestOverdueSpread ends the process for an hour while messages are due. They go out spread, and nothing that comes then
// passes those of its contact.
func TestOverdueSpread(t *testing.T) {
	t.Parallel()
	w := memory(t)
	paused := flow("welcome", "user_login", "email")
	live := *paused
	paused.Status = engine.Paused
	w.start(paused)
	var events []engine.Event
	for range 2 {
		for i := range 100 {
			events = append(events, login(fmt.Sprint("c", i), ""))
		}
	}
	w.handle(events...)
	w.idle()
	w.stop()
	w.clock.move(time.Hour)
	w.start(&live)
	w.handle(login("c99", ""))
	w.clock.move(50 * time.Millisecond)
	eventually(t, "those of 11 contacts go out", func() bool { return len(w.mail.messages()) >= 11 })
	time.Sleep(50 * time.Millisecond)
	if n := len(w.mail.messages()); n > 22 {
		t.Errorf("%d messages in the first 50 ms, want those of 11 contacts", n)
	}
	eventually(t, "all are sent", func() bool {
		w.clock.move(5 * time.Millisecond)
		return len(w.mail.messages()) == 201
	})
	if n := inOrder(t, w, "after", w.mail.messages()); n != 100 {
		t.Errorf("%d contacts have their mail, want 100", n)
	}
}

// TestClockBackAtRestart starts with a clock that was set back: what was due still is.
func TestClockBackAtRestart(t *testing.T) {
	t.Parallel()
	w := memory(t)
	paused := flow("welcome", "user_login", "email")
	live := *paused
	paused.Status = engine.Paused
	w.start(paused)
	w.handle(login("c1", ""))
	w.idle()
	w.stop()
	w.clock.move(-time.Hour)
	w.start(&live)
	eventually(t, "it is sent", func() bool { return len(w.mail.messages()) == 1 })
}
