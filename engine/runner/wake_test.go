package runner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// welcome gathers a first purchase.
func welcome() *engine.Workflow {
	w := flow("welcome", "new_sign_up", "email")
	w.Triggers = append(w.Triggers, engine.Trigger{Type: "offer_access_granted"}, engine.Trigger{Type: "product_access_granted"})
	w.Coalesce, w.Reentry = engine.Duration{Rest: 30 * time.Second}, engine.Reentry{}
	return w
}

// idleFor starts when a product was not started for three days.
func idleFor() *engine.Workflow {
	w := flow("nudge", "none", "email")
	w.Triggers, w.Reentry = nil, engine.Reentry{}
	w.Absences = []engine.Absence{{Of: engine.Trigger{Type: "product_started"}, Since: engine.Trigger{Type: "product_access_granted"},
		After: engine.Duration{Days: 3}, By: "product"}}
	return w
}

func purchase(id, email string) []engine.Event {
	signUp, offer, product := login(id, email), granted(id, "gold"), about("product_access_granted", id, "go-101")
	signUp.Type, signUp.Offer = "new_sign_up", &engine.Noun{ID: "gold"}
	offer.Contact.Email, product.Contact.Email = email, email
	return []engine.Event{signUp, offer, product}
}

func about(trigger, id, product string) engine.Event {
	ev := login(id, "")
	ev.Type, ev.Product = trigger, &engine.Noun{ID: product}
	return ev
}

func (w *world) mails(want int, when string) {
	w.t.Helper()
	w.idle()
	if n := len(w.mail.messages()); n != want {
		w.t.Fatalf("%s: %d mails, want %d", when, n, want)
	}
}

// decisions returns what is said of an event: by workflow, the reason.
func (w *world) decisions(event string) map[string]engine.Decision {
	w.t.Helper()
	all, err := w.Events(w.t.Context(), Filter{Event: event})
	if err != nil || len(all) != 1 {
		w.t.Fatalf("event %s: %d records, %v", event, len(all), err)
	}
	out := map[string]engine.Decision{}
	for _, d := range all[0].Decisions {
		out[d.Workflow] = d
	}
	return out
}

func TestCoalesce(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(welcome())
		var batches []engine.Batch
		for i := range 8 {
			for _, ev := range purchase(fmt.Sprint("c", i), "") {
				b := w.batch(ev)
				batches = append(batches, b)
				if err := w.Handle(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.clock.move(30*time.Second - time.Millisecond)
		w.mails(0, "within the window")
		w.stop()
		w.start(welcome()) // in the middle of it
		for _, b := range batches {
			if err := w.Handle(t.Context(), b); err != nil { // and delivered again
				t.Fatal(err)
			}
		}
		w.mails(0, "within the window, after a restart")
		w.clock.move(time.Millisecond)
		w.mails(8, "at its end")
		w.clock.move(time.Hour)
		for _, b := range batches {
			if err := w.Handle(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		w.handle(granted("c1", "gold"))
		w.stop()
		w.start(welcome())
		w.clock.move(time.Hour)
		w.mails(8, "long after")
		first, second := w.decisions("e1")["welcome"], w.decisions("e2")["welcome"]
		if first.Run.IsZero() || first.Run != second.Run || first.Reason != "" || second.Reason != `gathered with new_sign_up "e1"` {
			t.Errorf("decisions %+v, %+v", first, second)
		}
		run, err := w.FindRun(t.Context(), place1, first.Run)
		if err != nil || len(run.Offers) != 1 || len(run.Products) != 1 {
			t.Fatalf("run %+v, %v", run, err)
		}
		if ev, err := w.FindEvent(t.Context(), run); err != nil || ev == nil || ev.ID != "e1" {
			t.Errorf("its event is %+v, %v", ev, err)
		}
	})
}

// TestWindowAcrossDowntime has the end of the window come while nothing runs, and the wall clock go back.
func TestWindowAcrossDowntime(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(welcome())
		for i := range 4 {
			w.handle(purchase(fmt.Sprint("c", i), "")...)
		}
		w.stop()
		w.clock.move(-time.Hour)
		w.start(welcome())
		w.clock.move(time.Hour)
		w.mails(0, "the clock went back and came again")
		w.stop()
		w.clock.move(48 * time.Hour)
		w.start(welcome())
		for range 10 {
			w.idle()
			w.clock.move(time.Second) // overdue ones go out spread
		}
		w.mails(4, "after two days")
	})
}

func TestAbsence(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(idleFor())
		for i := range 8 {
			w.handle(about("product_access_granted", fmt.Sprint("c", i), "go-101"))
		}
		started, removed := about("product_started", "c0", "go-101"), about("product_access_removed", "c1", "go-101")
		w.clock.move(24 * time.Hour)
		w.handle(started, removed, about("product_started", "c2", "other"), started)
		w.stop()
		w.start(idleFor())
		w.clock.move(48*time.Hour - time.Millisecond)
		w.mails(0, "before the time")
		w.clock.move(time.Millisecond)
		w.mails(6, "after it")
		w.stop()
		w.start(idleFor())
		w.clock.move(240 * time.Hour)
		w.mails(6, "long after it")
		for id, want := range map[string]string{"e1": `absent: product_started came (event "e9")`, "e2": `absent: access was removed (event "e10")`,
			"e3": "", "e9": `absent: product_started came after product_access_granted "e1"`, "e10": `absent: access was removed after product_access_granted "e2"`} {
			d, ok := w.decisions(id)["nudge"]
			if !ok || d.Reason != want || (want == "") != !d.Run.IsZero() {
				t.Errorf("%s: %+v", id, d)
			}
		}
	})
}

// TestAbsorbedWhileWaiting has a contact become known by its id while its events wait.
func TestAbsorbedWhileWaiting(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(welcome(), idleFor())
		const people = 8
		for i := range people {
			email := fmt.Sprintf("p%d@example.com", i)
			w.handle(login(fmt.Sprint("id", i), ""))
			w.handle(purchase("", email)[:2]...)
			w.handle(about2("product_access_granted", email))
			w.handle(login(fmt.Sprint("id", i), email))
			if i%2 == 0 {
				w.handle(granted(fmt.Sprint("id", i), "silver"))
			}
		}
		w.mails(0, "within the window")
		w.clock.move(30 * time.Second)
		w.mails(people, "at its end")
		for _, m := range w.mail.messages() {
			if !strings.HasPrefix(m.contact, "id") {
				t.Errorf("mail of contact %s", m.contact)
			}
		}
		for i := range people / 2 {
			w.handle(about("product_started", fmt.Sprint("id", i), "go-101"))
		}
		w.clock.move(72 * time.Hour)
		w.mails(people+people/2, "three days later")
		w.handle(granted("id0", "gold")) // re-entry knows it
		w.clock.move(time.Hour)
		w.mails(people+people/2, "once more")
	})
}

func about2(trigger, email string) engine.Event {
	ev := about(trigger, "", "go-101")
	ev.Contact.Email = email
	return ev
}

// TestWorkflowChangedWhileWaiting ends windows under another set of workflows than they began with.
func TestWorkflowChangedWhileWaiting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*engine.Workflow) *engine.Workflow
		mails  int
		says   string
	}{
		"edited": {func(w *engine.Workflow) *engine.Workflow {
			w.Version, w.Source = "v2", []byte("v2")
			w.Steps = append(w.Steps, engine.Step{ID: "again", Kind: "email"})
			return w
		}, 2, ""},
		"draft":  {func(w *engine.Workflow) *engine.Workflow { w.Status = engine.Draft; return w }, 0, "coalesce: at the end of the window the workflow was a draft"},
		"gone":   {func(*engine.Workflow) *engine.Workflow { return nil }, 0, "coalesce: at the end of the window the workflow was not there any more"},
		"paused": {func(w *engine.Workflow) *engine.Workflow { w.Status = engine.Paused; return w }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, enginetest.NewStores(1))
			w.start(welcome())
			w.handle(purchase("c1", "")...)
			if changed := c.change(welcome()); changed != nil {
				w.force(changed)
			} else {
				w.force()
			}
			w.clock.move(30 * time.Second)
			w.mails(c.mails, "at the end")
			for _, id := range []string{"e1", "e3"} {
				d := w.decisions(id)["welcome"]
				if c.says != "" && d.Reason != c.says || (c.says == "") != !d.Run.IsZero() || !d.Until.IsZero() {
					t.Errorf("%s: %+v", id, d)
				}
			}
			w.force(welcome())
			w.clock.move(time.Hour)
			if name == "paused" {
				c.mails++ // its run went on
			}
			w.mails(c.mails, "live again")
		})
	}
}

// TestWakeElsewhere keeps what waits in a location that is not configured for a while.
func TestWakeElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enginetest.NewStores(1))
	w.start(welcome())
	w.handle(purchase("c1", "")...)
	w.stop()
	w.clock.move(time.Hour)
	r, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.Runner = r
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Ready()
	eventually(t, "held", func() bool { return r.Stats().Held == 1 })
	w.mails(0, "not configured")
	w.force(welcome())
	w.mails(1, "configured")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
