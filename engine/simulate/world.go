package simulate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"latchkey/engine"
)

// Config is what a World needs.
type Config struct {
	Set     *engine.Set
	Actions map[string]engine.Action
	// Terms returns how tasks of a kind are tried, where their steps do not say.
	Terms func(kind string) engine.Terms
	// Sink has what the actions' senders handed over.
	Sink Sink
	// Open lets a contact in by a link, as the link's page would. Returns a *Refused if it lets nobody in.
	Open func(ctx context.Context, stores engine.Stores, url engine.Secret, now time.Time) (engine.Redemption, error)
	// AccessLost is called when a contact loses the last offer or product.
	AccessLost func(tx engine.Tx, location string, contact engine.ID, now time.Time) error
	// Quiet keeps no Story and no texts, for worlds in which very much happens.
	Quiet bool
}

// A World is a location on a virtual clock. It is for one goroutine.
type World struct {
	cfg    Config
	set    *engine.Set
	now    time.Time
	store  *memory
	agenda agenda
	seq    uint64 // of the last event

	seen      map[[16]byte]bool    // identities of events
	keys      map[string]engine.ID // by a contact's id, and by its address
	runs      []*running           // in the order in which they started
	byID      map[engine.ID]*running
	sending   map[engine.ID]*running   // by the task that is not over
	active    map[engine.ID][]*running // by contact: those that were not over when last looked at
	stuck     []appointment            // of kinds that are down
	held      []appointment            // of workflows that are paused
	Messages  []Message                // in the order in which they were over
	Decisions []engine.Decision
	Story     []Line
	faults    []engine.TestSend
	down      map[string]string            // by kind: why nothing goes out
	answers   map[string]engine.TestAnswer // by the step's id
	err       error                        // what should not happen
}

// A running run, with the version of its workflow that it began with, and its task.
type running struct {
	engine.Run
	w      *engine.Workflow
	task   *engine.Task
	linked bool // it has sent a login link
}

// New returns a world in which nothing has happened yet.
func New(cfg Config, start time.Time) *World {
	return &World{cfg: cfg, set: cfg.Set, now: start.UTC(), store: newMemory(), keys: map[string]engine.ID{},
		seen: map[[16]byte]bool{}, byID: map[engine.ID]*running{}, sending: map[engine.ID]*running{}, active: map[engine.ID][]*running{}, down: map[string]string{}, answers: map[string]engine.TestAnswer{}}
}

// Runs returns all runs as they are now, in the order in which they started.
func (w *World) Runs() []engine.Run {
	runs := make([]engine.Run, len(w.runs))
	for i, r := range w.runs {
		runs[i] = r.Run
	}
	return runs
}

// fail keeps the first thing that should not happen.
func (w *World) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Event applies an event now, and lets what it causes at once happen. Its id, source, time and ordinal are given to it
// unless it has some. One that came before is passed over.
func (w *World) Event(ctx context.Context, ev engine.Event) {
	w.apply(ev, w.set)
	w.Until(ctx, w.now)
}

// Given applies an event that starts nothing.
func (w *World) Given(ev engine.Event) { w.apply(ev, engine.NewSet(w.set.Location, nil)) }

func (w *World) apply(ev engine.Event, set *engine.Set) {
	w.seq++
	w.complete(&ev)
	identity := ev.Identity()
	if w.seen[identity] {
		return
	}
	w.seen[identity] = true
	w.say("event %s", describe(&ev))
	p := w.person(w.keyOf(&ev.Contact))
	had := p.HasAccess()
	changed, runs, cmds, decisions := engine.Plan(set, *p, ev, w.now)
	w.save(&changed)
	if had && !changed.HasAccess() && w.cfg.AccessLost != nil {
		w.update(func(tx engine.Tx) error { return w.cfg.AccessLost(tx, changed.Location, changed.Key, w.now) })
	}
	w.Decisions = decisions
	w.start(set, runs, cmds)
	w.commands(cmds)
	w.hear(p.Listens, &ev)
	w.lookAgain(p.Key)
}

// start takes up runs that the core made, with what it asks for.
func (w *World) start(set *engine.Set, runs []engine.Run, cmds []engine.Command) {
	for i := range runs {
		r := &running{w: set.Lookup(runs[i].Workflow)}
		w.runs = append(w.runs, r)
		w.byID[runs[i].ID] = r
		w.active[runs[i].Contact] = append(w.active[runs[i].Contact], r)
		w.say("%s starts", runs[i].Workflow)
		if !slices.ContainsFunc(w.Decisions, func(d engine.Decision) bool { return d.Run == runs[i].ID }) { // a step started it
			w.Decisions = append(w.Decisions, engine.Decision{Workflow: runs[i].Workflow, Run: runs[i].ID})
		}
		w.moved(r, runs[i], cmds)
	}
}

// wake ends what the person's time has come for. What came of it is the newest that is decided of those workflows.
func (w *World) wake(key engine.ID) {
	p := w.person(key)
	if at := p.NextWake(); at.IsZero() || at.After(w.now) {
		return // it has ended, or has an appointment of its own
	}
	changed, runs, cmds, decisions := engine.Wake(w.set, *p, w.now)
	w.save(&changed)
	w.Decisions = append(decisions, w.Decisions...)
	for _, d := range decisions {
		if d.Run.IsZero() {
			w.say("%s does not start: %s", d.Workflow, d.Reason)
		}
	}
	w.start(w.set, runs, cmds)
	w.commands(cmds)
}

// complete gives an event what its publisher and the stream would.
func (w *World) complete(ev *engine.Event) {
	if ev.ID == "" {
		ev.ID = "event-" + strconv.FormatUint(w.seq, 10)
	}
	if ev.Source == "" {
		ev.Source = "test"
	}
	if ev.Time.IsZero() {
		ev.Time = w.now
	}
	ev.Location, ev.Ordinal = w.set.Location.ID, w.seq
}

// advance moves a run by one input.
func (w *World) advance(r *running, in engine.Input) {
	p := w.person(r.Contact)
	next, changed, started, cmds := engine.AdvanceIn(w.set, r.w, r.Run, *p, in, w.now)
	w.save(&changed)
	w.moved(r, next, cmds)
	w.start(w.set, started, cmds)
	w.commands(cmds)
}

// moved takes over a run as it is now, tells what is new in its story, and minds its timer.
func (w *World) moved(r *running, next engine.Run, cmds []engine.Command) {
	before := r.Run
	r.Run = next
	for _, s := range next.Steps[len(before.Steps):] {
		if !s.Task.IsZero() {
			continue // its message was told
		}
		if w.announced(r, &s, cmds) {
			continue
		}
		line := fmt.Sprintf("%s: %s %s", next.Workflow, stepID(s.Path), s.Outcome)
		for _, more := range []string{s.By, s.Fault} {
			if more != "" {
				line += ": " + more
			}
		}
		w.say("%s", line)
	}
	switch {
	case next.State.Over() && !before.State.Over():
		w.say("%s: %s: %s", next.Workflow, next.State, next.End)
	case next.State == engine.RunWaiting && next.Wait != nil && !sameWait(before.Wait, next.Wait):
		w.say("%s: %s waits%s", next.Workflow, stepID(next.At), w.forWhat(next.Wait))
		if !next.Wait.Due.IsZero() {
			w.appoint(appointment{at: next.Wait.Due, run: r})
		}
	}
}

func sameWait(a, b *engine.Wait) bool {
	return a != nil && a.Since.Equal(b.Since) && a.Due.Equal(b.Due)
}

// commands takes up what the core asks for.
func (w *World) commands(cmds []engine.Command) {
	for _, c := range cmds {
		if c.Cancel != nil {
			w.cancel(c.Cancel)
		}
		if c.Task == nil {
			continue // what steps publish is told with them
		}
		r := w.byID[c.Task.Run]
		if r == nil {
			w.fail(fmt.Errorf("task %s is of no run", c.Task.ID))
			return
		}
		r.task, w.sending[c.Task.ID] = c.Task, r
		w.appoint(appointment{at: c.Task.NotBefore, run: r, task: c.Task})
	}
}

// Err returns the first thing that went wrong in the world itself, after which nothing more happens in it; nil if nothing did.
func (w *World) Err() error { return w.err }

// update runs fn in the store. Its error is none that a test could expect.
func (w *World) update(fn func(tx engine.Tx) error) {
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.fail(err)
	}
}
