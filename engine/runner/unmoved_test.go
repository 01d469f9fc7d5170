package runner

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// A counted store counts the runs that are put.
type counted struct {
	engine.Stores
	runs *atomic.Int64
}

func (c counted) For(shard uint16) engine.Store { return c.Global() }
func (c counted) Global() engine.Store          { return countedStore{c.Stores.Global(), c.runs} }
func (c counted) All() []engine.Store           { return []engine.Store{c.Global()} }

type countedStore struct {
	engine.Store
	runs *atomic.Int64
}

func (s countedStore) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.Store.Update(ctx, func(tx engine.Tx) error { return fn(countedTx{tx, s.runs}) })
}

type countedTx struct {
	engine.Tx
	runs *atomic.Int64
}

func (tx countedTx) Put(space engine.Space, key, value []byte) {
	if space == engine.SpaceActive {
		tx.runs.Add(1)
	}
	tx.Tx.Put(space, key, value)
}

// TestUnmoved stores no run anew that hears of an event which it does not wait for.
func TestUnmoved(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	w := newWorld(t, counted{enginetest.NewStores(1), &runs})
	w.start(waiting(false))
	w.handle(granted("c1", "gold"))
	before := runs.Load()
	w.handle(lesson("c1", "another"))
	if n := runs.Load() - before; before != 1 || n != 0 {
		t.Errorf("%d runs were stored at first, %d when one heard of another lesson", before, n)
	}
	w.handle(lesson("c1", "intro"))
	w.idle()
	if got := w.kinds(); got != "c1 email" {
		t.Errorf("sent: %s", got)
	}
}

// TestRetryRunNowhere refuses to reopen a run whose message is over if nothing could move it then: its location is not
// configured.
func TestRetryRunNowhere(t *testing.T) {
	t.Parallel()
	w := memory(t)
	var mended atomic.Bool
	w.mail.perform = func(context.Context, message) error {
		if mended.Load() {
			return nil
		}
		return engine.Final(errBusy)
	}
	f := flow("welcome", "user_login", "email")
	f.Steps[0].StopOnError = true
	w.start(f)
	w.handle(login("c1", ""))
	w.idle()
	run := must(w.Runs(t.Context(), Filter{}))(t)[0]
	mended.Store(true)
	if _, err := w.RetryTask(t.Context(), place1, run.Steps[0].Task); err != nil {
		t.Fatal(err)
	}
	w.idle()
	set := w.place(place1).set.Swap(nil)
	_, err := w.RetryRun(t.Context(), place1, run.ID)
	refused(t, err, "stopped")
	if r := must(w.FindRun(t.Context(), place1, run.ID))(t); r.State != engine.RunStopped {
		t.Errorf("it is %s", r.State)
	}
	w.place(place1).set.Store(set)
	if r, err := w.RetryRun(t.Context(), place1, run.ID); err != nil || r.State != engine.RunFinished {
		t.Errorf("configured again: %+v, %v", r, err)
	}
}

// TestStatsWhilePaused counts a run whose wait is over and which a pause holds as held only.
func TestStatsWhilePaused(t *testing.T) {
	t.Parallel()
	w := memory(t)
	live := flow("welcome", "user_login", "wait 1h", "email")
	paused := *live
	paused.Status = engine.Paused
	w.start(live)
	w.handle(login("c1", ""))
	w.clock.move(30 * time.Minute)
	w.handle(login("c2", ""))
	w.idle()
	w.force(&paused)
	w.clock.move(45 * time.Minute)
	eventually(t, "one is held, one waits", func() bool {
		st := w.Stats()
		return st.Held == 1 && st.Waiting == 1
	})
	w.force(live)
	eventually(t, "it goes on", func() bool { return len(w.mail.messages()) == 1 })
	if st := w.Stats(); st.Held != 0 || st.Waiting != 1 {
		t.Errorf("%+v", st)
	}
}
