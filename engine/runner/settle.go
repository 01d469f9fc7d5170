package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

const settleMost = 256 // results of one commit

// settleAll stores the results of a partition's attempts, many in one commit. It ends when worked is closed and
// all are stored, or when drain has ended and they cannot be.
func (r *Runner) settleAll(drain context.Context, p *partition, worked <-chan struct{}) {
	for {
		last := false
		select {
		case <-p.settle:
			r.linger(p, worked)
		case <-worked:
			last = true
		}
		for failures := 0; ; {
			left, err := r.settleSome(drain, p, last)
			if err == nil {
				if left == 0 {
					break
				}
				continue
			}
			failures++
			if r.fail(err) {
				return
			}
			r.cfg.Logger.Error().Err(err).Int("failures", failures).Msg("results cannot be stored, trying again")
			if !nap(drain, backoff(failures, 250*time.Millisecond, 5*time.Second)) && (last || failures > 1) {
				return
			}
		}
		if last {
			return
		}
	}
}

// linger waits for other results to share the commit, until the oldest has waited for Linger.
func (r *Runner) linger(p *partition, worked <-chan struct{}) {
	p.mu.Lock()
	left := time.Duration(0)
	if len(p.results) > 0 {
		left = r.cfg.Linger - time.Since(p.results[0].at)
	}
	p.mu.Unlock()
	t := time.NewTimer(left)
	defer t.Stop()
	for {
		p.mu.Lock()
		full := len(p.results) >= settleMost
		p.mu.Unlock()
		if full {
			return
		}
		select {
		case <-t.C:
			return
		case <-worked:
			return
		case <-p.settle:
		}
	}
}

// settleSome stores results, at most settleMost, and returns how many are left. The last ones are stored even
// when drain has ended.
func (r *Runner) settleSome(drain context.Context, p *partition, last bool) (left int, err error) {
	p.mu.Lock()
	batch := slices.Clone(p.results[:min(len(p.results), settleMost)])
	p.mu.Unlock()
	if len(batch) == 0 {
		return 0, nil
	}
	ctx := drain
	if last {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(drain), r.cfg.Grace)
		defer cancel()
	}
	err = r.update(ctx, p, func(s *scope) error {
		for _, res := range batch {
			handedBack, err := s.settle(res)
			if err != nil {
				r.cfg.Logger.Error().Err(err).Stringer("task", res.id).Msg("result cannot be stored")
			}
			if res.keepsLane() && !handedBack {
				s.dropped = append(s.dropped, res.item)
			}
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.results = slices.Delete(p.results, 0, len(batch))
		for _, res := range batch {
			p.hand(res.place, -1)
		}
	}
	return len(p.results), err
}

// settle stores the outcome of one attempt, or hands its task back if it does not count. Its error concerns this task only.
func (s *scope) settle(res result) (handedBack bool, err error) {
	defer contain(&err)
	t, err := engine.LoadTask(s.tx, res.place.id, res.id)
	switch {
	case err != nil:
		return false, err
	case t == nil: // its contact was forgotten
		return false, nil
	case t.State != engine.TaskSending || t.Attempts != res.call.Task.Attempts:
		return false, fmt.Errorf("task %s is not being sent", res.id)
	case errors.Is(res.err, errUntried) || s.concernsChannel(res, t):
		return true, s.handBack(res, t)
	}
	return false, s.conclude(res, t)
}

// conclude stores the outcome of an attempt that counts.
func (s *scope) conclude(res result, t *engine.Task) error {
	run, err := engine.LoadRun(s.tx, t.Location, t.Run)
	if err != nil {
		return err
	}
	t.Receipt = res.receipt.ID
	t.Answer = res.receipt.Answer
	if res.receipt.Subject != "" {
		t.Subject = res.receipt.Subject
	}
	state := res.terms.Outcome(res.err)
	if res.counts {
		s.count(t, state == engine.TaskSent || engine.IsUnknown(res.err))
	}
	if state == engine.TaskSent || engine.IsUnknown(res.err) {
		s.settled(res, t, state)
	}
	loc := res.call.Location
	if state == engine.TaskDue && run != nil && run.LeftTask(t.ID) {
		state = engine.OutcomeLeft(res.err)
	}
	if state == engine.TaskDue {
		return s.putOff(t, run, loc, res.terms, res.err)
	}
	if err := s.finish(t, run, loc, state, res.err); err != nil || state != engine.TaskSent {
		return err
	}
	return s.notify(sentNotice(t, res.call.Person))
}

// handBack makes a task due as if its attempt had not been started. One that was carried out, and found its channel down,
// goes behind the others, so that another tries the channel next.
func (s *scope) handBack(res result, t *engine.Task) error {
	t.State, t.Changed, t.Deadline = engine.TaskDue, s.now, res.deadline
	t.Links = t.Links[:min(res.links, len(t.Links))]
	t.Attempts--
	if res.counts {
		s.count(t, false)
	}
	if errors.Is(res.err, errUntried) {
		s.returned = append(s.returned, res.item)
		return s.saveTask(t, false)
	}
	t.Error = res.err.Error()
	t.Tried(engine.Try{At: s.now, Result: engine.TryDown, Error: t.Error})
	kind, it := t.Kind, res.item
	it.laned = it.first
	s.tasks = append(s.tasks, scheduled[item]{s.now.UnixMilli(), it})
	s.tell(t.Location, func(m Meter) { m.Message(kind, engine.TaskDue, 0) })
	return s.saveTask(t, false)
}

// settled lets the action settle a message that was, or may have been, handed over. Its failure does not undo that.
func (s *scope) settled(res result, t *engine.Task, state engine.TaskState) {
	if state != engine.TaskSent {
		state = engine.TaskUnknown
	}
	defer func() {
		if v := recover(); v != nil {
			s.r.cfg.Logger.Error().Str("panic", engine.WithoutTokens(v)).Stringer("task", t.ID).Msg("action panicked")
		}
	}()
	call := res.call
	call.Now, call.Task = s.now, t
	if err := res.ch.action.Settle(s.tx, call, state); err != nil {
		s.r.cfg.Logger.Error().Err(err).Stringer("task", t.ID).Msg("outcome not settled")
	}
}

// putOff makes a task due again after a temporary error, or ends it if that would be after its deadline or one attempt more
// than there may be.
func (s *scope) putOff(t *engine.Task, run *engine.Run, loc *engine.Location, how engine.Terms, cause error) error {
	if state := t.PutOff(how, cause, s.now); state != engine.TaskDue {
		return s.finish(t, run, loc, state, cause)
	}
	kind := t.Kind
	s.tell(t.Location, func(m Meter) {
		if engine.IsUnknown(cause) {
			m.Message(kind, engine.TaskUnknown, 0)
		}
		m.Message(kind, engine.TaskDue, 0)
	})
	return s.saveTask(t, true)
}

// end stores a task that is over.
func (s *scope) end(t *engine.Task, state engine.TaskState, cause error) error {
	t.State, t.Changed, t.Error, t.Held = state, s.now, "", nil
	if cause != nil {
		t.Error = cause.Error()
		// The error stays out of the log: it may quote an address.
		s.r.cfg.Logger.Warn().Str("location", t.Location).Stringer("task", t.ID).Str("state", string(state)).Msg("task not done")
	}
	return s.saveTask(t, false)
}

// finish ends a task and lets its run go on.
func (s *scope) finish(t *engine.Task, run *engine.Run, loc *engine.Location, state engine.TaskState, cause error) error {
	if err := s.end(t, state, cause); err != nil || run == nil || run.Task != t.ID && !run.LeftTask(t.ID) { // it waits for it no more
		return err
	}
	if err := s.advance(loc, run, engine.Input{Done: t}); err != nil {
		return s.stop(run, err)
	}
	return nil
}

func sentNotice(t *engine.Task, p *engine.Person) *engine.Notice {
	return &engine.Notice{
		ID:       "message.sent:" + t.ID.String(),
		Location: t.Location,
		Type:     "message.sent",
		Time:     t.Changed,
		Depth:    t.Depth + 1,
		Data: sent{
			Task: t.ID, Run: t.Run, Workflow: t.Workflow, Step: strings.Join(t.Step, "/"),
			Channel: t.Kind, Contact: p.Contact.ID, Links: t.Links,
		},
	}
}

// sent is the data of message.sent.
type sent struct {
	Channel  string    `json:"channel"`
	Contact  string    `json:"contact"`
	Links    []string  `json:"links"`
	Run      engine.ID `json:"run"`
	Step     string    `json:"step"`
	Task     engine.ID `json:"task"`
	Workflow string    `json:"workflow"`
}
