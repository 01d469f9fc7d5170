package runner

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
)

// results joins what a task's history says.
func results(t *engine.Task) string {
	var out []string
	for _, y := range t.History() {
		out = append(out, y.Result)
	}
	return strings.Join(out, " ")
}

// refused wants a StateError that names the state.
func refused(t *testing.T, err error, state string) {
	t.Helper()
	if s, ok := errors.AsType[*StateError](err); !ok || s.State != state {
		t.Errorf("%v, want a refusal because it is %s", err, state)
	}
}

// TestRetryTask tries messages again that came to each end, twice each. Their runs have gone on, and are not moved.
func TestRetryTask(t *testing.T) {
	t.Parallel()
	for state, setup := range map[string]struct {
		step    func(*engine.Step)
		begin   error
		perform error
	}{
		"failed":     {perform: engine.Final(errBusy)},
		"suppressed": {begin: engine.ErrSuppressed},
		"unknown":    {perform: engine.Unknown(errBusy), step: func(s *engine.Step) { s.OnUnknown = engine.UnknownHold }},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			everyStore(t, func(t *testing.T, s engine.Stores) {
				w := newWorld(t, s)
				var mended atomic.Bool
				w.mail.begin = func(engine.Tx, engine.Call) error {
					if mended.Load() {
						return nil
					}
					return setup.begin
				}
				w.mail.perform = func(_ context.Context, m message) error {
					if mended.Load() {
						return nil
					}
					return setup.perform
				}
				flow := flow("welcome", "user_login", "email", "wait 1h")
				if setup.step != nil {
					setup.step(&flow.Steps[0])
				}
				w.start(flow)
				w.handle(login("c1", "ada@example.com"))
				w.idle()
				task := w.only(t)
				if string(task.State) != state {
					t.Fatalf("it is %s", task.State)
				}
				runs, _ := w.Runs(t.Context(), Filter{})
				again := func() (*engine.Task, error) { return w.RetryTask(t.Context(), place1, task.ID) }
				if k, err := again(); err != nil || k.State != engine.TaskDue || k.Attempts != task.Attempts {
					t.Fatalf("%+v, %v", k, err)
				}
				w.idle()
				if k := w.only(t); string(k.State) != state || results(&k) != state+" "+state {
					t.Errorf("after one more that ends alike: %s, %q", k.State, results(&k))
				}
				mended.Store(true)
				for range 2 {
					if _, err := again(); err != nil && !errors.As(err, new(*StateError)) { // it may be sending, or sent
						t.Error(err)
					}
				}
				w.idle()
				if k := w.only(t); k.State != engine.TaskSent || k.Retried != 2 || results(&k) != state+" "+state+" sent" {
					t.Errorf("%+v: %q", k, results(&k))
				}
				_, err := again()
				refused(t, err, "sent")
				after, _ := w.Runs(t.Context(), Filter{})
				if len(after) != 1 || len(after[0].Steps) != len(runs[0].Steps) || after[0].Wait == nil || w.Stats().Waiting != 1 {
					t.Errorf("its run was moved: %+v", after)
				}
				if n := w.bus.count("message.sent"); n != 1 {
					t.Errorf("%d notices that it was sent", n)
				}
				if _, err := w.RetryTask(t.Context(), place1, engine.NewID(created, 0, "nobody")); !errors.Is(err, ErrNotKept) {
					t.Errorf("an id that is not kept: %v", err)
				}
			})
		})
	}
}

// TestRetryNow has a message that waits for its next attempt tried at once, and gives it its whole time again after it failed.
func TestRetryNow(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.mail.perform = fails(errBusy)
	w.start(with("email", func(s *engine.Step) { s.Retry.Attempts = 3 }))
	w.handle(login("c1", ""))
	w.idle()
	for range 2 {
		if _, err := w.RetryTask(t.Context(), place1, w.only(t).ID); err != nil {
			t.Fatal(err)
		}
		w.idle()
	}
	if k := w.only(t); k.State != engine.TaskFailed || k.Attempts != 3 {
		t.Fatalf("%s after %d attempts and no time", k.State, k.Attempts)
	}
	if _, err := w.RetryTask(t.Context(), place1, w.only(t).ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has its three attempts again", func() bool { w.clock.move(time.Second); k := w.only(t); return k.State.Over() })
	if k := w.only(t); k.Attempts != 6 || results(&k) != "temporary temporary failed temporary temporary failed" {
		t.Errorf("%d attempts: %s", k.Attempts, results(&k))
	}
}

// TestResendTask sends a copy, and no second one while the first is on its way.
func TestResendTask(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		var slow atomic.Bool
		w.mail.perform = func(context.Context, message) error {
			if slow.Load() {
				return errBusy
			}
			return nil
		}
		w.start(flow("welcome", "user_login", "email"))
		w.handle(login("c1", ""))
		w.idle()
		first := w.only(t)
		slow.Store(true)
		copied, err := w.ResendTask(t.Context(), place1, first.ID)
		if err != nil || copied.ID == first.ID || copied.Of != first.ID {
			t.Fatalf("%+v, %v", copied, err)
		}
		w.idle()
		if same, err := w.ResendTask(t.Context(), place1, first.ID); err != nil || same.ID != copied.ID {
			t.Errorf("another copy while one is on its way: %+v, %v", same, err)
		}
		_, err = w.ResendTask(t.Context(), place1, copied.ID)
		refused(t, err, "due")
		slow.Store(false)
		w.clock.move(time.Minute)
		w.idle()
		if other, err := w.ResendTask(t.Context(), place1, first.ID); err != nil || other.ID == copied.ID {
			t.Errorf("no copy after the first was sent: %+v, %v", other, err)
		}
		w.idle()
		tasks, _ := w.Tasks(t.Context(), Filter{State: "sent"})
		links := map[string]bool{}
		for _, k := range tasks {
			for _, l := range k.Links {
				links[l] = true
			}
		}
		if len(tasks) != 3 || len(links) < 3 || w.bus.count("message.sent") != 3 || w.bus.count("run.finished") != 1 {
			t.Errorf("%d messages, %d links, %d and %d notices", len(tasks), len(links), w.bus.count("message.sent"), w.bus.count("run.finished"))
		}
		if k, _ := w.FindTask(t.Context(), place1, first.ID); len(k.Copies) != 2 || k.Attempts != 1 {
			t.Errorf("the first one: %+v", k)
		}
	})
}

// TestCancelRun cancels a run in its wait, with a message that is put off, and with one that is being sent.
func TestCancelRun(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		gate := make(chan struct{})
		w.mail.perform = func(_ context.Context, m message) error {
			if m.kind == "sms" {
				<-gate
			}
			return errBusy
		}
		w.start(flow("waits", "user_login", "wait 1h", "email"), flow("put-off", "user_login", "email"), flow("sends", "offer_access_granted", "sms"))
		w.handle(login("c1", ""), granted("c2", "gold"))
		eventually(t, "one is put off", func() bool { return len(w.mail.messages()) == 1 })
		eventually(t, "one is being sent", func() bool {
			tasks, _ := w.Tasks(t.Context(), Filter{State: "sending"})
			return len(tasks) == 1
		})
		runs, err := w.Runs(t.Context(), Filter{})
		if err != nil || len(runs) != 3 {
			t.Fatal(runs, err)
		}
		for _, r := range runs {
			for range 2 {
				if got, err := w.CancelRun(t.Context(), place1, r.ID); err != nil || got.State != engine.RunStopped || got.End != cancelled {
					t.Errorf("%s: %+v, %v", r.Workflow, got, err)
				}
			}
		}
		close(gate)
		for range 20 {
			w.idle()
			w.clock.move(time.Hour)
		}
		w.idle()
		if n := len(w.mail.messages()); n != 2 {
			t.Errorf("%d attempts, want the two that were made before: %v", n, w.mail.messages())
		}
		for _, k := range must(w.Tasks(t.Context(), Filter{}))(t) {
			if k.State != engine.TaskSuppressed || !strings.Contains(k.Error, cancelled) {
				t.Errorf("%s: %s, %q", k.Workflow, k.State, k.Error)
			}
		}
		if n := w.bus.count("run.finished"); n != 3 {
			t.Errorf("%d notices of 3 ends", n)
		}
	})
}

// TestRetryRun has runs go on that a message stopped, and only those.
func TestRetryRun(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} { // the message was tried again by itself before
		everyStore(t, func(t *testing.T, s engine.Stores) {
			w := newWorld(t, s)
			var mended atomic.Bool
			w.mail.perform = func(context.Context, message) error {
				if mended.Load() {
					return nil
				}
				return engine.Final(errBusy)
			}
			f := flow("welcome", "user_login", "email", "sms")
			f.Steps[0].StopOnError, f.Reentry.Allow = true, "after_end"
			w.start(f)
			w.handle(login("c1", ""))
			w.idle()
			run := must(w.Runs(t.Context(), Filter{}))(t)[0]
			again := func() (*engine.Run, error) { return w.RetryRun(t.Context(), place1, run.ID) }
			if r, err := again(); err != nil || r.State != engine.RunSending || !r.Ended.IsZero() {
				t.Fatalf("%+v, %v", r, err)
			}
			w.idle()
			if r := must(w.FindRun(t.Context(), place1, run.ID))(t); r.State != engine.RunStopped || len(r.Steps) != 2 {
				t.Fatalf("it failed again: %+v", r)
			}
			mended.Store(true)
			if before {
				if _, err := w.RetryTask(t.Context(), place1, run.Steps[0].Task); err != nil {
					t.Fatal(err)
				}
				w.idle()
			}
			if _, err := again(); err != nil {
				t.Fatal(err)
			}
			w.handle(login("c1", "")) // it is not over, so this starts nothing
			w.idle()
			if r := must(w.FindRun(t.Context(), place1, run.ID))(t); r.State != engine.RunFinished || len(r.Steps) != 4 {
				t.Errorf("%+v", r)
			}
			_, err := again()
			refused(t, err, "finished")
			if sent := len(must(w.Tasks(t.Context(), Filter{State: "sent"}))(t)); sent < 2 || w.bus.count("message.sent") != sent {
				t.Errorf("%d messages, %d notices", sent, w.bus.count("message.sent"))
			}
			if n, ended := w.bus.count("run.finished"), len(must(w.Runs(t.Context(), Filter{}))(t)); n != 2+ended {
				t.Errorf("%d notices of %d ends", n, 2+ended)
			}
		})
	}
}
