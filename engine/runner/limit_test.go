package runner

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
)

// limited makes a workflow whose contacts get at most n messages in an hour.
func limited(n int, wf *engine.Workflow) *engine.Workflow {
	wf.Limit = &engine.Limit{Messages: n, In: time.Hour}
	return wf
}

// TestLimit counts what a contact gets from all workflows, over a restart too, and holds what would be too much.
func TestLimit(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		flows := []*engine.Workflow{
			limited(2, flow("nudge", "offer_access_granted", "email marketing")),
			flow("news", "user_login", "sms marketing"), flow("sure", "user_login", "email"),
		}
		w.start(flows...)
		w.handle(login("c1", ""), granted("c1", "a"), granted("c2", "a"))
		w.wants("two of marketing", "c1 news", "c1 sure", "c1 nudge", "c2 nudge")
		w.clock.move(20 * time.Minute)
		w.handle(granted("c1", "b"), granted("c1", "c"), granted("c2", "b"))
		w.wants("one of them had one only", "c1 news", "c1 sure", "c1 nudge", "c2 nudge", "c2 nudge")
		held, err := w.Tasks(t.Context(), Filter{State: "due"})
		if err != nil || len(held) != 2 || held[0].Held == nil || held[0].Held.By != "the limit of 2 messages in 1h" {
			t.Fatalf("%+v, %v", held, err)
		}
		w.stop()
		w.start(flows...)
		w.handle(login("c1", ""))
		w.wants("a workflow without a limit", "c1 news", "c1 news", "c1 sure", "c1 sure", "c1 nudge", "c2 nudge", "c2 nudge")
		w.clock.move(40*time.Minute - time.Second)
		w.idle()
		if n := w.Stats().Gated; n != 2 {
			t.Fatalf("%d held", n)
		}
		w.clock.move(2 * time.Second) // the first two are an hour ago, the news is not
		w.wants("there is room for one again", "c1 news", "c1 news", "c1 sure", "c1 sure", "c1 nudge", "c1 nudge", "c2 nudge", "c2 nudge")
		w.clock.move(20 * time.Minute)
		w.wants("and for the last", "c1 news", "c1 news", "c1 sure", "c1 sure", "c1 nudge", "c1 nudge", "c1 nudge", "c2 nudge", "c2 nudge")
	})
}

// TestLimitOfFailures gives the place of a message that failed to the next, and keeps that of one whose end nobody knows.
func TestLimitOfFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		sent int
	}{
		{"final", engine.Final(errBusy), 3},
		{"temporary", engine.Later(errBusy, 12*time.Hour), 3},
		{"unknown", engine.Unknown(errBusy), 1},
		{"fine", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := memory(t)
			w.mail.perform = fails(c.err)
			w.start(limited(1, flow("nudge", "offer_access_granted", "sms marketing")))
			w.handle(granted("c1", "a"), granted("c1", "b"), granted("c1", "c"))
			eventually(t, "the others are held or tried", func() bool { return len(w.mail.messages()) == c.sent && w.Stats().Gated == 3-c.sent })
			w.idle()
			if n := len(w.mail.messages()); n != c.sent {
				t.Errorf("%d attempts, want %d", n, c.sent)
			}
		})
	}
}

// TestLimitAfterDeath cuts an attempt off: nobody knows whether the contact got the message, so it counts.
func TestLimitAfterDeath(t *testing.T) {
	t.Parallel()
	w := memory(t)
	nudge := limited(1, flow("nudge", "offer_access_granted", "sms marketing"))
	began := make(chan struct{})
	w.mail.perform = func(ctx context.Context, _ message) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}
	cfg := w.config()
	var dies atomic.Bool
	cfg.Stores = newMortal(w.stores, func(int64) (error, error) {
		if dies.Load() {
			return errDied, nil
		}
		return nil, nil
	})
	cfg.Grace = 10 * time.Millisecond
	w.startConfig(cfg, nudge)
	w.handle(granted("c1", "a"))
	<-began
	dies.Store(true)
	w.stop()
	w.mail.perform = nil
	w.start(nudge)
	w.handle(granted("c1", "b"))
	eventually(t, "the next is held", func() bool { return w.Stats().Gated == 1 })
	w.clock.move(time.Hour + time.Second)
	eventually(t, "until there is room", func() bool { return len(w.mail.messages()) == 2 })
}
