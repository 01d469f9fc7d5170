package runner

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// few lets a test see with a handful of timers what others see with many thousands.
func (w *world) few(workflows ...*engine.Workflow) {
	w.t.Helper()
	cfg := w.config()
	cfg.timersAtOnce = 8
	w.startConfig(cfg, workflows...)
	<-w.Ready()
}

// TestTimersNeverEarlyNeverLost lets random runs wait through restarts and clocks that jump, with little of the index in
// memory: each message goes out once, and none before the time that its wait asked for.
func TestTimersNeverEarlyNeverLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var stores engine.Stores
		switch rapid.SampledFrom([]string{"memory", "4 in memory", "bolt"}).Draw(rt, "stores") {
		case "memory":
			stores = enginetest.NewStores(1)
		case "4 in memory":
			stores = enginetest.NewStores(4)
		default:
			stores = openBolt(t, 1)
		}
		timersStory(t, rt, stores)
	})
}

func timersStory(t *testing.T, rt *rapid.T, stores engine.Stores) {
	w := newWorld(t, stores)
	var mu sync.Mutex
	latest := w.clock.now() // that the clock ever showed
	move := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		w.clock.move(d)
		if now := w.clock.now(); now.After(latest) {
			latest = now
		}
	}
	unsettled := time.Duration(0) // a message that is a week late is not sent any more
	due := map[string]time.Time{}
	idle := func() {
		for start := time.Now(); !w.Runner.idle(); time.Sleep(100 * time.Microsecond) {
			move(overdueSlot * time.Millisecond)
			if time.Since(start) > patience {
				rt.Fatalf("not idle: %+v", w.Stats())
			}
		}
	}
	settle := func() {
		move(max(0, latest.Sub(w.clock.now()))) // until then nothing moves
		idle()
		move(time.Duration(len(due)) * overdueSlot * time.Millisecond) // overdue ones go out spread
		idle()
		unsettled = 0
	}
	jump := func(d time.Duration) {
		if unsettled+d > 150*time.Hour {
			settle()
		}
		unsettled += d
		move(d)
	}
	w.mail.perform = func(_ context.Context, m message) error {
		mu.Lock()
		defer mu.Unlock()
		if latest.Before(due[m.contact]) {
			rt.Errorf("%s: sent at %s, its wait ends at %s", m.contact, latest, due[m.contact])
		}
		return nil
	}
	waits := []string{"1s", "90s", "1h", "7d"}
	flows := make([]*engine.Workflow, len(waits))
	for i, d := range waits {
		flows[i] = flow("w"+d, "user_login", "wait "+d, "email")
		flows[i].Triggers[0] = engine.Trigger{Type: "offer_access_granted", Filters: []engine.Filter{{Noun: "offer", AnyOf: []string{d}}}}
	}
	w.few(flows...)
	for range rapid.IntRange(1, 12).Draw(rt, "steps") {
		switch rapid.SampledFrom([]string{"events", "events", "move", "settle", "jump", "back", "restart", "late restart"}).Draw(rt, "step") {
		case "events":
			var batch []engine.Event
			for range rapid.IntRange(1, 40).Draw(rt, "events") {
				d := rapid.SampledFrom(waits).Draw(rt, "wait")
				length, _ := engine.ParseDuration(d)
				id := fmt.Sprint("c", len(due))
				mu.Lock()
				due[id] = w.clock.now().Add(length.Fixed())
				mu.Unlock()
				batch = append(batch, granted(id, d))
			}
			w.handle(batch...)
		case "move":
			move(time.Duration(rapid.IntRange(1, 5000).Draw(rt, "ms")) * time.Millisecond)
		case "jump":
			jump(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours")) * time.Hour)
		case "settle":
			settle()
		case "back":
			move(-time.Duration(rapid.IntRange(1, 100).Draw(rt, "minutes")) * time.Minute)
		case "restart":
			w.stop()
			w.few(flows...)
		case "late restart":
			if unsettled > 50*time.Hour {
				settle()
			}
			w.stop()
			jump(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours")) * time.Hour)
			w.few(flows...)
		}
	}
	settle()
	waiting := len(due) - len(w.mail.messages())
	if got := w.Stats().Waiting; got != waiting {
		rt.Errorf("%d runs are counted as waiting, %d are", got, waiting)
	}
	for range 3 {
		jump(100 * time.Hour)
		settle()
	}
	sent := map[string]int{}
	for _, m := range w.mail.messages() {
		sent[m.contact]++
	}
	for id := range due {
		if sent[id] != 1 {
			rt.Errorf("%s: %d messages", id, sent[id])
		}
	}
	if st := w.Stats(); st.Waiting != 0 {
		rt.Errorf("at the end: %+v", st)
	}
	w.stop()
}

// TestTimersOfAnOldStore starts on a store that was written before there was an index.
func TestTimersOfAnOldStore(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		nap := flow("nap", "user_login", "wait 1h", "email")
		w.start(nap)
		var batch []engine.Event
		for i := range 50 {
			batch = append(batch, login(fmt.Sprint("c", i), ""))
		}
		w.handle(batch...)
		w.stop()
		for _, p := range s.All() {
			err := p.Update(t.Context(), func(tx engine.Tx) error {
				tx.Delete(engine.SpaceTimers, nil)
				tx.Delete(engine.SpaceMeta, []byte("timers"))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.few(nap)
		if n := w.Stats().Waiting; n != 50 {
			t.Errorf("%d runs wait, want 50", n)
		}
		w.clock.move(time.Hour)
		w.idle()
		if n := len(w.mail.messages()); n != 50 || w.Stats().Waiting != 0 {
			t.Errorf("%d messages, %+v", n, w.Stats())
		}
	})
}

// TestOverdueDoNotHoldUpOthers restarts with far more overdue timers than are in memory: one that is due in time fires in time.
func TestOverdueDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	w := memory(t)
	flows := []*engine.Workflow{flow("late", "user_login", "wait 1h", "email"), flow("now", "offer_access_granted", "wait 2h", "email")}
	w.few(flows...)
	var batch []engine.Event
	for i := range 300 {
		batch = append(batch, login(fmt.Sprint("c", i), ""))
	}
	w.handle(batch...)
	w.stop()
	w.clock.move(4 * time.Hour)
	w.few(flows...)
	w.handle(granted("in-time", "gold"))
	w.clock.move(-2 * time.Hour) // so that the clock of the store is that of the spread ones
	w.idle()
	w.stop()
	w.few(flows...)
	w.clock.move(2 * time.Hour)
	for range 320 {
		w.clock.move(overdueSlot * time.Millisecond)
	}
	eventually(t, "all go out", func() bool {
		w.clock.move(time.Second)
		return len(w.mail.messages()) == 300
	})
	w.clock.move(2 * time.Hour)
	eventually(t, "the other one too", func() bool { return len(w.mail.messages()) == 301 })
}
