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

func (w *world) byHand(id, contact string) HandStart {
	return HandStart{Location: place1, Contact: w.key(contact), Workflow: "login", Type: "login.requested", Source: "latchkey", ID: id,
		Custom: engine.Custom{"to": "lesson:intro"}}
}

func (w *world) startByHand(h HandStart) HandStarted {
	w.t.Helper()
	out, err := w.StartByHand(w.t.Context(), h)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestStartByHand starts a run for one contact, once for each id, with a story like any other's.
func TestStartByHand(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		welcome, by := flow("welcome", "user_login", "sms"), flow("login", "none", "email")
		w.start(welcome, by)
		w.handle(login("c1", "ada@example.com"), login("c2", "bob@example.com"), login("c3", ""))
		w.idle()
		first := w.startByHand(w.byHand("r1", "c1"))
		if again := w.startByHand(w.byHand("r1", "c1")); !again.Repeated || !again.Decision.Run.IsZero() {
			t.Errorf("the same again: %+v", again)
		}
		other := w.startByHand(w.byHand("r2", "c1"))
		w.idle()
		if first.Decision.Run == other.Decision.Run || first.Contact != w.key("c1") {
			t.Errorf("%+v, %+v", first, other)
		}
		run, err := w.FindRun(t.Context(), place1, first.Decision.Run)
		if err != nil || run == nil || run.State != engine.RunFinished || run.Event.Custom["to"] != "lesson:intro" || run.Steps[0].Outcome != "sent" {
			t.Fatalf("%+v, %v", run, err)
		}
		if task, err := w.FindTask(t.Context(), place1, first.Task); err != nil || task.State != engine.TaskSent || task.Run != run.ID || task.To != "ada@example.com" {
			t.Errorf("%+v, %v", task, err)
		}
		ev, err := w.FindEvent(t.Context(), run)
		if err != nil || ev == nil || ev.Type != "login.requested" || ev.ID != "r1" || len(ev.Decisions) != 1 || ev.Decisions[0].Run != run.ID {
			t.Errorf("what was decided: %+v, %v", ev, err)
		}
		events, _ := w.Events(t.Context(), Filter{Contact: first.Contact})
		if len(events) != 3 {
			t.Errorf("%d records of events, want 3", len(events))
		}
		if n := w.bus.count("run.finished"); n != 5 {
			t.Errorf("%d notices of ended runs", n)
		}
		h := w.byHand("r3", "c1")
		h.Workflow = "gone"
		if out := w.startByHand(h); out.Decision.Reason != `there is no workflow "gone" in force` {
			t.Errorf("%+v", out)
		}
		h.Contact = engine.NewID(created, 7, "nobody")
		if _, err := w.StartByHand(t.Context(), h); !errors.Is(err, ErrNoPerson) {
			t.Errorf("nobody: %v", err)
		}
		h.Location = "elsewhere"
		if _, err := w.StartByHand(t.Context(), h); err == nil {
			t.Error("a location that is not configured")
		}
	})
}

// TestHandRates refuses what is asked for too often, and stores nothing of it. That outlives the process.
func TestHandRates(t *testing.T) {
	t.Parallel()
	stores := enginetest.NewStores(4)
	w := newWorld(t, stores)
	w.start(flow("login", "none", "email"))
	w.handle(login("c1", "ada@example.com"))
	asked := func(id string) HandStarted {
		h := w.byHand(id, "c1")
		h.Rates = []engine.Rate{{N: 1, In: time.Minute}, {N: 2, In: time.Hour}}
		return w.startByHand(h)
	}
	asked("r1")
	before := len(enginetest.Dump(t, stores.For(w.key("c1").Shard()))[engine.SpacePeople])
	if out := asked("r2"); out.Decision.Until.Sub(w.clock.now()) != time.Minute || !out.Decision.Run.IsZero() {
		t.Errorf("a second at once: %+v", out)
	}
	if after := len(enginetest.Dump(t, stores.For(w.key("c1").Shard()))[engine.SpacePeople]); after != before {
		t.Error("what was refused is stored")
	}
	w.clock.move(time.Minute)
	if out := asked("r2"); out.Decision.Run.IsZero() { // the id was not used up
		t.Errorf("after a minute: %+v", out)
	}
	w.stop()
	w.start(flow("login", "none", "email"))
	w.clock.move(2 * time.Minute)
	if out := asked("r3"); out.Decision.Until.IsZero() {
		t.Errorf("after a restart: %+v", out)
	}
}

// TestHandAbsorbed starts runs for a contact by the key that it had before another absorbed it.
func TestHandAbsorbed(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("login", "none", "email"))
		w.handle(login("", "ada@example.com"), login("c1", ""))
		h := w.byHand("r1", "ada@example.com")
		w.handle(login("c1", "ada@example.com"))
		out := w.startByHand(h)
		w.idle()
		if out.Contact != w.key("c1") || out.Contact == h.Contact {
			t.Errorf("it is for %s, and c1 is %s", out.Contact, w.key("c1"))
		}
		if task := w.only(t); task.To != "ada@example.com" || task.State != engine.TaskSent {
			t.Errorf("%+v", task)
		}
	})
}

// TestLookupAddress finds contacts by their address, and by nothing else.
func TestLookupAddress(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start()
	w.handle(login("c1", "ada@example.com"), login("c2", "both@example.com"), login("c3", "both@example.com"), login("", "new@example.com"), login("x@example.com", ""))
	for text, want := range map[string]int{"ada@example.com": 1, " ADA@Example.com ": 1, "both@example.com": 2, "new@example.com": 1, "c1": 0, w.key("c1").String(): 0,
		"x@example.com": 0, "nobody@example.com": 0, "": 0} {
		if keys, err := w.LookupAddress(t.Context(), place1, text); err != nil || len(keys) != want {
			t.Errorf("%q: %d contacts, %v, want %d", text, len(keys), err, want)
		}
	}
}

// TestHandDies lets the process die before and after each commit of a run that is started by hand, by somebody who asks again until it
// is said to be started: one run, one message, and at most one copy of it.
func TestHandDies(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("partitions=%d/after=%v", partitions, after), func(t *testing.T) {
				t.Parallel()
				n := int64(1)
				for handDiesAt(t, partitions, n, after) && !t.Failed() {
					n++
				}
				if n < 5 {
					t.Errorf("it made %d commits", n-1)
				}
			})
		}
	}
}

func handDiesAt(t *testing.T, partitions int, n int64, after bool) (died bool) {
	t.Helper()
	stores := enginetest.NewStores(partitions)
	flows := []*engine.Workflow{flow("login", "none", "email"), flow("welcome", "user_login", "end")}
	setup := newWorld(t, stores)
	setup.start(flows...)
	setup.handle(login("c1", "ada@example.com"), login("c2", "bob@example.com"))
	setup.idle()
	setup.stop()
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
	w.mail, w.bus = setup.mail, setup.bus
	cfg := w.config()
	cfg.Linger, cfg.Grace = time.Millisecond, 50*time.Millisecond
	w.startConfig(cfg, flows...)
	request := setup.byHand("r1", "c1")
	tell := func(dead func() bool) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		rest(t, ctx, w, nil, dead)
		if dead() {
			return
		}
		if _, err := w.StartByHand(ctx, request); err != nil {
			return
		}
		for !w.Runner.idle() && !dead() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	tell(m.dead.Load)
	err := w.stop()
	if died = m.dead.Load(); died && !errors.Is(err, errDied) && err != nil {
		t.Fatalf("died at %d: Run returned %v", n, err)
	}
	w.stores, cfg.Stores = stores, stores
	w.startConfig(cfg, flows...)
	tell(func() bool { return false })
	w.idle()
	runs, err := w.Runs(t.Context(), Filter{Workflow: "login"})
	if err != nil || len(runs) != 1 || runs[0].State != engine.RunFinished {
		t.Fatalf("died at %d: %d runs, %v", n, len(runs), err)
	}
	task, sent := w.only(t), w.mail.messages()
	if task.State != engine.TaskSent || len(sent) < 1 || len(sent) > 2 {
		t.Errorf("died at %d: %s after %d sends", n, task.State, len(sent))
	}
	for _, s := range sent {
		if s.task != task.ID { // by which its Message-ID is made
			t.Errorf("died at %d: the copy is another message", n)
		}
	}
	w.stop()
	return died
}
