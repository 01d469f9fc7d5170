package runner

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"latchkey/engine"
)

// The pause of a location's sending is stored in SpaceMeta of the global partition: key "pause " location, value version (1) and
// fields: 1 since, 2 reason. Events enrol and waits go on meanwhile, and results are stored; no task begins.

func pauseKey(location string) []byte { return []byte("pause " + location) }

func loadPause(tx engine.Tx, location string) (*engine.Pause, error) {
	b := tx.Get(engine.SpaceMeta, pauseKey(location))
	if b == nil {
		return nil, nil
	}
	if len(b) == 0 || b[0] != 1 {
		return nil, fmt.Errorf("pause of %s: %w", location, engine.ErrRecord)
	}
	var p engine.Pause
	r := engine.FieldReader{Rest: b[1:]}
	for r.Next() {
		switch r.Tag {
		case 1:
			p.Since = r.Time()
		case 2:
			p.Reason = r.Text()
		}
	}
	return &p, r.Err
}

func savePause(tx engine.Tx, location string, p *engine.Pause) error {
	w := engine.FieldWriter{B: []byte{1}}
	w.Time(1, p.Since)
	w.Text(2, p.Reason)
	tx.Put(engine.SpaceMeta, pauseKey(location), w.B)
	return w.Err
}

// Pause holds all that the location is to send, until Resume, over restarts too. When it returns, no task begins any more, and
// those that were made ready and not begun are handed back; what is with a server already goes on. A location that is paused
// already keeps since when, and its reason if none is given. Returns the store's error; then it may be paused or not, and Paused tells.
func (r *Runner) Pause(ctx context.Context, location, reason string) (engine.Pause, error) {
	wall := r.cfg.Now()
	return r.setPause(ctx, location, func(tx engine.Tx) (*engine.Pause, error) {
		p, err := loadPause(tx, location)
		if err != nil || p == nil {
			p = &engine.Pause{Since: engine.Tick(tx, wall)}
		}
		p.Reason = cmp.Or(reason, p.Reason)
		return p, savePause(tx, location, p)
	})
}

// Resume ends the pause: what is overdue goes out spread, and expires if it was held for longer than its workflow's hold limit. It
// returns the pause that it ended, which is zero if there was none. Returns the store's error; then nothing has changed.
func (r *Runner) Resume(ctx context.Context, location string) (engine.Pause, error) {
	var was *engine.Pause
	_, err := r.setPause(ctx, location, func(tx engine.Tx) (*engine.Pause, error) {
		was, _ = loadPause(tx, location) // one that cannot be read is ended too
		if tx.Get(engine.SpaceMeta, pauseKey(location)) != nil {
			tx.Delete(engine.SpaceMeta, pauseKey(location))
		}
		return nil, nil
	})
	if err != nil || was == nil {
		return engine.Pause{}, err
	}
	for _, p := range r.parts {
		p.release(r.place(location), false, r.cfg.Now())
	}
	r.cfg.Logger.Info().Str("location", location).Str("after", r.cfg.Now().Sub(was.Since).Round(time.Second).String()).Msg("sending goes on")
	return *was, nil
}

// setPause stores what change makes of a location's pause, and lets it count when it is stored. Changes come one at a time.
func (r *Runner) setPause(ctx context.Context, location string, change func(engine.Tx) (*engine.Pause, error)) (engine.Pause, error) {
	r.pausing.Lock()
	defer r.pausing.Unlock()
	var next *engine.Pause
	err := r.cfg.Stores.Global().Update(ctx, func(tx engine.Tx) (err error) {
		next, err = change(tx)
		return err
	})
	if err != nil {
		return engine.Pause{}, fmt.Errorf("pause or resume %s: %w", location, err)
	}
	r.place(location).pause.Store(next)
	if next == nil {
		return engine.Pause{}, nil
	}
	for _, p := range r.parts { // what began before it saw the pause is stored now
		if err := p.store.Update(ctx, func(engine.Tx) error { return nil }); err != nil {
			return *next, fmt.Errorf("pause %s: %w", location, err)
		}
	}
	r.cfg.Logger.Warn().Str("location", location).Str("reason", next.Reason).Msg("sending is paused")
	return *next, nil
}

// Paused returns the pause of a location's sending, or nil if there is none. It is known once Ready is closed.
func (r *Runner) Paused(location string) *engine.Pause { return r.place(location).pause.Load() }

// loadPauses has the pauses of earlier instances count.
func (r *Runner) loadPauses(ctx context.Context) error {
	return r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) error {
		for _, location := range r.locations() {
			p, err := loadPause(tx, location)
			if err != nil { // better to hold all than to send what was to be held
				r.cfg.Logger.Error().Err(err).Str("location", location).Msg("sending stays paused")
				p = &engine.Pause{Since: engine.LastTick(tx)}
			}
			if p != nil {
				r.place(location).pause.Store(p)
				r.cfg.Logger.Warn().Str("location", location).Time("since", p.Since).Str("reason", p.Reason).Msg("sending is paused")
			}
		}
		return nil
	})
}
