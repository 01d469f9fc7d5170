package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// office is open from 9 to 18 on working days.
func office() *engine.Window {
	return &engine.Window{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 9 * 60, To: 18 * 60}
}

// at sets the clock: "Mon 20:00" of the week of 2 March 2026, and then of the next.
func (w *world) at(s string) {
	w.t.Helper()
	now := w.clock.now()
	for day := now.Truncate(24 * time.Hour); ; day = day.AddDate(0, 0, 1) {
		clock, err := time.Parse("15:04", s[4:])
		if err != nil {
			w.t.Fatal(err)
		}
		to := day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
		if day.Weekday().String()[:3] == s[:3] && to.After(now) {
			w.clock.move(to.Sub(now))
			return
		}
	}
}

func zoned(id, zone string) engine.Event {
	ev := login(id, "")
	ev.Contact.Timezone = zone
	return ev
}

// contacts lists who got messages of which workflow.
func (w *world) contacts() (out []string) {
	for _, m := range w.mail.messages() {
		out = append(out, m.contact+" "+m.workflow)
	}
	slices.Sort(out)
	return out
}

func (w *world) wants(what string, want ...string) {
	w.t.Helper()
	eventually(w.t, what, func() bool { return len(w.mail.messages()) >= len(want) })
	w.idle()
	slices.Sort(want)
	if got := w.contacts(); !slices.Equal(got, want) {
		w.t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// TestWindow holds marketing messages until their contacts' clocks are in the window, over a restart too.
func TestWindow(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		nudge := flow("nudge", "user_login", "email marketing")
		nudge.Window = office()
		w.at("Mon 20:00")
		w.start(nudge, flow("other", "offer_access_granted", "email marketing"), flow("sure", "user_login", "sms"))
		w.handle(zoned("london", "Europe/London"), zoned("york", "America/New_York"))
		w.wants("what no window holds, and whose clock is in it", "london sure", "york nudge", "york sure")
		w.handle(granted("london", "gold"))
		w.wants("a later one passes it", "london sure", "york nudge", "york sure", "london other")
		held, err := w.Tasks(t.Context(), Filter{State: "due"})
		if err != nil || len(held) != 1 || held[0].Held == nil || held[0].Held.By != "the window" || held[0].Held.Until.Hour() != 9 {
			t.Fatalf("held: %+v, %v", held, err)
		}
		w.stop()
		w.start(nudge)
		w.at("Tue 08:59")
		time.Sleep(10 * time.Millisecond)
		w.idle()
		if n := len(w.mail.messages()); n != 4 {
			t.Fatalf("%d messages before the window opens", n)
		}
		w.at("Tue 09:00")
		w.wants("it opens", "london sure", "york nudge", "york sure", "london other", "london nudge")
		if tasks, err := w.Tasks(t.Context(), Filter{State: "sent"}); err != nil || slices.ContainsFunc(tasks, func(t engine.Task) bool { return t.Held != nil }) {
			t.Errorf("%v: a message that was sent is held: %+v", err, tasks)
		}
	})
}

// TestWindowChanges lets files and contacts change while messages are held.
func TestWindowChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, nudge *engine.Workflow){
		"a wider window": func(w *world, nudge *engine.Workflow) { nudge.Window.To = 22 * 60; w.force(nudge) },
		"no window":      func(w *world, nudge *engine.Workflow) { nudge.Window = nil; w.force(nudge) },
		"another zone":   func(w *world, _ *engine.Workflow) { w.handle(zoned("c1", "America/New_York")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := memory(t)
			nudge := flow("nudge", "offer_access_granted", "email marketing")
			nudge.Window = office()
			w.at("Mon 20:00")
			w.start(nudge)
			w.handle(granted("c1", "gold"))
			eventually(t, "it is held", func() bool { return w.Stats().Gated == 1 })
			same, changed := *nudge, *nudge
			w.force(&same)
			w.idle()
			if n := w.Stats().Gated; n != 1 || len(w.mail.messages()) > 0 {
				t.Fatalf("%d held after files were read that are the same", n)
			}
			changed.Window = office()
			change(w, &changed)
			w.wants("it goes out", "c1 nudge")
			if n := w.Stats().Gated; n != 0 {
				t.Errorf("%d held", n)
			}
		})
	}
}

// TestWindowOfRetries puts a message off into the closed window: the retry waits too, and its time to be tried goes on only then.
func TestWindowOfRetries(t *testing.T) {
	t.Parallel()
	w := memory(t)
	nudge := flow("nudge", "user_login", "sms marketing")
	nudge.Window = office()
	w.mail.perform = fails(engine.Later(errBusy, 10*time.Minute))
	w.at("Fri 17:55")
	w.start(nudge)
	w.handle(login("c1", ""))
	w.wants("the first attempt", "c1 nudge")
	w.at("Fri 18:05")
	eventually(t, "the retry is held", func() bool { return w.only(t).Held != nil })
	w.at("Mon 08:59")
	w.idle()
	if n := len(w.mail.messages()); n != 1 {
		t.Fatalf("%d attempts", n)
	}
	w.at("Mon 09:00")
	w.wants("the retry", "c1 nudge", "c1 nudge")
	if task := w.only(t); task.State != engine.TaskDue || !task.NotBefore.Equal(w.clock.now().Add(10*time.Minute)) {
		t.Errorf("after the retry: %+v", task)
	}
	w.at("Mon 13:00")
	w.wants("the last one", "c1 nudge", "c1 nudge", "c1 nudge")
	if task := w.only(t); task.State != engine.TaskFailed {
		t.Errorf("after the last retry: %+v", task)
	}
}

// TestWindowExpires gives a message less time than the window is closed. Its run goes on.
func TestWindowExpires(t *testing.T) {
	t.Parallel()
	w := memory(t)
	nudge := flow("nudge", "user_login", "email marketing", "sms")
	nudge.Window, nudge.HoldLimit = office(), 12*time.Hour
	w.at("Fri 18:00")
	w.start(nudge)
	w.handle(login("c1", ""))
	eventually(t, "it is held", func() bool { return w.Stats().Gated == 1 })
	w.at("Sat 05:59")
	w.idle()
	if task := w.only(t); task.State != engine.TaskDue || task.Held.Until.Hour() != 6 {
		t.Fatalf("%+v", task)
	}
	w.at("Sat 06:00")
	eventually(t, "both expired: what follows at once is as late", func() bool {
		tasks, err := w.Tasks(t.Context(), Filter{State: "expired"})
		return err == nil && len(tasks) == 2 && strings.HasPrefix(tasks[1].Error, "held for too long by the window, the limit is 12h")
	})
}

// TestPauseOfAll holds all that a location is to send, over a restart too: events enrol and waits go on meanwhile.
func TestPauseOfAll(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		welcome := flow("welcome", "user_login", "email", "wait 1h", "sms")
		w.start(welcome)
		w.handle(login("c1", ""))
		w.wants("before", "c1 welcome")
		since := w.clock.now()
		p, err := w.Pause(t.Context(), place1, "the relay's certificate")
		if err != nil || p.Reason != "the relay's certificate" || since.Sub(p.Since) > time.Second || w.Paused(place1) == nil {
			t.Fatalf("%+v, %v", p, err)
		}
		w.handle(login("c2", ""))
		w.idle()
		w.clock.move(2 * time.Hour)
		eventually(t, "the wait ends and its message is held", func() bool { return w.Stats().Held == 2 })
		w.stop()
		w.start(welcome)
		eventually(t, "both are held again", func() bool { w.clock.move(time.Millisecond); return w.Stats().Held == 2 })
		if tasks, err := w.Tasks(t.Context(), Filter{State: "due"}); err != nil || len(tasks) != 2 || tasks[0].Held == nil || tasks[0].Held.By != "the pause of all sending" {
			t.Fatalf("%+v, %v", tasks, err)
		}
		if again, err := w.Pause(t.Context(), place1, "still"); err != nil || !again.Since.Equal(p.Since) || again.Reason != "still" {
			t.Fatalf("paused again: %+v, %v", again, err)
		}
		w.handle(login("c3", ""))
		eventually(t, "another", func() bool { return w.Stats().Held == 3 })
		if n := len(w.mail.messages()); n != 1 {
			t.Fatalf("%d messages", n)
		}
		if was, err := w.Resume(t.Context(), place1); err != nil || !was.Since.Equal(p.Since) || w.Paused(place1) != nil {
			t.Fatalf("%+v, %v", was, err)
		}
		eventually(t, "all go out, spread", func() bool { w.clock.move(time.Millisecond); return len(w.mail.messages()) == 4 })
		w.idle()
		if was, err := w.Resume(t.Context(), place1); err != nil || !was.Since.IsZero() {
			t.Errorf("resumed again: %+v, %v", was, err)
		}
		w.stop()
		w.start(welcome)
		if w.Paused(place1) != nil {
			t.Error("paused again after a restart")
		}
	})
}

// TestPauseTooLong resumes after more than the hold limit.
func TestPauseTooLong(t *testing.T) {
	t.Parallel()
	w := memory(t)
	one, two := flow("one", "user_login", "email"), flow("two", "user_login", "email")
	one.HoldLimit = time.Hour
	w.start(one, two)
	if _, err := w.Pause(t.Context(), place1, ""); err != nil {
		t.Fatal(err)
	}
	w.handle(login("c1", ""))
	eventually(t, "both are held", func() bool { return w.Stats().Held == 2 })
	w.clock.move(2 * time.Hour)
	w.idle()
	if _, err := w.Resume(t.Context(), place1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one expires, the other is sent", func() bool {
		w.clock.move(time.Millisecond)
		tasks, err := w.Tasks(t.Context(), Filter{})
		return err == nil && tasks[0].State.Over() && tasks[1].State.Over()
	})
	w.wants("the other", "c1 two")
}

// TestPauseStopsWhatIsReady pauses while one message is with the server and many are ready: only that one goes out.
func TestPauseStopsWhatIsReady(t *testing.T) {
	t.Parallel()
	w := memory(t)
	gate, begun := make(chan struct{}), make(chan struct{}, 30)
	w.mail.perform = func(context.Context, message) error { begun <- struct{}{}; <-gate; return nil }
	cfg := w.config()
	cfg.Channels = map[string]Channel{"email": {Workers: 1, Ahead: 64}}
	w.startConfig(cfg, flow("welcome", "user_login", "email"))
	<-w.Ready()
	for i := range 30 {
		w.handle(login(fmt.Sprint("c", i), ""))
	}
	<-begun
	eventually(t, "many are ready", func() bool { return w.Stats().Sending > 1 })
	if _, err := w.Pause(t.Context(), place1, ""); err != nil {
		t.Fatal(err)
	}
	close(gate)
	eventually(t, "the others are held", func() bool { return w.Stats().Held == 29 })
	if n := len(w.mail.messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	if _, err := w.Resume(t.Context(), place1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "they go out", func() bool { w.clock.move(time.Millisecond); return len(w.mail.messages()) == 30 })
	w.idle()
	for _, m := range w.mail.messages() {
		if m.attempt != 1 {
			t.Errorf("%+v", m)
		}
	}
}

// TestWindowOrder holds many messages of one contact until one and the same time.
func TestWindowOrder(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		nudge := flow("nudge", "offer_access_granted", "email marketing")
		nudge.Window = office()
		w.mail.perform = func(_ context.Context, m message) error { return nil }
		w.at("Mon 20:00")
		w.start(nudge)
		var want []string
		for i := range 30 {
			w.handle(granted("c1", fmt.Sprint(i)))
			w.clock.move(time.Millisecond)
		}
		eventually(t, "all are held", func() bool { return w.Stats().Gated == 30 })
		tasks, err := w.Tasks(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range slices.Backward(tasks) {
			want = append(want, task.ID.String())
		}
		w.at("Tue 09:00")
		eventually(t, "all are out", func() bool { return len(w.mail.messages()) == 30 })
		var got []string
		for _, m := range w.mail.messages() {
			got = append(got, m.task.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("not in the order of their events:\n%v\n%v", got, want)
		}
	})
}
