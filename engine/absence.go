package engine

import (
	"fmt"
	"slices"
	"time"
)

// watchMost is how many watches a person can have open: each is a part of their record.
const watchMost = 100

// An Absence is a trigger that nothing pulls: a run starts if, within After of an event that fits Since, none came that
// fits Of. By says for which noun of the same id: "offer", "product", "category", "lesson", or "contact" for any.
type Absence struct {
	Of, Since Trigger
	After     Duration
	By        string
}

// A Watch is an Absence that has begun for a person: an event that fits its Since came.
type Watch struct {
	Workflow string    `json:"workflow"`
	Of       string    `json:"of"`
	By       string    `json:"by"`
	After    string    `json:"after"` // as written: a workflow may have two that differ in nothing else
	Event    Event     `json:"event"` // that it counts from; of its contact only the id
	Ordinal  uint64    `json:"ordinal"`
	Held     bool      `json:"held,omitempty"` // the contact had access to the noun when it began
	Due      time.Time `json:"due"`
	Record   ID        `json:"record"` // of the event
}

// A lookout is an Absence of a workflow, made ready to match.
type lookout struct {
	w         *Workflow
	a         *Absence
	since, of matcher
}

// looks adds the workflow's absences to the set's index.
func (s *Set) looks(w *Workflow) {
	for i := range w.Absences {
		a := &w.Absences[i]
		l := &lookout{w, a, newMatcher(a.Since), newMatcher(a.Of)}
		s.bySince[a.Since.Type] = append(s.bySince[a.Since.Type], l)
		s.lookouts[w.ID] = append(s.lookouts[w.ID], l)
	}
}

// lookout returns that of today's version of the workflow by which the watch goes on, or nil. One whose time was changed
// goes on to the end that it began with.
func (s *Set) lookout(t *Watch) (found *lookout) {
	for _, l := range s.lookouts[t.Workflow] {
		if l.a.Of.Type != t.Of || l.a.By != t.By || l.a.Since.Type != t.Event.Type || l.since.refuse(&t.Event) != "" {
			continue
		}
		if l.a.After.String() == t.After {
			return l
		}
		if found == nil {
			found = l
		}
	}
	return found
}

// about says what the watch is about: `product "go-101"`, or "" for the contact as such.
func (t *Watch) about() string {
	if n := t.Event.Noun(t.By); n != nil {
		return fmt.Sprintf("%s %q", t.By, n.ID)
	}
	return ""
}

// same reports whether an event is about the noun of the watch. One that does not name it may be.
func (t *Watch) same(ev *Event) bool {
	mine, its := t.Event.Noun(t.By), ev.Noun(t.By)
	return mine == nil || its == nil || mine.ID == its.ID
}

// has reports whether the person has access to what the watch is about.
func (t *Watch) has(p *Person) bool {
	switch n := t.Event.Noun(t.By); {
	case t.By == "offer" && n != nil:
		return holds(p.Offers, n.ID)
	case t.By == "product" && n != nil:
		return holds(p.Products, n.ID)
	case t.By != "contact" && t.Event.Product != nil: // a lesson, a category
		return holds(p.Products, t.Event.Product.ID)
	}
	return p.HasAccess()
}

// unwatch ends the watches that the event ends: it is what they looked for, or it took the access away.
func (pl *planner) unwatch() {
	var left []Watch
	for i := range pl.p.Watches {
		t := &pl.p.Watches[i]
		why := pl.ends(t)
		if why == "" {
			left = append(left, *t)
			continue
		}
		pl.decisions = append(pl.decisions, Decision{Workflow: t.Workflow, Reason: "absent: " + why + " after " + named(&t.Event)})
		pl.settle(t.Record, t.Due, Decision{Workflow: t.Workflow, Reason: fmt.Sprintf("absent: %s (event %q)", why, pl.ev.ID)})
	}
	if len(left) < len(pl.p.Watches) {
		pl.p.Watches = left
	}
}

// ends returns why the event ends the watch, or "".
func (pl *planner) ends(t *Watch) string {
	if t.Held && !t.has(&pl.p) {
		return "access was removed"
	}
	if t.Of != pl.ev.Type || !t.same(pl.ev) {
		return ""
	}
	if l := pl.set.lookout(t); l != nil && l.of.refuse(pl.ev) == "" {
		return t.Of + " came"
	}
	return ""
}

// watch begins the watches of the absences whose Since the event fits.
func (pl *planner) watch() {
	for _, l := range pl.set.bySince[pl.ev.Type] {
		d := Decision{Workflow: l.w.ID}
		t := Watch{Workflow: l.w.ID, Of: l.a.Of.Type, By: l.a.By, After: l.a.After.String(), Event: pl.kept(), Ordinal: pl.ordinal,
			Due: pl.now.Add(pl.set.Location.shorten(l.a.After.Fixed())), Record: pl.record()}
		if d.Reason = pl.refuseWatch(l, &t); d.Reason == "" {
			t.Held = t.has(&pl.p)
			pl.p.Watches = append(slices.Clip(pl.p.Watches), t)
			d.Until, d.Reason = t.Due, "absent: starts at "+pl.set.Location.instant(t.Due)+" unless "+t.Of+" comes before"
			if what := t.about(); what != "" {
				d.Reason += " for " + what
			}
		}
		pl.decisions = append(pl.decisions, d)
	}
}

// refuseWatch returns why a watch does not begin, or "". That one is open already is a reason: each counts from the first
// event, or what comes again and again would put it off for ever.
func (pl *planner) refuseWatch(l *lookout, t *Watch) string {
	if l.w.Status == Draft {
		return "the workflow is a draft"
	}
	if why := l.since.refuse(pl.ev); why != "" {
		return why
	}
	for i := range pl.p.Watches {
		o := &pl.p.Watches[i]
		if o.Workflow == t.Workflow && o.Of == t.Of && o.By == t.By && o.After == t.After && o.Event.Type == t.Event.Type && o.about() == t.about() {
			return "absent: it counts from " + named(&o.Event) + " already, until " + pl.set.Location.instant(o.Due)
		}
	}
	if len(pl.p.Watches) >= watchMost {
		return fmt.Sprintf("absent: the contact has %d open waits of this kind already", watchMost)
	}
	if held := customOf(pl.p.Watches); held+t.Event.Custom.Size() > maxCustom {
		return fmt.Sprintf("absent: the events of the contact's open waits of this kind hold more than %d KiB", maxCustom>>10)
	}
	if l.w.Reentry.Allow == "after_end" {
		return "" // that run may end meanwhile
	}
	then := *pl
	then.now = t.Due
	return then.reentry(l.w, t.key(l.w))
}

// customOf is how much the events of watches say beside their nouns, in bytes, roughly.
func customOf(watches []Watch) (size int) {
	for i := range watches {
		size += watches[i].Event.Custom.Size()
	}
	return size
}

// key is the entry of Person.Starts that the run will have: by default that of the noun that is watched.
func (t *Watch) key(w *Workflow) string {
	kind, value := ledgerBy(w, &t.Event, t.By)
	return ledgerKey(w.ID, kind, value)
}

// fire ends a watch whose time is over: its run starts, or the event's decision says why none does.
func (pl *planner) fire(t *Watch) {
	w := pl.set.Lookup(t.Workflow)
	d := Decision{Workflow: t.Workflow, Reason: gone(w)}
	switch {
	case d.Reason != "":
	case pl.set.lookout(t) == nil:
		d.Reason = "the workflow had no such trigger any more"
	case t.Held && !t.has(&pl.p):
		d.Reason = "access was removed"
	default:
		if d.Reason, d.Fault = pl.when(w); d.Reason == "" {
			d.Reason = pl.reentry(w, t.key(w))
		}
	}
	if d.Reason != "" {
		d.Reason = fmt.Sprintf("absent: no %s came until %s, but %s", t.Of, pl.set.Location.instant(t.Due), d.Reason)
	} else {
		d.Run = pl.start(seed{w: w, ordinal: t.Ordinal, keys: []string{t.key(w)}, record: t.Record})
	}
	pl.decisions = append(pl.decisions, d)
	pl.settle(t.Record, t.Due, d)
}

// joinWatches adds the watches of a contact that was absorbed, but those that are there already.
func joinWatches(mine, from []Watch) []Watch {
	mine = slices.Clone(mine)
	for _, t := range from {
		if !slices.ContainsFunc(mine, func(m Watch) bool { return m.Workflow == t.Workflow && m.Record == t.Record && m.Due.Equal(t.Due) }) {
			mine = append(mine, t)
		}
	}
	return mine
}
