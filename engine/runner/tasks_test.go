package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

var errBusy = errors.New("451 try again later")

func memory(t *testing.T) *world { return newWorld(t, enginetest.NewStores(1)) }

func (w *world) only(t *testing.T) engine.Task {
	t.Helper()
	tasks, err := w.Tasks(t.Context(), Filter{})
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%d tasks, %v, want 1", len(tasks), err)
	}
	return tasks[0]
}

// TestOutcomes sees each end of an attempt, and what the run does then. What is kept of a panic holds no link.
//
// Red when perform writes what was panicked with as it is, and when begin (start.go) does.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	const leak = "boom at https://go.acme.test/l/AZ2o3kQAAAEBsecretsecretsecretsecret"
	boom := func(engine.Tx, engine.Call) error { panic(leak) }
	tests := []struct {
		name    string
		kind    string
		begin   func(engine.Tx, engine.Call) error
		perform func(context.Context, message) error
		state   engine.TaskState
		settled []string
		goesOn  bool // the run went on to its second message
	}{
		{name: "sent", kind: "email", state: engine.TaskSent, settled: []string{"sent"}, goesOn: true},
		{name: "final", kind: "email", perform: fails(engine.Final(errors.New("550"))), state: engine.TaskFailed, goesOn: true},
		{name: "temporary", kind: "email", perform: fails(errBusy), state: engine.TaskDue},
		{name: "later", kind: "sms", perform: fails(engine.Later(errBusy, time.Minute)), state: engine.TaskDue},
		{name: "later than the deadline", kind: "sms", perform: fails(engine.Later(errBusy, 5*time.Hour)), state: engine.TaskFailed, goesOn: true},
		{name: "unknown e-mail is sent again", kind: "email", perform: fails(engine.Unknown(errBusy)), state: engine.TaskDue, settled: []string{"unknown"}},
		{name: "unknown sms is held", kind: "sms", perform: fails(engine.Unknown(errBusy)), state: engine.TaskUnknown, settled: []string{"unknown"}, goesOn: true},
		{name: "panic in an e-mail", kind: "email", perform: func(context.Context, message) error { panic(leak) }, state: engine.TaskDue, settled: []string{"unknown"}},
		{name: "panic in an sms", kind: "sms", perform: func(context.Context, message) error { panic(leak) }, state: engine.TaskUnknown, settled: []string{"unknown"}, goesOn: true},
		{name: "panic while it begins", kind: "email", begin: boom, state: engine.TaskFailed, goesOn: true},
		{name: "suppressed", kind: "email", begin: begins(fmt.Errorf("%w: no consent", engine.ErrSuppressed)), state: engine.TaskSuppressed, goesOn: true},
		{name: "cannot begin ever", kind: "email", begin: begins(engine.Final(errBusy)), state: engine.TaskFailed, goesOn: true},
		{name: "cannot begin now", kind: "email", begin: begins(errBusy), state: engine.TaskDue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := memory(t)
			w.mail.begin, w.mail.perform = tt.begin, tt.perform
			w.start(flow("welcome", "user_login", tt.kind, tt.kind))
			w.handle(login("c1", "ada@example.com"))
			w.idle()
			tasks, err := w.Tasks(t.Context(), Filter{})
			if err != nil {
				t.Fatal(err)
			}
			first := tasks[len(tasks)-1]
			if first.Step[0] != tt.kind+"1" {
				first = tasks[0]
			}
			if first.State != tt.state || first.Attempts != 1 {
				t.Errorf("state %s after %d attempts, want %s", first.State, first.Attempts, tt.state)
			}
			if wantError := tt.state != engine.TaskSent; wantError != (first.Error != "") || strings.Contains(first.Error, "secret") {
				t.Errorf("error %q", first.Error)
			}
			if (len(tasks) == 2) != tt.goesOn {
				t.Errorf("%d tasks, goes on: %v", len(tasks), tt.goesOn)
			}
			n := min(1, len(tt.settled))
			if got := w.mail.settled[:min(n, len(w.mail.settled))]; !slices.Equal(got, tt.settled) {
				t.Errorf("settled %v, want %v", got, tt.settled)
			}
		})
	}
}

func fails(err error) func(context.Context, message) error {
	return func(context.Context, message) error { return err }
}

func begins(err error) func(engine.Tx, engine.Call) error {
	return func(engine.Tx, engine.Call) error { return err }
}

// TestRetries follows one message that is refused for a day.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.mail.perform = fails(errBusy)
	w.start(flow("welcome", "user_login", "email"))
	w.handle(login("c1", "ada@example.com"))
	start := w.clock.now()
	var waits []time.Duration
	for {
		w.idle()
		task := w.only(t)
		if task.State != engine.TaskDue {
			if task.State != engine.TaskFailed || task.Error != errBusy.Error() {
				t.Errorf("ended as %s: %s", task.State, task.Error)
			}
			break
		}
		wait := task.NotBefore.Sub(w.clock.now())
		waits = append(waits, wait)
		w.clock.move(wait - time.Millisecond)
		time.Sleep(5 * time.Millisecond)
		if n := len(w.mail.messages()); n != len(waits) {
			t.Fatalf("%d attempts after %d waits: one was early", n, len(waits))
		}
		w.clock.move(time.Millisecond)
	}
	want := 5 * time.Second
	for i, wait := range waits {
		if wait < want*8/10-1 || wait > want*12/10+time.Millisecond {
			t.Errorf("wait %d is %s, want about %s", i+1, wait, want)
		}
		want = min(2*want, 30*time.Minute)
	}
	if d := w.clock.now().Sub(start); d < 23*time.Hour || d > 24*time.Hour {
		t.Errorf("gave up after %s", d)
	}
}

// TestOrder holds the first message of one contact up, and looks at what passes it.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := memory(t)
	gate := make(chan struct{})
	var mu sync.Mutex
	var order []string
	w.mail.perform = func(_ context.Context, m message) error {
		if m.contact == "slow" && m.workflow == "first" && m.attempt == 1 {
			<-gate
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprintf("%s %s %s %d", m.contact, m.workflow, m.kind, m.attempt))
		if m.contact == "slow" && m.workflow == "first" && m.attempt == 1 {
			return errBusy
		}
		return nil
	}
	one, two := flow("first", "user_login", "email"), flow("second", "offer_access_granted", "sms")
	w.start(one, two)
	w.handle(login("slow", ""), granted("slow", "gold"), granted("quick", "gold"))
	eventually(t, "the other contact passes", func() bool { return len(w.mail.messages()) == 1 })
	close(gate)
	w.idle()
	w.clock.move(10 * time.Second)
	w.idle()
	want := []string{"quick second sms 1", "slow first email 1", "slow second sms 1", "slow first email 2"}
	if !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

// TestSlowChannel fills one channel and sees the other go on, and events too.
func TestSlowChannel(t *testing.T) {
	t.Parallel()
	w := memory(t)
	gate := make(chan struct{})
	var emails, texts atomic.Int64
	w.mail.perform = func(ctx context.Context, m message) error {
		if m.kind == "email" {
			emails.Add(1)
			<-gate
			return nil
		}
		texts.Add(1)
		return nil
	}
	w.start(flow("mail", "user_login", "email"), flow("text", "offer_access_granted", "sms"))
	for i := range 300 {
		w.handle(login(fmt.Sprint("m", i), ""), granted(fmt.Sprint("t", i), "gold"))
	}
	eventually(t, "all SMS are out", func() bool { return texts.Load() == 300 })
	if n := emails.Load(); n != 8 {
		t.Errorf("%d e-mails at once, want 8", n)
	}
	close(gate)
	w.idle()
	if n := emails.Load(); n != 300 {
		t.Errorf("%d e-mails, want 300", n)
	}
}

// TestPaused holds tasks and timers, over a restart too, until the workflow is in force again.
func TestPaused(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		paused := flow("welcome", "user_login", "email", "wait 1h", "sms")
		live := *paused
		paused.Status = engine.Paused
		w.start(paused)
		w.handle(login("c1", ""), login("c2", ""))
		w.idle()
		if n := len(w.mail.messages()); n != 0 {
			t.Fatalf("%d messages of a paused workflow", n)
		}
		w.force(&live)
		eventually(t, "they go out, spread", func() bool {
			w.clock.move(time.Millisecond)
			return len(w.mail.messages()) == 2
		})
		w.idle()
		w.force() // the file is deleted
		w.clock.move(2 * time.Hour)
		w.idle()
		w.stop()
		w.start()
		time.Sleep(20 * time.Millisecond)
		w.idle()
		if n := len(w.mail.messages()); n != 2 {
			t.Fatalf("%d messages of a deleted workflow, want 2", n)
		}
		w.force(&live)
		eventually(t, "the rest goes out", func() bool {
			w.clock.move(time.Second)
			return len(w.mail.messages()) == 4
		})
	})
}

// TestHeldTooLong lets a message lie in a paused workflow for more than a week.
func TestHeldTooLong(t *testing.T) {
	t.Parallel()
	w := memory(t)
	paused := flow("welcome", "user_login", "email")
	live := *paused
	paused.Status = engine.Paused
	w.start(paused)
	w.handle(login("c1", ""))
	w.idle()
	w.clock.move(8 * 24 * time.Hour)
	w.force(&live)
	w.idle()
	if task := w.only(t); task.State != engine.TaskExpired || len(w.mail.messages()) != 0 {
		t.Errorf("state %s, %d messages", task.State, len(w.mail.messages()))
	}
}

// TestHeldWaitTooLong pauses a workflow while its runs wait, for a month: what was due then is not sent any more, and
// neither is what would follow at once.
func TestHeldWaitTooLong(t *testing.T) {
	t.Parallel()
	w := memory(t)
	live := flow("welcome", "user_login", "wait 1d", "email", "email", "wait 1d", "sms")
	paused := *live
	paused.Status = engine.Paused
	w.start(live)
	w.handle(login("c1", ""))
	w.idle()
	w.force(&paused)
	w.clock.move(31 * 24 * time.Hour)
	w.idle()
	w.force(live)
	eventually(t, "it goes on", func() bool { return w.Stats().Waiting == 1 })
	w.idle()
	tasks, err := w.Tasks(t.Context(), Filter{State: "expired"})
	if err != nil || len(tasks) != 2 || len(w.mail.messages()) != 0 {
		t.Errorf("%d tasks expired, %v, want 2; sent %v", len(tasks), err, w.mail.messages())
	}
	w.clock.move(25 * time.Hour)
	eventually(t, "the next wait ends with a message", func() bool { return len(w.mail.messages()) == 1 })
}

// TestStopped takes away the version that a run is pinned to: the run says so, and is over for all that ask.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]string{"as a timer fires": {"wait 1h", "email"}, "as a message is over": {"email", "email"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyStore(t, func(t *testing.T, s engine.Stores) {
				w := newWorld(t, s)
				old := flow("welcome", "user_login", steps...)
				old.Reentry.Allow = "after_end"
				paused := *old
				paused.Status = engine.Paused
				w.start(&paused)
				w.handle(login("c1", ""))
				w.idle()
				w.stop()
				err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
					tx.Delete(engine.SpaceVersions, nil)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				delete(w.source, string(old.Source))
				changed := flow("welcome", "user_login", "wait 3d")
				changed.Version, changed.Reentry.Allow = "v2", "after_end"
				w.start(changed)
				w.clock.move(2 * time.Hour)
				stopped := func() []engine.Run {
					w.clock.move(time.Hour) // a message is put off until its deadline
					runs, err := w.Runs(t.Context(), Filter{State: "stopped"})
					if err != nil {
						t.Fatal(err)
					}
					return runs
				}
				eventually(t, "it is stopped", func() bool { return len(stopped()) == 1 })
				w.idle()
				r := stopped()[0]
				if !strings.Contains(r.End, "version v1 is not in the store") || r.Ended.IsZero() || r.At != nil || r.Wait != nil || !r.Task.IsZero() {
					t.Errorf("the run is %+v", r)
				}
				if n := w.bus.count("run.finished"); n != 1 {
					t.Errorf("%d notices of its end, want 1", n)
				}
				if w.Stats().Waiting != 0 {
					t.Error("its timer goes on")
				}
				w.handle(login("c1", ""))
				if runs, err := w.Runs(t.Context(), Filter{State: "waiting"}); err != nil || len(runs) != 1 {
					t.Errorf("%d runs after its end, %v, want 1", len(runs), err)
				}
			})
		})
	}
}

// TestPinned lets a run go on by the version that it began with, which is compiled from its stored source.
func TestPinned(t *testing.T) {
	t.Parallel()
	w := memory(t)
	old := flow("welcome", "user_login", "wait 1h", "sms")
	w.start(old)
	w.handle(login("c1", ""))
	w.idle()
	w.stop()
	changed := flow("welcome", "user_login", "email")
	changed.Version = "v2"
	w.start(changed)
	w.clock.move(2 * time.Hour)
	eventually(t, "the run goes on", func() bool { return len(w.mail.messages()) == 1 })
	if m := w.mail.messages()[0]; m.kind != "sms" {
		t.Errorf("sent %s, want what its own version says", m.kind)
	}
	w.handle(login("c1", ""))
	w.idle()
	if ms := w.mail.messages(); len(ms) != 2 || ms[1].kind != "email" {
		t.Errorf("new runs are of the old version: %v", ms)
	}
}

// TestChannelDown refuses the channel's connections and counts how many messages try it.
func TestChannelDown(t *testing.T) {
	t.Parallel()
	w := memory(t)
	var down atomic.Bool
	var tries atomic.Int64
	down.Store(true)
	w.mail.perform = func(context.Context, message) error {
		if tries.Add(1); down.Load() {
			return engine.Down(errors.New("connection refused"))
		}
		return nil
	}
	w.start(flow("welcome", "user_login", "email"))
	batch := make([]engine.Event, 400)
	for i := range batch {
		batch[i] = login(fmt.Sprint("c", i), "")
	}
	began := time.Now()
	w.handle(batch...)
	var tasks []engine.Task
	eventually(t, "all are handed back, and no attempt is counted", func() bool {
		tried, attempts := tries.Load() > 0, 0
		var err error
		if tasks, err = w.Tasks(t.Context(), Filter{Limit: 400}); err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			attempts += task.Attempts
		}
		return tried && len(tasks) == 400 && attempts == 0
	})
	// Its 8 workers, another if they take long, and one each second that this takes.
	if n, most := tries.Load(), 9+int64(time.Since(began)/time.Second); n > most {
		t.Errorf("%d messages tried a channel that is down, at most %d should", n, most)
	}
	for _, task := range tasks {
		if task.Attempts == 0 && !task.Deadline.IsZero() {
			t.Errorf("the time of a task that was handed back runs already")
		}
	}
	down.Store(false)
	eventually(t, "all are sent", func() bool {
		w.clock.move(time.Second)
		st := w.Stats()
		return st.Due+st.Later+st.Sending == 0
	})
	sent := map[string]bool{}
	for _, m := range w.mail.messages() {
		sent[m.contact] = true
	}
	if len(sent) != 400 {
		t.Errorf("%d contacts have their mail, want 400", len(sent))
	}
}

// TestShutdown ends Run in the middle of sends and looks at what the next one makes of it.
func TestShutdown(t *testing.T) {
	t.Parallel()
	w := memory(t)
	var begun atomic.Int64
	gate := make(chan struct{})
	w.mail.perform = func(ctx context.Context, m message) error {
		begun.Add(1)
		<-gate
		return nil
	}
	w.start(flow("welcome", "user_login", "sms"))
	batch := make([]engine.Event, 50)
	for i := range batch {
		batch[i] = login(fmt.Sprint("c", i), "")
	}
	w.handle(batch...)
	eventually(t, "sends go on", func() bool { return begun.Load() == 4 })
	w.cancel()
	close(gate)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	states := map[engine.TaskState]int{}
	tasks, _ := w.Tasks(t.Context(), Filter{})
	for _, task := range tasks {
		states[task.State]++
	}
	if states[engine.TaskSent] != 4 || states[engine.TaskDue] != 46 {
		t.Fatalf("states after the end: %v", states)
	}
	w.start(flow("welcome", "user_login", "sms"))
	w.idle()
	if n := len(w.mail.messages()); n != 50 {
		t.Errorf("%d SMS, want 50", n)
	}
}

// TestOrderAfterRestart ends the process between the commit of many events of one contact and their messages.
func TestOrderAfterRestart(t *testing.T) {
	t.Parallel()
	w := memory(t)
	paused := flow("welcome", "user_login", "email")
	live := *paused
	paused.Status = engine.Paused
	w.start(paused)
	var events []engine.Event
	for range 20 {
		events = append(events, login("c1", ""), login("c2", ""))
	}
	w.handle(events...)
	w.stop()
	w.start(&live)
	w.idle()
	runs, err := w.Runs(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	ordinals := map[engine.ID]uint64{}
	for _, r := range runs {
		ordinals[r.Steps[0].Task] = r.Event.Ordinal
	}
	last := map[string]uint64{}
	for _, m := range w.mail.messages() {
		if ordinals[m.task] <= last[m.contact] {
			t.Errorf("%s: the message of event %d came after that of %d", m.contact, ordinals[m.task], last[m.contact])
		}
		last[m.contact] = ordinals[m.task]
	}
	if len(last) != 2 {
		t.Errorf("messages to %d contacts, want 2", len(last))
	}
}

// TestPoison has records between others that panic or cannot be read, and expects the others to go on.
func TestPoison(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("welcome", "user_login", "wait 1h", "email"))
	w.handle(login("c1", ""), login("c2", ""), login("c3", ""))
	runs, err := w.Runs(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	err = w.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceActive, engine.Key(place1, runs[1].ID[:]), []byte{99})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.move(2 * time.Hour)
	eventually(t, "the others go on", func() bool { return len(w.mail.messages()) == 2 })
	w.stop()
	w.start(flow("welcome", "user_login", "wait 1h", "email"))
	w.handle(login("c1", ""))
}
