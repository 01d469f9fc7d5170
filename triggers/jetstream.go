package triggers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"latchkey/engine"
)

// A Handler takes batches of events, one at a time.
type Handler interface {
	// Handle stores all that the events cause, and the batch's offset, in one commit, and returns nil only then. It
	// is given the same batch again after an error, and may be given events again that it has seen. A
	// batch has no events if all of its messages became dead letters.
	Handle(ctx context.Context, b engine.Batch) error
	// Offsets returns the offset that was last stored for the stream, or the zero one.
	Offsets(ctx context.Context, stream string) (engine.Offset, error)
}

// ConsumerConfig is what a Consumer needs. Handler and StoreID must be set.
type ConsumerConfig struct {
	Handler  Handler
	StoreID  string // the durable consumer is marked by it, so that two stores never share one
	Known    func(location string) bool
	MaxBatch int // most events of a batch; default 500
	// Buried, if set, is told of each message that became a dead letter because it could not be read: with the location and the
	// trigger of its subject, "" for one that is not known.
	Buried func(location, trigger string)
	// CaughtUp, if set, is called once: when what the stream held at the start has been handled.
	CaughtUp func()
	Logger   zerolog.Logger
}

const (
	durableName = "latchkey"
	storeKey    = "latchkey_store" // metadata of the durable

	queueBytes = 4 << 20 // of raw events that are decoded and not yet handed over
	heartbeat  = 5 * time.Second
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
	// remakeAfter is how long a stream that vanished may take to be made again by whoever deleted it.
	remakeAfter = 5 * time.Second
	lookTimeout = 2 * time.Second // a question that a server took with it when it ended is never answered
)

// A Consumer reads COURSES in order and hands the events over in batches. A batch is as large as what gathered while
// the one before was handled. It is acknowledged after Handle returned nil; where to begin is told by the
// store and not by the durable consumer, which only shows others how far Latchkey is.
type Consumer struct {
	bus     *Bus
	cfg     ConsumerConfig
	log     zerolog.Logger
	deadLog zerolog.Logger // says the first few in a second: a publisher's mistake may come by the thousand
	dec     Decoder
	gone    time.Time // since when the stream is missing; zero if it is not
	caught  bool      // with what the stream held at the start
}

// NewConsumer makes a Consumer; nothing happens until Run.
func NewConsumer(b *Bus, cfg ConsumerConfig) (*Consumer, error) {
	if cfg.Handler == nil || cfg.StoreID == "" {
		return nil, errors.New("consumer: handler and store id are needed")
	}
	if cfg.MaxBatch <= 0 {
		cfg.MaxBatch = 500
	}
	c := &Consumer{bus: b, cfg: cfg, log: cfg.Logger}
	c.deadLog = c.log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second})
	c.dec.Known = cfg.Known
	return c, nil
}

// Run reads until ctx ends and then returns nil. It returns an error marked engine.Final if the durable consumer belongs to
// another store, the stream is unfit, or the handler's store is closed or lost; and any error that comes
// before the first message is asked for. After that it outlives disturbances: a lost connection, a stream
// that was deleted and made again, a handler that fails.
func (c *Consumer) Run(ctx context.Context) error {
	wait := minBackoff
	for started := false; ; {
		began := time.Now()
		err := c.session(ctx, &started)
		switch {
		case ctx.Err() != nil:
			return nil
		case engine.IsFinal(err) || !started:
			return err
		}
		c.log.Warn().Err(err).Msg("reading course events was interrupted")
		if time.Since(began) > maxBackoff {
			wait = minBackoff
		}
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, maxBackoff)
	}
}

// incarnation tells a stream from one of the same name that was made later.
type incarnation struct {
	name    string
	created time.Time
}

// session reads from where the store says until something disturbs it.
func (c *Consumer) session(ctx context.Context, started *bool) error {
	stream, err := c.stream(ctx, *started)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	inc := incarnation{info.Config.Name, info.Created}
	off, err := c.cfg.Handler.Offsets(ctx, inc.name)
	if err != nil {
		return fmt.Errorf("offset of stream %s: %w", inc.name, err)
	}
	start := c.position(off, info)
	cons, err := c.durable(ctx, stream, start)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	q := newQueue(c.cfg.MaxBatch, queueBytes)
	r := &reader{ctx: ctx, q: q, dec: &c.dec, next: cons.CachedInfo().Delivered.Consumer + 1, last: start - 1}
	cc, err := cons.Consume(r.take,
		jetstream.PullMaxBytes(max(queueBytes, 2*int(c.bus.nc.MaxPayload()))),
		jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { q.fail(err) }))
	if err != nil {
		cancel()
		return fmt.Errorf("consumer %s: %w", durableName, err)
	}
	defer func() {
		cancel()
		cc.Stop()
		<-cc.Closed()
	}()
	if !*started {
		c.log.Info().Str("stream", inc.name).Uint64("from", start).Uint64("last", info.State.LastSeq).Msg("reading course events")
	}
	*started = true
	if cons.CachedInfo().NumPending == 0 {
		c.caughtUp()
	}
	for {
		items, err := c.await(ctx, q, cons)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			continue
		}
		if err := c.hand(ctx, inc, items); err != nil {
			return err
		}
		if last := items[len(items)-1].msg; last.pending == 0 || last.Seq >= info.State.LastSeq {
			c.caughtUp()
		}
	}
}

// lookAround is how often a consumer that has not caught up, and gets nothing, asks whether anything is left to catch up with:
// the last messages of a stream may be removed before they are read.
const lookAround = 2 * time.Second

// await returns what the queue has. Until the consumer has caught up it does not wait for long, and may return nothing.
func (c *Consumer) await(ctx context.Context, q *queue, cons jetstream.Consumer) ([]item, error) {
	if c.caught {
		return q.take(ctx)
	}
	short, cancel := context.WithTimeout(ctx, lookAround)
	defer cancel()
	items, err := q.take(short)
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return items, err
	}
	info, err := cons.Info(ctx)
	if err == nil && info.NumPending == 0 && info.NumAckPending == 0 {
		c.caughtUp()
	}
	return nil, nil // if it does not answer, the heartbeat tells
}

func (c *Consumer) caughtUp() {
	if !c.caught && c.cfg.CaughtUp != nil {
		c.cfg.CaughtUp()
	}
	c.caught = true
}

// stream looks COURSES up. When it vanished while running, others get some time to make it again before it is
// made here.
func (c *Consumer) stream(ctx context.Context, running bool) (jetstream.Stream, error) {
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	s, err := c.bus.js.Stream(look, StreamCourses)
	switch {
	case err == nil:
		c.gone = time.Time{}
		if err := checkStream(c.bus.streamConfigs()[0], s.CachedInfo().Config); err != nil {
			return nil, engine.Final(err)
		}
		return s, nil
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("stream %s: %w", StreamCourses, err)
	case c.gone.IsZero():
		c.gone = time.Now()
	}
	if running && time.Since(c.gone) < remakeAfter {
		return nil, fmt.Errorf("stream %s: %w", StreamCourses, err)
	}
	if err := c.bus.EnsureStreams(ctx); err != nil {
		return nil, err
	}
	if s, err = c.bus.js.Stream(ctx, StreamCourses); err != nil {
		return nil, fmt.Errorf("stream %s: %w", StreamCourses, err)
	}
	c.gone = time.Time{}
	return s, nil
}

// position returns the first sequence to read. A stream that is not the one that the offset counts in is read from its
// first message: the store knows which events it has seen.
func (c *Consumer) position(off engine.Offset, info *jetstream.StreamInfo) uint64 {
	switch {
	case off.Seq == 0 && off.Created.IsZero():
		return 1
	case !off.Created.Equal(info.Created):
		c.log.Warn().Time("created", info.Created).Msg("the stream COURSES was made anew: reading it from its first message")
		return 1
	case off.Seq > info.State.LastSeq:
		c.log.Warn().Uint64("offset", off.Seq).Uint64("last", info.State.LastSeq).Msg("the stream COURSES ends before the stored offset: reading it from its first message")
		return 1
	}
	return off.Seq + 1
}

// durable returns the durable consumer, standing right before start and with nothing under way. It is made anew if it
// stands elsewhere: after a crash it still waits for acknowledgements, and would deliver what is new before what it
// then delivers again; after a restored backup it is ahead. So may be one that was just made: a server that died while it
// removed a consumer gives what was left of its state to the next one of that name.
func (c *Consumer) durable(ctx context.Context, stream jetstream.Stream, start uint64) (jetstream.Consumer, error) {
	cons, err := stream.Consumer(ctx, durableName)
	for tries := 0; ; tries++ {
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			cons, err = c.makeDurable(ctx, stream, start)
		}
		if err != nil {
			return nil, fmt.Errorf("consumer %s: %w%s", durableName, err, c.bus.damagedConsumer(err))
		}
		if owner := cons.CachedInfo().Config.Metadata[storeKey]; owner != c.cfg.StoreID {
			return nil, engine.Final(fmt.Errorf("consumer %s of stream %s belongs to another store (%s; this one is %s): %s",
				durableName, StreamCourses, orUnknown(owner), c.cfg.StoreID, c.bus.foreignConsumer()))
		}
		switch fit, err := stands(ctx, stream, cons.CachedInfo(), start); {
		case err != nil:
			return nil, fmt.Errorf("consumer %s: %w", durableName, err)
		case fit:
			return cons, nil
		case tries == 2:
			return nil, fmt.Errorf("consumer %s stands at message %d however often it is made anew to begin with %d",
				durableName, cons.CachedInfo().Delivered.Stream, start)
		}
		if err := stream.DeleteConsumer(ctx, durableName); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, fmt.Errorf("consumer %s: move it to message %d: %w", durableName, start, err)
		}
		cons, err = nil, jetstream.ErrConsumerNotFound
	}
}

func (c *Consumer) makeDurable(ctx context.Context, stream jetstream.Stream, start uint64) (jetstream.Consumer, error) {
	return stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: durableName, Description: "Latchkey's engine", Metadata: map[string]string{storeKey: c.cfg.StoreID},
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start,
		AckPolicy: jetstream.AckAllPolicy, AckWait: 30 * time.Second, MaxDeliver: -1, MaxAckPending: 4 * c.cfg.MaxBatch,
		FilterSubject: "courses.*.*",
	})
}

// stands reports whether a consumer will deliver start next, or the first message of a stream that begins behind it.
func stands(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo, start uint64) (bool, error) {
	at := info.Delivered.Stream
	if at < start-1 || info.AckFloor.Stream != at || info.NumAckPending != 0 || info.Config.AckPolicy != jetstream.AckAllPolicy {
		return false, nil
	}
	if at == start-1 {
		return true, nil
	}
	s, err := stream.Info(ctx)
	if err != nil {
		return false, err
	}
	return at < s.State.FirstSeq, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// A reader decodes messages as they come in and queues them.
type reader struct {
	ctx  context.Context // of the session: the callback of nats.go has none
	q    *queue
	dec  *Decoder
	next uint64 // the consumer sequence that must come
	last uint64 // the last stream sequence that was queued
}

// take is called by nats.go for one message after another. A gap in the consumer's sequence means that a message was
// lost on the way; since an acknowledgement covers all before it, going on would skip it.
func (r *reader) take(m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		r.q.fail(fmt.Errorf("message without metadata: %w", err))
		return
	}
	if meta.Sequence.Consumer != r.next {
		r.q.fail(fmt.Errorf("delivery %d came where %d was due: a message was lost on the way", meta.Sequence.Consumer, r.next))
		return
	}
	r.next++
	if meta.Sequence.Stream <= r.last {
		return // delivered again while the first delivery is still being handled
	}
	it := item{size: len(m.Data()), msg: &message{ack: m.DoubleAck, pending: meta.NumPending, Message: Message{
		Subject: m.Subject(), Header: m.Headers(), Data: m.Data(), Seq: meta.Sequence.Stream, Time: meta.Timestamp,
	}}}
	it.event, it.err = r.dec.Decode(it.msg.Message)
	if r.q.put(r.ctx, it) {
		r.last = meta.Sequence.Stream
	}
}

// hand buries what could not be read, hands the events over until the handler has them, and acknowledges. It
// returns an error only if ctx ended or the store did.
func (c *Consumer) hand(ctx context.Context, inc incarnation, items []item) error {
	last := items[len(items)-1].msg
	batch := engine.Batch{
		Events: make([]engine.Event, 0, len(items)),
		Offset: engine.Offset{Stream: inc.name, Created: inc.created, Seq: last.Seq},
	}
	for _, it := range items {
		if it.err == nil {
			batch.Events = append(batch.Events, it.event)
			continue
		}
		if err := c.insist(ctx, "dead letter", func() error { return c.bus.bury(ctx, inc, it.msg.Message, it.err.Error()) }); err != nil {
			return err
		}
		if c.cfg.Buried != nil {
			c.cfg.Buried(knownIn(it.msg.Subject, c.cfg.Known))
		}
		c.deadLog.Warn().Str("subject", it.msg.Subject).Uint64("seq", it.msg.Seq).Str("reason", it.err.Error()).Msg("event became a dead letter")
	}
	if err := c.insist(ctx, "events", func() error { return c.cfg.Handler.Handle(ctx, batch) }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := last.ack(ctx); err != nil {
		// The offset is stored, so nothing is lost or done twice; the next batch's acknowledgement covers this one.
		c.log.Debug().Err(err).Msg("acknowledge course events")
	}
	return nil
}

// insist repeats f until it returns nil, waiting longer each time, or until ctx or the store ends.
func (c *Consumer) insist(ctx context.Context, what string, f func() error) error {
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		err := f()
		if err == nil {
			return nil
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, engine.ErrLost), errors.Is(err, engine.ErrClosed):
			return engine.Final(fmt.Errorf("%s: %w", what, err))
		}
		c.log.Error().Err(err).Dur("again_in", wait).Msg("cannot store " + what)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}
