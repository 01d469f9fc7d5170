package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
)

const quickProbe = 20 * time.Millisecond

// startQuick starts a runner whose channels are tried again soon after they went down.
func (w *world) startQuick(workflows ...*engine.Workflow) {
	w.t.Helper()
	cfg := w.config()
	cfg.Channels = map[string]Channel{"email": {Probe: quickProbe}, "sms": {Probe: quickProbe}}
	w.startConfig(cfg, workflows...)
	<-w.Ready()
}

// TestDeadRelay has a thousand contacts with a mail and an SMS due while the mail server is dead for two days: it is asked seldom,
// no attempt and no time is used up, no SMS waits for it, and when it is up again all go out once, and in their order.
func TestDeadRelay(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		const n = 1000
		var down atomic.Bool
		var asked, texts atomic.Int64
		var mu sync.Mutex
		got := map[string]int{} // the last message of each contact
		down.Store(true)
		w.mail.perform = func(_ context.Context, m message) error {
			switch {
			case m.kind == "sms":
				texts.Add(1)
			case down.Load():
				asked.Add(1)
				return engine.Down(errors.New("connection refused"))
			default:
				mu.Lock()
				defer mu.Unlock()
				if m.workflow == "first" && got[m.contact] != 0 || m.workflow == "third" && got[m.contact] != 1 {
					t.Errorf("%s of %s is not in its order", m.workflow, m.contact)
				}
				got[m.contact]++
			}
			return nil
		}
		third := flow("third", "offer_access_granted", "email")
		third.Steps[0].Retry = engine.Retry{Attempts: 1}
		began := time.Now()
		w.startQuick(flow("first", "user_login", "email"), flow("second", "offer_access_granted", "sms"), third)
		for from := 0; from < n; from += 200 {
			var logins, grants []engine.Event
			for i := from; i < from+200; i++ {
				logins, grants = append(logins, login(fmt.Sprint("c", i), "")), append(grants, granted(fmt.Sprint("c", i), "gold"))
			}
			w.handle(logins...)
			w.handle(grants...)
		}
		eventually(t, "all SMS are out", func() bool { return texts.Load() == n })
		eventually(t, "it is down", func() bool { return len(downs(w)) == 1 })
		time.Sleep(20 * quickProbe)
		w.clock.move(48 * time.Hour)
		most := 60 + int64(time.Since(began)/(probeGrowth*quickProbe)) // a few workers' worth, then one at a time
		if n := asked.Load(); n > most {
			t.Errorf("a dead server was asked %d times, want at most %d", n, most)
		}
		if c := downs(w)[0]; c.Kind != "email" || c.Location != place1 || c.Reason != "connection refused" {
			t.Errorf("%+v", c)
		}
		down.Store(false)
		eventually(t, "all mails are out", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == n && len(w.messages()) >= 3*n
		})
		w.idle()
		if len(downs(w)) > 0 {
			t.Error("it is still down")
		}
		tasks, err := w.Tasks(t.Context(), Filter{Limit: 4 * n})
		if err != nil || len(tasks) != 3*n {
			t.Fatalf("%d tasks, %v", len(tasks), err)
		}
		for _, k := range tasks {
			if k.State != engine.TaskSent || k.Attempts != 1 || len(k.Links) != 1 {
				t.Fatalf("%+v", k)
			}
		}
	})
}

func (w *world) messages() []message { return w.mail.messages() }

func downs(w *world) (list []ChannelState) {
	for _, c := range w.Channels() {
		if c.Down {
			list = append(list, c)
		}
	}
	return list
}

// TestOneRefusedForAll has one message whose answer says that the channel is at fault, while all others are taken.
func TestOneRefusedForAll(t *testing.T) {
	t.Parallel()
	w := memory(t)
	w.mail.perform = func(_ context.Context, m message) error {
		if m.contact == "poison" {
			return engine.Down(errors.New("554 relay access denied"))
		}
		return nil
	}
	f := with("email", func(s *engine.Step) { s.Retry.Attempts = 3 })
	w.startQuick(f)
	w.handle(login("poison", ""))
	eventually(t, "the channel is down, as far as anybody knows", func() bool { return len(downs(w)) == 1 })
	i := 0
	eventually(t, "the others pass, and it fails in the end", func() bool {
		w.handle(login(fmt.Sprint("c", i), ""))
		i++
		w.clock.move(time.Minute)
		failed, err := w.Tasks(t.Context(), Filter{State: "failed"})
		return err == nil && len(failed) == 1
	})
	eventually(t, "the others are sent", func() bool { return len(must(w.Tasks(t.Context(), Filter{State: "sent", Limit: 5000}))(t)) == i })
}

// TestRefill looks at how many may go out in the time after a channel was down.
func TestRefill(t *testing.T) {
	t.Parallel()
	c := &channel{Channel: Channel{Workers: 8, Ahead: 64}, breaker: breaker{probe: 5 * time.Second}}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	c.active = 1
	err := engine.Down(errors.New("no"))
	var opens []time.Duration
	for range 8 {
		c.ended(err, false, now, now)
		c.active++
		opens = append(opens, c.untilRoom(now))
		now = now.Add(c.untilRoom(now))
	}
	if got := fmt.Sprint(opens); got != "[1s 1s 5s 10s 20s 40s 1m0s 1m0s]" {
		t.Errorf("it is tried after %s", got)
	}
	if d := c.outage(now.Add(-time.Minute), now); d != time.Minute {
		t.Errorf("it was down for %s of the last minute", d)
	}
	if !c.ended(nil, false, now, now) {
		t.Error("it is not up again")
	}
	total := map[time.Duration]int{}
	for at := time.Duration(0); at <= 40*time.Second; at += 10 * time.Millisecond {
		n := c.reserve(1000, now.Add(at))
		c.giveBack(n)
		total[at.Truncate(time.Second)] += n
	}
	if a, b, z := total[0], total[5*time.Second], total[39*time.Second]; a < 40 || a > 70 || b < 80 || b > 130 || z != 100*64 {
		t.Errorf("%d in the first second, %d in the sixth, %d in the last", a, b, z)
	}
}
