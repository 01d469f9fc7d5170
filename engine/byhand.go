package engine

import (
	"fmt"
	"time"
)

// What operators ask for once a message or a run is over: to try it again, to send a copy, to go on.

// ByHand reports whether an operator asked for the task, so that its run does not wait for it.
func (t *Task) ByHand() bool { return t.Retried > 0 || !t.Of.IsZero() }

// Again makes a task that is over due once more, as often and as long as if it were new, and keeps how it ended before.
func (t *Task) Again() {
	h := t.History()
	if n := len(h); n > len(t.Tries) {
		t.Tried(h[n-1])
	}
	t.State, t.Error = TaskDue, ""
	t.Retried++
	t.Before = t.Attempts
}

// Reopen returns a run that its workflow stopped at a message (on_error: stop) as it was when it waited for that message, and
// whether it is such a run.
func Reopen(w *Workflow, r Run, p Person) (Run, Person, bool) {
	n := len(r.Steps) - 1
	if r.State != RunStopped || n < 0 || r.Steps[n].Task.IsZero() {
		return r, p, false
	}
	last := &r.Steps[n]
	step := StepAt(w.Steps, last.Path)
	if step == nil || !step.StopOnError || last.Outcome != string(TaskFailed) && last.Outcome != string(TaskExpired) {
		return r, p, false
	}
	r.State, r.At, r.Task = RunSending, last.Path, last.Task
	r.End, r.Ended = "", time.Time{}
	p.Starts = withEnded(p.Starts, r.ID, false)
	m := machine{w: w, r: r, p: p}
	if !m.locate() {
		return r, p, false
	}
	m.listen()
	return m.r, m.p, true
}

// endID is the id of the notice that a run ended. It differs each time that an operator had the run go on, which tries one task again.
func (r *Run) endID() string {
	id, n := "run.finished:"+r.ID.String(), 1
	for i := 1; i < len(r.Steps); i++ {
		if t := r.Steps[i].Task; !t.IsZero() && t == r.Steps[i-1].Task {
			n++
		}
	}
	if n > 1 {
		id += fmt.Sprintf(":%d", n)
	}
	return id
}
