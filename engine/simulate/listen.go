package simulate

import (
	"fmt"
	"strings"

	"latchkey/engine"
)

// listeners gives an event to the runs of a person, as it was before the event, that listen for it, as the runner does.
func (w *World) listeners(before *engine.Person, ev *engine.Event) {
	for _, l := range before.Listens {
		if r := w.byID[l.Run]; r != nil && l.Hears(ev.Type) {
			w.advance(r, engine.Input{Event: ev})
		}
	}
}

// cancel takes back a task that is due, and tells its run.
func (w *World) cancel(c *engine.Cancel) {
	for _, r := range w.runs {
		t := r.task
		if t == nil || t.ID != c.Task || t.State != engine.TaskDue {
			continue
		}
		t.State, t.Changed, t.Error, t.Held = engine.TaskSuppressed, w.now, c.Reason, nil
		m := Message{Task: *t}
		w.Messages = append(w.Messages, m)
		w.say("%s", m.String())
		r.Run, _ = engine.Settled(r.Run, t)
	}
}

// waits says what a run waits for.
func (w *World) waits(r *engine.Run) string {
	until := "until " + w.clock(r.Wait.Due)
	if len(r.Wait.For) > 0 {
		until = fmt.Sprintf("for %s, %s at the latest", strings.Join(r.Wait.For, " or "), until)
	}
	return until
}
