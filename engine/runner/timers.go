package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
)

// Timers are in the store, in the order of time (engine.SpaceTimers). In memory is only what comes next: a partition holds
// every timer up to its horizon and reads on when it gets there. So a million waiting runs cost no more memory, and a start
// no more time, than a few thousand.
//
// A timer may be in memory twice, or after it was set to another time: firing looks at the record that it is of.
const (
	timersAtOnce = 8192               // read in one go; Config's own, so that a test can do with few
	readAhead    = time.Second        // how long before its time the first one beyond the horizon is read
	overdueBy    = time.Minute        // how late a timer must be, when Run begins, to go out spread with the others
	overdueSlot  = 5                  // milliseconds from one overdue timer to the next: 200 a second
	overdueAhead = 1000 * overdueSlot // how long before the last of those that were read goes out the next are read
	overduePart  = 1024               // overdue ones are read so many at once, or fewer
	indexPart    = 4096               // active runs looked at in one commit, when a store gets its index
)

// noHorizon says that no timer is in the store alone.
var noHorizon = func() (p engine.TimerPlace) {
	for i := range p {
		p[i] = 0xff
	}
	p[0] = 0x7f // the last time that there is
	return p
}()

// A timer is one in memory.
type timer struct {
	id    engine.ID // of what kind says
	place *place
	due   int64 // Unix milliseconds; it may have been put off beyond that
	kind  engine.TimerKind
}

func (t timer) at() engine.TimerPlace {
	return engine.Timer{Due: time.UnixMilli(t.due), Kind: t.kind, ID: t.id}.Place()
}

// A backlog is the timers that were overdue when Run began, those of them that are not in memory yet.
type backlog struct {
	from, to engine.TimerPlace // from is to when there are none
	slot     int64             // when the next one goes out, Unix milliseconds
}

// spread is how long after the first the i-th of many overdue timers fires, in milliseconds.
func spread(i int) int64 { return int64(i) * overdueSlot }

// loadTimers begins with the timers of a store: those long overdue, because nothing ran for a while, go out spread.
func (r *Runner) loadTimers(ctx context.Context, p *partition) error {
	if err := r.indexTimers(ctx, p); err != nil {
		return fmt.Errorf("make the index of timers: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now(r.cfg.Now())
	p.horizon = engine.TimerPlaceAt(time.UnixMilli(now).Add(-overdueBy))
	p.overdue = backlog{to: p.horizon, slot: now}
	return r.readTimers(ctx, p, now)
}

// indexTimers makes the index of a store that was written before there was one.
func (r *Runner) indexTimers(ctx context.Context, p *partition) error {
	known := false
	err := p.store.View(ctx, func(tx engine.Tx) error {
		_, known = engine.WaitingRuns(tx)
		return nil
	})
	var next []byte
	for err == nil && !known {
		from := next
		err = p.store.Update(ctx, func(tx engine.Tx) error {
			next = engine.IndexTimers(tx, from, indexPart, func(key []byte, err error) {
				r.cfg.Logger.Error().Err(err).Hex("key", key).Msg("run passed over")
			})
			return nil
		})
		known = next == nil
	}
	return err
}

// readTimers reads from the store what is soon due. The caller holds mu, so that what is committed meanwhile is either seen
// here or queued after, by the horizon that is then.
func (r *Runner) readTimers(ctx context.Context, p *partition, now int64) error {
	if b := &p.overdue; b.from != b.to && b.slot-now <= overdueAhead {
		ts, upTo, err := r.timersBetween(ctx, p, b.from, b.to, min(overduePart, r.cfg.timersAtOnce))
		if err != nil {
			return err
		}
		b.slot = max(b.slot, now)
		for _, t := range ts {
			p.timers.push(b.slot, t)
			b.slot += overdueSlot
		}
		b.from = upTo
	}
	for p.horizon != noHorizon && p.wantsTimers(now, r.cfg.timersAtOnce/4) {
		ts, upTo, err := r.timersBetween(ctx, p, p.horizon, noHorizon, r.cfg.timersAtOnce)
		if err != nil {
			return err
		}
		for _, t := range ts {
			p.timers.push(t.due, t)
		}
		p.horizon = upTo
	}
	return nil
}

// wantsTimers reports whether it is time to read on: few are left. While there are timers to fire that are before the
// horizon, those beyond it can wait.
func (p *partition) wantsTimers(now int64, few int) bool {
	return p.timers.len() < few || !p.timers.due(now) && p.horizon.Due().UnixMilli() <= now+readAhead.Milliseconds()
}

// timersBetween returns, in order, all timers in [from, upTo), where upTo is to or less: of many only about limit.
func (r *Runner) timersBetween(ctx context.Context, p *partition, from, to engine.TimerPlace, limit int) (ts []timer, upTo engine.TimerPlace, err error) {
	err = p.store.View(ctx, func(tx engine.Tx) error {
		ts, upTo = make([]timer, 0, min(limit, 1024)), to
		locations := engine.TimerLocations(tx)
		for _, location := range locations {
			pl, left := r.place(location), limit/len(locations)+1
			err := engine.Timers(tx, location, from, upTo, func(t engine.Timer) bool {
				if left--; left < 0 {
					upTo = t.Place()
					return false
				}
				ts = append(ts, timer{t.ID, pl, dueMilli(t.Due), t.Kind})
				return true
			})
			if err != nil {
				r.cfg.Logger.Error().Err(err).Str("location", location).Msg("timer passed over")
			}
		}
		return nil
	})
	if err != nil {
		return nil, from, fmt.Errorf("read timers: %w", err)
	}
	ts = slices.DeleteFunc(ts, func(t timer) bool { return t.at().Compare(upTo) >= 0 })
	slices.SortFunc(ts, func(a, b timer) int { return a.at().Compare(b.at()) })
	return ts, upTo, nil
}

// addTimer queues a timer that was stored, unless it is beyond the horizon. The caller holds mu.
func (p *partition) addTimer(t timer, atOnce int) {
	if t.at().Compare(p.horizon) >= 0 {
		return
	}
	p.timers.push(t.due, t)
	if p.timers.len() > max(8*atOnce, p.shrinkAt) {
		p.shrink(2 * atOnce)
	}
}

// shrink keeps about so many timers and leaves the later ones to the store, but for those that were put off.
func (p *partition) shrink(keep int) {
	var plain []engine.TimerPlace
	for _, s := range p.timers.es {
		if s.at == s.what.due {
			plain = append(plain, s.what.at())
		}
	}
	if len(plain) > keep {
		slices.SortFunc(plain, engine.TimerPlace.Compare)
		p.horizon = plain[keep]
		all := p.timers.es
		p.timers.es = nil
		for _, s := range all {
			if s.at != s.what.due || s.what.at().Compare(p.horizon) < 0 {
				p.timers.push(s.at, s.what)
			}
		}
	}
	p.shrinkAt = 2 * p.timers.len()
}

// queueTimer has a timer that was stored (engine.SetTimer) fire when its time has come; a zero one never does.
func (s *scope) queueTimer(location string, kind engine.TimerKind, id engine.ID, due time.Time) {
	if !due.IsZero() {
		s.timers = append(s.timers, timer{id, s.r.place(location), dueMilli(due), kind})
	}
}

// dropTimer forgets a timer that its record does not ask for any more.
func (s *scope) dropTimer(t timer) {
	engine.SetTimer(s.tx, t.place.id, t.kind, t.id, time.UnixMilli(t.due), time.Time{})
}

// unreadTimers reports whether there may be timers to fire that are not in memory. The caller holds mu.
func (p *partition) unreadTimers(now int64) bool {
	return p.horizon.Due().UnixMilli() <= now || p.overdue.from != p.overdue.to && p.overdue.slot <= now
}
