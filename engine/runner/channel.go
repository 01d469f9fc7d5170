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

// A channel carries out the attempts of one kind of task in one location, since each location has servers of its own. Attempts are made ready in batches, one commit for many, a few
// more than there are workers; so a channel at its limit costs few commits and an idle one starts at once.
type channel struct {
	Channel
	channelKey
	action   engine.Action
	attempts chan *attempt // room for Ahead, which are reserved before they are made

	mu      sync.Mutex
	waiting int // reserved and not yet taken by a worker
	active  int // with a worker
	breaker
}

// A channelKey names a channel. Where the location was not configured when Run began it is "", and all such share it.
type channelKey struct{ location, kind string }

func (r *Runner) addChannel(key channelKey, c Channel, a engine.Action) {
	ch := &channel{Channel: c, channelKey: key, action: a, attempts: make(chan *attempt, c.Ahead), breaker: breaker{probe: c.Probe}}
	r.channels[key] = ch
	for _, p := range r.parts {
		p.ready[ch] = &fifo{}
	}
}

// addChannels gives a location its channels, unless it has them.
func (r *Runner) addChannels(location string) {
	for kind, c := range r.cfg.Channels {
		if key := (channelKey{location, kind}); r.channels[key] == nil {
			r.addChannel(key, c, r.cfg.Catalog.Actions[kind])
		}
	}
}

// channel returns the channel of a kind; a kind that the catalog does not have any more has one where its tasks fail.
func (r *Runner) channel(location, kind string) *channel {
	for _, key := range []channelKey{{location, kind}, {"", kind}} {
		if ch := r.channels[key]; ch != nil {
			return ch
		}
	}
	return r.channels[channelKey{}]
}

// reserve returns how many of n ready tasks may be started now: none while workers have enough, else all that there is
// room for.
func (c *channel) reserve(n int, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting > c.Workers || c.waiting >= c.Ahead {
		return 0
	}
	n = c.room(min(n, c.Ahead-c.waiting), c.waiting+c.active, now)
	c.waiting += n
	return n
}

// giveBack returns reservations that were not used.
func (c *channel) giveBack(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting -= n
}

// untilRoom returns how long a task that is ready has to wait for the channel to be up.
func (c *channel) untilRoom(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opening(now)
}

// took notes that a worker took an attempt. It reports whether more should be made ready, and whether the channel is shut,
// having gone down since this one was.
func (c *channel) took(now time.Time) (more, shut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	c.active++
	return c.waiting <= c.Workers, c.shut(now)
}

// ended notes an attempt's outcome, and reports whether the channel changed between up and down.
func (c *channel) ended(err error, brokenOff bool, now, wall time.Time) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
	switch {
	case errors.Is(err, errUntried):
		return false
	case engine.IsDown(err):
		return c.failed(err, now, wall)
	case brokenOff:
		c.unclear(now)
		return false
	}
	return c.reached(now, wall)
}

// An attempt is a task that was started, with what its action made ready.
type attempt struct {
	item
	p     *partition
	call  engine.Call
	made  engine.Attempt
	terms engine.Terms
	// As the task was before, for one that does not count.
	deadline time.Time
	links    int
	counts   bool // it is in its person's ledger of messages
}

// A result is an attempt that is over.
type result struct {
	*attempt
	receipt engine.Receipt
	err     error
	at      time.Time
}

// keepsLane reports whether the task may have to be tried before the next first attempt of its contact: it is settled
// whether this one counts.
func (res *result) keepsLane() bool { return errors.Is(res.err, errUntried) || engine.IsDown(res.err) }

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
		res, brokenOff := result{attempt: a, err: errUntried}, false
		if loops.Err() == nil && !shut && !a.place.stopped(a.call.Task.Workflow) {
			res.receipt, brokenOff, res.err = perform(drain, ch.action, a)
		}
		if ch.ended(res.err, brokenOff, time.Now(), r.cfg.Now()) {
			r.reportChannel(ch, res.err)
		}
		p := a.p
		res.at = time.Now()
		p.mu.Lock()
		p.results = append(p.results, res)
		if p.flying[a.contact]--; p.flying[a.contact] == 0 {
			delete(p.flying, a.contact)
		}
		if !res.keepsLane() {
			p.leave(a.item)
		}
		p.mu.Unlock()
		signal(p.settle)
		signal(p.wake)
	}
}

func (r *Runner) reportChannel(ch *channel, err error) {
	if engine.IsDown(err) {
		r.cfg.Logger.Error().Str("location", ch.location).Str("channel", ch.kind).Err(err).Msg("channel is down, its messages wait")
		for _, p := range r.parts {
			p.sidestepAll(ch)
		}
		return
	}
	r.cfg.Logger.Info().Str("location", ch.location).Str("channel", ch.kind).Msg("channel is up again")
	r.wakeAll()
}

func (r *Runner) wakeAll() {
	for _, p := range r.parts {
		signal(p.wake)
	}
}

// perform has the effect. After a panic nobody knows whether it happened. brokenOff says that it was told to end before it
// was done: by its timeout, which is told from the server's own by its being a cancellation, or by the end of the process.
func perform(ctx context.Context, a engine.Action, at *attempt) (rec engine.Receipt, brokenOff bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = engine.Unknown(fmt.Errorf("action %s panicked: %s\n%s", at.call.Task.Kind, engine.WithoutTokens(v), debug.Stack()))
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if d := at.terms.Timeout; d > 0 {
		t := time.AfterFunc(d, func() { cancel(fmt.Errorf("it took longer than its timeout of %s", d)) })
		defer t.Stop()
	}
	rec, err = a.Perform(ctx, at.call, at.made)
	return rec, err != nil && ctx.Err() != nil, err
}
