package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"latchkey/engine"
)

// A channel carries out the attempts of one kind of task. Attempts are made ready in batches, one commit for many, a few
// more than there are workers; so a channel at its limit costs few commits and an idle one starts at once.
type channel struct {
	Channel
	kind     string
	action   engine.Action
	attempts chan *attempt // room for Ahead, which are reserved before they are made

	mu      sync.Mutex
	waiting int       // reserved and not yet taken by a worker
	active  int       // with a worker
	downs   int       // errors in a row that concern the channel itself
	opens   time.Time // a channel that is down is tried again then, with one attempt
}

func newChannel(kind string, c Channel, a engine.Action) *channel {
	return &channel{Channel: c, kind: kind, action: a, attempts: make(chan *attempt, c.Ahead)}
}

// reserve returns how many of n ready tasks may be started now: none while workers have enough, else all that there is
// room for. A channel that is down gets one at a time.
func (c *channel) reserve(n int, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting > c.Workers || c.waiting >= c.Ahead {
		return 0
	}
	room := c.Ahead - c.waiting
	if c.downs > 0 {
		if now.Before(c.opens) || c.waiting+c.active > 0 {
			return 0
		}
		room = 1
	}
	n = min(n, room)
	c.waiting += n
	return n
}

// giveBack returns reservations that were not used.
func (c *channel) giveBack(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting -= n
}

// opening returns how long a channel that is down stays shut; 0 if it is open.
func (c *channel) opening(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.downs == 0 {
		return 0
	}
	return max(0, c.opens.Sub(now))
}

// took notes that a worker took an attempt. It reports whether more should be made ready, and whether the channel is shut,
// having gone down since this one was.
func (c *channel) took(now time.Time) (more, shut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	c.active++
	return c.waiting <= c.Workers, c.downs > 0 && now.Before(c.opens)
}

// ended notes an attempt's outcome, and reports whether the channel changed between up and down.
func (c *channel) ended(err error, now time.Time) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
	if errors.Is(err, errUntried) {
		return false
	}
	if !engine.IsDown(err) {
		changed = c.downs > 0
		c.downs = 0
		return changed
	}
	if now.Before(c.opens) {
		return false // one of those that were going on when it went down
	}
	c.downs++
	c.opens = now.Add(backoff(c.downs, time.Second, 30*time.Second))
	return c.downs == 1
}

// An attempt is a task that was started, with what its action made ready.
type attempt struct {
	item
	p    *partition
	call engine.Call
	made engine.Attempt
}

// A result is an attempt that is over.
type result struct {
	*attempt
	receipt engine.Receipt
	err     error
	at      time.Time
}

// errUntried is the result of an attempt that was started and not carried out, because Run ended, its channel went down or its
// workflow or all sending was paused.
var errUntried = errors.New("not carried out")

// work carries out attempts until there are no more. When loops has ended or the channel is down, those not begun are handed
// back, and keep their contact's lane; drain ends those that go on.
func (r *Runner) work(loops, drain context.Context, ch *channel) {
	for a := range ch.attempts {
		more, shut := ch.took(time.Now())
		if more {
			r.wakeAll()
		}
		res := result{attempt: a, err: errUntried}
		if loops.Err() == nil && !shut && !a.place.stopped(a.call.Task.Workflow) {
			res.receipt, res.err = perform(drain, ch.action, a)
		}
		if ch.ended(res.err, time.Now()) {
			r.reportChannel(ch, res.err)
		}
		p := a.p
		res.at = time.Now()
		p.mu.Lock()
		p.results = append(p.results, res)
		if !errors.Is(res.err, errUntried) {
			p.leave(a.item)
		}
		p.mu.Unlock()
		signal(p.settle)
		signal(p.wake)
	}
}

func (r *Runner) reportChannel(ch *channel, err error) {
	if engine.IsDown(err) {
		r.cfg.Logger.Error().Str("channel", ch.kind).Err(err).Msg("channel is down, its messages wait")
		return
	}
	r.cfg.Logger.Info().Str("channel", ch.kind).Msg("channel is up again")
	r.wakeAll()
}

func (r *Runner) wakeAll() {
	for _, p := range r.parts {
		signal(p.wake)
	}
}

// perform has the effect. After a panic nobody knows whether it happened.
func perform(ctx context.Context, a engine.Action, at *attempt) (rec engine.Receipt, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = engine.Unknown(fmt.Errorf("action %s panicked: %v\n%s", at.call.Task.Kind, v, debug.Stack()))
		}
	}()
	return a.Perform(ctx, at.call, at.made)
}
