package runner

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"latchkey/engine"
)

var errInterrupted = errors.New("the process ended while it was being sent")

// recover builds what is in memory from the store, and finishes what an earlier instance left half done.
func (r *Runner) recover(ctx context.Context) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	nothing := func(*resolver) error { return nil }
	if err := r.directory(ctx, nothing, func(_, _ engine.ID) {}); err != nil {
		return err
	}
	if err := r.loadPauses(ctx); err != nil {
		return err
	}
	for _, p := range r.parts {
		if err := r.pay(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range r.parts {
		if err := p.loadClock(ctx); err != nil {
			return err
		}
		r.compareClocks(p)
		due, interrupted, err := r.readTasks(ctx, p)
		if err != nil {
			return err
		}
		r.askSteps(ctx, interrupted)
		if err := r.queueTasks(ctx, p, due, interrupted); err != nil {
			return err
		}
		if err := r.loadTimers(ctx, p); err != nil {
			return err
		}
		for batch := range slices.Chunk(slices.Collect(maps.Values(interrupted)), settleMost) {
			err := r.update(ctx, p, func(s *scope) error {
				for _, cut := range batch {
					if err := s.interrupted(cut); err != nil {
						r.cfg.Logger.Error().Err(err).Stringer("task", cut.id).Msg("interrupted task passed over")
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// aheadBy is how far the store's time may be before the wall clock's without a word: a leap second, a small correction.
const aheadBy = time.Minute

// compareClocks says so if the store's time is ahead, since a clock that was wrong once and then put right is seen by
// nothing but waits that do not end.
func (r *Runner) compareClocks(p *partition) {
	store := time.UnixMilli(p.clock.Load()).UTC()
	if ahead := store.Sub(r.cfg.Now()); ahead > aheadBy {
		r.cfg.Logger.Error().Time("store_time", store).Str("ahead", ahead.Round(time.Second).String()).
			Msg("this machine's clock is behind the last time that the store has seen: waits and retries stand still until it gets there. " +
				"If it was ahead by mistake, put back a copy of the data folder from before")
	}
}

// loadClock lets the partition's time go on from that of its store.
func (p *partition) loadClock(ctx context.Context) error {
	return p.store.View(ctx, func(tx engine.Tx) error {
		p.ticked(engine.LastTick(tx))
		return nil
	})
}

// A cut is a task whose attempt was committed and whose result was not: nobody knows whether it happened.
type cut struct {
	item
	terms engine.Terms
	over  bool // it is not tried again
}

// readTasks reads what is due, and which of it was cut off in the middle of an attempt.
func (r *Runner) readTasks(ctx context.Context, p *partition) (due []scheduled[item], cuts map[engine.ID]*cut, err error) {
	cuts = map[engine.ID]*cut{}
	err = p.store.View(ctx, func(tx engine.Tx) error {
		tx.Scan(engine.SpaceDue, nil, nil, func(k, v []byte) bool {
			h, err := engine.ReadTaskHead(k, v)
			if err != nil {
				r.cfg.Logger.Error().Err(err).Hex("key", k).Msg("task passed over")
				return true
			}
			it := item{id: h.ID, contact: h.Contact, place: r.place(h.Location), ch: r.channel(h.Location, h.Kind), first: true}
			if h.State == engine.TaskSending {
				cuts[it.id] = &cut{item: it}
			}
			due = append(due, scheduled[item]{dueMilli(h.NotBefore), it})
			return true
		})
		return nil
	})
	return due, cuts, err
}

// askSteps decides which of the tasks that were cut off are tried again.
func (r *Runner) askSteps(ctx context.Context, cuts map[engine.ID]*cut) {
	for _, c := range cuts {
		t, err := r.FindTask(ctx, c.place.id, c.id)
		if err != nil || t == nil {
			c.terms = c.ch.Terms()
			continue
		}
		c.terms = c.ch.Terms().Of(r.step(ctx, t))
		c.over = c.terms.Hold || c.terms.Spent(t)
	}
}

// queueTasks queues what is due, those overdue spread. Tasks that were cut off and are tried again have their place before
// what came after them.
func (r *Runner) queueTasks(ctx context.Context, p *partition, due []scheduled[item], cuts map[engine.ID]*cut) error {
	due = slices.DeleteFunc(due, func(d scheduled[item]) bool {
		c := cuts[d.what.id]
		return c != nil && c.over
	})
	return p.store.View(ctx, func(tx engine.Tx) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.unread = true
		inStreamOrder(tx, due)
		now := p.now(r.cfg.Now())
		slots := 0
		for _, d := range due {
			if now-d.at <= overdueBy.Milliseconds() {
				p.add(d.what, d.at, now)
			} else if p.addOverdue(d.what, now+spread(slots)) {
				slots++
			}
		}
		return nil
	})
}

// inStreamOrder puts tasks of one contact that were made in the same millisecond in the order of their events; the others
// are, since ids begin with the time.
func inStreamOrder(tx engine.Tx, due []scheduled[item]) {
	contacts := map[engine.ID]bool{}
	for i, j := 0, 0; i < len(due); i = j {
		clear(contacts)
		for j = i; j < len(due) && due[j].what.sameTime(due[i].what); j++ {
			contacts[due[j].what.contact] = true
		}
		if len(contacts) == j-i {
			continue
		}
		ordinals := map[engine.ID]uint64{}
		workflows := map[engine.ID]string{}
		for _, d := range due[i:j] {
			t, err := engine.LoadTask(tx, d.what.place.id, d.what.id)
			if err != nil || t == nil {
				continue // it is told of when it is started
			}
			if run, err := engine.LoadRun(tx, t.Location, t.Run); err == nil && run != nil {
				ordinals[t.ID], workflows[t.ID] = run.Event.Ordinal, run.Workflow
			}
		}
		slices.SortStableFunc(due[i:j], func(a, b scheduled[item]) int {
			a1, b1 := a.what.id, b.what.id
			return cmp.Or(cmp.Compare(ordinals[a1], ordinals[b1]), cmp.Compare(workflows[a1], workflows[b1]))
		})
	}
}

func (it item) sameTime(other item) bool {
	return it.place == other.place && it.id.Time().Equal(other.id.Time())
}

// interrupted stores what is known of a task that was cut off. One that is tried again is in the queues already.
func (s *scope) interrupted(it *cut) (err error) {
	defer contain(&err)
	t, err := engine.LoadTask(s.tx, it.place.id, it.id)
	if err != nil || t == nil || t.State != engine.TaskSending {
		return err
	}
	s.count(t, true)
	if !it.over {
		t.State, t.Changed, t.Error = engine.TaskDue, s.now, errInterrupted.Error()
		t.Tried(engine.Try{N: t.Attempts, At: s.now, Result: string(engine.TaskUnknown), Error: t.Error})
		kind := t.Kind
		s.tell(t.Location, func(m Meter) { m.Message(kind, engine.TaskUnknown, 0) })
		return s.saveTask(t, false)
	}
	loc, _ := it.place.inForce(t.Workflow)
	if loc == nil {
		return nil // it stays as it is until the location is configured again
	}
	run, err := engine.LoadRun(s.tx, t.Location, t.Run)
	if err != nil {
		return err
	}
	if run != nil {
		call, err := s.call(t, run, loc)
		switch {
		case err != nil:
			s.r.cfg.Logger.Error().Err(err).Stringer("task", t.ID).Msg("outcome not settled")
		case call.Person == nil:
			return nil // lacks something: the transaction runs again
		default:
			s.settled(result{attempt: &attempt{item: it.item, call: call}}, t, engine.TaskUnknown)
		}
	}
	return s.finish(t, run, loc, engine.TaskUnknown, engine.Unknown(errInterrupted))
}
