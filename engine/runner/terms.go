package runner

import (
	"context"
	"time"

	"latchkey/engine"
)

// Terms are how the attempts of one task go: as its step says, else as its channel does.
type terms struct {
	retryFor time.Duration
	attempts int           // at most; 0 is no limit
	timeout  time.Duration // of one attempt; 0 is none
	hold     bool          // an unknown outcome is not tried again
}

// terms returns those of a step; nil is one that cannot be had.
func (c *channel) terms(s *engine.Step) terms {
	t := terms{retryFor: c.RetryFor, timeout: c.Timeout, hold: c.OnUnknown == engine.UnknownHold}
	if s == nil {
		return t
	}
	setPositive(&t.retryFor, s.Retry.For)
	setPositive(&t.timeout, s.Timeout)
	t.attempts = s.Retry.Attempts
	if s.OnUnknown != "" {
		t.hold = s.OnUnknown == engine.UnknownHold
	}
	return t
}

func setPositive(d *time.Duration, v time.Duration) {
	if v > 0 {
		*d = v
	}
}

// spent reports whether a task was tried as often as it may be.
func (t terms) spent(k *engine.Task) bool { return t.attempts > 0 && k.Attempts-k.Before >= t.attempts }

// step returns the step that made a task, in the version that its run is pinned to, or nil if it cannot be had.
func (r *Runner) step(ctx context.Context, t *engine.Task) *engine.Step {
	k := versionKey{t.Location, t.Workflow, t.Version}
	w := r.versions.get(k)
	if w == nil {
		if err := r.versions.load(ctx, r, k); err != nil {
			return nil
		}
		w = r.versions.get(k)
	}
	return engine.StepAt(w.Steps, t.Step)
}
