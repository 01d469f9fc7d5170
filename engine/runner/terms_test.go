package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// with returns a workflow of one message whose step is changed.
func with(kind string, change func(*engine.Step)) *engine.Workflow {
	w := flow("welcome", "user_login", kind)
	change(&w.Steps[0])
	return w
}

// TestStepSays has steps whose keys differ from their channel's, and an action that always fails in one way.
func TestStepSays(t *testing.T) {
	t.Parallel()
	unknown := engine.Unknown(errBusy)
	tests := []struct {
		name     string
		kind     string
		step     func(*engine.Step)
		err      error
		state    engine.TaskState
		attempts int           // least, if it depends on the jitter
		lasts    time.Duration // at most
	}{
		{"never", "email", func(s *engine.Step) { s.Retry.Attempts = 1 }, errBusy, engine.TaskFailed, 1, 0},
		{"three attempts", "email", func(s *engine.Step) { s.Retry.Attempts = 3 }, errBusy, engine.TaskFailed, 3, time.Minute},
		{"a minute", "email", func(s *engine.Step) { s.Retry.For = time.Minute }, errBusy, engine.TaskFailed, 4, time.Minute},
		{"longer than the channel's", "sms", func(s *engine.Step) { s.Retry.For = 24 * time.Hour }, errBusy, engine.TaskFailed, 50, 24 * time.Hour},
		{"a minute, and fewer attempts", "email", func(s *engine.Step) { s.Retry = engine.Retry{For: time.Minute, Attempts: 2} }, errBusy, engine.TaskFailed, 2, time.Minute},
		{"e-mail held", "email", func(s *engine.Step) { s.OnUnknown = engine.UnknownHold }, unknown, engine.TaskUnknown, 1, 0},
		{"sms sent again", "sms", func(s *engine.Step) { s.OnUnknown, s.Retry.Attempts = engine.UnknownResend, 3 }, unknown, engine.TaskUnknown, 3, time.Minute},
		{"never, and its outcome is unknown", "email", func(s *engine.Step) { s.Retry.Attempts = 1 }, unknown, engine.TaskUnknown, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := memory(t)
			w.mail.perform = fails(tt.err)
			w.start(with(tt.kind, tt.step))
			w.handle(login("c1", "ada@example.com"))
			w.idle()
			start := w.clock.now()
			for w.only(t).State == engine.TaskDue {
				w.clock.move(w.only(t).NotBefore.Sub(w.clock.now()))
				w.idle()
			}
			task := w.only(t)
			exact := tt.attempts < 4
			if task.State != tt.state || task.Attempts < tt.attempts || exact && task.Attempts != tt.attempts || w.clock.now().Sub(start) > tt.lasts {
				t.Errorf("%s after %d attempts and %s, want %s after %d and at most %s", task.State, task.Attempts, w.clock.now().Sub(start), tt.state, tt.attempts, tt.lasts)
			}
			checkHistory(t, task)
		})
	}
}

// checkHistory wants each attempt in its order, the first few and the last few of many.
func checkHistory(t *testing.T, task engine.Task) {
	t.Helper()
	h := task.History()
	if want := min(task.Attempts, 14); len(h) != want {
		t.Fatalf("%d attempts in the history of %d", len(h), task.Attempts)
	}
	for i, y := range h {
		n := i + 1
		if task.Attempts > 14 && i >= 3 {
			n = task.Attempts - 13 + i
		}
		if y.N != n || y.At.IsZero() || y.Error == "" || i > 0 && !y.At.After(h[i-1].At) {
			t.Errorf("line %d is %+v, want attempt %d", i, y, n)
		}
	}
	if last := h[len(h)-1]; last.Result != string(task.State) || !last.At.Equal(task.Changed) {
		t.Errorf("the last line is %+v", last)
	}
}

// TestTimeout has an attempt that takes longer than its step allows; what that means its action says.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mark  func(error) error
		state engine.TaskState
	}{
		"nothing left":   {func(err error) error { return err }, engine.TaskFailed},
		"it may be gone": {engine.Unknown, engine.TaskUnknown},
		"down":           {engine.Down, engine.TaskDue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := memory(t)
			w.mail.perform = func(ctx context.Context, _ message) error {
				<-ctx.Done()
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Error("actions take a deadline for the server's fault")
				}
				return tt.mark(context.Cause(ctx))
			}
			w.start(with("email", func(s *engine.Step) { s.Timeout, s.Retry.Attempts = 20*time.Millisecond, 1 }))
			w.handle(login("c1", ""))
			eventually(t, "it is over", func() bool { return w.only(t).Error != "" })
			if task := w.only(t); task.State != tt.state || !strings.Contains(task.Error, "timeout of 20ms") {
				t.Errorf("%s: %s", task.State, task.Error)
			}
		})
	}
}

// TestDeathAsksTheStep ends the process in the middle of attempts; the next one does with each what its step says, in the
// version that the run is pinned to.
func TestDeathAsksTheStep(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind    string
		step    engine.Step
		sends   int
		state   engine.TaskState
		history string
	}{
		{"email", engine.Step{}, 2, engine.TaskSent, "unknown sent"},
		{"sms", engine.Step{}, 1, engine.TaskUnknown, "unknown"},
		{"email", engine.Step{OnUnknown: engine.UnknownHold}, 1, engine.TaskUnknown, "unknown"},
		{"sms", engine.Step{OnUnknown: engine.UnknownResend}, 2, engine.TaskSent, "unknown sent"},
		{"email", engine.Step{Retry: engine.Retry{Attempts: 1}}, 1, engine.TaskUnknown, "unknown"},
		{"email", engine.Step{Retry: engine.Retry{Attempts: 2}}, 2, engine.TaskSent, "unknown sent"},
	} {
		for _, partitions := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s %s %d/%d", tt.kind, tt.step.OnUnknown, tt.step.Retry.Attempts, partitions), func(t *testing.T) {
				t.Parallel()
				stores := enginetest.NewStores(partitions)
				gone := make(chan struct{})
				m := newMortal(stores, func(int64) (error, error) {
					select {
					case <-gone: // it was sent; nothing is stored any more
						return errDied, nil
					default:
						return nil, nil
					}
				})
				w := newWorld(t, m)
				w.mail.perform = func(context.Context, message) error {
					select {
					case <-gone:
					default:
						close(gone)
					}
					return nil
				}
				cfg := w.config()
				cfg.Grace = 20 * time.Millisecond
				w.startConfig(cfg, with(tt.kind, func(s *engine.Step) { s.Retry, s.OnUnknown = tt.step.Retry, tt.step.OnUnknown }))
				_ = w.Handle(t.Context(), w.batch(login("c1", ""))) // it may see the end of the process too
				<-gone
				w.stop()
				cfg.Stores, w.stores = stores, stores
				other := flow("welcome", "user_login", "wait 1d")
				other.Version = "v2"
				w.startConfig(cfg, other)
				<-w.Ready()
				w.idle()
				task := w.only(t)
				var history []string
				for _, y := range task.History() {
					history = append(history, y.Result)
				}
				if n := len(w.mail.messages()); n != tt.sends || task.State != tt.state || strings.Join(history, " ") != tt.history {
					t.Errorf("sent %d times and %s, %q; want %d and %s, %q", n, task.State, history, tt.sends, tt.state, tt.history)
				}
			})
		}
	}
}
