package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"latchkey/engine"
)

// Runs that wait for an event stand in Person.Listens under the key that they began with. An event is first applied to its
// person, where it starts runs, and then given to the runs that listened before it came: those of the person's own key, oldest
// first, then those of the keys that the person absorbed.

// listeners gives an event to the runs of a person, as it was before the event, that listen for it. It returns what it did to
// them. ok is false if something must be fetched first.
func (s *scope) listeners(before *engine.Person, now *engine.Person, e planned, ev *engine.Event) (moved []engine.Decision, ok bool, err error) {
	ok = true
	moved, err = s.hear(before.Listens, before.Key, e.set.Location, ev)
	for _, key := range before.Took {
		if err != nil {
			break
		}
		var more []engine.Decision
		if s.r.partition(key) != s.p {
			k := echoKey{ev.Identity(), key}
			echoed, known := s.have.echoed[k]
			if !known {
				s.lack.echo(k, echo{ev: ev, loc: e.set.Location, person: *now})
				ok = false
			}
			moved = append(moved, echoed...)
			continue
		}
		home, err := s.load(before.Location, key)
		if err != nil {
			continue // its runs cannot be had; the event counts all the same
		}
		more, err = s.hear(home.Listens, key, e.set.Location, ev)
		if err != nil {
			return nil, false, err
		}
		moved = append(moved, more...)
	}
	return moved, ok, err
}

// hear gives an event to those of the runs that listen for it.
func (s *scope) hear(listens []engine.Listen, key engine.ID, loc *engine.Location, ev *engine.Event) (moved []engine.Decision, err error) {
	for _, l := range listens {
		if !l.Hears(ev.Type) {
			continue
		}
		before, err := engine.LoadRun(s.tx, ev.Location, l.Run)
		if err != nil {
			s.r.cfg.Logger.Error().Err(err).Stringer("run", l.Run).Msg("run does not learn of an event")
			continue
		}
		if before == nil || before.State.Over() {
			if err := s.forgetListen(ev.Location, key, l.Run); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.advance(loc, before, engine.Input{Event: ev}); err != nil {
			if err := s.stop(before, err); err != nil {
				return nil, err
			}
		}
		after, err := engine.LoadRun(s.tx, ev.Location, l.Run)
		if err != nil || after == nil {
			return nil, err
		}
		if says := engine.Moved(before, after); says != "" {
			moved = append(moved, engine.Decision{Workflow: after.Workflow, Run: after.ID, Moved: says})
		}
	}
	return moved, nil
}

// forgetListen drops a run that is over: it was stopped while its person could not be had.
func (s *scope) forgetListen(location string, key, run engine.ID) error {
	p, err := s.load(location, key)
	if err != nil || p == nil {
		return err
	}
	mended := *p
	mended.Listens = engine.WithoutListen(p.Listens, run)
	s.keep(mended)
	return nil
}

// An echo is an event for runs in another partition than its person's, which began under a key that the person absorbed. It is
// committed there before the event is here: if the process dies in between, the event is delivered again, and is a
// duplicate there.
type echo struct {
	ev     *engine.Event
	loc    *engine.Location
	person engine.Person // as the event leaves it
}

type echoKey struct {
	identity [16]byte
	contact  engine.ID
}

func (l *lacking) echo(k echoKey, e echo) {
	if l.echoes == nil {
		l.echoes = map[echoKey]echo{}
	}
	l.echoes[k] = e
}

// echo gives an event to the runs of an absorbed contact. Most have none that listens.
func (r *Runner) echo(ctx context.Context, k echoKey, e echo) (moved []engine.Decision, err error) {
	p := r.partition(k.contact)
	wanted := false
	err = p.store.View(ctx, func(tx engine.Tx) error {
		home, err := engine.LoadPerson(tx, e.ev.Location, k.contact)
		wanted = home != nil && slices.ContainsFunc(home.Listens, func(l engine.Listen) bool { return l.Hears(e.ev.Type) })
		return err
	})
	if err == nil && wanted {
		err = r.update(ctx, p, func(s *scope) (err error) {
			moved = nil
			if engine.SeenEvent(s.tx, e.ev.Location, k.contact, k.identity, s.now) {
				return nil
			}
			engine.PruneEvents(s.tx, e.ev.Location, k.contact, k.identity, s.now.Add(-s.r.cfg.Dedup), pruneAtOnce)
			home, err := engine.LoadPerson(s.tx, e.ev.Location, k.contact)
			if err != nil || home == nil {
				return err
			}
			s.people[k.contact], s.have.people[e.person.Key] = &e.person, &e.person
			moved, err = s.hear(home.Listens, k.contact, e.loc, e.ev)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("event for runs of absorbed contact %s: %w", k.contact, err)
	}
	return moved, nil
}

// home returns the record under the key that a run began with: the person's own, or that of a contact which the person
// absorbed. Listens are kept there.
func (s *scope) home(run *engine.Run, person *engine.Person) (*engine.Person, error) {
	if run.Contact == person.Key {
		return person, nil
	}
	return s.load(run.Location, run.Contact)
}

// keepMoved keeps what the core made of a run's person: as the core knew it, under the run's key and with that key's Listens.
func (s *scope) keepMoved(person, home *engine.Person, changed engine.Person) {
	if home != person {
		if !slices.EqualFunc(home.Listens, changed.Listens, sameListen) {
			mended := *home
			mended.Listens = changed.Listens
			s.keep(mended)
		}
		changed.Key, changed.Listens = person.Key, person.Listens
	}
	// An end of a run changes the ledger, and looking there first saves the walk through all else.
	if !maps.Equal(changed.Starts, person.Starts) || !reflect.DeepEqual(&changed, person) {
		s.keep(changed)
	}
}

func sameListen(a, b engine.Listen) bool { return a.Run == b.Run && slices.Equal(a.Types, b.Types) }

// errLeft is why a message is not attempted again whose run left it behind while it was being sent.
var errLeft = errors.New("its run went on to a goal before it was sent")

// cancel takes a task back that is due. Its run is told. A queue that holds it finds nothing to do.
func (s *scope) cancel(c *engine.Cancel) error {
	t, err := engine.LoadTask(s.tx, c.Location, c.Task)
	if err != nil || t == nil || t.State != engine.TaskDue {
		return err
	}
	t.State, t.Changed, t.Error, t.Held = engine.TaskSuppressed, s.now, c.Why(t), nil
	if err := s.saveTask(t, false); err != nil {
		return err
	}
	run, err := engine.LoadRun(s.tx, c.Location, t.Run)
	if err != nil || run == nil {
		return err
	}
	if told, left := engine.Settled(*run, t); left {
		return engine.SaveRun(s.tx, &told)
	}
	return nil
}
