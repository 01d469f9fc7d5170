package runner

import (
	"bytes"
	"context"
	"slices"
	"time"

	"latchkey/engine"
)

// A Filter chooses what Tasks, Runs and Events return. Zero fields choose all.
type Filter struct {
	Location string    // "" is every location
	Limit    int       // default 100
	Before   engine.ID // older than this id
	Contact  engine.ID
	Run      engine.ID // for Tasks
	State    string    // for Tasks and Runs
	Workflow string    // for Tasks and Runs
	Event    string    // for Events: the publisher's id
	Type     string    // for Events: the trigger
	Since    time.Time // by the time of the record's id: made then or later
	Until    time.Time // made before then
}

// Tasks returns tasks, newest first.
func (r *Runner) Tasks(ctx context.Context, f Filter) ([]engine.Task, error) {
	return newest(ctx, r, f, records[engine.Task]{
		spaces: []engine.Space{engine.SpaceDue, engine.SpaceTasks},
		wanted: func(k, v []byte) bool {
			h, err := engine.ReadTaskHead(k, v)
			return err == nil && f.fits(h.Contact, string(h.State)) && (f.Run.IsZero() || f.Run == h.Run) &&
				names(v, f.Workflow, engine.DecodeTask, func(t *engine.Task) string { return t.Workflow })
		},
		decode: engine.DecodeTask,
	})
}

// Runs returns runs, newest first.
func (r *Runner) Runs(ctx context.Context, f Filter) ([]engine.Run, error) {
	return newest(ctx, r, f, records[engine.Run]{
		spaces: []engine.Space{engine.SpaceActive, engine.SpaceRuns},
		wanted: func(k, v []byte) bool {
			h, err := engine.ReadRunHead(k, v)
			return err == nil && f.fits(h.Contact, string(h.State)) &&
				names(v, f.Workflow, engine.DecodeRun, func(r *engine.Run) string { return r.Workflow })
		},
		decode: engine.DecodeRun,
	})
}

// Events returns what was made of events, newest first. There is no index by the publisher's ids: Event looks through all
// that is kept, so it takes about as long as reading that much from disk.
func (r *Runner) Events(ctx context.Context, f Filter) ([]engine.EventRecord, error) {
	return newest(ctx, r, f, records[engine.EventRecord]{
		spaces: []engine.Space{engine.SpaceDecisions},
		wanted: func(_, v []byte) bool {
			contact, err := engine.EventContact(v)
			return err == nil && (f.Contact.IsZero() || f.Contact == contact) &&
				names(v, f.Event, engine.DecodeEvent, func(e *engine.EventRecord) string { return e.ID }) &&
				names(v, f.Type, engine.DecodeEvent, func(e *engine.EventRecord) string { return e.Type })
		},
		decode: engine.DecodeEvent,
	})
}

// FindRun returns the run, active or over, or nil.
func (r *Runner) FindRun(ctx context.Context, location string, id engine.ID) (run *engine.Run, err error) {
	err = r.partition(id).store.View(ctx, func(tx engine.Tx) error {
		run, err = engine.LoadRun(tx, location, id)
		return err
	})
	return run, err
}

// FindTask returns the task, over or not, or nil.
func (r *Runner) FindTask(ctx context.Context, location string, id engine.ID) (t *engine.Task, err error) {
	err = r.partition(id).store.View(ctx, func(tx engine.Tx) error {
		t, err = engine.LoadTask(tx, location, id)
		return err
	})
	return t, err
}

// FindEvent returns what was made of the event that started the run, or nil if that is not kept any more.
func (r *Runner) FindEvent(ctx context.Context, run *engine.Run) (e *engine.EventRecord, err error) {
	err = r.partition(run.ID).store.View(ctx, func(tx engine.Tx) error {
		e, err = engine.LoadEvent(tx, run.Location, run.EventRecord())
		return err
	})
	return e, err
}

// Duplicates returns how often an event was delivered again after it was applied, and when last, while its identity is kept.
func (r *Runner) Duplicates(ctx context.Context, e *engine.EventRecord) (n int, last time.Time, err error) {
	ev := engine.Event{Location: e.Location, Source: e.Source, Type: e.Type, ID: e.ID}
	key := e.Contact
	if p, err := r.Person(ctx, e.Location, key); err == nil && p != nil {
		key = p.Key // who absorbed the contact has its identities
	}
	err = r.partition(key).store.View(ctx, func(tx engine.Tx) error {
		n, last = engine.Duplicates(tx, e.Location, key, ev.Identity())
		return nil
	})
	return n, last, err
}

// names reports whether a record says want in one of its fields. Most that do not are passed over without being decoded.
func names[T any](record []byte, want string, decode func([]byte) (*T, error), field func(*T) string) bool {
	if want == "" {
		return true
	}
	if !bytes.Contains(record, []byte(want)) {
		return false
	}
	rec, err := decode(record)
	return err == nil && field(rec) == want
}

func (f Filter) fits(contact engine.ID, state string) bool {
	return (f.Contact.IsZero() || f.Contact == contact) && (f.State == "" || f.State == state)
}

// records is how one kind of record is read. Their spaces are in the order of time.
type records[T any] struct {
	spaces []engine.Space
	wanted func(key, value []byte) bool
	decode func(value []byte) (*T, error)
}

// A found record and the id that it is sorted by.
type found[T any] struct {
	id  engine.ID
	rec *T
}

// newest returns records, newest first, of all partitions. Stores are read forwards only, so it looks through stretches
// of time that begin with the last second and get longer, until it has enough.
func newest[T any](ctx context.Context, r *Runner, f Filter, kind records[T]) ([]T, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	locations := []string{f.Location}
	if f.Location == "" {
		locations = r.locations()
	}
	var end []byte // nil is the end of the space
	begin := r.cfg.Now()
	if !f.Before.IsZero() {
		begin, end = f.Before.Time(), f.Before[:]
	}
	if !f.Until.IsZero() && (end == nil || f.Until.Before(begin)) {
		until := engine.NewID(f.Until, 0)
		begin, end = f.Until, until[:8]
	}
	since := f.Since
	if since.Unix() <= 0 {
		since = time.Unix(0, 0)
	}
	var all []found[T]
	for stretch := time.Second; len(all) < f.Limit && begin.After(since); stretch *= 4 {
		begin = begin.Add(-stretch)
		if begin.Before(since) {
			begin = since
		}
		from := engine.NewID(begin, 0)
		more, err := between(ctx, r, locations, kind, from[:8], end, f.Limit)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(more, func(a, b found[T]) int { return bytes.Compare(b.id[:], a.id[:]) })
		all = append(all, more...)
		end = from[:8]
	}
	out := make([]T, 0, min(len(all), f.Limit))
	for _, x := range all[:cap(out)] {
		out = append(out, *x.rec)
	}
	return out, nil
}

// between reads the records whose id is in [from, to), of each partition and space at most the last limit ones.
func between[T any](ctx context.Context, r *Runner, locations []string, kind records[T], from, to []byte, limit int) ([]found[T], error) {
	var all []found[T]
	for _, p := range r.parts {
		err := p.store.View(ctx, func(tx engine.Tx) error {
			for _, location := range locations {
				for _, space := range kind.spaces {
					last := engine.PrefixEnd(engine.Key(location))
					if to != nil {
						last = engine.Key(location, to)
					}
					for _, key := range lastKeys(tx, space, engine.Key(location, from), last, limit, kind.wanted) {
						rec, err := kind.decode(tx.Get(space, key))
						if err != nil {
							return err
						}
						all = append(all, found[T]{engine.ID(key[len(location)+1:]), rec})
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lastKeys returns the last keys in [from, to) whose records are wanted, at most limit.
func lastKeys(tx engine.Tx, space engine.Space, from, to []byte, limit int, wanted func(k, v []byte) bool) [][]byte {
	var keys [][]byte
	tx.Scan(space, from, to, func(k, v []byte) bool {
		if wanted(k, v) {
			keys = append(keys, bytes.Clone(k))
		}
		if len(keys) >= 2*limit {
			keys = append(keys[:0], keys[limit:]...)
		}
		return true
	})
	return keys[max(0, len(keys)-limit):]
}
