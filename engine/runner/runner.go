package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/engine"
)

// A Runner drives one instance. Its methods may be called by many goroutines at once.
type Runner struct {
	cfg      Config
	parts    []*partition // as Stores.All: the global one first
	of       map[engine.Store]*partition
	channels map[channelKey]*channel // does not change once Run has begun
	versions versions

	places struct {
		sync.Mutex
		m map[string]*place
	}
	pausing  sync.Mutex    // whoever pauses or resumes has it
	handling chan struct{} // holds one token while nobody resolves contacts: what changes the directory takes it
	tried    span          // the batch that Handle was given last; whoever has the token owns it
	ready    chan struct{} // closed when Run has recovered
	begun    atomic.Bool   // Run was called
	lost     chan error    // a store that is gone ends Run
}

// New makes a Runner. It touches nothing until SetWorkflows and Run are called.
func New(cfg Config) (*Runner, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &Runner{
		cfg:      cfg,
		of:       map[engine.Store]*partition{},
		channels: map[channelKey]*channel{},
		handling: make(chan struct{}, 1),
		ready:    make(chan struct{}),
		lost:     make(chan error, 1),
	}
	r.handling <- struct{}{}
	r.places.m = map[string]*place{}
	r.versions.m = map[versionKey]*engine.Workflow{}
	for _, s := range cfg.Stores.All() {
		p := newPartition(s)
		r.parts = append(r.parts, p)
		r.of[s] = p
	}
	r.addChannel(channelKey{}, Channel{Workers: 1, Ahead: 1}, noAction{})
	r.addChannels("")
	return r, nil
}

// partition returns the partition that holds what an id names.
func (r *Runner) partition(id engine.ID) *partition { return r.of[r.cfg.Stores.For(id.Shard())] }

func (r *Runner) place(location string) *place {
	r.places.Lock()
	defer r.places.Unlock()
	pl := r.places.m[location]
	if pl == nil {
		pl = &place{id: location}
		r.places.m[location] = pl
	}
	return pl
}

func (r *Runner) itemOf(t *engine.Task) item {
	return item{id: t.ID, contact: t.Contact, place: r.place(t.Location), ch: r.channel(t.Location, t.Kind), first: t.Attempts == 0}
}

// Ready is closed when Run has recovered. Handle, Redeem and Import wait for it.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

func (r *Runner) awaitReady(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lock takes the directory's lock, or returns the context's error.
func (r *Runner) lock(ctx context.Context) error {
	select {
	case <-r.handling:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Runner) unlock() { r.handling <- struct{}{} }

// Run recovers from the store what an earlier instance left, then drives until ctx ends or a store is lost.
// Sends in flight get Config.Grace to end, and their results are stored. It returns nil if ctx ended, else the
// store's error, and no goroutine of it is left. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	r.begun.Store(true)
	start := time.Now()
	if err := r.recover(ctx); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	st := r.Stats()
	r.cfg.Logger.Info().Int("waiting", st.Waiting).Int("due", st.Due).Dur("took", time.Since(start)).Msg("recovered")
	close(r.ready)

	loops, stop := context.WithCancel(ctx)
	defer stop()
	drain, hurry := context.WithCancel(context.WithoutCancel(ctx)) // ends when the grace is over
	defer hurry()
	wait := r.start(loops, drain)

	var err error
	select {
	case <-ctx.Done():
	case err = <-r.lost:
		hurry()
	}
	stop()
	grace := time.AfterFunc(r.cfg.Grace, hurry)
	defer grace.Stop()
	wait()
	return err
}

// start starts the goroutines of Run. They end in three steps, which the returned func waits for: what makes work ends
// with loops, then the workers have had what is left, then its results are stored. drain ends them all.
func (r *Runner) start(loops, drain context.Context) (wait func()) {
	var makers, workers, settlers sync.WaitGroup
	worked := make(chan struct{})
	for _, p := range r.parts {
		makers.Go(func() { r.drive(loops, p) })
		makers.Go(func() { r.announce(loops, p) })
		makers.Go(func() { r.sweep(loops, p) })
		settlers.Go(func() { r.settleAll(drain, p, worked) })
	}
	for _, ch := range r.channels {
		for range ch.Workers {
			workers.Go(func() { r.work(loops, drain, ch) })
		}
	}
	return func() {
		makers.Wait()
		for _, ch := range r.channels {
			close(ch.attempts)
		}
		workers.Wait()
		close(worked)
		settlers.Wait()
	}
}

// fail ends Run if err says that a store is gone, and reports whether it did.
func (r *Runner) fail(err error) bool {
	if !errors.Is(err, engine.ErrLost) && !errors.Is(err, engine.ErrClosed) {
		return false
	}
	select {
	case r.lost <- err:
	default:
	}
	return true
}

// nap waits, and reports whether ctx is still on.
func nap(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// backoff returns how long to wait after the n-th failure in a row (from 1): first, doubling to limit.
func backoff(n int, first, limit time.Duration) time.Duration {
	for ; n > 1 && first < limit; n-- {
		first *= 2
	}
	return min(first, limit)
}
