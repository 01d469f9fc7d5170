package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"latchkey/engine"
)

const (
	maxDepth     = 8         // an event that so many runs caused, one by another, is a loop
	chunkEvents  = 256       // events of one commit
	chunkBytes   = 128 << 10 // their size, roughly: each may be stored several times
	offsetEvery  = time.Second
	pruneAtOnce  = 4 // past events of a person looked at for each new one
	causeLoop    = "loop"
	causeNoPlace = "location is not configured"
)

// A planned event is one that goes on to its contact's partition.
type planned struct {
	ev  *engine.Event
	set *engine.Set
	key engine.ID
}

// Handle applies a batch. It returns nil only after the commits that hold all that the events caused; after an
// error nothing is lost and the same batch may be handed in again. Batches are applied one at a time. It waits until
// Run has recovered, and returns the store's error (ErrFull: try again later), the context's, or that of Dead.
func (r *Runner) Handle(ctx context.Context, b engine.Batch) error {
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	at, floor, err := r.locate(ctx, b)
	if err != nil {
		return err
	}
	r.tried = spanOf(b)
	todo, err := r.resolve(ctx, b.Events, floor)
	if err != nil {
		return fmt.Errorf("contacts of %s: %w", b.Offset.Stream, err)
	}
	if err := r.learn(ctx, todo); err != nil {
		return err
	}
	return r.spreadOut(ctx, b.Offset.Stream, at, todo)
}

// A span tells one batch from another.
type span struct {
	stream      string
	created     int64
	first, last uint64
}

func spanOf(b engine.Batch) span {
	sp := span{b.Offset.Stream, b.Offset.Created.UnixNano(), b.Offset.Seq, b.Offset.Seq}
	if len(b.Events) > 0 {
		sp.first = b.Events[0].Ordinal
	}
	return sp
}

// locate returns the position that a batch leads to, and up to which sequence all partitions have processed the
// stream. A stream with another time of creation, or one that begins again before where it was left, was made anew: its
// sequences are of a new generation.
func (r *Runner) locate(ctx context.Context, b engine.Batch) (at position, floor uint64, err error) {
	all, at, err := r.positions(ctx, b.Offset.Stream)
	if err != nil {
		return at, 0, err
	}
	processed := func() uint64 {
		least := b.Offset.Seq
		for _, pos := range all {
			least = min(least, pos.floor(at))
		}
		return least
	}
	known := !at.created.IsZero()
	sameTime := at.created.Equal(b.Offset.Created)
	at.created, at.seq = b.Offset.Created, b.Offset.Seq
	floor = processed()
	if sp := spanOf(b); known && (!sameTime || sp.first <= floor && sp != r.tried) {
		at.generation++
		floor = 0
	}
	return at, floor, nil
}

// spreadOut hands each partition its events, and stores the offset where there are none if it is getting old.
func (r *Runner) spreadOut(ctx context.Context, stream string, at position, todo []planned) error {
	byPartition := make(map[*partition][]planned, len(r.parts))
	for _, e := range todo {
		p := r.partition(e.key)
		byPartition[p] = append(byPartition[p], e)
	}
	errs := make([]error, len(r.parts))
	var wg sync.WaitGroup
	for i, p := range r.parts {
		events := byPartition[p]
		if len(events) == 0 && len(todo) > 0 && time.Since(p.offsetAt) < offsetEvery {
			continue
		}
		wg.Go(func() { errs[i] = r.apply(ctx, p, stream, at, events) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// apply applies the events of one partition, a chunk to a commit.
func (r *Runner) apply(ctx context.Context, p *partition, stream string, at position, events []planned) error {
	p.offsetAt = time.Now()
	if len(events) == 0 {
		return p.storePosition(ctx, stream, at)
	}
	for len(events) > 0 {
		n := chunk(events)
		upTo := at
		if n < len(events) {
			upTo.seq = events[n-1].ev.Ordinal
		}
		if err := r.applyChunk(ctx, p, stream, upTo, events[:n]); err != nil {
			return fmt.Errorf("events of %s up to %d: %w", stream, upTo.seq, err)
		}
		events = events[n:]
	}
	return nil
}

// applyChunk applies events in one commit. An event on which the core panics becomes a dead letter.
func (r *Runner) applyChunk(ctx context.Context, p *partition, stream string, upTo position, events []planned) error {
	dead := map[int]bool{}
	for {
		var fault *planFault
		err := r.update(ctx, p, func(s *scope) error {
			pos, _ := loadPosition(s.tx, stream)
			floor := pos.floor(upTo)
			for i, e := range events {
				if e.ev.Ordinal <= floor || dead[i] {
					continue
				}
				if err := s.plan(e, upTo.generation); err != nil {
					if errors.As(err, &fault) {
						fault.index = i
					}
					return err
				}
			}
			upTo.seq = max(upTo.seq, floor)
			upTo.save(s.tx, stream)
			return nil
		})
		if fault == nil {
			return err
		}
		if err := r.dead(ctx, *events[fault.index].ev, fault.Error()); err != nil {
			return err
		}
		dead[fault.index] = true
	}
}

// A planFault is an event that the core cannot take.
type planFault struct {
	index int
	err   error
}

func (f *planFault) Error() string { return "internal fault: " + f.err.Error() }

// plan applies one event to its person.
func (s *scope) plan(e planned, generation uint64) error {
	ev := *e.ev
	ev.Ordinal |= generation << 48
	identity := ev.Identity()
	if engine.SeenEvent(s.tx, ev.Location, e.key, identity, s.now) {
		s.r.cfg.Logger.Debug().Str("event", ev.ID).Str("type", ev.Type).Msg("duplicate passed over")
		s.tell(ev.Location, func(m Meter) { m.Event(ev.Type, "duplicate") })
		return nil
	}
	engine.PruneEvents(s.tx, ev.Location, e.key, identity, s.now.Add(-s.r.cfg.Dedup), pruneAtOnce)
	person, err := s.person(ev.Location, e.key)
	switch {
	case errors.Is(err, ErrNoPerson):
		person = &engine.Person{Key: e.key, Location: ev.Location, Since: s.now}
	case errors.Is(err, engine.ErrRecord):
		return &planFault{err: err}
	case err != nil || person == nil:
		return err
	}
	if person = s.endStarts(person); person == nil {
		return nil // the transaction runs again
	}
	changed, runs, cmds, decisions, err := plan(e.set, person, ev, s.now)
	if err != nil {
		return &planFault{err: err}
	}
	if err := s.r.lostAccess(s.tx, person.HasAccess(), &changed, s.now); err != nil {
		return err
	}
	s.moved(person, &changed)
	s.keep(changed)
	for i := range runs {
		if err := s.saveRun(&runs[i]); err != nil {
			return &planFault{err: err}
		}
	}
	if err := s.commands(cmds); err != nil {
		return &planFault{err: err}
	}
	moved, ok, err := s.listeners(person, &changed, e, &ev)
	if err != nil {
		return &planFault{err: err}
	}
	if !ok {
		return nil // the transaction runs again
	}
	pending := slices.ContainsFunc(decisions, func(d engine.Decision) bool { return !d.Until.IsZero() })
	s.tellPlanned(&ev, len(runs), len(moved), pending)
	decisions = append(decisions, moved...)
	engine.SaveEvent(s.tx, &engine.EventRecord{
		Location: ev.Location, Ordinal: ev.Ordinal, ID: ev.ID, Type: ev.Type, Source: ev.Source, Contact: e.key,
		Time: ev.Time, At: s.now, Warnings: ev.Warnings, Decisions: decisions,
	})
	return nil
}

// tellPlanned has the meter told what an event started or moved, or that what it will start is pending.
func (s *scope) tellPlanned(ev *engine.Event, runs, moved int, pending bool) {
	s.tell(ev.Location, func(m Meter) {
		result := "matched nothing"
		switch {
		case runs > 0:
			result = "started"
		case moved > 0:
			result = "moved"
		case pending:
			result = "pending"
		}
		m.Event(ev.Type, result)
		for range runs {
			m.Run("started")
		}
	})
}

// lostAccess tells of a person that had access, if it has none any more.
func (r *Runner) lostAccess(tx engine.Tx, had bool, p *engine.Person, now time.Time) error {
	if !had || p.HasAccess() || r.cfg.AccessLost == nil {
		return nil
	}
	if err := r.cfg.AccessLost(tx, p.Location, p.Key, now); err != nil {
		return fmt.Errorf("loss of access of contact %s: %w", p.Key, err)
	}
	return nil
}

// plan calls the core; a panic in it concerns this event only.
func plan(set *engine.Set, p *engine.Person, ev engine.Event, now time.Time) (
	changed engine.Person, runs []engine.Run, cmds []engine.Command, ds []engine.Decision, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New(engine.WithoutTokens(v))
		}
	}()
	changed, runs, cmds, ds = engine.Plan(set, *p, ev, now)
	return changed, runs, cmds, ds, nil
}

// dead sends an event to the dead letters.
func (r *Runner) dead(ctx context.Context, ev engine.Event, reason string) error {
	r.cfg.Logger.Warn().Str("location", ev.Location).Str("event", ev.ID).Str("type", ev.Type).Str("reason", reason).Msg("dead letter")
	if err := r.cfg.Dead(ctx, ev, reason); err != nil {
		return fmt.Errorf("dead letter %s: %w", ev.ID, err)
	}
	if r.cfg.Meter != nil {
		r.cfg.Meter(ev.Location).Event(ev.Type, "dead")
	}
	return nil
}

// chunk returns how many events go into the next commit, at least one.
func chunk(events []planned) int {
	size := 0
	for i, e := range events {
		size += 512 + e.ev.Custom.Size() + e.ev.Contact.Custom.Size()
		if i > 0 && size > chunkBytes || i == chunkEvents {
			return i
		}
	}
	return len(events)
}
