package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// due begins a task whose time has come, if nothing holds it.
func (w *World) due(ctx context.Context, r *running, t *engine.Task) {
	if t.State != engine.TaskDue || t.NotBefore.After(w.now) {
		return
	}
	v := engine.Gate(w.set.Lookup(t.Workflow), w.set.Location, t, w.person(t.Contact), w.now)
	switch {
	case v.Go:
		w.attempt(ctx, r, t)
	case v.Expired:
		w.finish(r, t, Message{}, engine.TaskExpired, errors.New(v.By))
	default:
		w.hold(r, t, v)
	}
}

// hold keeps why a task is held, and looks at it again when it may go.
func (w *World) hold(r *running, t *engine.Task, v engine.Verdict) {
	since := w.now
	if t.Held != nil {
		since = t.Held.Since
	}
	if t.Held == nil || t.Held.By != v.By || !t.Held.Until.Equal(v.Until) {
		line := fmt.Sprintf("%s: %s is held by %s", t.Workflow, stepID(t.Step), v.By)
		if !v.Until.IsZero() {
			line += ", until " + w.clock(v.Until)
		}
		w.say("%s", line)
	}
	t.Held = &engine.Hold{Since: since, Until: v.Until, By: v.By}
	p := appointment{at: v.Until, run: r, task: t}
	if v.Until.IsZero() {
		w.held = append(w.held, p)
		return
	}
	w.appoint(p)
}

// lookAgain looks at the tasks of a contact that are held: what is known of them may have changed.
func (w *World) lookAgain(contact engine.ID) {
	w.active[contact] = slices.DeleteFunc(w.active[contact], func(r *running) bool { return r.State.Over() })
	for _, r := range w.active[contact] {
		if t := r.task; t != nil && t.State == engine.TaskDue && t.Held != nil {
			w.appoint(appointment{at: w.now, run: r, task: t})
		}
	}
}

// attempt carries out a task, as the runner does.
func (w *World) attempt(ctx context.Context, r *running, t *engine.Task) {
	if _, down := w.down[t.Kind]; down {
		w.stuck = append(w.stuck, appointment{run: r, task: t})
		return
	}
	t.LetGo(w.now)
	action, step := w.cfg.Actions[t.Kind], engine.StepAt(r.w.Steps, t.Step)
	if action == nil || step == nil {
		w.finish(r, t, Message{}, engine.TaskFailed, fmt.Errorf("there is no action %q", t.Kind))
		return
	}
	how := w.cfg.Terms(t.Kind).Of(step)
	t.Attempts++
	t.Changed = w.now
	if t.Deadline.IsZero() {
		t.Deadline = w.now.Add(how.RetryFor)
	}
	t.State = engine.TaskSending
	run := r.Run
	call := engine.Call{Now: w.now, Task: t, Run: &run, Person: w.person(t.Contact), Location: w.set.Location, Settings: step.Settings, Step: step}
	var made engine.Attempt
	err := w.store.Update(ctx, func(tx engine.Tx) (err error) {
		made, err = action.Begin(tx, call)
		return err
	})
	if err != nil {
		w.outcome(r, t, Message{}, how, err)
		return
	}
	t.To, t.Class, t.Links, t.Error = made.To, made.Class, append(t.Links, made.Links...), ""
	m, err := w.perform(ctx, action, call, made, how)
	if err == nil || engine.IsUnknown(err) {
		state := engine.TaskSent
		if err != nil {
			state = engine.TaskUnknown
		}
		w.update(func(tx engine.Tx) error { return action.Settle(tx, call, state) })
		w.delivered(t)
	}
	w.outcome(r, t, m, how, err)
}

// perform has the effect, and then what the test says that became of it.
func (w *World) perform(ctx context.Context, action engine.Action, call engine.Call, made engine.Attempt, how engine.Terms) (m Message, err error) {
	rec, err := action.Perform(w.answering(ctx, call.Step), call, made)
	if rec.Subject != "" {
		call.Task.Subject = rec.Subject
	}
	call.Task.Receipt, call.Task.Answer = rec.ID, nil
	if content, ok := w.cfg.Sink.Take(call.Task.ID); ok && !w.cfg.Quiet {
		m.Content = content
	}
	if err == nil {
		err = w.fault(call.Task.Kind, how.Timeout)
	}
	if err == nil {
		call.Task.Answer = rec.Answer
	}
	return m, err
}

// delivered notes what a person got, or may have got, for the limits of workflows.
func (w *World) delivered(t *engine.Task) {
	if keep, asked := w.set.Counts(t.Class); asked {
		p, _ := w.person(t.Contact).Reserve(t, keep, w.now).Settle(t, true, w.now)
		w.save(&p)
	}
}

// fault takes the next fault that the test asks for, and returns what the other side then says.
func (w *World) fault(kind string, timeout time.Duration) error {
	i := slices.IndexFunc(w.faults, func(f engine.TestSend) bool { return f.Kind == kind })
	if i < 0 {
		return nil
	}
	f := w.faults[i]
	w.faults = slices.Delete(w.faults, i, i+1)
	err := errors.New(f.Reason)
	switch f.How {
	case engine.SendSlow:
		if timeout == 0 || f.Takes <= timeout {
			return nil
		}
		return fmt.Errorf("it took longer than its timeout of %s", timeout)
	case engine.SendLater:
		if f.Takes > 0 {
			return engine.Later(err, f.Takes)
		}
	case engine.SendUnknown:
		return engine.Unknown(err)
	case engine.SendFails:
		return engine.Final(err)
	}
	return err
}

// Send changes how sending of a kind goes from now on.
func (w *World) Send(ctx context.Context, s engine.TestSend) {
	w.say("%s %s from now on", s.Kind, s.How)
	switch s.How {
	case engine.SendDown:
		w.down[s.Kind] = s.Reason
	case engine.SendUp:
		delete(w.down, s.Kind)
		stuck := w.stuck
		w.stuck = nil
		for _, p := range stuck {
			p.task.Deadline = later(p.task.Deadline, w.now.Sub(p.task.NotBefore)) // no attempt could be made in that time
			p.at = w.now
			w.appoint(p)
		}
		w.Until(ctx, w.now)
	default:
		w.faults = append(w.faults, s)
	}
}

// later puts a deadline off, if there is one.
func later(t time.Time, d time.Duration) time.Time {
	if t.IsZero() || d < 0 {
		return t
	}
	return t.Add(d)
}

// outcome notes how an attempt ended.
func (w *World) outcome(r *running, t *engine.Task, m Message, how engine.Terms, err error) {
	state := how.Outcome(err)
	if state == engine.TaskDue {
		if state = t.PutOff(how, err, w.now); state == engine.TaskDue {
			w.say("%s: %s is put off until %s: %v", t.Workflow, stepID(t.Step), w.clock(t.NotBefore), err)
			w.appoint(appointment{at: t.NotBefore, run: r, task: t})
			return
		}
	}
	w.finish(r, t, m, state, err)
}

// finish ends a task and lets its run go on.
func (w *World) finish(r *running, t *engine.Task, m Message, state engine.TaskState, cause error) {
	t.State, t.Changed, t.Error, t.Held = state, w.now, "", nil
	r.linked = r.linked || state == engine.TaskSent && len(t.Links) > 0
	if cause != nil {
		t.Error = cause.Error()
	}
	delete(w.sending, t.ID)
	m.Task = *t
	if step := engine.StepAt(r.w.Steps, t.Step); step != nil {
		m.Template = step.TemplateName()
	}
	w.Messages = append(w.Messages, m)
	if !w.cfg.Quiet {
		w.say("%s", m.String())
	}
	w.advance(r, engine.Input{Done: t})
}
