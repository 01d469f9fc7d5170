package runner

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"latchkey/engine"
)

const (
	fireMost  = 256 // timers of one commit
	startMost = 256 // attempts of one commit
)

// drive fires the timers and starts the tasks of a partition.
func (r *Runner) drive(ctx context.Context, p *partition) {
	failures := 0
	for ctx.Err() == nil {
		fired, err := 0, error(nil)
		if r.caughtUp() {
			fired, err = r.fire(ctx, p)
		}
		if err == nil {
			var started int
			started, err = r.startTasks(ctx, p)
			fired += started
		}
		switch {
		case err != nil && (ctx.Err() != nil || r.fail(err)):
			return
		case err != nil:
			failures++
			r.cfg.Logger.Error().Err(err).Int("failures", failures).Msg("cannot go on, trying again")
			nap(ctx, backoff(failures, 250*time.Millisecond, 5*time.Second))
		case fired == 0:
			r.rest(ctx, p)
		default:
			failures = 0
		}
	}
}

// caughtUp reports whether timers may fire.
func (r *Runner) caughtUp() bool {
	if r.cfg.CaughtUp == nil {
		return true
	}
	select {
	case <-r.cfg.CaughtUp:
		return true
	default:
		return false
	}
}

// rest waits until something is queued or due, and never longer than Poll, for the clock may jump.
func (r *Runner) rest(ctx context.Context, p *partition) {
	catchUp := r.cfg.CaughtUp
	if r.caughtUp() {
		catchUp = nil
	}
	t := time.NewTimer(r.untilNext(p))
	defer t.Stop()
	select {
	case <-catchUp:
	case <-p.wake:
	case <-t.C:
	case <-ctx.Done():
	}
}

func (r *Runner) untilNext(p *partition) time.Duration {
	d := r.cfg.Poll
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now(r.cfg.Now())
	queues := []func() (int64, bool){p.later.next}
	fires := r.caughtUp()
	if fires {
		queues = append(queues, p.timers.next)
	}
	for _, next := range queues {
		if at, ok := next(); ok {
			d = min(d, max(time.Millisecond, time.Duration(at-now)*time.Millisecond))
		}
	}
	if fires && p.horizon != noHorizon { // reading on takes a moment
		d = min(d, max(time.Millisecond, p.horizon.Due().Sub(time.UnixMilli(now))-readAhead))
	}
	for ch, q := range p.ready {
		if shut := ch.untilRoom(time.Now()); shut > 0 && q.len() > 0 {
			d = min(d, shut)
		}
	}
	return d
}

// fire fires the timers whose time has come, many in one commit, and returns how many it looked at.
func (r *Runner) fire(ctx context.Context, p *partition) (int, error) {
	due, released, err := r.takeTimers(ctx, p)
	if len(due) == 0 {
		return 0, err
	}
	var held []timer
	var again []scheduled[timer]
	err = r.update(ctx, p, func(s *scope) error {
		held, again = nil, nil
		for _, t := range due {
			switch at, hold, err := s.fire(t); {
			case err != nil: // it can be neither read nor stored
				r.cfg.Logger.Error().Err(err).Stringer("id", t.id).Msg("timer passed over until the next start")
			case hold:
				held = append(held, t)
			case at > 0:
				again = append(again, scheduled[timer]{at, t})
			}
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range due {
		p.hand(t.place, -1)
	}
	now := p.now(r.cfg.Now())
	if err != nil {
		for _, t := range due {
			p.timers.push(now, t)
		}
		return 0, fmt.Errorf("fire timers: %w", err)
	}
	if p.released == released {
		p.heldTimers = append(p.heldTimers, held...)
	} else {
		for _, t := range held {
			p.timers.push(now, t)
		}
	}
	for _, t := range again {
		p.timers.push(t.at, t.what)
	}
	return len(due), nil
}

// takeTimers takes timers whose time has come out of memory; released tells whether held ones were let go since.
func (r *Runner) takeTimers(ctx context.Context, p *partition) (due []timer, released uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now(r.cfg.Now())
	if err := r.readTimers(ctx, p, now); err != nil {
		return nil, 0, err
	}
	for len(due) < fireMost && p.timers.due(now) {
		t := p.timers.pop()
		p.hand(t.place, 1)
		due = append(due, t)
	}
	return due, p.released, nil
}

// fire does what a timer is for. It returns when to look again (0: never), or that it is held. Its error concerns this
// timer only.
func (s *scope) fire(t timer) (again int64, hold bool, err error) {
	defer contain(&err)
	switch t.kind {
	case engine.TimerRun:
		return s.endWait(t)
	case engine.TimerPerson:
		return s.wake(t)
	}
	return 0, false, fmt.Errorf("timer of kind %d is not known to this version of latchkey", t.kind)
}

// endWait advances one run whose wait is over.
func (s *scope) endWait(t timer) (again int64, hold bool, err error) {
	run, err := engine.LoadRun(s.tx, t.place.id, t.id)
	if err != nil {
		return 0, false, err
	}
	if run == nil || run.State != engine.RunWaiting || run.Wait == nil || dueMilli(run.Wait.Due) != t.due {
		s.dropTimer(t)
		return 0, false, nil
	}
	if run.Wait.Due.After(s.now) {
		return t.due, false, nil
	}
	loc, hold := t.place.inForce(run.Workflow)
	if hold {
		return 0, true, nil
	}
	late := s.now.Sub(run.Wait.Due)
	s.tell(run.Location, func(m Meter) { m.Late(late) })
	if err := s.advance(loc, run, engine.Input{Timer: true}); err != nil {
		return 0, false, s.stop(run, err)
	}
	return 0, false, nil
}

// contain makes an error of a panic, so that it concerns one task or run and not all that share its commit.
func contain(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %s", engine.WithoutTokens(v))
	}
}

// advance moves a run by one input and stores what follows, or nothing if something must be fetched first. Its error
// says that the run's workflow or person cannot be had.
func (s *scope) advance(loc *engine.Location, run *engine.Run, in engine.Input) error {
	w, err := s.workflow(run)
	if err != nil {
		return err
	}
	person, err := s.person(run.Location, run.Contact)
	if err != nil || w == nil || person == nil {
		return err
	}
	home, err := s.home(run, person)
	if err != nil {
		return err
	}
	known := *person
	known.Key, known.Listens = run.Contact, home.Listens // what is made for the run stays with its key, in its partition
	next, changed, started, cmds, err := advance(s.set(loc), w, run, &known, in, s.now)
	if err != nil {
		return err
	}
	if in.Event != nil && len(cmds) == 0 && reflect.DeepEqual(run, &next) {
		return nil // it waits for another event
	}
	s.keepMoved(person, home, changed)
	save := s.saveRun
	if run.State.Over() || sameWait(run, &next) {
		save = func(r *engine.Run) error { return engine.SaveRun(s.tx, r) } // its timer is set, its end told
	}
	if err := save(&next); err != nil {
		return err
	}
	for i := range started {
		if err := s.saveRun(&started[i]); err != nil {
			return err
		}
		s.tell(run.Location, func(m Meter) { m.Run("started") })
	}
	return s.commands(cmds)
}

// set returns the workflows in force in a location.
func (s *scope) set(loc *engine.Location) *engine.Set {
	if set := s.r.place(loc.ID).set.Load(); set != nil {
		return set
	}
	return engine.NewSet(loc, nil)
}

// sameWait reports whether both are in one and the same wait.
func sameWait(a, b *engine.Run) bool {
	return a.State == engine.RunWaiting && b.State == a.State && a.Wait != nil && b.Wait != nil &&
		a.Wait.Since.Equal(b.Wait.Since) && a.Wait.Due.Equal(b.Wait.Due)
}

// stop ends a run that cannot go on: its version or its person cannot be had, or the core failed on it. Better an end that
// says so than a run that hangs.
func (s *scope) stop(run *engine.Run, cause error) error {
	s.r.cfg.Logger.Error().Err(cause).Stringer("run", run.ID).Str("workflow", run.Workflow).Msg("run cannot go on and is stopped")
	return s.stopFor(run, "it cannot go on: "+cause.Error())
}

// stopFor ends a run for a reason.
func (s *scope) stopFor(run *engine.Run, reason string) error {
	person, err := s.person(run.Location, run.Contact)
	if err == nil && person == nil {
		return nil // it is fetched, and the transaction runs again
	}
	known := err == nil
	if !known {
		person = &engine.Person{Key: run.Contact}
	}
	home := person
	if known {
		if home, err = s.home(run, person); err != nil {
			return err
		}
	}
	p := *person
	p.Listens = home.Listens
	stopped, changed, cmds := engine.Stop(*run, p, reason, s.now)
	if err := s.saveRun(&stopped); err != nil {
		return err
	}
	if known {
		s.keepMoved(person, home, changed)
	}
	return s.commands(cmds)
}

// advance calls the core; a panic in it concerns this run only.
func advance(set *engine.Set, w *engine.Workflow, run *engine.Run, p *engine.Person, in engine.Input, now time.Time) (
	next engine.Run, changed engine.Person, started []engine.Run, cmds []engine.Command, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("workflow %s faulted: %s", w.ID, engine.WithoutTokens(v))
		}
	}()
	next, changed, started, cmds = engine.AdvanceIn(set, w, *run, *p, in, now)
	return next, changed, started, cmds, nil
}
