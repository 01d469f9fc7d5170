package runner

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func TestDuplicates(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("welcome", "user_login", "email"), flow("offer", "offer_access_granted", "email"))
		a := login("c1", "")
		a.ID = "same"
		b := granted("c1", "gold")
		b.ID = "same" // another event: its type is another
		first := w.batch(a, b, a)
		for range 2 {
			if err := w.Handle(t.Context(), first); err != nil {
				t.Fatal(err)
			}
		}
		w.handle(a)
		w.idle()
		if n := len(w.mail.messages()); n != 2 {
			t.Errorf("%d messages, want 2", n)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("welcome", "user_login", "email"))
	w.handle(login("x", "shared@example.com"), login("y", "Shared@example.com "))
	loop, elsewhere, long := login("c1", ""), login("c1", ""), login(strings.Repeat("x", 2000), "")
	loop.Depth, elsewhere.Location = 8, "nowhere"
	almost := login("c1", "")
	almost.Depth = 7
	nobody := login("", "")
	w.handle(loop, elsewhere, long, nobody, login("", "shared@example.com"), almost)
	w.idle()
	want := map[string]string{"e3": "loop", "e4": causeNoPlace, "e5": errTooLong.Error(), "e6": errNobody.Error(), "e7": errAmbiguous.Error()}
	if fmt.Sprint(w.bus.dead) != fmt.Sprint(want) {
		t.Errorf("dead letters %v, want %v", w.bus.dead, want)
	}
	if n := len(w.mail.messages()); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// TestDeadLettersDown sees that a batch is not passed while its dead letter cannot be sent.
func TestDeadLettersDown(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start()
	w.bus.setDown(errors.New("no servers"))
	loop := login("c1", "")
	loop.Depth = 8
	b := w.batch(loop)
	if err := w.Handle(t.Context(), b); err == nil {
		t.Fatal("handled without its dead letter")
	}
	if off, _ := w.Offsets(t.Context(), "COURSES"); off.Seq != 0 {
		t.Fatalf("offset %d", off.Seq)
	}
	w.bus.setDown(nil)
	if err := w.Handle(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if off, _ := w.Offsets(t.Context(), "COURSES"); off.Seq != 1 || len(w.bus.dead) != 1 {
		t.Errorf("offset %d, %d dead letters", off.Seq, len(w.bus.dead))
	}
}

// TestFault gives the runner an event that cannot be stored, between others.
func TestFault(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("welcome", "user_login", "email"), flow("offer", "offer_access_granted", "email"))
	broken := granted("a", "gold")
	broken.Custom = engine.Custom{"x": func() {}}
	w.handle(login("a", ""), broken, login("b", ""))
	w.idle()
	if n := len(w.mail.messages()); n != 2 || !strings.HasPrefix(w.bus.dead["e2"], "internal fault") {
		t.Errorf("%d messages, dead letters %v", n, w.bus.dead)
	}
}

func TestStreamMadeAnew(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Time{"another time of creation": created.Add(time.Hour), "the same time of creation": created}
	for name, at := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyStore(t, func(t *testing.T, s engine.Stores) {
				w := newWorld(t, s)
				w.start(flow("welcome", "user_login", "email"))
				var old []engine.Event
				for i := range 10 {
					old = append(old, login(fmt.Sprint("c", i), ""))
				}
				b := w.batch(old...)
				if err := w.Handle(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				w.stop()
				w.start(flow("welcome", "user_login", "email"))
				w.seq = 0
				again := login("c3", "")
				again.ID = "new"
				b = w.batch(append(old[:3:3], again)...)
				b.Offset.Created = at
				if err := w.Handle(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				w.idle()
				if n := len(w.mail.messages()); n != 11 {
					t.Errorf("%d messages, want 11", n)
				}
				off, err := w.Offsets(t.Context(), "COURSES")
				if err != nil || off.Seq > 4 || !off.Created.Equal(at) {
					t.Errorf("offset %+v, %v", off, err)
				}
				runs, err := w.Runs(t.Context(), Filter{})
				if err != nil {
					t.Fatal(err)
				}
				var highest uint64
				for _, r := range runs {
					highest = max(highest, r.Ordinal)
				}
				if highest != 1<<48|4 {
					t.Errorf("highest ordinal %x", highest)
				}
			})
		})
	}
}

// TestFirstPurchase gives the events of one purchase one ordinal.
func TestFirstPurchase(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("signup", "new_sign_up", "email"), flow("offer", "offer_access_granted", "email"))
	signup := granted("c1", "gold")
	signup.Type = "new_sign_up"
	w.handle(login("c0", ""), signup)
	w.handle(granted("c1", "gold"))
	w.idle()
	runs, err := w.Runs(t.Context(), Filter{})
	if err != nil || len(runs) != 2 || runs[0].Ordinal != 2 || runs[1].Ordinal != 2 {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

// TestFullDisk lets all commits fail for want of room, at each point of a message's life.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for n := int64(1); n <= 7; n++ {
		t.Run(fmt.Sprint("from commit ", n), func(t *testing.T) {
			t.Parallel()
			var full atomic.Bool
			full.Store(true)
			m := newMortal(enginetest.NewStores(1), func(i int64) (error, error) {
				if i >= n+1 && full.Load() { // the first keeps the workflows
					return engine.ErrFull, nil
				}
				return nil, nil
			})
			w := newWorld(t, m)
			w.start(flow("welcome", "user_login", "sms", "email"))
			b := w.batch(login("c1", ""), login("c2", ""))
			err := w.Handle(t.Context(), b)
			if err != nil && !errors.Is(err, engine.ErrFull) {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			full.Store(false)
			if err != nil {
				if err := w.Handle(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			w.idle()
			if n := len(w.mail.messages()); n != 4 {
				t.Errorf("%d messages, want 4", n)
			}
		})
	}
}

// TestClockBack sets the wall clock back an hour: nothing fires early, and nothing waits for ever.
func TestClockBack(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("welcome", "user_login", "email", "wait 30m", "sms"))
	w.handle(login("c1", ""))
	w.idle()
	w.clock.move(-time.Hour)
	w.handle(login("c2", "")) // due at once by the store's clock
	w.idle()
	if n := len(w.mail.messages()); n != 2 {
		t.Fatalf("%d messages, want 2", n)
	}
	w.stop()
	w.start(flow("welcome", "user_login", "email", "wait 30m", "sms"))
	w.clock.move(89 * time.Minute)
	time.Sleep(20 * time.Millisecond)
	w.idle()
	if n := len(w.mail.messages()); n != 2 {
		t.Fatalf("%d messages: a timer fired early", n)
	}
	w.clock.move(2 * time.Minute)
	eventually(t, "the timers fire", func() bool { return len(w.mail.messages()) == 4 })
}

// TestOverdue starts a runner long after its timers were due: they go out, and not all at once.
func TestOverdue(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start(flow("welcome", "user_login", "wait 1h", "email"))
	batch := make([]engine.Event, 100)
	for i := range batch {
		batch[i] = login(fmt.Sprint("c", i), "")
	}
	w.handle(batch...)
	w.stop()
	w.clock.move(5 * time.Hour)
	w.start(flow("welcome", "user_login", "wait 1h", "email"))
	time.Sleep(20 * time.Millisecond)
	w.idle()
	if n := len(w.mail.messages()); n != 1 {
		t.Errorf("%d messages at once, want 1", n)
	}
	w.clock.move(500 * time.Millisecond)
	w.idle()
	if n := len(w.mail.messages()); n != 100 {
		t.Errorf("%d messages, want 100", n)
	}
}

// TestNoticesWait publishes nothing while the other side is down, and everything after.
func TestNoticesWait(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.bus.setDown(errors.New("no servers"))
	w.start(flow("welcome", "user_login", "email"))
	batch := make([]engine.Event, 300)
	for i := range batch {
		batch[i] = login(fmt.Sprint("c", i), "")
	}
	w.handle(batch...)
	eventually(t, "all are sent", func() bool { return len(w.mail.messages()) == 300 })
	time.Sleep(50 * time.Millisecond)
	w.stop()
	if n := w.bus.count("message.sent"); n != 0 {
		t.Fatalf("%d notices", n)
	}
	w.bus.setDown(nil)
	w.start(flow("welcome", "user_login", "email"))
	w.idle()
	if s, f := w.bus.count("message.sent"), w.bus.count("run.finished"); s != 300 || f != 300 {
		t.Errorf("%d and %d notices, want 300 each", s, f)
	}
}

func TestHandleWaitsForRun(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.start()
	w.stop()
	// A store that is gone ends Run with its error.
	m := newMortal(w.stores, func(int64) (error, error) { return nil, nil })
	w.stores = m
	cfg := w.config()
	w.startConfig(cfg, flow("welcome", "user_login", "email"))
	<-w.Ready()
	gone := engine.ErrLost
	m.verdict = func(int64) (error, error) { return gone, nil }
	if err := w.Handle(t.Context(), w.batch(login("c1", ""))); !errors.Is(err, gone) {
		t.Errorf("Handle returned %v", err)
	}
}
