package runner

import (
	"context"

	"latchkey/engine"
)

// Terms returns how tasks of the channel are tried, where their steps do not say.
func (c Channel) Terms() engine.Terms {
	return engine.Terms{RetryFor: c.RetryFor, Timeout: c.Timeout, Hold: c.OnUnknown == engine.UnknownHold}
}

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
