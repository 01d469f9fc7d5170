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

// sweep forgets, now and then, what is older than History. Identities of events are forgotten as new events come.
func (r *Runner) sweep(ctx context.Context, p *partition) {
	for nap(ctx, sweepEvery) {
		before := r.cfg.Now().Add(-r.cfg.History)
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
}

// forget deletes the records of a space whose id is older than before, few at a time so that others are not held up.
func (r *Runner) forget(ctx context.Context, p *partition, space engine.Space, location string, before time.Time) error {
	oldest := engine.NewID(before, 0)
	from, to := engine.Key(location), engine.Key(location, oldest[:8])
	for {
		var old [][]byte
		err := p.store.View(ctx, func(tx engine.Tx) error {
			old = nil
			tx.Scan(space, from, to, func(k, _ []byte) bool {
				old = append(old, bytes.Clone(k))
				return len(old) < sweepMost
			})
			return nil
		})
		if err != nil || len(old) == 0 {
			return err
		}
		err = p.store.Update(ctx, func(tx engine.Tx) error {
			for _, k := range old {
				tx.Delete(space, k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
