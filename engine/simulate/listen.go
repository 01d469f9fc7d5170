package simulate

import (
	"errors"
	"strings"

	"latchkey/engine"
)

// hear gives an event to the runs that listened for it before it came.
func (w *World) hear(listens []engine.Listen, ev *engine.Event) {
	for _, l := range listens {
		r := w.byID[l.Run]
		if r == nil || r.State.Over() || !l.Hears(ev.Type) {
			continue
		}
		before := r.Run
		w.advance(r, engine.Input{Event: ev})
		if says := engine.Moved(&before, &r.Run); says != "" {
			w.Decisions = append(w.Decisions, engine.Decision{Workflow: r.Workflow, Run: r.ID, Moved: says})
		}
	}
}

// cancel takes a message back that its run has left for a goal.
func (w *World) cancel(c *engine.Cancel) {
	if r := w.sending[c.Task]; r != nil && r.task.State == engine.TaskDue {
		w.finish(r, r.task, Message{}, engine.TaskSuppressed, errors.New(c.Why(r.task)))
	}
}

// forWhat says what a run waits for: " for link.redeemed until Sat 2026-03-28 17:00".
func (w *World) forWhat(wait *engine.Wait) (said string) {
	if wait.Kind == engine.WaitHeld {
		return " until its workflow goes on"
	}
	if len(wait.For) > 0 {
		said = " for " + strings.Join(wait.For, " or ")
	}
	if !wait.Due.IsZero() {
		said += " until " + w.clock(wait.Due)
	}
	return said
}
