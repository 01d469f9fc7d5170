package runner

import (
	"cmp"
	"slices"
	"time"

	"latchkey/engine"
)

// This file holds tasks back and lets them go again: those of a workflow that is paused or of a location whose sending is, until that
// ends (heldTasks), those that a rule of their workflow holds until a time in later, marked as gated.

// today returns the workflow in force by that id, nil if there is none, and the location; nil if it is not configured.
func (pl *place) today(workflow string) (*engine.Workflow, *engine.Location) {
	set := pl.set.Load()
	if set == nil {
		return nil, nil
	}
	loc := set.Location
	if pause := pl.pause.Load(); pause != nil {
		paused := *loc
		paused.Pause = pause
		loc = &paused
	}
	return set.Lookup(workflow), loc
}

// stopped reports whether nothing of the workflow may begin, whatever it is.
func (pl *place) stopped(workflow string) bool {
	_, held := pl.inForce(workflow)
	return held || pl.pause.Load() != nil
}

// gate asks the core whether a task may begin. The location is nil if it is not configured. A person that cannot be read
// is nobody to the rules: the attempt will say so.
func (s *scope) gate(pl *place, t *engine.Task) (*engine.Location, engine.Verdict) {
	w, loc := pl.today(t.Workflow)
	if loc == nil {
		return nil, engine.Verdict{}
	}
	person, err := s.person(t.Location, t.Contact)
	if err != nil || person == nil { // if it is nil it is fetched, and the transaction runs again
		person = &engine.Person{}
	}
	return loc, engine.Gate(w, loc, t, person, s.now)
}

// hold keeps why a task is held, for those who look at it, and says when to look again.
func (s *scope) hold(t *engine.Task, v engine.Verdict) (outcome, error) {
	o := outcome{held: v.Until.IsZero()}
	if !o.held {
		o.gated, o.at = true, dueMilli(v.Until)
	}
	h := engine.Hold{Since: s.now, Until: v.Until, By: v.By}
	if t.Held != nil {
		if h.Since = t.Held.Since; h.By == t.Held.By && h.Until.Equal(t.Held.Until) {
			return o, nil
		}
	}
	t.Held = &h
	return o, s.saveTask(t, false)
}

// number gives a task its place in the order of those that were queued. The caller holds mu.
func (p *partition) number(it *item) {
	if it.seq == 0 {
		p.items++
		it.seq = p.items
	}
}

func inTurn(items []item) {
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.seq, b.seq) })
}

// putLater has a task looked at again when its outcome says. The caller holds mu.
func (p *partition) putLater(it item, o outcome) {
	if o.gated {
		it.gated = true
		p.gated[it.contact]++
	}
	p.later.push(o.at, it)
}

// ungate forgets that a rule holds the task. The caller holds mu.
func (p *partition) ungate(it *item) {
	if !it.gated {
		return
	}
	it.gated = false
	if p.gated[it.contact]--; p.gated[it.contact] == 0 {
		delete(p.gated, it.contact)
	}
}

// takeGated takes out of later the tasks that a rule holds and ok chooses, in turn. The caller holds mu.
func (p *partition) takeGated(ok func(item) bool) []item {
	if len(p.gated) == 0 {
		return nil
	}
	taken := p.later.takeIf(func(it item) bool { return it.gated && ok(it) })
	for i := range taken {
		p.ungate(&taken[i])
	}
	inTurn(taken)
	return taken
}

// wakeGated has the rules looked at again for a contact's tasks that they hold. The caller holds mu.
func (p *partition) wakeGated(contact engine.ID, now int64) {
	if p.gated[contact] == 0 {
		return
	}
	for _, it := range p.takeGated(func(it item) bool { return it.contact == contact }) {
		p.add(it, now, now)
	}
	signal(p.wake)
}

// release puts everything that was held back into the queues, spread; what must not begin yet is held again. Those that rules
// hold are looked at again only if the rules of their location have changed.
func (p *partition) release(pl *place, rules bool, wall time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now(wall)
	p.released++
	tasks, timers := p.heldTasks, p.heldTimers
	p.heldTasks, p.heldTimers = nil, nil
	if rules {
		tasks = append(tasks, p.takeGated(func(it item) bool { return it.place == pl })...)
	}
	inTurn(tasks)
	slots := 0
	for _, it := range tasks {
		if p.addOverdue(it, now+spread(slots)) {
			slots++
		}
	}
	for i, t := range timers {
		p.timers.push(now+spread(i), t)
	}
	signal(p.wake)
}

// moved has the rules looked at again if a person's clock is another now.
func (s *scope) moved(before, after *engine.Person) {
	if before.Contact.Timezone != after.Contact.Timezone {
		s.woken = append(s.woken, after.Key)
	}
}

// reserve notes an attempt that begins in its person's ledger, if limits of the location ask, and reports whether it did.
func (s *scope) reserve(pl *place, t *engine.Task) bool {
	set := pl.set.Load()
	if set == nil {
		return false
	}
	keep, asked := set.Counts(t.Class)
	if !asked {
		return false
	}
	person, err := s.person(t.Location, t.Contact)
	if err != nil || person == nil {
		return false // the attempt has read them already
	}
	s.keep(person.Reserve(t, keep, s.now))
	return true
}

// count notes in the person's ledger how an attempt ended. Where it frees a place, whatever waits for one is looked at again.
func (s *scope) count(t *engine.Task, handed bool) {
	person, err := s.person(t.Location, t.Contact)
	if err != nil || person == nil { // if it is nil it is fetched, and the transaction runs again
		return
	}
	changed, yes := person.Settle(t, handed, s.now)
	if !yes {
		return
	}
	s.keep(changed)
	if !handed {
		s.woken = append(s.woken, t.Contact)
	}
}
