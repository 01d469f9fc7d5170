package simulate

import (
	"container/heap"
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

// A Sink keeps what senders were handed, until it is taken.
type Sink interface {
	// Take returns what was handed over for a task, and forgets it.
	Take(task engine.ID) (Content, bool)
}

// A Content is a message as its sender got it. Its texts hold live links.
type Content struct {
	Text, HTML string
	Links      []Link
}

// A Link is a login link that stands in a message.
type Link struct {
	ID  string
	URL engine.Secret
}

// Refused is the error of a link that lets nobody in.
type Refused struct{ Reason string }

// Error names the reason.
func (r *Refused) Error() string { return "the link lets nobody in: " + r.Reason }

// A Message is a task that is over, and what was handed over.
type Message struct {
	engine.Task
	Content  Content
	Template string // that it was made of; "" if the step has its own text
}

// A Line is one line of what happened.
type Line struct {
	At   time.Time
	Text string
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
	down      map[string]string // by kind: why nothing goes out
	err       error             // what should not happen
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
		seen: map[[16]byte]bool{}, byID: map[engine.ID]*running{}, sending: map[engine.ID]*running{}, active: map[engine.ID][]*running{}, down: map[string]string{}}
}

// Now returns the world's time.
func (w *World) Now() time.Time { return w.now }

func (w *World) say(format string, args ...any) {
	if !w.cfg.Quiet {
		w.Story = append(w.Story, Line{w.now, fmt.Sprintf(format, args...)})
	}
}

// fail keeps the first thing that should not happen.
func (w *World) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Until lets time pass up to and including t, with all that falls due.
func (w *World) Until(ctx context.Context, t time.Time) {
	for w.err == nil && w.agenda.Len() > 0 && !w.agenda.list[0].at.After(t) {
		p := heap.Pop(&w.agenda).(appointment)
		if p.at.After(w.now) {
			w.now = p.at
		}
		switch {
		case p.task != nil:
			w.due(ctx, p.run, p.task)
		case p.run != nil:
			w.fire(p)
		default:
			w.wake(p.who)
		}
	}
	if t.After(w.now) {
		w.now = t.UTC()
	}
}

// fire goes on with a run whose wait is over.
func (w *World) fire(p appointment) {
	r := p.run
	wf := w.set.Lookup(r.Workflow)
	switch {
	case r.State != engine.RunWaiting || r.Wait == nil:
	case r.Wait.Due.After(w.now):
		w.appoint(appointment{at: r.Wait.Due, run: r})
	case wf == nil || wf.Status == engine.Paused:
		w.held = append(w.held, p)
	default:
		w.advance(r, engine.Input{Timer: true})
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
	w.start(set, runs)
	w.commands(cmds)
	w.hear(p.Listens, &ev)
	w.lookAgain(p.Key)
}

// start takes up runs that the core made.
func (w *World) start(set *engine.Set, runs []engine.Run) {
	for i := range runs {
		r := &running{w: set.Lookup(runs[i].Workflow)}
		w.runs = append(w.runs, r)
		w.byID[runs[i].ID] = r
		w.active[runs[i].Contact] = append(w.active[runs[i].Contact], r)
		w.say("%s starts", runs[i].Workflow)
		w.moved(r, runs[i])
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
	w.start(w.set, runs)
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
	w.moved(r, next)
	w.start(w.set, started)
	w.commands(cmds)
}

// moved takes over a run as it is now, tells what is new in its story, and minds its timer.
func (w *World) moved(r *running, next engine.Run) {
	before := r.Run
	r.Run = next
	for _, s := range next.Steps[len(before.Steps):] {
		if !s.Task.IsZero() {
			continue // its message was told
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
			continue // published to nobody
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

// SetStatus gives a workflow another status, as a changed file would. What was held goes on if it may.
func (w *World) SetStatus(ctx context.Context, workflow string, status engine.Status) {
	flows := slices.Clone(w.set.Workflows)
	for i, f := range flows {
		if f.ID == workflow {
			changed := *f
			changed.Status = status
			flows[i] = &changed
		}
	}
	w.set = engine.NewSet(w.set.Location, flows)
	w.say("%s is %s", workflow, status)
	w.release(ctx)
}

// Redeem opens a link as its learner would. Returns a *Refused if the link lets nobody in.
func (w *World) Redeem(ctx context.Context, url engine.Secret) error {
	red, err := w.cfg.Open(ctx, w.store, url, w.now)
	if err != nil {
		return err
	}
	w.say("the learner comes in by a link")
	p := w.person(red.Contact)
	depth := 0
	if r := w.byID[red.Run]; r != nil {
		depth = r.Event.Depth + 1
		w.advance(r, engine.Input{Redeemed: &red})
	}
	w.Event(ctx, engine.Event{
		ID: "user_login:" + red.Session, Source: "latchkey", Type: "user_login", Depth: depth,
		Contact: engine.Contact{ID: p.Contact.ID, Email: p.Contact.Email}, Custom: engine.Custom{"via": "latchkey"},
	})
	return nil
}

// CameIn notes that a contact came in by a link, of which nothing else is known: every run of theirs that has sent a link, and
// knows of none that was opened, learns of it.
func (w *World) CameIn(ctx context.Context, c *engine.Contact) {
	key := w.keyOf(c)
	for _, r := range w.active[key] {
		if r.Redeemed.IsZero() && r.linked {
			w.advance(r, engine.Input{Redeemed: &engine.Redemption{Location: r.Location, Contact: key, Run: r.ID, At: w.now}})
		}
	}
	w.Until(ctx, w.now)
}

// Err returns the first thing that went wrong in the world itself, after which nothing more happens in it; nil if nothing did.
func (w *World) Err() error { return w.err }

// Pause holds all sending back, or lets it go on if it is nil.
func (w *World) Pause(ctx context.Context, p *engine.Pause) {
	loc := *w.set.Location
	loc.Pause = p
	w.set = engine.NewSet(&loc, w.set.Workflows)
	w.say("all sending is %s", map[bool]string{true: "paused", false: "going on"}[p != nil])
	w.release(ctx)
}

// release lets what was held go on, if it may.
func (w *World) release(ctx context.Context) {
	held := w.held
	w.held = nil
	for _, p := range held {
		w.appoint(p)
	}
	w.Until(ctx, w.now)
}

// update runs fn in the store. Its error is none that a test could expect.
func (w *World) update(fn func(tx engine.Tx) error) {
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.fail(err)
	}
}
