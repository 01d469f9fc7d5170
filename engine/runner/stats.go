package runner

import (
	"context"
	"slices"
	"time"

	"latchkey/engine"
)

// Stats is what a Runner is doing.
type Stats struct {
	Waiting int `json:"waiting"` // runs that wait for a time, but those held
	Due     int `json:"due"`     // tasks to be attempted now
	Later   int `json:"later"`   // tasks that wait for their time to be tried again
	Held    int `json:"held"`    // tasks and timers of paused or missing workflows, and all tasks while sending is paused
	Gated   int `json:"gated"`   // those of Later that wait for their workflow's window or limit
	Sending int `json:"sending"` // attempts going on
}

// Stats returns what the runner is doing now.
func (r *Runner) Stats() Stats {
	var sum Stats
	for _, st := range r.StatsOf() {
		sum.Waiting += st.Waiting
		sum.Due += st.Due
		sum.Later += st.Later
		sum.Held += st.Held
		sum.Gated += st.Gated
		sum.Sending += st.Sending
	}
	return sum
}

// StatsOf returns what the runner is doing now, by location. Those with nothing to do may be left out.
func (r *Runner) StatsOf() map[string]Stats {
	of := statsOf{}
	for _, p := range r.parts {
		// A store that is closed or lost has nothing to tell.
		_ = p.store.View(context.Background(), func(tx engine.Tx) error {
			waiting, _ := engine.WaitingRuns(tx)
			for location, n := range waiting {
				of.add(location, func(s *Stats) { s.Waiting += n })
			}
			return nil
		})
		of.queues(p)
	}
	out := make(map[string]Stats, len(of))
	for location, s := range of {
		s.Waiting = max(s.Waiting, 0)
		out[location] = *s
	}
	return out
}

type statsOf map[string]*Stats

func (of statsOf) add(location string, fn func(*Stats)) {
	s := of[location]
	if s == nil {
		s = &Stats{}
		of[location] = s
	}
	fn(s)
}

// queues adds what a partition has in memory.
func (of statsOf) queues(p *partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.heldTimers {
		of.add(t.place.id, func(s *Stats) {
			s.Held++
			if t.kind == engine.TimerRun {
				s.Waiting--
			}
		})
	}
	for _, e := range p.later.es {
		of.add(e.what.place.id, func(s *Stats) {
			s.Later++
			if e.what.gated {
				s.Gated++
			}
		})
	}
	for _, it := range p.heldTasks {
		of.add(it.place.id, func(s *Stats) { s.Held++ })
	}
	for pl, n := range p.inHand {
		of.add(pl.id, func(s *Stats) { s.Sending += n })
	}
	for _, q := range p.ready {
		for _, it := range slices.Concat(q.items[q.head:], q.returned) {
			of.add(it.place.id, func(s *Stats) { s.Due++ })
		}
	}
	for _, l := range p.lanes {
		for _, it := range l.behind {
			of.add(it.place.id, func(s *Stats) { s.Due++ })
		}
	}
}

// Idle returns when nothing is due now: no event that is being handled, no task, timer, result or notice. It returns ctx's error if it ends first.
func (r *Runner) Idle(ctx context.Context) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		if r.idle() {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Runner) idle() bool {
	select {
	case <-r.ready:
	default:
		return false
	}
	select {
	case <-r.handling: // an offset can be seen before what its events caused is queued
		r.unlock()
	default:
		return false
	}
	for _, p := range r.parts {
		if !p.idle(p.now(r.cfg.Now())) {
			return false
		}
	}
	return true
}

func (p *partition) idle(now int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy := len(p.inHand) > 0 || p.unread || p.publishing || len(p.lanes) > 0 || p.timers.due(now) || p.unreadTimers(now) || p.later.due(now)
	for _, q := range p.ready {
		busy = busy || q.len() > 0
	}
	return !busy
}
