package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
)

// A Publisher publishes notices. It returns nil when all of them are stored on the other side; publishing one
// again must store nothing new (Notice.ID is the same each time).
type Publisher interface {
	Publish(ctx context.Context, notices []engine.Notice) error
}

// Config is what a Runner needs. Stores, Catalog, Compile, Publisher and Dead must be set.
type Config struct {
	Stores  engine.Stores
	Catalog *engine.Catalog
	// Compile makes a workflow of the source text of a version that is not in force any more.
	Compile   func(ctx context.Context, location, id string, source []byte) (*engine.Workflow, error)
	Publisher Publisher
	// Dead sends an event, as it was received, to the dead letters. Sending one twice must store it once.
	Dead func(ctx context.Context, ev engine.Event, reason string) error
	// AccessLost, if set, is called in the commit in which a contact loses the last offer or product. It may be called
	// again for one loss, and its error fails the commit.
	AccessLost func(tx engine.Tx, location string, contact engine.ID, now time.Time) error

	// CaughtUp, if set, is closed once the events that came while nothing ran are handled. Until then no timer fires: one of
	// them may be what a run waits for, or what an absence is about.
	CaughtUp <-chan struct{}

	Now    func() time.Time // default time.Now
	Logger zerolog.Logger
	Meter  func(location string) Meter // may be nil

	Channels map[string]Channel // by kind of task; what is not set is DefaultChannel of the kind
	Dedup    time.Duration      // how long an event's identity is remembered; default 90 days
	History  time.Duration      // how long runs, tasks and decisions that are over are kept; default 90 days
	Linger   time.Duration      // how long results wait for others to share a commit; default 15 ms, which with the commit itself stays under 25
	Grace    time.Duration      // how long sends may go on after Run was told to end; default 5 s
	Poll     time.Duration      // how often the clock is looked at, lest it jumps; default 1 s

	timersAtOnce int // how many timers are read from the store at once
}

// A Meter is told what was done, after the commit that holds it. Its methods must be quick, and may be called by many
// goroutines at once.
type Meter interface {
	// Event tells what became of an event: "started", "moved", "pending" (gathered, or the beginning of an absence) or
	// "matched nothing", "duplicate" or "dead".
	Event(trigger, result string)
	// Run tells that a run has "started", or is in a state that is over.
	Run(state engine.RunState)
	// Message tells that an attempt begins (sending) and how many links it minted, that it will be tried again (due), that
	// nobody knows how it ended (unknown), or which other end the message came to.
	Message(channel string, state engine.TaskState, links int)
	// Late tells how long after its time a timer fired.
	Late(time.Duration)
}

// A Channel is how tasks of one kind are carried out.
type Channel struct {
	Workers int // how many attempts go on at once
	Ahead   int // how many more are made ready meanwhile
	// What a step may set for its own tasks.
	RetryFor  time.Duration    // how long after the first attempt a temporary error is tried again
	Timeout   time.Duration    // of one attempt
	OnUnknown engine.OnUnknown // what becomes of an unknown outcome; default UnknownResend
	// Probe is how long a channel that went down waits before one message tries it again; it doubles to twelve times that.
	Probe time.Duration
}

// DefaultChannel returns the channel of a kind that is not configured. An SMS costs money and cannot be
// recognised as a copy, so few are made ready ahead and an unknown outcome is not sent again.
// The requests of webhooks go to several servers, of which one may be slow: many go on at once, and few wait behind
// them, since their signatures must be fresh when they leave.
func DefaultChannel(kind string) Channel {
	c := Channel{Workers: 8, Ahead: 64, RetryFor: 24 * time.Hour, Timeout: 15 * time.Minute, OnUnknown: engine.UnknownResend, Probe: probeFirst}
	switch kind {
	case "sms":
		c.Workers, c.Ahead, c.RetryFor, c.Timeout, c.OnUnknown = 4, 8, 4*time.Hour, time.Minute, engine.UnknownHold
	case "webhook":
		c.Workers, c.Ahead, c.Timeout = 32, 32, 20*time.Second
	case "notify": // over the same server as the learners' mails, which matter more
		c.Workers, c.Ahead = 2, 8
	}
	return c
}

func (c *Config) complete() error {
	switch {
	case c.Stores == nil:
		return errors.New("runner: no stores")
	case c.Catalog == nil:
		return errors.New("runner: no catalog")
	case c.Compile == nil:
		return errors.New("runner: no compiler")
	case c.Publisher == nil:
		return errors.New("runner: no publisher")
	case c.Dead == nil:
		return errors.New("runner: no dead letters")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	setDefault(&c.Dedup, 90*24*time.Hour)
	setDefault(&c.History, 90*24*time.Hour)
	setDefault(&c.Linger, 15*time.Millisecond)
	setDefault(&c.Grace, 5*time.Second)
	setDefault(&c.Poll, time.Second)
	if c.timersAtOnce == 0 {
		c.timersAtOnce = timersAtOnce
	}
	return c.completeChannels()
}

// completeChannels gives every action of the catalog a channel.
func (c *Config) completeChannels() error {
	channels := maps.Clone(c.Channels)
	if channels == nil {
		channels = map[string]Channel{}
	}
	for kind, ch := range channels {
		if c.Catalog.Actions[kind] == nil {
			return fmt.Errorf("runner: channel %q has no action", kind)
		}
		d := DefaultChannel(kind)
		if ch.Workers <= 0 {
			ch.Workers = d.Workers
		}
		if ch.Ahead <= 0 {
			ch.Ahead = d.Ahead
		}
		setDefault(&ch.RetryFor, d.RetryFor)
		setDefault(&ch.Timeout, d.Timeout)
		setDefault(&ch.Probe, d.Probe)
		if ch.OnUnknown == "" {
			ch.OnUnknown = d.OnUnknown
		}
		channels[kind] = ch
	}
	for kind := range c.Catalog.Actions {
		if _, ok := channels[kind]; !ok {
			channels[kind] = DefaultChannel(kind)
		}
	}
	c.Channels = channels
	return nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}
