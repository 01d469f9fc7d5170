package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// A scope is one Update of a partition as it runs: the transaction, its time, the persons it loaded, and what is to
// follow the commit. It may be made and thrown away several times for one Update.
type scope struct {
	r   *Runner
	p   *partition
	tx  engine.Tx
	now time.Time

	people map[engine.ID]*engine.Person // by the key they were asked for
	dirty  map[engine.ID]*engine.Person // by their own key
	have   *supplies
	lack   lacking

	timers []timer
	tasks  []scheduled[item]
	// Tasks whose attempt was not carried out still have their lane: those returned go first when there is room again,
	// those dropped leave it.
	returned, dropped []item

	woken   []engine.ID // contacts whose held tasks are to be looked at again
	notices bool
	owes    bool     // something to persons of other partitions
	told    []func() // what meters are told after the commit
}

// tell has a location's meter told of something after the commit.
func (s *scope) tell(location string, fn func(Meter)) {
	if s.r.cfg.Meter != nil {
		s.told = append(s.told, func() { fn(s.r.cfg.Meter(location)) })
	}
}

// supplies are what a transaction needs and cannot read itself: versions of workflows that are not compiled, and
// persons and runs of other partitions.
type supplies struct {
	people map[engine.ID]*engine.Person
	over   map[engine.ID]bool   // whether the run is over
	failed map[versionKey]error // versions that cannot be had
	echoed map[echoKey][]engine.Decision
}

type lacking struct {
	people   map[engine.ID]string // -> location
	runs     map[engine.ID]string // likewise
	versions map[versionKey]bool
	echoes   map[echoKey]echo
}

var errLacking = errors.New("something of another partition is needed first")

// update runs fn in one Update of p. If fn lacked supplies, nothing is stored, they are fetched, and it runs again; fn
// must pass over what it cannot do yet. After the commit, what fn caused is queued.
func (r *Runner) update(ctx context.Context, p *partition, fn func(*scope) error) error {
	have := &supplies{people: map[engine.ID]*engine.Person{}, over: map[engine.ID]bool{}, failed: map[versionKey]error{}, echoed: map[echoKey][]engine.Decision{}}
	wall := r.cfg.Now()
	for {
		var s *scope
		err := p.store.Update(ctx, func(tx engine.Tx) error {
			s = &scope{
				r: r, p: p, tx: tx, now: engine.Tick(tx, wall), have: have,
				people: map[engine.ID]*engine.Person{}, dirty: map[engine.ID]*engine.Person{},
			}
			if err := fn(s); err != nil {
				return err
			}
			if len(s.lack.people)+len(s.lack.runs)+len(s.lack.versions)+len(s.lack.echoes) > 0 {
				return errLacking
			}
			return s.savePeople()
		})
		if errors.Is(err, errLacking) {
			if err := r.fetch(ctx, p, s.lack, have); err != nil {
				return err
			}
			continue
		}
		if s != nil && s.owes && err != nil {
			p.owed.Add(1) // it may have been stored all the same
		}
		if err != nil {
			return err
		}
		p.ticked(s.now)
		s.enqueue()
		if s.owes {
			p.oweing(ctx, r)
		}
		for _, tell := range s.told {
			tell()
		}
		return nil
	}
}

// fetch gets what a transaction of p lacked.
func (r *Runner) fetch(ctx context.Context, p *partition, lack lacking, have *supplies) error {
	for k := range lack.versions {
		if err := r.versions.load(ctx, r, k); err != nil {
			if errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrLost) || ctx.Err() != nil {
				return err
			}
			have.failed[k] = err
		}
	}
	if len(lack.people) > 0 {
		if err := r.pay(ctx, p); err != nil { // a run is to see what it did itself
			return err
		}
	}
	for key, location := range lack.people {
		err := r.partition(key).store.View(ctx, func(tx engine.Tx) error {
			p, err := engine.LoadPerson(tx, location, key)
			if p == nil {
				p = &engine.Person{Key: key, Location: location}
			}
			have.people[key] = p
			return err
		})
		if err != nil {
			return fmt.Errorf("person %s: %w", key, err)
		}
	}
	for k, e := range lack.echoes {
		moved, err := r.echo(ctx, k, e)
		if err != nil {
			return err
		}
		have.echoed[k] = moved
	}
	for id, location := range lack.runs {
		err := r.partition(id).store.View(ctx, func(tx engine.Tx) error {
			run, err := engine.LoadRun(tx, location, id)
			have.over[id] = err == nil && (run == nil || run.State.Over()) // nil is over for long
			return nil
		})
		if err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
	}
	return nil
}

func (l *lacking) run(id engine.ID, location string) {
	if l.runs == nil {
		l.runs = map[engine.ID]string{}
	}
	l.runs[id] = location
}

// person returns the person of a key, or whoever absorbed them. It is nil, without an error, if they must be
// fetched first. Returns ErrNoPerson if there is none.
func (s *scope) person(location string, key engine.ID) (*engine.Person, error) {
	if p := s.people[key]; p != nil {
		if d := s.dirty[p.Key]; d != nil {
			return d, nil
		}
		return p, nil
	}
	p, err := s.load(location, key)
	if err == nil && p != nil && !p.Absorbed.IsZero() {
		p, err = s.load(location, p.Absorbed)
	}
	if err != nil || p == nil {
		return nil, err
	}
	s.people[key] = p
	return p, nil
}

// ErrNoPerson is returned for a contact that is not in the store.
var ErrNoPerson = errors.New("contact is not in the store")

func (s *scope) load(location string, key engine.ID) (*engine.Person, error) {
	if d := s.dirty[key]; d != nil {
		return d, nil
	}
	if s.r.partition(key) == s.p {
		p, err := engine.LoadPerson(s.tx, location, key)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, ErrNoPerson
		}
		return p, nil
	}
	if p := s.have.people[key]; p != nil {
		return p, nil
	}
	if s.lack.people == nil {
		s.lack.people = map[engine.ID]string{}
	}
	s.lack.people[key] = location
	return nil, nil
}

// keep remembers a changed person; it is stored at the end of the transaction.
func (s *scope) keep(p engine.Person) { s.dirty[p.Key] = &p }

func (s *scope) savePeople() error {
	for key, p := range s.dirty {
		if s.r.partition(key) != s.p {
			if err := s.owe(p); err != nil {
				return err
			}
			continue
		}
		if err := s.savePerson(p); err != nil {
			return err
		}
	}
	return nil
}

// workflow returns the version that a run is pinned to. It is nil, without an error, if it must be fetched first.
func (s *scope) workflow(run *engine.Run) (*engine.Workflow, error) {
	k := versionKey{run.Location, run.Workflow, run.Version}
	if w := s.r.versions.get(k); w != nil {
		return w, nil
	}
	if err := s.have.failed[k]; err != nil {
		return nil, err
	}
	if s.lack.versions == nil {
		s.lack.versions = map[versionKey]bool{}
	}
	s.lack.versions[k] = true
	return nil, nil
}

// saveRun stores a run and remembers its timer.
func (s *scope) saveRun(run *engine.Run) error {
	if err := engine.SaveRun(s.tx, run); err != nil {
		return err
	}
	if state := run.State; state.Over() {
		s.tell(run.Location, func(m Meter) { m.Run(state) })
	}
	if run.State == engine.RunWaiting && run.Wait != nil {
		s.queueTimer(run.Location, engine.TimerRun, run.ID, run.Wait.Due)
	}
	return nil
}

// commands stores what the core asks for.
func (s *scope) commands(cmds []engine.Command) error {
	for _, c := range cmds {
		switch {
		case c.Task != nil:
			if err := s.saveTask(c.Task, true); err != nil {
				return err
			}
		case c.Notice != nil:
			if err := s.notify(c.Notice); err != nil {
				return err
			}
		case c.Cancel != nil:
			if err := s.cancel(c.Cancel); err != nil {
				return err
			}
		case c.Decided != nil:
			s.settleEvent(c.Decided)
		}
	}
	return nil
}

// saveTask stores a task; queue says that a due one is to be queued after the commit.
func (s *scope) saveTask(t *engine.Task, queue bool) error {
	if err := engine.SaveTask(s.tx, t); err != nil {
		return err
	}
	if kind, state := t.Kind, t.State; state.Over() {
		s.tell(t.Location, func(m Meter) { m.Message(kind, state, 0) })
	}
	if queue && t.State == engine.TaskDue {
		s.tasks = append(s.tasks, scheduled[item]{dueMilli(t.NotBefore), s.r.itemOf(t)})
	}
	return nil
}

// dueMilli rounds up: nothing is done before its time.
func dueMilli(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// enqueue puts what the commit caused into the queues.
func (s *scope) enqueue() {
	if len(s.tasks)+len(s.timers)+len(s.returned)+len(s.dropped)+len(s.woken) == 0 && !s.notices {
		return
	}
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now(s.r.cfg.Now())
	for _, t := range s.tasks {
		p.add(t.what, t.at, now)
	}
	for _, t := range s.timers {
		p.addTimer(t, s.r.cfg.timersAtOnce)
	}
	for _, it := range s.returned {
		p.giveBack(it)
	}
	for _, it := range s.dropped {
		p.leave(it)
	}
	for _, contact := range s.woken {
		p.wakeGated(contact, now)
	}
	if len(s.tasks)+len(s.timers)+len(s.returned)+len(s.dropped) > 0 {
		signal(p.wake)
	}
	if s.notices {
		p.unread = true
		signal(p.announce)
	}
}
