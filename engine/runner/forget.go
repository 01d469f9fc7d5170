package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// A Survey is what the store holds of one contact, and of those that it absorbed.
type Survey struct {
	Location string
	Keys     []engine.ID
	IDs      []string // the site's own
	Emails   []string // as the directory compares them
	Phones   []string
	Runs     map[engine.ID]bool
	Tasks    map[engine.ID]bool
	// Sequences are the messages of the stream in force that were its events, as far as history goes back.
	Sequences map[uint64]bool
	// What there is to remove: people, identities of events (seen), runs, tasks, events, notices.
	Counts map[engine.Space]int
	Seen   int

	records map[*partition][]placed
}

// placed is where a record is.
type placed struct {
	space engine.Space
	key   []byte
}

// Survey looks through the whole store for a contact. It takes about as long as reading it from disk; nothing waits for
// it. since leaves out runs, tasks and events that are older.
func (r *Runner) Survey(ctx context.Context, location string, contacts []engine.ID, since time.Time) (*Survey, error) {
	s := &Survey{
		Location: location, Keys: slices.Clone(contacts), Runs: map[engine.ID]bool{}, Tasks: map[engine.ID]bool{}, Sequences: map[uint64]bool{},
		Counts: map[engine.Space]int{}, records: map[*partition][]placed{},
	}
	if err := r.findAbsorbed(ctx, s); err != nil {
		return nil, err
	}
	err := r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) error { return s.readDirectory(tx) })
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	_, at, err := r.positions(ctx, coursesStream)
	if err != nil {
		return nil, err
	}
	for _, p := range r.parts {
		err := p.store.View(ctx, func(tx engine.Tx) error {
			s.records[p] = nil
			s.readHistory(tx, p, since, at.generation)
			if err := s.readTimers(tx, p); err != nil {
				r.cfg.Logger.Error().Err(err).Str("location", location).Msg("timer passed over")
			}
			for _, key := range s.Keys {
				if r.partition(key) == p {
					s.readPerson(tx, p, key)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("survey of contact %s: %w", contacts[0], err)
		}
	}
	for _, p := range r.parts { // runs of one partition may be told of in another
		err := p.store.View(ctx, func(tx engine.Tx) error { s.readNotices(tx, p); return nil })
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// coursesStream is the stream whose sequences are in the records of events.
const coursesStream = "COURSES"

// findAbsorbed adds the keys of the contacts that the survey's absorbed, one by another.
func (r *Runner) findAbsorbed(ctx context.Context, s *Survey) error {
	prefix := engine.Key(s.Location)
	for known := 0; known < len(s.Keys); {
		fresh := s.Keys[known:]
		known = len(s.Keys)
		for _, p := range r.parts {
			err := p.store.View(ctx, func(tx engine.Tx) error {
				tx.Scan(engine.SpacePeople, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
					id, ok := personOf(k, prefix)
					if !ok || slices.Contains(s.Keys, id) || !slices.ContainsFunc(fresh, func(to engine.ID) bool { return bytes.Contains(v, to[:]) }) {
						return true
					}
					if person, err := engine.DecodePerson(v); err == nil && slices.Contains(s.Keys, person.Absorbed) {
						s.Keys = append(s.Keys, id)
					}
					return true
				})
				return nil
			})
			if err != nil {
				return fmt.Errorf("absorbed contacts: %w", err)
			}
		}
	}
	return nil
}

// personOf returns whose record is at a key of SpacePeople, and whether it is a person's.
func personOf(k, prefix []byte) (id engine.ID, ok bool) {
	if len(k) != len(prefix)+len(id)+1 || k[len(k)-1] != 0 {
		return id, false
	}
	return engine.ID(k[len(prefix) : len(k)-1]), true
}

// readDirectory notes the ids and addresses that stand for one of the keys.
func (s *Survey) readDirectory(tx engine.Tx) error {
	s.IDs, s.Emails = nil, nil
	s.Counts[engine.SpaceDirectory] = 0
	prefix := engine.Key(s.Location)
	var bad error
	tx.Scan(engine.SpaceDirectory, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		kind, name := k[len(prefix)], string(k[len(prefix)+1:])
		if len(v) < 17 || v[0] != 1 {
			bad = fmt.Errorf("directory: %w", engine.ErrRecord)
			return true
		}
		if !slices.Contains(s.Keys, engine.ID(v[1:17])) {
			return true
		}
		s.Counts[engine.SpaceDirectory]++
		switch kind {
		case byID:
			s.IDs = append(s.IDs, name)
			if email := string(v[17:]); email != "" && !slices.Contains(s.Emails, email) {
				s.Emails = append(s.Emails, email)
			}
		case byAddress:
			if !slices.Contains(s.Emails, name) {
				s.Emails = append(s.Emails, name)
			}
		}
		return true
	})
	return bad
}

// readPerson notes the record of one person and the identities of their events.
func (s *Survey) readPerson(tx engine.Tx, p *partition, key engine.ID) {
	prefix := engine.Key(s.Location, key[:])
	tx.Scan(engine.SpacePeople, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		s.note(p, engine.SpacePeople, k)
		if len(k) != len(prefix)+1 {
			s.Seen++
			s.Counts[engine.SpacePeople]--
			return true
		}
		person, err := engine.DecodePerson(v)
		if err != nil {
			return true // it is removed all the same
		}
		for list, value := range map[*[]string]string{&s.IDs: person.Contact.ID, &s.Emails: normal(person.Contact.Email), &s.Phones: person.Contact.Phone} {
			if value != "" && !slices.Contains(*list, value) {
				*list = append(*list, value)
			}
		}
		return true
	})
}

func (s *Survey) note(p *partition, space engine.Space, k []byte) {
	s.records[p] = append(s.records[p], placed{space, bytes.Clone(k)})
	s.Counts[space]++
}

// readTimers notes the timers of the persons; those of runs go with the runs.
func (s *Survey) readTimers(tx engine.Tx, p *partition) error {
	return engine.Timers(tx, s.Location, engine.TimerPlace{}, engine.TimerPlace{}, func(t engine.Timer) bool {
		if t.Kind == engine.TimerPerson && slices.Contains(s.Keys, t.ID) {
			place := t.Place()
			s.note(p, engine.SpaceTimers, engine.Key(s.Location, place[:]))
		}
		return true
	})
}

// readHistory notes runs, tasks and events.
func (s *Survey) readHistory(tx engine.Tx, p *partition, since time.Time, generation uint64) {
	first := engine.NewID(since, 0)
	from, to := engine.Key(s.Location, first[:8]), engine.PrefixEnd(engine.Key(s.Location))
	for _, space := range []engine.Space{engine.SpaceActive, engine.SpaceRuns} {
		tx.Scan(space, from, to, func(k, v []byte) bool {
			if h, err := engine.ReadRunHead(k, v); err == nil && slices.Contains(s.Keys, h.Contact) {
				s.Runs[h.ID] = true
				s.note(p, space, k)
			}
			return true
		})
	}
	for _, space := range []engine.Space{engine.SpaceDue, engine.SpaceTasks} {
		tx.Scan(space, from, to, func(k, v []byte) bool {
			if h, err := engine.ReadTaskHead(k, v); err == nil && slices.Contains(s.Keys, h.Contact) {
				s.Tasks[h.ID] = true
				s.note(p, space, k)
			}
			return true
		})
	}
	tx.Scan(engine.SpaceDecisions, from, to, func(k, v []byte) bool {
		if contact, err := engine.EventContact(v); err != nil || !slices.Contains(s.Keys, contact) {
			return true
		}
		if e, err := engine.DecodeEvent(v); err == nil && e.Ordinal>>48 == generation {
			s.Sequences[e.Ordinal&(1<<48-1)] = true
		}
		s.note(p, engine.SpaceDecisions, k)
		return true
	})
}

// readNotices notes what is still to be published of the contact.
func (s *Survey) readNotices(tx engine.Tx, p *partition) {
	prefix := engine.Key(s.Location)
	tx.Scan(engine.SpaceNotices, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		n, err := engine.DecodeNotice(v)
		if err != nil {
			return true
		}
		data, _ := n.Data.(json.RawMessage)
		if run, err := engine.ParseID(engine.AnnouncedBy(n.ID)); err == nil && s.Runs[run] || s.tells(data) {
			s.note(p, engine.SpaceNotices, k)
		}
		return true
	})
}

// tells reports whether a notice's data is about the contact.
func (s *Survey) tells(data []byte) bool {
	var d struct {
		Run     string          `json:"run"`
		Contact json.RawMessage `json:"contact"`
	}
	if json.Unmarshal(data, &d) != nil {
		return false
	}
	if id, err := engine.ParseID(d.Run); err == nil && s.Runs[id] {
		return true
	}
	var id string
	var c engine.Contact
	if json.Unmarshal(d.Contact, &id) != nil {
		_ = json.Unmarshal(d.Contact, &c)
		id = c.ID
	}
	return id != "" && slices.Contains(s.IDs, id) || id == "" && c.Email != "" && slices.Contains(s.Emails, normal(c.Email))
}

// Forget removes from the store what a survey found and what came since it began, the person last. in is called in a commit
// of each key's partition, once for each, to remove what others hold of it; it may run twice. It may be repeated after a crash or
// an error. Events are not applied meanwhile. It returns what it removed beyond the survey. A message that is being handed over
// just now arrives; see AwaitAttempts.
func (r *Runner) Forget(ctx context.Context, s *Survey, began time.Time, in func(tx engine.Tx, key engine.ID) error) (late *Survey, err error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.unlock()
	late, err = r.Survey(ctx, s.Location, s.Keys, began.Add(-aMoment))
	if err != nil {
		return nil, err
	}
	for _, sv := range []*Survey{s, late} {
		for _, p := range r.parts {
			if err := p.removeAll(ctx, sv.records[p]); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range late.Keys {
		err := r.partition(key).store.Update(ctx, func(tx engine.Tx) error { return in(tx, key) })
		if err != nil {
			return nil, fmt.Errorf("forget contact %s: %w", key, err)
		}
	}
	err = r.cfg.Stores.Global().Update(ctx, func(tx engine.Tx) error { return late.leaveDirectory(tx) })
	if err != nil {
		return nil, fmt.Errorf("forget contact %s: %w", s.Keys[0], err)
	}
	return late, nil
}

// aMoment is how far a clock that is read twice may differ from the store's.
const aMoment = time.Minute

// removeAll deletes records, few at a time so that others are not held up.
func (p *partition) removeAll(ctx context.Context, all []placed) error {
	// A person goes after all that belongs to them, so that a removal that was cut off can be taken up again.
	slices.SortStableFunc(all, func(a, b placed) int {
		return strings.Compare(string(last(a.space)), string(last(b.space)))
	})
	for part := range slices.Chunk(all, sweepMost) {
		err := p.store.Update(ctx, func(tx engine.Tx) error {
			for _, at := range part {
				if at.space == engine.SpaceActive {
					leaveTimer(tx, at.key)
				}
				tx.Delete(at.space, bytes.Clone(at.key))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget: %w", err)
		}
	}
	return nil
}

// leaveTimer removes the timer of a run that is to be removed. In memory it stays, and finds no run.
func leaveTimer(tx engine.Tx, key []byte) {
	h, err := engine.ReadRunHead(key, tx.Get(engine.SpaceActive, key))
	if err == nil && h.State == engine.RunWaiting {
		engine.SetTimer(tx, h.Location, engine.TimerRun, h.ID, h.Due, time.Time{})
	}
}

// last gives the space of persons the last place.
func last(s engine.Space) engine.Space {
	if s == engine.SpacePeople {
		return "\xff"
	}
	return ""
}

// leaveDirectory removes what stands for the keys.
func (s *Survey) leaveDirectory(tx engine.Tx) error {
	d := &resolver{tx: tx}
	for _, id := range s.IDs {
		e, known, err := d.id(s.Location, id)
		if err != nil {
			return err
		}
		if !known || !slices.Contains(s.Keys, e.key) {
			continue
		}
		if err := d.dropHolder(s.Location, e.email, id); err != nil {
			return err
		}
		tx.Delete(engine.SpaceDirectory, directoryKey(s.Location, byID, id))
	}
	for _, email := range s.Emails {
		a, err := d.address(s.Location, email)
		if err != nil {
			return err
		}
		if slices.Contains(s.Keys, a.provisional) {
			a.provisional = engine.ID{}
			d.putAddress(s.Location, email, a)
		}
	}
	for _, absorbed := range pendingAbsorptions(tx, []string{s.Location}) {
		if slices.Contains(s.Keys, absorbed.from) || slices.Contains(s.Keys, absorbed.to) {
			tx.Delete(engine.SpaceDirectory, engine.Key(s.Location, []byte{absorbing}, absorbed.from[:]))
		}
	}
	return nil
}

// AwaitAttempts returns when no message of those contacts is being handed over, and what was being published when it was called is,
// or with ctx's error.
func (r *Runner) AwaitAttempts(ctx context.Context, contacts []engine.ID) error {
	before := make([]uint64, len(r.parts))
	for i, p := range r.parts {
		p.mu.Lock()
		before[i] = p.published
		p.mu.Unlock()
	}
	for {
		busy := false
		for i, p := range r.parts {
			p.mu.Lock()
			busy = busy || p.publishing && p.published == before[i]
			for _, key := range contacts {
				busy = busy || p.flying[key] > 0
			}
			p.mu.Unlock()
		}
		if !busy {
			return nil
		}
		if !nap(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}
