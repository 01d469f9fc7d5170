package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func lesson(id, lesson string) engine.Event {
	ev := login(id, "")
	ev.Type, ev.Lesson = "lesson_completed", &engine.Noun{ID: lesson}
	return ev
}

// waiting makes a workflow: perhaps a mail, a wait of two days for a lesson, a mail if it came and an SMS if not.
func waiting(first bool) *engine.Workflow {
	w := flow("course", "offer_access_granted", "email", "wait 2d", "email", "sms")
	w.Source = append(w.Source, fmt.Sprint(first)...)
	w.Steps[1].For = []engine.Trigger{{Type: "lesson_completed", Filters: []engine.Filter{{Noun: "lesson", AnyOf: []string{"intro"}}}}}
	w.Steps[2].When = expr(`run.steps.wait2.outcome == "met"`)
	w.Steps[3].When = expr(`run.steps.wait2.outcome == "timed_out"`)
	if !first {
		w.Steps = w.Steps[1:]
	}
	return w
}

func expr(src string) *engine.Expr {
	e, _, err := engine.CompileExpr(src)
	if err != nil {
		panic(err)
	}
	return e
}

// kinds lists what was sent to each contact: "c1 email, c1 sms".
func (w *world) kinds() string {
	var out []string
	for _, m := range w.mail.messages() {
		out = append(out, m.contact+" "+m.kind)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) restart(flows ...*engine.Workflow) {
	w.t.Helper()
	w.stop()
	w.start(flows...)
}

// TestWaitForEvent has one contact's lesson end a wait, over restarts, and another's time run out.
func TestWaitForEvent(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		course := waiting(true)
		w.start(course)
		w.handle(lesson("c1", "intro"), granted("c1", "gold"), granted("c2", "gold"))
		w.idle()
		w.restart(course)
		w.handle(lesson("c1", "two"), lesson("c2", "two"))
		w.idle()
		if got := w.kinds(); got != "c1 email, c2 email" {
			t.Fatalf("before the lesson: %s", got)
		}
		met := w.batch(lesson("c1", "intro"))
		for range 2 { // the second is a redelivery
			if err := w.Handle(t.Context(), met); err != nil {
				t.Fatal(err)
			}
			w.idle()
		}
		w.handle(met.Events[0]) // and so is this, by its identity
		w.idle()
		if got := w.kinds(); got != "c1 email, c1 email, c2 email" {
			t.Fatalf("after the lesson: %s", got)
		}
		events, err := w.Events(t.Context(), Filter{Event: met.Events[0].ID})
		if err != nil || len(events) != 1 || len(events[0].Decisions) != 1 || events[0].Decisions[0].Moved != "met the wait wait2" {
			t.Errorf("the event's record: %+v, %v", events, err)
		}
		w.restart(course)
		w.clock.move(48 * time.Hour)
		eventually(t, "the other's time runs out", func() bool { return len(w.mail.messages()) == 4 })
		w.handle(lesson("c2", "intro"))
		w.idle()
		if got := w.kinds(); got != "c1 email, c1 email, c2 email, c2 sms" {
			t.Errorf("in the end: %s", got)
		}
		if p := w.who("c2"); len(p.Listens) != 0 {
			t.Errorf("listens still: %v", p.Listens)
		}
	})
}

// TestWaitInOneBatch starts a run that waits and ends its wait in one batch; the event that starts a run does not end its
// wait, and one event ends one wait of a run.
func TestWaitInOneBatch(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		self := flow("self", "lesson_completed", "wait 2d", "wait 2d", "sms")
		for i := range 2 {
			self.Steps[i].For = []engine.Trigger{{Type: "lesson_completed"}}
		}
		self.Reentry.Allow = "never"
		w.start(waiting(false), self)
		w.handle(granted("c1", "gold"), lesson("c1", "intro"), lesson("c1", "two"))
		w.idle()
		if got := w.kinds(); got != "c1 email" {
			t.Fatalf("after two lessons: %s", got)
		}
		w.handle(lesson("c1", "three"))
		w.idle()
		if got := w.kinds(); got != "c1 email, c1 sms" {
			t.Errorf("after three lessons: %s", got)
		}
	})
}

// TestWaitWhilePaused has events and redemptions count while the workflow is paused, and what follows held.
func TestWaitWhilePaused(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		live := waiting(false)
		paused := *live
		paused.Status = engine.Paused
		w.start(live)
		w.handle(granted("c1", "gold"), granted("c2", "gold"), granted("c3", "gold"))
		w.idle()
		w.force(&paused)
		w.handle(lesson("c1", "intro"))
		w.clock.move(72 * time.Hour)
		w.idle()
		w.handle(lesson("c2", "intro")) // its time has come, and nothing has told the run yet
		w.idle()
		if got := w.kinds(); got != "" {
			t.Fatalf("while paused: %s", got)
		}
		w.restart(&paused)
		w.force(live)
		eventually(t, "all go on", func() bool {
			w.clock.move(time.Second)
			return len(w.mail.messages()) == 3
		})
		if got := w.kinds(); got != "c1 email, c2 email, c3 sms" {
			t.Errorf("resumed: %s", got)
		}
	})
}

// TestWaitForLink ends a wait by a redemption.
func TestWaitForLink(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		course := waiting(true)
		course.Steps[1].For = []engine.Trigger{{Type: engine.LinkRedeemed}}
		w.start(course)
		w.handle(granted("c1", "gold"))
		w.idle()
		w.restart(course)
		w.redeem("c1")
		w.idle()
		if got := w.kinds(); got != "c1 email, c1 email" {
			t.Errorf("after the redemption: %s", got)
		}
		w.redeem("c1")
		w.clock.move(72 * time.Hour)
		w.idle()
		if got := w.kinds(); got != "c1 email, c1 email" {
			t.Errorf("in the end: %s", got)
		}
	})
}

// redeem opens a link of the contact's newest run.
func (w *world) redeem(contact string) {
	w.t.Helper()
	runs, err := w.Runs(w.t.Context(), Filter{})
	if err != nil || len(runs) == 0 {
		w.t.Fatalf("%d runs, %v", len(runs), err)
	}
	err = w.Redeem(w.t.Context(), runs[0].Contact.Shard(), func(_ engine.Tx, now time.Time) (engine.Redemption, error) {
		return engine.Redemption{Location: place1, Contact: runs[0].Contact, Run: runs[0].ID, Link: "l", Session: "s", At: now}, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestGoalTakesBack ends one run by its goal while its message is due, and another while its message is being sent.
func TestGoalTakesBack(t *testing.T) {
	t.Parallel()
	for _, temporary := range []bool{false, true} {
		everyStore(t, func(t *testing.T, s engine.Stores) {
			w := newWorld(t, s)
			live := flow("course", "offer_access_granted", "email", "sms")
			live.Goal = &engine.Goal{Events: []engine.Trigger{{Type: "lesson_completed"}}}
			paused := *live
			paused.Status = engine.Paused
			w.start(&paused)
			w.handle(granted("c1", "gold"))
			w.idle()
			w.handle(lesson("c1", "intro"))
			w.idle()
			if k := w.only(t); k.State != engine.TaskSuppressed || !strings.HasPrefix(k.Error, "reached its goal: lesson_completed") {
				t.Fatalf("the due message: %s, %s", k.State, k.Error)
			}
			begun, goOn := make(chan bool), make(chan bool)
			w.mail.perform = func(context.Context, message) error {
				begun <- true
				<-goOn
				if temporary {
					return fmt.Errorf("451 later")
				}
				return nil
			}
			w.force(live)
			w.idle()
			w.handle(granted("c2", "gold"))
			<-begun
			w.handle(lesson("c2", "intro"))
			close(goOn)
			w.idle()
			w.clock.move(time.Hour)
			w.idle()
			want := engine.TaskSent
			if temporary {
				want = engine.TaskSuppressed
			}
			tasks, err := w.Tasks(t.Context(), Filter{Contact: w.key("c2")})
			if err != nil || len(tasks) != 1 || tasks[0].State != want || tasks[0].Attempts != 1 {
				t.Fatalf("%v, the message being sent: %+v", err, tasks)
			}
			runs, err := w.Runs(t.Context(), Filter{State: "finished"})
			if err != nil || len(runs) != 2 {
				t.Fatalf("%d runs finished, %v", len(runs), err)
			}
			for _, r := range runs {
				outcome := string(want)
				if r.Contact == w.key("c1") {
					outcome = "suppressed"
				}
				if !strings.HasPrefix(r.End, "reached its goal: lesson_completed, event ") || len(r.Steps) != 1 || r.Steps[0].Outcome != outcome {
					t.Errorf("run: %+v", r)
				}
			}
			if n := w.bus.count("run.finished"); n != 2 {
				t.Errorf("%d ends told, want 2", n)
			}
		})
	}
}

// TestWaitOfAbsorbed has runs that began under a contact known by its address only wait for events of the one that
// absorbed it: one that waited before, and one that begins to wait afterwards.
func TestWaitOfAbsorbed(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		clock := newWorld(t, s).clock
		for i := range 6 { // with four partitions some are in one, some in two
			w := newWorld(t, s)
			w.clock = clock
			w.seq = uint64(i * 100)
			before, after := waiting(false), flow("after", "offer_access_granted", "wait 1h", "wait 2d", "sms")
			after.Steps[1].For = []engine.Trigger{{Type: "lesson_completed"}}
			w.start(before, after)
			id, email := fmt.Sprint("absorber", i), fmt.Sprintf("ada%d@example.com", i)
			w.handle(grantedTo("", email, "gold"))
			w.idle()
			w.handle(login(id, ""))
			w.handle(login(id, email))
			w.idle()
			w.clock.move(time.Hour)
			eventually(t, "the second waits for the event", func() bool {
				runs, err := w.Runs(t.Context(), Filter{Workflow: "after", State: "waiting"})
				return err == nil && len(runs) > 0 && runs[0].Wait.Kind == engine.WaitEvent
			})
			w.restart(before, after)
			ev := lesson(id, "intro")
			ev.ID = "the lesson of " + id
			w.handle(ev)
			w.handle(ev)
			w.idle()
			if got := w.kinds(); got != id+" email, "+id+" sms" {
				t.Fatalf("sent: %s", got)
			}
			events, err := w.Events(t.Context(), Filter{Event: ev.ID})
			if err != nil || len(events) != 1 || len(events[0].Decisions) != 2 {
				t.Errorf("the event's record: %+v, %v", events, err)
			}
			w.handle(lesson(id, "intro"))
			w.clock.move(72 * time.Hour)
			w.idle()
			if got := w.kinds(); got != id+" email, "+id+" sms" {
				t.Fatalf("in the end: %s", got)
			}
			w.stop()
		}
	})
}

// TestEchoDies lets the process die at each commit of an event for a run of an absorbed contact. The event counts once.
func TestEchoDies(t *testing.T) {
	t.Parallel()
	for died, n := true, int64(1); died; n++ {
		died = false
		var count atomic.Int64
		var armed atomic.Bool
		m := newMortal(enginetest.NewStores(4), func(int64) (error, error) {
			if armed.Load() && count.Add(1) == n {
				return nil, engine.ErrFull // it was stored, and the caller does not know
			}
			return nil, nil
		})
		w := newWorld(t, m)
		course := flow("course", "offer_access_granted", "wait 2d", "wait 2d", "wait 2d", "end")
		for i := range 3 {
			course.Steps[i].For = []engine.Trigger{{Type: "lesson_completed"}}
		}
		w.start(course)
		for i := range 6 {
			w.handle(grantedTo("", fmt.Sprintf("ada%d@example.com", i), "gold"), login(fmt.Sprint("c", i), ""))
		}
		var all []engine.Event
		for i := range 6 {
			w.handle(login(fmt.Sprint("c", i), fmt.Sprintf("ada%d@example.com", i)))
			all = append(all, lesson(fmt.Sprint("c", i), "intro"))
		}
		w.idle()
		w.stop()
		w.start(course)
		armed.Store(true)
		b := w.batch(all...)
		err := w.Handle(t.Context(), b)
		if died = count.Load() >= n; err != nil {
			w.restart(course)
			if err := w.Handle(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		runs, err := w.Runs(t.Context(), Filter{})
		if err != nil || len(runs) != 6 {
			t.Fatalf("%d runs, %v", len(runs), err)
		}
		for _, r := range runs {
			if len(r.Steps) != 1 || r.State != engine.RunWaiting {
				t.Errorf("died at %d: a run met %d waits, want 1: %+v", n, len(r.Steps), r.Steps)
			}
		}
		w.stop()
	}
}
