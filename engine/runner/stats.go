package runner

import (
	"context"
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
				of.at(location).Waiting += n
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

func (of statsOf) at(location string) *Stats {
	if of[location] == nil {
		of[location] = &Stats{}
	}
	return of[location]
}

// queues adds what a partition has in memory.
func (of statsOf) queues(p *partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.heldTimers {
		s := of.at(t.place.id)
		s.Held++
		if t.kind == engine.TimerRun {
			s.Waiting--
		}
	}
	for _, e := range p.later.es {
		s := of.at(e.what.place.id)
		s.Later++
		if e.what.gated {
			s.Gated++
		}
	}
	for _, it := range p.heldTasks {
		of.at(it.place.id).Held++
	}
	for pl, n := range p.inHand {
		of.at(pl.id).Sending += n
	}
	due := func(items []item) {
		for _, it := range items {
			of.at(it.place.id).Due++
		}
	}
	for _, q := range p.ready {
		due(q.items[q.head:])
		due(q.returned)
	}
	for _, l := range p.lanes {
		due(l.behind)
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
