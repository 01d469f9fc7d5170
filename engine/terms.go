package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Terms are how the attempts of one task go.
type Terms struct {
	RetryFor time.Duration // how long after the first attempt temporary errors are tried again
	Attempts int           // at most; 0 is no limit
	Timeout  time.Duration // of one attempt; 0 is none
	Hold     bool          // an unknown outcome is not tried again
}

// Of returns the terms of a step's tasks: as the step says, else as these are, its channel's. The step may be nil.
func (c Terms) Of(s *Step) Terms {
	if s == nil {
		return c
	}
	if s.Retry.For > 0 {
		c.RetryFor = s.Retry.For
	}
	if s.Timeout > 0 {
		c.Timeout = s.Timeout
	}
	if s.OnUnknown != "" {
		c.Hold = s.OnUnknown == UnknownHold
	}
	c.Attempts = s.Retry.Attempts
	return c
}

// Spent reports whether a task was tried as often as it may be.
func (c Terms) Spent(t *Task) bool { return c.Attempts > 0 && t.Attempts-t.Before >= c.Attempts }

// Outcome returns what becomes of a task after an attempt that ended with err. TaskDue means that it is put off.
func (c Terms) Outcome(err error) TaskState {
	switch {
	case err == nil:
		return TaskSent
	case IsUnknown(err) && c.Hold:
		return TaskUnknown
	case IsUnknown(err):
		return TaskDue
	case IsFinal(err):
		return TaskFailed
	case errors.Is(err, ErrSuppressed):
		return TaskSuppressed
	}
	return TaskDue
}

// OutcomeLeft returns what becomes of a task that would be put off, if its run had not left it for a goal.
func OutcomeLeft(err error) TaskState {
	if IsUnknown(err) {
		return TaskUnknown
	}
	return TaskSuppressed
}

// The waits between attempts, where nobody says otherwise: they double from the first to the longest.
const (
	retryFirst = 5 * time.Second
	retryMost  = 30 * time.Minute
)

// PutOff makes a task due again after a temporary error, and returns TaskDue; or it changes nothing and returns the state in which
// the task ends, if the next attempt would come after its deadline or be one more than there may be.
func (t *Task) PutOff(how Terms, cause error, now time.Time) TaskState {
	wait, given := LaterBy(cause)
	wait = max(wait, retryFirst) // a server that asks for no wait at all would be asked once a second for a day
	if !given {
		for n := 1; n < t.Attempts-t.Before && wait < retryMost; n++ {
			wait *= 2
		}
		wait = min(wait, retryMost)
		wait += time.Duration(float64(wait) * t.jitter())
	}
	at := now.Add(max(wait.Round(time.Millisecond), time.Second))
	if at.After(t.Deadline) || how.Spent(t) {
		if IsUnknown(cause) {
			return TaskUnknown
		}
		return TaskFailed
	}
	t.State, t.NotBefore, t.Changed, t.Error = TaskDue, at, now, cause.Error()
	t.Tried(Try{N: t.Attempts, At: now, Result: resultOf(cause), Error: t.Error})
	return TaskDue
}

func resultOf(err error) string {
	switch {
	case IsUnknown(err):
		return string(TaskUnknown)
	case IsDown(err):
		return TryDown
	}
	return TryTemporary
}

// jitter is between -0.2 and 0.2, and the same each time for one attempt of a task.
func (t *Task) jitter() float64 {
	id := NewID(time.Time{}, 0, t.ID.String(), fmt.Sprint(t.Attempts))
	return float64(binary.BigEndian.Uint16(id[8:]))/65535*0.4 - 0.2
}

// LetGo ends a hold. The time for which a retry was held is no time in which it was tried.
func (t *Task) LetGo(now time.Time) {
	if t.Held != nil && !t.Deadline.IsZero() {
		t.Deadline = t.Deadline.Add(now.Sub(t.Held.Since))
	}
	t.Held = nil
}
