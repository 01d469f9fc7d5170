package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// startTasks starts ready tasks, as many as their channels have room for, in one commit, and hands them to the
// workers. It returns how many it looked at.
func (r *Runner) startTasks(ctx context.Context, p *partition) (int, error) {
	batch, released := r.take(p)
	if len(batch) == 0 {
		return 0, nil
	}
	var outcomes []outcome
	err := r.update(ctx, p, func(s *scope) error {
		outcomes = make([]outcome, len(batch))
		for i, it := range batch {
			o, err := s.begin(it)
			if err != nil {
				r.cfg.Logger.Error().Err(err).Stringer("task", it.id).Msg("task cannot be started, trying again in a minute")
				o = outcome{at: s.now.Add(time.Minute).UnixMilli()}
			}
			outcomes[i] = o
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		for _, it := range batch {
			it.ch.giveBack(1)
			p.giveBack(it)
			p.hand(it.place, -1)
		}
		return 0, fmt.Errorf("start tasks: %w", err)
	}
	for i, o := range outcomes {
		p.sort(batch[i], o, released)
	}
	return len(batch), nil
}

// take takes ready tasks out of the queues. It tells how often what was held has been released.
func (r *Runner) take(p *partition) (batch []item, released uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promote(p.now(r.cfg.Now()))
	for ch, q := range p.ready {
		n := ch.reserve(min(q.len(), startMost-len(batch)), time.Now())
		for range n {
			it := q.pop()
			p.hand(it.place, 1)
			batch = append(batch, it)
		}
	}
	return batch, p.released
}

// An outcome is what became of a task that was to be started. The zero outcome is one that needs nothing any more.
type outcome struct {
	started *attempt
	held    bool  // until files change or sending goes on
	at      int64 // look again then
	gated   bool  // until then, unless the rules or its contact change
}

// sort does with a task what its outcome asks for. One that is held is looked at again at once if what was held has been released
// since: it may have been told by files that were in force before. The caller holds mu.
func (p *partition) sort(it item, o outcome, released uint64) {
	if o.started != nil {
		p.flying[it.contact]++
		it.ch.attempts <- o.started // there is room: it was reserved
		return
	}
	it.ch.giveBack(1)
	p.hand(it.place, -1)
	p.leave(it)
	switch {
	case (o.held || o.gated) && p.released != released:
		p.later.push(0, it)
	case o.held:
		p.heldTasks = append(p.heldTasks, it)
	case o.at > 0:
		p.putLater(it, o)
	}
}

// begin starts one task. Its error concerns this task only.
func (s *scope) begin(it item) (_ outcome, err error) {
	defer contain(&err)
	t, err := engine.LoadTask(s.tx, it.place.id, it.id)
	if err != nil {
		return outcome{}, err
	}
	if t == nil || t.State != engine.TaskDue {
		return outcome{}, nil
	}
	if t.NotBefore.After(s.now) {
		return outcome{at: dueMilli(t.NotBefore)}, nil
	}
	loc, v := s.gate(it.place, t)
	if loc == nil {
		return outcome{held: true}, nil
	}
	if !v.Go && !v.Expired {
		return s.hold(t, v)
	}
	run, err := engine.LoadRun(s.tx, t.Location, t.Run)
	if err != nil {
		return outcome{}, err
	}
	if run == nil {
		return outcome{}, s.end(t, engine.TaskFailed, errors.New("its run is not in the store"))
	}
	if run.LeftTask(t.ID) {
		return outcome{}, s.finish(t, run, loc, engine.TaskSuppressed, errLeft)
	}
	if run.State.Over() && !t.ByHand() {
		return outcome{}, s.end(t, engine.TaskSuppressed, fmt.Errorf("its run is over: %s", run.End))
	}
	if v.Expired {
		return outcome{}, s.finish(t, run, loc, engine.TaskExpired, errors.New(v.By))
	}
	return s.attempt(it, t, run, loc)
}

// attempt lets the action begin, and stores that the task is being sent.
func (s *scope) attempt(it item, t *engine.Task, run *engine.Run, loc *engine.Location) (outcome, error) {
	t.LetGo(s.now)
	a := &attempt{item: it, p: s.p, deadline: t.Deadline, links: len(t.Links)}
	call, err := s.call(t, run, loc)
	a.terms = it.ch.Terms().Of(call.Step)
	t.Attempts++
	t.Changed = s.now
	if t.Deadline.IsZero() {
		t.Deadline = s.now.Add(a.terms.RetryFor)
	} else {
		t.Deadline = t.Deadline.Add(it.ch.outage(t.NotBefore, s.now)) // no attempt could be made in that time
	}
	if err != nil {
		return outcome{}, s.putOff(t, run, loc, a.terms, err)
	}
	if call.Person == nil {
		return outcome{}, nil // lacks something: the transaction runs again
	}
	t.State = engine.TaskSending
	made, err := begin(it.ch.action, s.tx, call)
	switch {
	case errors.Is(err, engine.ErrSuppressed):
		return outcome{}, s.finish(t, run, loc, engine.TaskSuppressed, err)
	case engine.IsFinal(err):
		return outcome{}, s.finish(t, run, loc, engine.TaskFailed, err)
	case err != nil:
		return outcome{}, s.putOff(t, run, loc, a.terms, err)
	}
	t.To, t.Class, t.Links, t.Error = made.To, made.Class, append(t.Links, made.Links...), ""
	kind, minted := t.Kind, len(made.Links)
	s.tell(t.Location, func(m Meter) { m.Message(kind, engine.TaskSending, minted) })
	a.call, a.made, a.counts = call, made, s.reserve(it.place, t)
	return outcome{started: a}, s.saveTask(t, false)
}

// call gathers what an action may see. Its Person is nil, without an error, if something must be fetched first.
func (s *scope) call(t *engine.Task, run *engine.Run, loc *engine.Location) (engine.Call, error) {
	c := engine.Call{Now: s.now, Task: t, Run: run, Location: loc}
	person, err := s.person(t.Location, t.Contact)
	if err != nil {
		return c, err
	}
	w, err := s.workflow(run)
	if err != nil || w == nil || person == nil {
		return c, err
	}
	step := engine.StepAt(w.Steps, t.Step)
	if step == nil {
		return c, fmt.Errorf("version %s of workflow %s has no step %v", run.Version, run.Workflow, t.Step)
	}
	known := *person
	known.Key = t.Contact // links stay with the run's key, in its partition
	c.Person, c.Settings, c.Step = &known, step.Settings, step
	return c, nil
}

// begin calls the action; a panic in it concerns this task only, and trying again would end the same.
func begin(a engine.Action, tx engine.Tx, call engine.Call) (made engine.Attempt, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = engine.Final(fmt.Errorf("action %s panicked: %s", call.Task.Kind, engine.WithoutTokens(v)))
		}
	}()
	return a.Begin(tx, call)
}

// noAction stands for an action that the catalog does not have any more.
type noAction struct{}

func (noAction) Decode(engine.Node, engine.StepContext) any { return nil }

func (noAction) Begin(_ engine.Tx, c engine.Call) (engine.Attempt, error) {
	return engine.Attempt{}, engine.Final(fmt.Errorf("there is no action %q", c.Task.Kind))
}

func (noAction) Perform(context.Context, engine.Call, engine.Attempt) (engine.Receipt, error) {
	return engine.Receipt{}, errUntried
}

func (noAction) Settle(engine.Tx, engine.Call, engine.TaskState) error { return nil }
