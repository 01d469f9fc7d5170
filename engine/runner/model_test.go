package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestPromises runs random stories against the runner, the core and the store on virtual time: workflows, events, deliveries
// that come again, deaths at any commit, jumps of the clock, actions that fail. It holds what comes of them against
// design.md part 4 by a model that knows no more than who may start what. See audit.
func TestPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawStory(rt)
		var faults []string
		t.Run("story", func(t *testing.T) { // a bubble is a test of its own
			synctest.Test(t, func(t *testing.T) { faults = tell(t, s) })
		})
		for _, f := range faults {
			rt.Error(f)
		}
		if len(faults) > 0 {
			rt.Logf("%+v", s)
		}
	})
}

// A story is what happens, drawn before it is told: nothing is drawn in a bubble.
type story struct {
	partitions int
	flows      []*engine.Workflow
	acts       []act
}

// An act is one thing that happens. Exactly one of its fields is set.
type act struct {
	events  []engine.Event
	again   int           // hand in all that the stream has from this many events back
	pass    time.Duration // time goes by
	jump    time.Duration // the wall clock is moved, back or forth
	die     int           // at this many commits from now
	late    bool          // and after it rather than before
	restart bool          // in order
	fail    []failure     // of the next attempts
}

// A failure is how an attempt ends.
type failure string

const (
	works     failure = "works"
	temporary failure = "temporary"
	final     failure = "final"
	doubtful  failure = "doubtful" // it had its effect, and the server did not say so
	lost      failure = "lost"     // it had none, and the server did not say so
)

func (f failure) error() error {
	switch f {
	case temporary:
		return errors.New("try again")
	case final:
		return engine.Final(errors.New("never"))
	case doubtful, lost:
		return engine.Unknown(errors.New("no answer"))
	}
	return nil
}

var modelTriggers = []string{"new_sign_up", "offer_access_granted", "lesson_completed"}

func drawStory(t *rapid.T) story {
	s := story{partitions: rapid.SampledFrom([]int{1, 4}).Draw(t, "partitions")}
	for i := range rapid.IntRange(1, 3).Draw(t, "workflows") {
		s.flows = append(s.flows, drawFlow(t, i))
	}
	known := 0
	for range rapid.IntRange(1, 25).Draw(t, "acts") {
		var a act
		switch rapid.IntRange(0, 9).Draw(t, "act") {
		case 0, 1, 2:
			for range rapid.IntRange(1, 4).Draw(t, "events") {
				a.events = append(a.events, drawEvent(t, &known))
			}
		case 3:
			a.again = rapid.IntRange(1, 6).Draw(t, "again")
		case 4, 5:
			a.pass = time.Duration(rapid.IntRange(1, 40*3600).Draw(t, "pass")) * time.Second
		case 6:
			a.jump = time.Duration(rapid.IntRange(-2*3600, 2*3600).Draw(t, "jump")) * time.Second
		case 7:
			a.die, a.late = rapid.IntRange(1, 6).Draw(t, "die"), rapid.Bool().Draw(t, "late")
		case 8:
			a.restart = true
		case 9:
			a.fail = rapid.SliceOfN(rapid.SampledFrom([]failure{works, temporary, final, doubtful, lost}), 1, 5).Draw(t, "fail")
		}
		s.acts = append(s.acts, a)
	}
	return s
}

func drawFlow(t *rapid.T, i int) *engine.Workflow {
	var steps []string
	for range rapid.IntRange(1, 5).Draw(t, "steps") {
		step := rapid.SampledFrom([]string{"email", "sms", "wait", "wait"}).Draw(t, "step")
		if step == "wait" {
			step = fmt.Sprintf("wait %dm", rapid.IntRange(1, 3000).Draw(t, "minutes"))
		}
		steps = append(steps, step)
	}
	w := flow(fmt.Sprint("flow", i), rapid.SampledFrom(modelTriggers).Draw(t, "trigger"), steps...)
	w.Reentry.Allow = rapid.SampledFrom([]string{"never", "always"}).Draw(t, "reentry")
	if w.Triggers[0].Type == "offer_access_granted" && rapid.Bool().Draw(t, "filter") {
		w.Triggers[0].Filters = []engine.Filter{{Noun: "offer", AnyOf: []string{"gold"}}}
	}
	for n := range w.Steps {
		if w.Steps[n].Kind == "wait" && rapid.Bool().Draw(t, "for an event") {
			w.Steps[n].For = []engine.Trigger{{Type: rapid.SampledFrom(modelTriggers).Draw(t, "for")}}
			w.Source = fmt.Append(w.Source, n, w.Steps[n].For)
		}
		w.Steps[n].StopOnError = w.Steps[n].Kind != "wait" && rapid.Bool().Draw(t, "stop on error")
	}
	return w
}

// drawEvent draws a new event, or one that was published before under the same id.
func drawEvent(t *rapid.T, known *int) engine.Event {
	n := rapid.IntRange(max(0, *known-3), *known).Draw(t, "event")
	*known = max(*known, n+1)
	ev := engine.Event{ID: fmt.Sprint("e", n), Source: "model", Location: place1, Time: created, Type: modelTriggers[n%3],
		Contact: engine.Contact{ID: fmt.Sprint("c-", n%4), Email: fmt.Sprintf("c-%d@example.com", n%4)}}
	switch ev.Type {
	case "offer_access_granted":
		ev.Offer = &engine.Noun{ID: []string{"gold", "silver"}[n/3%2]}
	case "lesson_completed":
		ev.Lesson = &engine.Noun{ID: []string{"intro", "end"}[n/3%2]}
	}
	return ev
}

// An effect is one call of Perform that had, or may have had, its effect.
type effect struct {
	task    engine.ID
	attempt int
	life    int
	verdict failure
	at      time.Time
}

// A teller tells a story: it is the publisher, the stream, the wall clock and the servers that messages go to.
type teller struct {
	*world
	*mortal
	life   int
	diesAt atomic.Int64 // the commit at which this life ends; 0 is none
	late   atomic.Bool  // and whether after it
	jumped atomic.Int64 // how far the wall clock was moved, in ns
	stream []engine.Event

	mu      sync.Mutex
	script  []failure
	effects []effect
	faults  []string
	events  []engine.EventRecord // when all is over
	last    map[string]time.Time // of each contact, the newest time that the core was given
}

func (tl *teller) faultf(format string, args ...any) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	tl.faults = append(tl.faults, fmt.Sprintf(format, args...))
}

func tell(t *testing.T, s story) []string {
	stores := enginetest.NewStores(s.partitions)
	tl := &teller{last: map[string]time.Time{}}
	tl.world = newWorld(t, stores)
	tl.mail.begin, tl.mail.perform = tl.begin, tl.perform
	tl.open(stores, s.flows)
	for _, a := range s.acts {
		tl.act(stores, s.flows, a)
	}
	tl.mu.Lock()
	tl.script = nil // from now on all goes well
	tl.mu.Unlock()
	tl.diesAt.Store(0)
	tl.revive(stores, s.flows)
	tl.deliver(len(tl.stream))
	time.Sleep(40 * 24 * time.Hour) // past all waits, and the last retry
	tl.audit(t, s.flows)
	if err := tl.stop(); err != nil {
		tl.faultf("Run returned %v", err)
	}
	return tl.faults
}

// open begins a life on what is stored.
func (tl *teller) open(stores engine.Stores, flows []*engine.Workflow) {
	tl.life++
	tl.diesAt.Store(0)
	tl.mortal = newMortal(stores, func(n int64) (before, after error) {
		switch {
		case n != tl.diesAt.Load():
			return nil, nil
		case tl.late.Load():
			return nil, errDied
		}
		return errDied, nil
	})
	cfg := tl.config()
	cfg.Stores, cfg.Poll = tl.mortal, 10*time.Minute
	cfg.Now = func() time.Time { return created.Add(time.Since(epoch) + time.Duration(tl.jumped.Load())) }
	cfg.Linger, cfg.Grace = 15*time.Millisecond, time.Second
	tl.startConfig(cfg, flows...)
	synctest.Wait()
}

// epoch is when a bubble's time begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// revive begins another life if the last one is over.
func (tl *teller) revive(stores engine.Stores, flows []*engine.Workflow) {
	synctest.Wait()
	if tl.dead.Load() {
		tl.stop()
		tl.open(stores, flows)
	}
}

func (tl *teller) act(stores engine.Stores, flows []*engine.Workflow, a act) {
	switch {
	case a.events != nil:
		tl.stream = append(tl.stream, a.events...)
		tl.deliver(len(a.events))
	case a.again > 0:
		tl.deliver(a.again)
	case a.pass > 0:
		time.Sleep(a.pass)
	case a.jump != 0:
		tl.jumped.Add(int64(a.jump))
	case a.die > 0:
		tl.late.Store(a.late)
		tl.diesAt.Store(tl.updates.Load() + int64(a.die))
	case a.restart:
		tl.stop()
		tl.open(stores, flows)
	case a.fail != nil:
		tl.mu.Lock()
		tl.script = append(tl.script, a.fail...)
		tl.mu.Unlock()
	}
	tl.revive(stores, flows)
}

// deliver hands in the end of the stream, some of it perhaps again, and again what a death kept from being stored, as a
// consumer does that was not acknowledged.
func (tl *teller) deliver(back int) {
	from := max(0, len(tl.stream)-back)
	off, err := tl.Offsets(context.Background(), "COURSES")
	if err == nil {
		from = min(from, int(off.Seq))
	}
	if from == len(tl.stream) {
		return
	}
	batch := engine.Batch{Offset: engine.Offset{Stream: "COURSES", Created: created, Seq: uint64(len(tl.stream))}}
	for i, ev := range tl.stream[from:] {
		ev.Ordinal = uint64(from + i + 1)
		batch.Events = append(batch.Events, ev)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := tl.Handle(ctx, batch); err != nil && !tl.dead.Load() {
		tl.faultf("Handle: %v", err)
	}
}

// begin sees the time that an attempt is started at: it is never early, and never goes back.
func (tl *teller) begin(_ engine.Tx, c engine.Call) error {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if c.Now.Before(c.Task.NotBefore) {
		tl.faults = append(tl.faults, fmt.Sprintf("task %s began at %s, before %s", c.Task.ID, c.Now, c.Task.NotBefore))
	}
	who := c.Person.Contact.ID
	if c.Now.Before(tl.last[who]) {
		tl.faults = append(tl.faults, fmt.Sprintf("time went back from %s to %s", tl.last[who], c.Now))
	}
	tl.last[who] = c.Now
	return nil
}

func (tl *teller) perform(_ context.Context, m message) error {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	verdict := works
	if len(tl.script) > 0 {
		verdict, tl.script = tl.script[0], tl.script[1:]
	}
	tl.effects = append(tl.effects, effect{m.task, m.attempt, tl.life, verdict, time.Now()})
	return verdict.error()
}

// had returns the effects of a task, in order.
func (tl *teller) had(task engine.ID) []effect {
	return slices.DeleteFunc(slices.Clone(tl.effects), func(e effect) bool { return e.task != task })
}
