package runner

import (
	"fmt"
	"testing"
	"time"

	"latchkey/engine"
)

func TestEventBecomesMessages(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("welcome", "offer_access_granted", "email", "wait 1d", "sms"))
		for i := range 20 {
			w.handle(granted(fmt.Sprint("c", i), "gold"))
		}
		w.idle()
		if n := len(w.mail.messages()); n != 20 {
			t.Fatalf("%d e-mails, want 20", n)
		}
		w.clock.move(24*time.Hour - time.Second)
		time.Sleep(20 * time.Millisecond)
		w.idle()
		if n := len(w.mail.messages()); n != 20 {
			t.Fatalf("%d messages before the day is over, want 20", n)
		}
		w.clock.move(time.Second)
		w.idle()
		if n := len(w.mail.messages()); n != 40 {
			t.Fatalf("%d messages, want 40", n)
		}
		if n := w.bus.count("message.sent"); n != 40 {
			t.Errorf("%d notices of messages, want 40", n)
		}
		if n := w.bus.count("run.finished"); n != 20 {
			t.Errorf("%d notices of runs, want 20", n)
		}
		tasks, err := w.Tasks(t.Context(), Filter{Limit: 100})
		if err != nil || len(tasks) != 40 {
			t.Fatalf("%d tasks (%v), want 40", len(tasks), err)
		}
		for i, task := range tasks {
			if task.State != engine.TaskSent || task.Subject != "Hello" || len(task.Links) != 1 || task.Attempts != 1 {
				t.Errorf("task %+v", task)
			}
			if i > 0 && tasks[i-1].ID.String() < task.ID.String() {
				t.Errorf("tasks are not newest first")
			}
		}
		off, err := w.Offsets(t.Context(), "COURSES")
		if err != nil || off.Seq > 20 || !off.Created.Equal(created) {
			t.Errorf("offset %+v, %v", off, err)
		}
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
}
