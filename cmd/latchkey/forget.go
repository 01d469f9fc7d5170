package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"latchkey/actions/outbox"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
	"latchkey/linkgen"
	"latchkey/linkgen/sso"
	"latchkey/triggers"
)

// forgetTries is how often what was begun is taken up again.
const forgetTries = time.Minute

// A forgetter carries out the entries of the forget list, one at a time. An entry is a durable intent: it is on disk before
// anything is removed, and the store notes it when all is.
type forgetter struct {
	mu   sync.Mutex
	wake chan struct{}
}

// forgotKey is where the store notes that an entry was carried out: in SpaceMeta of the global partition.
func forgotKey(id string) []byte { return []byte("forgot " + id) }

// notForgotten returns the entries of the list that a store has not carried out.
func notForgotten(ctx context.Context, global engine.Store, list []forgotten) (open []forgotten, err error) {
	err = global.View(ctx, func(tx engine.Tx) error {
		open = nil
		for _, e := range list {
			if tx.Get(engine.SpaceMeta, forgotKey(e.ID)) == nil {
				open = append(open, e)
			}
		}
		return nil
	})
	return open, err
}

// openForgotten carries out at the start what was not finished, or what a restored store has not heard of, before any event is
// applied or message sent.
func (i *instance) openForgotten(ctx context.Context) error {
	i.forgetter.wake = make(chan struct{}, 1)
	open, err := i.openEntries(ctx)
	if err != nil {
		return err
	}
	if len(open) > 0 { // whoever waits for the start is to know why
		i.log.Info().Int("contacts", len(open)).Msg("contacts are forgotten before the start, as the forget list says; each takes as long as their events are many")
	}
	for _, e := range open {
		if _, err := i.carryOut(ctx, e, false); err != nil {
			return fmt.Errorf("forget a contact, as %s says: %w", forgetList(i.cfg.Keys), err)
		}
	}
	return nil
}

func (i *instance) openEntries(ctx context.Context) ([]forgotten, error) {
	list, err := readForgetList(forgetList(i.cfg.Keys))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return notForgotten(ctx, i.stores.Global(), list)
}

// keepForgetting takes up again what a request began and could not finish.
func (i *instance) keepForgetting(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-i.forgetter.wake:
		case <-time.After(forgetTries):
		}
		open, err := i.openEntries(ctx)
		for _, e := range open {
			if _, cerr := i.carryOut(ctx, e, true); cerr != nil {
				err = errors.Join(err, cerr)
			}
		}
		if err != nil && ctx.Err() == nil {
			i.log.Error().Err(err).Msg("a contact is not forgotten yet, trying again later")
		}
	}
}

// forget writes the intent down and carries it out. When ctx ends before that is done it goes on without it, and the answer
// says that it is pending.
func (i *instance) forget(ctx context.Context, location string, contact engine.ID) (console.Removed, error) {
	s, err := i.runner.Survey(ctx, location, []engine.ID{contact}, time.Time{})
	if err != nil {
		return console.Removed{}, err
	}
	e, err := i.intend(ctx, s)
	if err != nil {
		return console.Removed{}, err
	}
	res, err := i.carryOut(ctx, e, true)
	if err != nil {
		select {
		case i.forgetter.wake <- struct{}{}:
		default:
		}
		i.log.Warn().Err(err).Stringer("contact", contact).Msg("a contact is not forgotten yet, going on")
		return console.Removed{Contact: contact.String(), Pending: true}, nil
	}
	return res, nil
}

// intend writes an entry for the contact of a survey.
func (i *instance) intend(ctx context.Context, s *runner.Survey) (forgotten, error) {
	i.forgetter.mu.Lock()
	defer i.forgetter.mu.Unlock()
	file := forgetList(i.cfg.Keys)
	list, err := readForgetList(file)
	if err != nil {
		return forgotten{}, err
	}
	last, err := i.bus.Last(ctx)
	if err != nil {
		return forgotten{}, err
	}
	e := newForgotten(list, s.Location, i.cfg.Now(), s.Keys, last)
	e.addAll(s)
	_, err = addForgotten(file, e)
	return e, err
}

// carryOut removes all that there is of the contact of an entry, and notes it. Each of its steps can be repeated. While the
// engine runs (live), events from before the entry are applied first.
func (i *instance) carryOut(ctx context.Context, e forgotten, live bool) (console.Removed, error) {
	i.forgetter.mu.Lock()
	defer i.forgetter.mu.Unlock()
	if live {
		if err := i.awaitEvents(ctx, e.Events); err != nil {
			return console.Removed{}, err
		}
	}
	began := i.cfg.Now()
	s, err := i.runner.Survey(ctx, e.Location, e.Contacts, time.Time{})
	if err != nil {
		return console.Removed{}, err
	}
	if err := i.noteRuns(ctx, e, s); err != nil {
		return console.Removed{}, err
	}
	// Streams come first: what tells which messages are the contact's is in the store.
	erased, err := i.erase(ctx, e, s, triggers.Marks{}, false)
	if err != nil {
		return console.Removed{}, err
	}
	res, err := i.removed(ctx, e, s, erased, false)
	if err != nil {
		return res.Removed, err
	}
	if err := i.forgetRecords(ctx, e, s, began, live); err != nil {
		return res.Removed, err
	}
	n, err := i.outbox.Forget(ctx, e.outbox(s), false)
	if err != nil {
		return res.Removed, err
	}
	res.Outbox += n
	again, err := i.erase(ctx, e, s, erased.Next, false)
	if err != nil {
		return res.Removed, err
	}
	res.add(again)
	if err := i.logins.forget(ctx, e, s.Keys); err != nil {
		return res.Removed, err
	}
	if err := i.stores.Scrub(ctx); err != nil {
		return res.Removed, err
	}
	err = i.stores.Global().Update(ctx, func(tx engine.Tx) error {
		tx.Put(engine.SpaceMeta, forgotKey(e.ID), []byte{1})
		tx.Delete(engine.SpaceMeta, forgetRunsKey(e.ID))
		return nil
	})
	if err == nil {
		i.log.Info().Str("entry", e.ID).Int("runs", res.Runs).Int("events", res.Events).Msg("a contact was forgotten")
	}
	return res.Removed, err
}

// forgetRecords removes a contact's records from the store, and adds to the survey the runs and messages that were not in it yet.
func (i *instance) forgetRecords(ctx context.Context, e forgotten, s *runner.Survey, began time.Time, live bool) error {
	links := func(tx engine.Tx, key engine.ID) error {
		return errors.Join(i.links.Forget(tx, e.Location, key), sso.Forget(tx, e.Location, key))
	}
	late, err := i.runner.Forget(ctx, s, began, links)
	if err != nil {
		return err
	}
	maps.Copy(s.Runs, late.Runs)
	maps.Copy(s.Tasks, late.Tasks)
	maps.Copy(s.Sequences, late.Sequences)
	if !live {
		return nil
	}
	if err := i.runner.AwaitAttempts(ctx, s.Keys); err != nil {
		return fmt.Errorf("a message is being handed over: %w", err)
	}
	_, err = i.runner.Forget(ctx, s, began, links) // what was under way meanwhile
	return err
}

// awaitEvents returns when all events up to an offset were applied.
func (i *instance) awaitEvents(ctx context.Context, upTo engine.Offset) error {
	for {
		seq, all, err := i.bus.Acked(ctx)
		if err == nil && (all || seq >= upTo.Seq) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("events that came before are not applied yet: %w", errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// erase removes the contact's messages from the streams: those applied, and those from before the entry.
func (i *instance) erase(ctx context.Context, e forgotten, s *runner.Survey, from triggers.Marks, dry bool) (triggers.Erased, error) {
	off, err := i.runner.Offsets(ctx, triggers.StreamCourses)
	if err != nil {
		return triggers.Erased{}, err
	}
	upTo := off.Seq
	if last, err := i.bus.Last(ctx); err != nil {
		return triggers.Erased{}, err
	} else if last.Created.Equal(e.Events.Created) {
		upTo = max(upTo, e.Events.Seq)
	}
	if seq, _, err := i.bus.Acked(ctx); err == nil { // of several partitions, one without events stores its offset late
		upTo = max(upTo, seq)
	}
	return i.bus.Erase(ctx, triggers.Erasing{
		Foreign:  func(location string) bool { return location != e.Location && i.site(location) != nil },
		Location: e.Location, UpTo: upTo, From: from, Events: s.Sequences, Dry: dry,
		Contact: func(id, email string) bool {
			if id != "" {
				return e.is(whoID, id)
			}
			return e.is(whoEmail, email)
		},
		Ref: func(ref string) bool {
			if id, err := engine.ParseID(ref); err == nil {
				return s.Runs[id]
			}
			return false
		},
	})
}

func (e *forgotten) outbox(s *runner.Survey) outbox.Forgetting {
	return outbox.Forgetting{Location: e.Location, Tasks: s.Tasks, To: func(a string) bool { return e.is(whoEmail, a) || e.is(whoPhone, a) }}
}

// A removal is what is counted on the way.
type removal struct{ console.Removed }

func (r *removal) add(e triggers.Erased) {
	r.Events += e.Courses
	r.Dead += e.Dead
	r.Published += e.Out
}

// removed counts what there is of a contact, and removes it from the outbox unless dry.
func (i *instance) removed(ctx context.Context, e forgotten, s *runner.Survey, erased triggers.Erased, dry bool) (r removal, err error) {
	r.Contact, r.DryRun = e.Contacts[0].String(), dry
	n := s.Counts
	r.Contacts, r.Directory, r.Identities = n[engine.SpacePeople], n[engine.SpaceDirectory], s.Seen
	r.Runs, r.Messages = n[engine.SpaceActive]+n[engine.SpaceRuns], n[engine.SpaceDue]+n[engine.SpaceTasks]
	r.History, r.Notices = n[engine.SpaceDecisions], n[engine.SpaceNotices]
	r.add(erased)
	for _, key := range s.Keys {
		var held linkgen.Held
		err := i.stores.For(key.Shard()).View(ctx, func(tx engine.Tx) (err error) {
			held, err = i.links.Held(tx, e.Location, key)
			return err
		})
		if err != nil {
			return r, err
		}
		r.Links += held.Links
		r.Sessions += held.Sessions
	}
	r.Outbox, err = i.outbox.Forget(ctx, e.outbox(s), dry)
	return r, err
}

// forgetPatience is how long a request waits for its contact to be forgotten. The command waits a little longer.
const forgetPatience = 45 * time.Second

// Forget implements console.Forgetter.
func (i adminContacts) Forget(ctx context.Context, _, ref string, dry bool) (console.Removed, error) {
	p, err := i.person(ctx, ref)
	if err != nil {
		return console.Removed{}, err
	}
	if !dry {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetPatience)
		defer cancel()
		return i.forget(ctx, i.cfg.Location, p.Key)
	}
	s, err := i.runner.Survey(ctx, i.cfg.Location, []engine.ID{p.Key}, time.Time{})
	if err != nil {
		return console.Removed{}, err
	}
	e := newForgotten(nil, i.cfg.Location, i.cfg.Now(), s.Keys, engine.Offset{})
	e.addAll(s)
	erased, err := i.erase(ctx, e, s, triggers.Marks{}, true)
	if err != nil {
		return console.Removed{}, err
	}
	r, err := i.removed(ctx, e, s, erased, true)
	return r.Removed, err
}
