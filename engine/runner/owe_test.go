package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// absorbedWorld has six runs begin under contacts known by their address only, which then are absorbed. After an hour each run
// changes its person in every way that a run can.
func absorbedWorld(t *testing.T, s engine.Stores) (w *world, flows []*engine.Workflow) {
	w = newWorld(t, s)
	course := flow("course", "offer_access_granted", "wait 1h", "tag", "set", "start", "email marketing", "wait 1h", "tag")
	course.Limit = &engine.Limit{Messages: 5, In: 24 * time.Hour}
	course.Steps[1].Tag = engine.Tag{Add: []string{"keen"}}
	course.Steps[2].Set = engine.Custom{"level": int64(2)}
	course.Steps[3].Start = "extra"
	course.Steps[6].Tag = engine.Tag{Remove: []string{"keen"}}
	extra := flow("extra", "new_sign_up", "wait 3h")
	extra.Reentry = engine.Reentry{Key: "contact", Allow: "never"}
	return w, []*engine.Workflow{course, extra}
}

const absorbed = 6 // with four partitions some are in the partition of the one that absorbs them, some are not

func (w *world) absorbAll() {
	w.t.Helper()
	for i := range absorbed {
		w.handle(grantedTo("", fmt.Sprintf("ada%d@example.com", i), "gold"), login(fmt.Sprint("c", i), ""))
	}
	w.idle()
	for i := range absorbed {
		w.handle(login(fmt.Sprint("c", i), fmt.Sprintf("ada%d@example.com", i)))
	}
	w.idle()
}

// persons returns the contacts that have an id.
func (w *world) persons(stores engine.Stores) (all []*engine.Person) {
	w.t.Helper()
	for _, p := range stores.All() {
		err := p.View(w.t.Context(), func(tx engine.Tx) error {
			tx.Scan(engine.SpacePeople, nil, nil, func(k, v []byte) bool {
				if len(k) != len(engine.Key(place1))+17 {
					return true
				}
				p, err := engine.DecodePerson(v)
				if err != nil {
					w.t.Fatal(err)
				}
				if p.Contact.ID != "" {
					all = append(all, p)
				}
				return true
			})
			tx.Scan(engine.SpaceOwed, nil, nil, func(k, _ []byte) bool {
				w.t.Errorf("still owed: %x", k)
				return true
			})
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return all
}

// TestOwed has what runs do reach their persons in other partitions.
func TestOwed(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w, flows := absorbedWorld(t, s)
		w.start(flows...)
		w.absorbAll()
		w.clock.move(time.Hour)
		eventually(t, "all have a mail", func() bool { return len(w.mail.messages()) == absorbed })
		w.idle()
		checkOwed(t, w, s, "after an hour", []string{"keen"}, 1)
		for i := range absorbed {
			w.handle(granted(fmt.Sprint("c", i), "silver")) // their own runs of the same workflow
		}
		w.clock.move(time.Hour)
		eventually(t, "all have another", func() bool { return len(w.mail.messages()) == 2*absorbed })
		w.idle()
		w.clock.move(time.Hour)
		w.idle()
		checkOwed(t, w, s, "in the end", nil, 2)
	})
}

func checkOwed(t *testing.T, w *world, s engine.Stores, when string, tags []string, mails int) {
	t.Helper()
	people := w.persons(s)
	if len(people) != absorbed {
		t.Fatalf("%s: %d contacts", when, len(people))
	}
	for _, p := range people {
		reserved := slices.ContainsFunc(p.Messages, func(d engine.Delivery) bool { return d.Reserved })
		if !slices.Equal(p.Tags, tags) || p.Contact.Custom["level"] != int64(2) || len(p.Messages) != mails || reserved || p.Starts["extra/contact"].Run.IsZero() {
			t.Errorf("%s: %s has tags %v, fields %v, messages %+v, starts %v", when, p.Contact.ID, p.Tags, p.Contact.Custom, p.Messages, p.Starts)
		}
	}
	runs, err := w.Runs(t.Context(), Filter{Workflow: "extra"})
	if err != nil || len(runs) != absorbed {
		t.Errorf("%s: %d runs of the other workflow, %v; want one for each contact", when, len(runs), err)
	}
}

// TestOwedDies lets the process die before and after each commit of what runs owe: it is neither lost nor done twice.
func TestOwedDies(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("after=", after), func(t *testing.T) {
			t.Parallel()
			died := 0
			for n := int64(1); n <= 30 && !t.Failed(); n++ { // some only find out what they lack: they store nothing
				if owedDiesAt(t, n, after) {
					died++
				}
			}
			if died < 8 {
				t.Errorf("died at %d commits only", died)
			}
		})
	}
}

func owedDiesAt(t *testing.T, n int64, after bool) (died bool) {
	stores := enginetest.NewStores(4)
	var from int64
	m := newMortal(stores, func(i int64) (error, error) {
		switch {
		case from == 0 || i != from+n:
			return nil, nil
		case after:
			return nil, errDied
		}
		return errDied, nil
	})
	w, flows := absorbedWorld(t, m)
	w.start(flows...)
	w.absorbAll()
	w.stop()
	from = m.updates.Load()
	cfg := w.config()
	cfg.Linger, cfg.Grace = time.Millisecond, 50*time.Millisecond
	w.startConfig(cfg, flows...)
	w.clock.move(time.Hour)
	eventually(t, "it dies, or all have a mail", func() bool {
		return m.dead.Load() || w.Runner.idle() && len(w.mail.messages()) >= absorbed
	})
	err := w.stop()
	if died = m.dead.Load(); died && err != nil && !errors.Is(err, errDied) && !errors.Is(err, context.Canceled) {
		t.Fatalf("died at %d: Run returned %v", n, err)
	}
	w.stores = stores
	cfg.Stores = stores
	w.startConfig(cfg, flows...)
	eventually(t, "all have a mail", func() bool { return len(w.mail.messages()) >= absorbed })
	w.idle()
	checkOwed(t, w, stores, fmt.Sprintf("died at %d", n), []string{"keen"}, 1)
	w.stop()
	return died
}

// TestOwedOnce carries the same over twice: what became of the person in between stays.
func TestOwedOnce(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start()
	w.handle(login("c1", ""))
	p := w.persons(w.stores)[0]
	o := &engine.Owed{Identity: [16]byte{1}, Was: engine.Person{Key: p.Key, Location: place1}, Is: engine.Person{Key: p.Key, Location: place1, Tags: []string{"keen"}}}
	for i, want := range []int{1, 0} {
		if err := w.carry(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if tags := w.persons(w.stores)[0].Tags; len(tags) != want {
			t.Errorf("carried over %d times: tags %v", i+1, tags)
		}
		err := w.stores.Global().Update(t.Context(), func(tx engine.Tx) error { return engine.SavePerson(tx, p) })
		if err != nil {
			t.Fatal(err)
		}
	}
	o.Is.Key[15]++
	if err := w.carry(t.Context(), o); err != nil {
		t.Errorf("to nobody: %v", err)
	}
}
