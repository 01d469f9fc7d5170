package runner

import (
	"bytes"
	"context"
	"time"

	"latchkey/engine"
)

const (
	sweepEvery = time.Hour
	sweepMost  = 500 // records of one commit
)

const day = 24 * time.Hour

// sweep forgets, a day (UTC) at a time, what was over before History: nothing younger leaves, and nothing that was over for a day
// longer stays. Identities of events are forgotten as new events come.
func (r *Runner) sweep(ctx context.Context, p *partition) {
	for {
		now := r.cfg.Now()
		before := now.Add(-r.cfg.History).Truncate(day)
		if !nap(ctx, min(sweepEvery, before.Add(r.cfg.History+day).Sub(now)+time.Millisecond)) {
			return
		}
		r.sweepBefore(ctx, p, r.cfg.Now().Add(-r.cfg.History).Truncate(day))
	}
}

// sweepBefore removes what was over before a time, of one location after the other.
func (r *Runner) sweepBefore(ctx context.Context, p *partition, before time.Time) {
	for _, location := range r.locations() {
		for _, space := range []engine.Space{engine.SpaceDecisions, engine.SpaceRuns, engine.SpaceTasks} {
			if err := r.forget(ctx, p, space, location, before); err != nil {
				if ctx.Err() == nil && !r.fail(err) {
					r.cfg.Logger.Error().Err(err).Msg("old history is not removed, trying again later")
				}
				break
			}
		}
	}
}

// forget deletes the records of a space that were over before a time, few at a time so that others are not held up. Their
// keys are in the order of when they began.
func (r *Runner) forget(ctx context.Context, p *partition, space engine.Space, location string, before time.Time) error {
	oldest := engine.NewID(before, 0)
	from, to := engine.Key(location), engine.Key(location, oldest[:8])
	for from != nil {
		var old [][]byte
		var next []byte
		err := p.store.View(ctx, func(tx engine.Tx) error {
			old, next = nil, nil
			seen := 0
			tx.Scan(space, from, to, func(k, v []byte) bool {
				if seen++; seen > 4*sweepMost || len(old) == sweepMost {
					next = bytes.Clone(k)
					return false
				}
				if overSince(space, v).Before(before) {
					old = append(old, bytes.Clone(k))
				}
				return true
			})
			return nil
		})
		if err != nil {
			return err
		}
		if len(old) > 0 {
			err = p.store.Update(ctx, func(tx engine.Tx) error {
				for _, k := range old {
					tx.Delete(space, bytes.Clone(k))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		from = next
	}
	return nil
}

// overSince returns when a record that is old by its key was over: a run may have gone on long after it began. The zero time
// stands for one that cannot be read.
func overSince(space engine.Space, v []byte) (at time.Time) {
	switch space {
	case engine.SpaceRuns:
		if run, err := engine.DecodeRun(v); err == nil {
			at = run.Ended
		}
	case engine.SpaceTasks:
		if t, err := engine.DecodeTask(v); err == nil {
			at = t.Changed
		}
	}
	return at
}
