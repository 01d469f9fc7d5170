package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// A HandStart asks for one run of a workflow that is in force, for one contact.
type HandStart struct {
	Location string
	Contact  engine.ID // the key; of one that was absorbed, whoever absorbed it is meant
	Workflow string
	// What the run's event says. Of two with the same Type, Source and ID the second starts nothing, as long as the identities of
	// events are kept. Type is no trigger.
	Type, Source, ID string
	Custom           engine.Custom
	Rates            []engine.Rate // how often it may be asked for the contact; none is no bound
}

// A HandStarted is what became of a HandStart.
type HandStarted struct {
	Contact  engine.ID       // the key of the contact that the run is for
	Decision engine.Decision // Run is zero if none started, and Reason says why. Until is set if that is for the rates
	Task     engine.ID       // the first message that the run waits for; zero if it has none
	Repeated bool            // it was started before, by the same id; Contact alone is set beside it
}

// StartByHand starts a run for one contact in one commit (see engine.StartByHand). What was decided is kept beside what events
// caused, unless the rates refused. Returns ErrNoPerson, the store's error or the context's.
func (r *Runner) StartByHand(ctx context.Context, h HandStart) (out HandStarted, err error) {
	if err := r.awaitReady(ctx); err != nil {
		return out, err
	}
	if err := r.lock(ctx); err != nil { // nobody is absorbed, or forgotten, meanwhile
		return out, err
	}
	defer r.unlock()
	set := r.place(h.Location).set.Load()
	if set == nil {
		return out, fmt.Errorf("start %s: %s", h.Workflow, causeNoPlace)
	}
	person, err := r.Person(ctx, h.Location, h.Contact)
	if err == nil && person == nil {
		err = ErrNoPerson
	}
	if err == nil {
		err = r.update(ctx, r.partition(person.Key), func(s *scope) (err error) {
			out, err = s.startByHand(set, person.Key, &h)
			return err
		})
	}
	if errors.Is(err, errRates) {
		return out, nil
	}
	if err != nil {
		return HandStarted{}, fmt.Errorf("start %s for contact %s: %w", h.Workflow, h.Contact, err)
	}
	return out, nil
}

var errRates = errors.New("the rates refuse it") // so that nothing is stored

func (s *scope) startByHand(set *engine.Set, key engine.ID, h *HandStart) (out HandStarted, err error) {
	person, err := s.person(h.Location, key)
	if err != nil || person == nil {
		return out, err
	}
	if person = s.endStarts(person); person == nil {
		return out, nil // the transaction runs again
	}
	ev := engine.Event{Type: h.Type, Source: h.Source, ID: h.ID, Location: h.Location, Time: s.now, Custom: h.Custom,
		Contact: engine.Contact{ID: person.Contact.ID}}
	if engine.SeenEvent(s.tx, h.Location, key, ev.Identity(), s.now) {
		return HandStarted{Contact: key, Repeated: true}, nil
	}
	engine.PruneEvents(s.tx, h.Location, key, ev.Identity(), s.now.Add(-s.r.cfg.Dedup), pruneAtOnce)
	changed, runs, cmds, d, err := startByHand(set, person, ev, h, s.now)
	out = HandStarted{Contact: key, Decision: d}
	switch {
	case err != nil:
		return out, err
	case !d.Until.IsZero():
		return out, errRates
	}
	s.keep(changed)
	for i := range runs {
		if err := s.saveRun(&runs[i]); err != nil {
			return out, err
		}
	}
	for _, c := range cmds {
		if c.Task != nil && c.Task.Run == d.Run {
			out.Task = c.Task.ID
		}
	}
	engine.SaveEvent(s.tx, &engine.EventRecord{
		Location: ev.Location, Ordinal: engine.HandOrdinal(&ev), ID: ev.ID, Type: ev.Type, Source: ev.Source, Contact: key,
		Time: ev.Time, At: s.now, Decisions: []engine.Decision{d},
	})
	s.tellPlanned(&ev, len(runs), 0, false)
	return out, s.commands(cmds)
}

// startByHand calls the core; a panic in it concerns this start only.
func startByHand(set *engine.Set, p *engine.Person, ev engine.Event, h *HandStart, now time.Time) (
	changed engine.Person, runs []engine.Run, cmds []engine.Command, d engine.Decision, err error) {
	defer contain(&err)
	changed, runs, cmds, d = engine.StartByHand(set, *p, ev, h.Workflow, h.Rates, now)
	return changed, runs, cmds, d, nil
}

// LookupAddress returns the keys of the contacts that have that e-mail address, and unlike Lookup takes no text for an id. None is no
// error.
func (r *Runner) LookupAddress(ctx context.Context, location, email string) (keys []engine.ID, err error) {
	if email = normal(email); email == "" || len(email) > maxIdentity {
		return nil, nil
	}
	err = r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) (err error) {
		d := &resolver{tx: tx, readOnly: true}
		keys, err = d.holders(location, email)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up contact: %w", err)
	}
	return keys, nil
}
