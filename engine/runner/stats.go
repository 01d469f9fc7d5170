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
	var st Stats
	for _, p := range r.parts {
		waiting := 0
		// A store that is closed or lost has nothing to tell.
		_ = p.store.View(context.Background(), func(tx engine.Tx) error {
			waiting, _ = engine.WaitingRuns(tx)
			return nil
		})
		p.mu.Lock()
		for _, t := range p.heldTimers {
			if t.kind == engine.TimerRun {
				waiting--
			}
		}
		st.Waiting += max(waiting, 0)
		st.Later += p.later.len()
		for _, n := range p.gated {
			st.Gated += n
		}
		st.Held += len(p.heldTasks) + len(p.heldTimers)
		st.Sending += p.inHand
		for _, q := range p.ready {
			st.Due += q.len()
		}
		for _, l := range p.lanes {
			st.Due += len(l.behind)
		}
		p.mu.Unlock()
	}
	return st
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
	busy := p.inHand > 0 || p.unread || p.publishing || len(p.lanes) > 0 || p.timers.due(now) || p.unreadTimers(now) || p.later.due(now)
	for _, q := range p.ready {
		busy = busy || q.len() > 0
	}
	return !busy
}
