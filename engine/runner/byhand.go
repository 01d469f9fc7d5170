package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// This file does what operators ask for. Each of its methods may be called again: what is done already is not done twice.

// ErrNotKept is returned for a message or a run that is not in the history, or no more.
var ErrNotKept = errors.New("not in the history")

// A StateError says that something cannot be done with a message or a run as it is.
type StateError struct {
	State string
	Why   string
}

// Error names the state.
func (e *StateError) Error() string { return "it is " + e.State + ": " + e.Why }

// RetryTask has a message that failed, expired, was suppressed or is unknown tried again: the same message, with the same
// Message-ID. Its run is not moved by it. One that waits for its next attempt is tried now; one that is due stays as it is.
// Returns ErrNotKept, or a StateError for one that is being sent or was.
func (r *Runner) RetryTask(ctx context.Context, location string, id engine.ID) (*engine.Task, error) {
	return r.withTask(ctx, location, id, func(s *scope, t *engine.Task) (*engine.Task, error) {
		switch {
		case t.State == engine.TaskDue && (t.Attempts == 0 || t.Held != nil || !t.NotBefore.After(s.now)):
			return t, nil
		case t.State == engine.TaskDue:
		case t.State == engine.TaskSent:
			return nil, &StateError{string(t.State), "it can be sent once more as a copy (resend)"}
		case !t.State.Over():
			return nil, &StateError{string(t.State), "wait for its result"}
		default:
			t.Again()
			t.Deadline = time.Time{}
		}
		t.NotBefore, t.Changed = s.now, s.now
		return t, s.saveTask(t, true)
	})
}

// ResendTask sends a copy of a message that was sent, or may have been: a message of its own, with new links. While a copy of
// it is still on its way no other is made, and that one is returned. Returns ErrNotKept, or a StateError for another state.
func (r *Runner) ResendTask(ctx context.Context, location string, id engine.ID) (*engine.Task, error) {
	return r.withTask(ctx, location, id, func(s *scope, t *engine.Task) (*engine.Task, error) {
		if t.State != engine.TaskSent && t.State != engine.TaskUnknown {
			why := "wait for its result"
			if t.State.Over() {
				why = "it can be tried again (retry)"
			}
			return nil, &StateError{string(t.State), why}
		}
		n := len(t.Copies)
		if n > 0 {
			last, err := engine.LoadTask(s.tx, location, t.Copies[n-1])
			if err != nil || last != nil && !last.State.Over() {
				return last, err
			}
		}
		run, err := engine.LoadRun(s.tx, location, t.Run)
		if err != nil {
			return nil, err
		}
		if run == nil {
			return nil, &StateError{string(t.State), "its run is not kept any more"}
		}
		copied := &engine.Task{
			ID: engine.NewID(s.now, t.ID.Shard(), "resend", t.ID.String(), fmt.Sprint(n+1)), Of: t.ID,
			Location: t.Location, Run: t.Run, Workflow: t.Workflow, Version: t.Version, Step: t.Step, Kind: t.Kind, Contact: t.Contact,
			Created: s.now, NotBefore: s.now, State: engine.TaskDue, Changed: s.now, Class: t.Class, Depth: t.Depth,
		}
		t.Copies = append(t.Copies, copied.ID)
		if err := s.saveTask(copied, true); err != nil {
			return nil, err
		}
		return copied, engine.SaveTask(s.tx, t) // it is over already, so the meter hears nothing of it
	})
}

// withTask calls fn with a task in a commit, and returns what fn does.
func (r *Runner) withTask(ctx context.Context, location string, id engine.ID, fn func(*scope, *engine.Task) (*engine.Task, error)) (out *engine.Task, err error) {
	if err := r.awaitReady(ctx); err != nil {
		return nil, err
	}
	err = r.update(ctx, r.partition(id), func(s *scope) error {
		t, err := engine.LoadTask(s.tx, location, id)
		if err == nil && t == nil {
			err = ErrNotKept
		}
		if err != nil {
			return err
		}
		out, err = fn(s, t)
		return err
	})
	return out, err
}

const cancelled = "cancelled by an operator"

// CancelRun ends a run. Its message that is due is suppressed; one that is being sent is not called back. A run that was
// cancelled stays as it is. Returns ErrNotKept, or a StateError for a run that is over.
func (r *Runner) CancelRun(ctx context.Context, location string, id engine.ID) (*engine.Run, error) {
	return r.withRun(ctx, location, id, func(s *scope, run *engine.Run) error {
		if run.State.Over() && run.End == cancelled {
			return nil
		}
		if run.State.Over() {
			return &StateError{string(run.State), run.End}
		}
		if !run.Task.IsZero() {
			t, err := engine.LoadTask(s.tx, location, run.Task)
			if err != nil {
				return err
			}
			if t != nil && t.State == engine.TaskDue {
				if err := s.end(t, engine.TaskSuppressed, errors.New("its run was "+cancelled)); err != nil {
					return err
				}
			}
		}
		return s.stopFor(run, cancelled)
	})
}

// RetryRun has a run go on that its workflow stopped at a message (on_error: stop): the message is tried again, and if it is sent
// the run takes its next step. A run that goes on already stays as it is. Returns ErrNotKept, or a StateError.
func (r *Runner) RetryRun(ctx context.Context, location string, id engine.ID) (*engine.Run, error) {
	return r.withRun(ctx, location, id, func(s *scope, run *engine.Run) error {
		if !run.State.Over() {
			return nil
		}
		person, err := s.person(location, run.Contact)
		if err != nil {
			return err
		}
		w, err := s.workflow(run)
		if err != nil || w == nil || person == nil {
			return err // what it lacks is fetched, and the transaction runs again
		}
		home, err := s.home(run, person)
		if err != nil || home == nil {
			return err
		}
		known := *person
		known.Listens = home.Listens
		next, changed, ok := engine.Reopen(w, *run, known)
		if !ok {
			return &StateError{string(run.State), run.End + "; only a run that a message stopped, by on_error: stop, can go on"}
		}
		s.keepMoved(person, home, changed)
		return s.reopen(&next)
	})
}

// reopen has a run wait for its message again, or go on if that was tried again before and has ended.
func (s *scope) reopen(run *engine.Run) error {
	t, err := engine.LoadTask(s.tx, run.Location, run.Task)
	loc, _ := s.r.place(run.Location).inForce(run.Workflow)
	switch {
	case err != nil:
		return err
	case t == nil:
		return &StateError{string(engine.RunStopped), "its message is not kept any more"}
	case t.State == engine.TaskFailed, t.State == engine.TaskExpired:
		t.Again()
		t.Deadline, t.NotBefore, t.Changed = time.Time{}, s.now, s.now
		return errors.Join(s.saveTask(t, true), s.saveRun(run))
	case t.State.Over() && loc == nil:
		return &StateError{string(engine.RunStopped), "its location is not configured"}
	case t.State.Over():
		return s.advance(loc, run, engine.Input{Done: t})
	}
	return s.saveRun(run)
}

// withRun calls fn with a run in a commit, and returns the run as it is after it.
func (r *Runner) withRun(ctx context.Context, location string, id engine.ID, fn func(*scope, *engine.Run) error) (run *engine.Run, err error) {
	if err := r.awaitReady(ctx); err != nil {
		return nil, err
	}
	err = r.update(ctx, r.partition(id), func(s *scope) error {
		found, err := engine.LoadRun(s.tx, location, id)
		if err == nil && found == nil {
			err = ErrNotKept
		}
		if err == nil {
			err = fn(s, found)
		}
		if err == nil {
			run, err = engine.LoadRun(s.tx, location, id)
		}
		return err
	})
	return run, err
}
