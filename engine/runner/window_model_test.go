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

// inWindow reports whether a clock on the wall shows a time in the window.
func inWindow(w *engine.Window, t time.Time, zone *time.Location) bool {
	wall := t.In(zone)
	at := wall.Hour()*60 + wall.Minute()
	if w.From < w.To {
		return w.Days[wall.Weekday()] && w.From <= at && at < w.To
	}
	return w.Days[wall.Weekday()] && w.From <= at || w.Days[(wall.Weekday()+6)%7] && at < w.To
}

// TestWindowModel lets events come at any time, time pass, sending pause, files change and the process restart: no message begins
// outside the window of its contact, and each that was asked for is sent, or expired, in the end.
func TestWindowModel(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "America/New_York", "Asia/Kolkata", "Europe/London"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, enginetest.NewStores(1))
		nudge := flow("nudge", "offer_access_granted", "email marketing")
		nudge.Window = &engine.Window{From: rapid.IntRange(0, 1439).Draw(rt, "from"), To: rapid.IntRange(0, 1439).Draw(rt, "to")}
		for i := range nudge.Window.Days {
			nudge.Window.Days[i] = i == 3 || rapid.Bool().Draw(rt, "day")
		}
		var mu sync.Mutex
		var wrong []string
		w.mail.perform = func(_ context.Context, m message) error {
			zone, _ := time.LoadLocation(m.contact)
			mu.Lock()
			defer mu.Unlock()
			if now := w.clock.now(); !inWindow(nudge.Window, now, zone) && !inWindow(nudge.Window, now.Add(-10*time.Second), zone) { // it began before
				wrong = append(wrong, fmt.Sprintf("%s at %s", m.contact, now.In(zone)))
			}
			return nil
		}
		w.start(nudge)
		defer w.stop()
		asked := 0
		calm := func() { // what goes out spread needs time to pass
			start := time.Now()
			for n := 0; !w.Runner.idle(); n++ {
				if time.Since(start) > patience {
					rt.Fatalf("not idle: %+v", w.Stats())
				}
				if n%5 == 4 {
					w.clock.move(time.Millisecond)
				}
				time.Sleep(100 * time.Microsecond)
			}
		}
		for range rapid.IntRange(5, 15).Draw(rt, "acts") {
			switch rapid.IntRange(0, 5).Draw(rt, "act") {
			case 0, 1:
				zone := rapid.SampledFrom(zones).Draw(rt, "zone")
				ev := granted(zone, fmt.Sprint(asked))
				ev.Contact.Timezone = zone
				w.handle(ev)
				asked++
			case 2, 3:
				calm()
				w.clock.move(time.Duration(rapid.IntRange(1, 30*60).Draw(rt, "pass")) * time.Minute)
			case 4:
				w.stop()
				w.start(nudge)
			case 5:
				if w.Paused(place1) == nil {
					_, _ = w.Pause(t.Context(), place1, "")
				} else {
					_, _ = w.Resume(t.Context(), place1)
				}
			}
			calm()
		}
		if _, err := w.Resume(t.Context(), place1); err != nil {
			rt.Fatal(err)
		}
		over := 0
		for range 16 * 24 * 6 {
			if over = len(w.mail.messages()); over == asked {
				break
			}
			tasks, err := w.Tasks(t.Context(), Filter{State: "expired", Limit: 100})
			if err != nil {
				rt.Fatal(err)
			}
			if over += len(tasks); over == asked {
				break
			}
			calm()
			w.clock.move(10 * time.Minute)
		}
		mu.Lock()
		defer mu.Unlock()
		if over != asked || len(wrong) > 0 {
			rt.Fatalf("%d of %d messages are over; outside the window %+v: %v", over, asked, nudge.Window, wrong)
		}
	})
}
