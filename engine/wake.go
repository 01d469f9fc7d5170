package engine

import "time"

// NextWake returns when the person is next to be woken: the end of the first gathering or watch; zero if none is open.
func (p *Person) NextWake() (at time.Time) {
	for i := range p.Gatherings {
		at = earlier(at, p.Gatherings[i].Due)
	}
	for i := range p.Watches {
		at = earlier(at, p.Watches[i].Due)
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Wake ends the gatherings and watches of a person whose time is over, in the order of their time, and starts their
// runs. The set is that of today: a gathering or watch of a workflow that is gone, or a draft now, starts nothing; one that is paused
// starts its runs as Plan does. It changes none of its arguments, and nothing if nothing is due.
//
// Decisions has one entry for each that ended. Commands settle the records of their events.
func Wake(set *Set, p Person, now time.Time) (Person, []Run, []Command, []Decision) {
	all := planner{set: set.indexed(), p: p, now: now}
	for {
		g, t := all.p.takeDue(now)
		one := planner{set: all.set, p: all.p, now: now, told: all.p}
		switch {
		case g != nil:
			one.ev = &g.Event
			one.close(g)
		case t != nil:
			one.ev = &t.Event
			one.fire(t)
		default:
			return all.p, all.runs, all.commands, all.decisions
		}
		all.p = one.p
		all.runs = append(all.runs, one.runs...)
		all.commands = append(all.commands, one.commands...)
		all.decisions = append(all.decisions, one.decisions...)
	}
}

// takeDue takes the gathering or the watch whose time was over first out of the person.
func (p *Person) takeDue(now time.Time) (*Gathering, *Watch) {
	at := p.NextWake()
	if at.IsZero() || now.Before(at) {
		return nil, nil
	}
	for i := range p.Gatherings {
		if g := p.Gatherings[i]; g.Due.Equal(at) {
			p.Gatherings = without(p.Gatherings, i)
			return &g, nil
		}
	}
	for i := range p.Watches {
		if t := p.Watches[i]; t.Due.Equal(at) {
			p.Watches = without(p.Watches, i)
			return nil, &t
		}
	}
	return nil, nil
}

// without returns the list but its i-th, in a copy.
func without[T any](list []T, i int) []T {
	if len(list) == 1 {
		return nil
	}
	out := make([]T, 0, len(list)-1)
	return append(append(out, list[:i]...), list[i+1:]...)
}

// gone returns why a workflow starts nothing that it began, or "".
func gone(w *Workflow) string {
	switch {
	case w == nil:
		return "the workflow was not there any more"
	case w.Status == Draft:
		return "the workflow was a draft"
	}
	return ""
}

// record is the id of the event's record, which the runner stores when the event is applied.
func (pl *planner) record() ID { return EventRecordID(pl.now, pl.p.Key, pl.ev.Ordinal) }

// kept is the event as it is kept: the contact's data are the person's.
func (pl *planner) kept() Event {
	ev := *pl.ev
	ev.Contact, ev.Warnings = Contact{ID: ev.Contact.ID}, nil
	return ev
}

// settle asks that a decision that was pending until then is replaced in the record of its event.
func (pl *planner) settle(record ID, until time.Time, d Decision) {
	pl.commands = append(pl.commands, Command{Decided: &Decided{Location: pl.p.Location, Record: record, Until: until, Decision: d}})
}
