package runner

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/engine"
)

// A channel whose server cannot be reached, or refuses all that comes, is down: its tasks stay due, and one at a time
// tries whether it is up again. It is in memory only; after a restart the first few attempts find out.

const (
	probeFirst  = 5 * time.Second // by default, how long until the first try
	probeGrowth = 12              // how much longer the longest is
	downsMost   = 3               // errors in a row that concern the channel, after which it is down
	refillMost  = 6               // for how many times Probe it is filled again slowly
)

// A breaker is guarded by its channel's mu, but for open.
type breaker struct {
	open  atomic.Bool // the channel is down
	downs int         // errors in a row that concern the channel itself
	opens time.Time   // after such an error, the next attempt is made then

	reason        string    // the last such error
	downAt, upAt  time.Time // of the last time that it was down, by the runner's clock; upAt is zero while it lasts
	reachedAt     time.Time // when an attempt last reached the server, by the runner's clock
	refill        time.Time // when it came up again, until it is filled as usual
	refilled      int       // tasks started since
	probe         time.Duration
	probeDeferred time.Duration // what opens was set by
}

// room returns how many of n may be started now; busy are those that go on or are about to. After an error that concerns
// the channel one is, and when it is up again they get more with time: a server that was down is not met by all that
// gathered meanwhile.
func (b *breaker) room(n, busy int, now time.Time) int {
	if b.downs > 0 {
		if now.Before(b.opens) || busy > 0 {
			return 0
		}
		return min(n, 1)
	}
	if b.refill.IsZero() {
		return n
	}
	n = max(0, min(n, b.filled(now)-b.refilled))
	b.refilled += n
	if now.Sub(b.refill) > refillMost*b.probe {
		b.refill = time.Time{}
	}
	return n
}

// filled returns how many tasks may have been started since the channel came up: fifty a second, doubling with each Probe of 5 s.
func (b *breaker) filled(now time.Time) int {
	x := float64(now.Sub(b.refill)) / float64(b.probe)
	return 1 + int(50*5/math.Ln2*(math.Exp2(min(x, refillMost))-1))
}

// opening returns how long nothing can be started; 0 if something can.
func (b *breaker) opening(now time.Time) time.Duration {
	switch {
	case b.downs > 0:
		return max(0, b.opens.Sub(now))
	case !b.refill.IsZero() && b.filled(now) <= b.refilled:
		return max(time.Millisecond, b.probe/200)
	}
	return 0
}

// shut reports whether the channel had such an error and is not to be tried yet.
func (b *breaker) shut(now time.Time) bool { return b.downs > 0 && now.Before(b.opens) }

// failed notes an error that concerns the channel, and reports whether it is down by that.
func (b *breaker) failed(err error, now, wall time.Time) (changed bool) {
	b.reason = err.Error()
	if now.Before(b.opens) {
		return false // one of those that were going on when another failed
	}
	if b.downs++; b.downs == 1 {
		b.downAt, b.upAt = wall, time.Time{}
	}
	b.probeDeferred = b.probe / 5
	if b.downs >= downsMost {
		b.probeDeferred = backoff(b.downs-downsMost+1, b.probe, probeGrowth*b.probe)
		changed = !b.open.Swap(true)
	}
	b.opens = now.Add(b.probeDeferred)
	return changed
}

// reached notes that the server answered, and reports whether the channel is up by that.
func (b *breaker) reached(now, wall time.Time) (changed bool) {
	b.reachedAt = wall
	if b.downs == 0 {
		return false
	}
	b.downs, b.opens, b.upAt = 0, time.Time{}, wall
	if changed = b.open.Swap(false); changed {
		b.refill, b.refilled = now, 0
	}
	return changed
}

// unclear notes an attempt that was broken off, which says nothing of the server.
func (b *breaker) unclear(now time.Time) {
	if b.downs > 0 && !now.Before(b.opens) {
		b.opens = now.Add(b.probeDeferred)
	}
}

// outage returns for how long between from and to the channel was down.
func (c *channel) outage(from, to time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.downAt.IsZero() {
		return 0
	}
	if c.downAt.After(from) {
		from = c.downAt
	}
	if !c.upAt.IsZero() && c.upAt.Before(to) {
		to = c.upAt
	}
	return max(0, to.Sub(from))
}

// reachedSince reports whether an attempt reached the server after t.
func (c *channel) reachedSince(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reachedAt.After(t)
}

// A ChannelState is how one channel is.
type ChannelState struct {
	Location string    `json:"location"`
	Kind     string    `json:"kind"`
	Down     bool      `json:"down"`
	Since    time.Time `json:"since,omitzero"`   // when it went down
	Next     time.Time `json:"next,omitzero"`    // when it is tried again
	Reason   string    `json:"reason,omitempty"` // why it is down
}

// Channels returns how the channels of each location are, in their order.
func (r *Runner) Channels() (all []ChannelState) {
	for key, c := range r.channels {
		if key.location == "" || key.kind == "" {
			continue
		}
		all = append(all, r.state(c))
	}
	slices.SortFunc(all, func(a, b ChannelState) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// Channel returns how one channel is; one that is not there is not down.
func (r *Runner) Channel(location, kind string) ChannelState {
	c := r.channels[channelKey{location, kind}]
	if c == nil {
		return ChannelState{Location: location, Kind: kind}
	}
	return r.state(c)
}

func (r *Runner) state(c *channel) ChannelState {
	s := ChannelState{Location: c.location, Kind: c.kind}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Down = c.open.Load(); s.Down {
		s.Since, s.Next, s.Reason = c.downAt, r.cfg.Now().Add(time.Until(c.opens)), c.reason
	}
	return s
}

// concernsChannel reports whether an attempt's error is no fault of its task, so that it does not count: the channel had none, or it
// was reached by no other task since this one met the same.
func (s *scope) concernsChannel(res result, t *engine.Task) bool {
	if !engine.IsDown(res.err) {
		return false
	}
	n := len(t.Tries)
	return n == 0 || t.Tries[n-1].Result != engine.TryDown || !res.ch.reachedSince(t.Tries[n-1].At)
}
