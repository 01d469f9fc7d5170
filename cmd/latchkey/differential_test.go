package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
	"latchkey/engine/flowfile"
	"latchkey/engine/runner"
	"latchkey/engine/simulate"
)

// TestSimulationIsTheRunner tells the same story to the runner, on a virtual clock, and to the simulation that tests and
// backtests use: both must come to the same runs, by the same steps at the same times, and to the same messages.
func TestSimulationIsTheRunner(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		flows := s.load(rt)
		var real outcome
		t.Run("scenario", func(t *testing.T) { // a bubble is a test of its own
			synctest.Test(t, func(t *testing.T) { real = s.inEarnest(t, flows) })
		})
		if d := diff.Diff(real.told, s.simulated(rt, flows, real.people)); d != "" {
			for id, src := range s.flows {
				rt.Logf("%s.yaml:\n%s", id, src)
			}
			for _, ev := range s.events {
				rt.Logf("%s %s of %s at %s, %v %v, score %v", ev.ID, ev.Type, ev.Contact.ID, ev.Time.Format("Jan 2 15:04:05"), ev.Offer, ev.Lesson, ev.Contact.Custom["score"])
			}
			rt.Fatalf("in earnest (-) and simulated (+):\n%s", d)
		}
	})
}

// A scenario is what happens.
type scenario struct {
	partitions int
	flows      map[string]string // sources by id
	events     []engine.Event    // at their times
	seed       int               // of what fails
}

// An outcome is what came of it: a line for each run, and one for each of its steps and messages.
type outcome struct {
	told   []string
	people map[string]engine.ID // keys by the contacts' ids
}

var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const scenarioLasts = 60 * 24 * time.Hour

func (s *scenario) location() *engine.Location {
	return &engine.Location{ID: "academy", Name: "Academy", Zone: time.UTC}
}

func (s *scenario) catalog() *engine.Catalog {
	c := &engine.Catalog{Triggers: map[string]engine.TriggerKind{}, Actions: map[string]engine.Action{"email": fickle{s.seed}, "sms": fickle{s.seed}}}
	for _, name := range scenarioTriggers {
		noun := map[string]string{"offer_access_granted": "offer", "lesson_completed": "lesson"}[name]
		c.Triggers[name] = engine.TriggerKind{Name: name, Label: name, Noun: noun, Filters: []string{"offer", "lesson"}, Course: true}
	}
	return c
}

func (s *scenario) load(t *rapid.T) (flows []*engine.Workflow) {
	for id, src := range s.flows {
		w, problems := flowfile.Load(id+".yaml", id, []byte(src), s.catalog(), s.location())
		if w == nil || mistakes(problems) {
			t.Fatalf("%v in\n%s", problems, src)
		}
		flows = append(flows, w)
	}
	return flows
}

// A fickle action fails as its seed, the message and the attempt have it: the same in each world.
type fickle struct{ seed int }

func (fickle) Decode(engine.Node, engine.StepContext) any { return struct{}{} }

func (fickle) Begin(_ engine.Tx, c engine.Call) (engine.Attempt, error) {
	return engine.Attempt{To: c.Person.Contact.Email}, nil
}

func (a fickle) Perform(_ context.Context, c engine.Call, _ engine.Attempt) (engine.Receipt, error) {
	h := fnv.New32a()
	fmt.Fprint(h, a.seed, c.Run.Event.ID, c.Task.Workflow, c.Task.Step, c.Task.Attempts)
	rec, why := engine.Receipt{Subject: c.Task.Kind}, errors.New("as the seed has it")
	switch n := h.Sum32() % 16; {
	case n < 3:
		return rec, why
	case n < 4:
		return rec, engine.Later(why, 7*time.Minute+11*time.Second)
	case n < 5:
		return rec, engine.Unknown(why)
	case n < 6:
		return rec, engine.Final(why)
	}
	return rec, nil
}

func (fickle) Settle(engine.Tx, engine.Call, engine.TaskState) error { return nil }

// publishesNothing is a publisher and a place for dead letters.
type publishesNothing struct{}

func (publishesNothing) Publish(context.Context, []engine.Notice) error { return nil }

// inEarnest tells it to the runner, in a bubble.
func (s *scenario) inEarnest(t *testing.T, flows []*engine.Workflow) outcome {
	stores := enginetest.NewStores(s.partitions)
	r, err := runner.New(runner.Config{
		Stores: stores, Catalog: s.catalog(), Publisher: publishesNothing{}, Logger: zerolog.Nop(),
		Compile: func(_ context.Context, _, id string, src []byte) (*engine.Workflow, error) {
			return flowfile.LoadPinned(id, src, s.catalog(), s.location())
		},
		Dead: func(_ context.Context, ev engine.Event, reason string) error {
			return fmt.Errorf("%s: %s", ev.ID, reason)
		},
		Linger: 1, Poll: 24 * time.Hour, History: 10 * scenarioLasts,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.SetWorkflows(ctx, engine.NewSet(s.location(), flows)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Ready()
	for i, ev := range s.events {
		time.Sleep(time.Until(ev.Time))
		ev.Ordinal = uint64(i + 1)
		err := r.Handle(ctx, engine.Batch{Events: []engine.Event{ev}, Offset: engine.Offset{Stream: "COURSES", Created: bubbleBegins, Seq: ev.Ordinal}})
		if err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Until(bubbleBegins.Add(scenarioLasts)))
	synctest.Wait()
	runs, err := r.Runs(ctx, runner.Filter{Limit: 1000})
	tasks, err2 := r.Tasks(ctx, runner.Filter{Limit: 1000})
	if err := errors.Join(err, err2); err != nil {
		t.Error(err)
	}
	out := outcome{told: tell(runs, tasks), people: map[string]engine.ID{}}
	for i := range runs {
		out.people[runs[i].Event.Contact.ID] = runs[i].Contact
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return out
}

// simulated tells it to the simulation. The contacts have the keys that they got in earnest, which say what branches they take.
func (s *scenario) simulated(t *rapid.T, flows []*engine.Workflow, people map[string]engine.ID) []string {
	catalog := s.catalog()
	w := simulate.New(simulate.Config{
		Set: engine.NewSet(s.location(), flows), Actions: catalog.Actions, Sink: nothingKept{},
		Terms: func(kind string) engine.Terms { return runner.DefaultChannel(kind).Terms() },
	}, bubbleBegins)
	for id, key := range people {
		w.Meet(engine.Contact{ID: id, Email: id + "@example.com"}, nil, key)
	}
	for _, ev := range s.events {
		w.Until(t.Context(), ev.Time)
		w.Event(t.Context(), ev)
	}
	w.Until(t.Context(), bubbleBegins.Add(scenarioLasts))
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	var tasks []engine.Task
	for i := range w.Messages {
		tasks = append(tasks, w.Messages[i].Task)
	}
	return tell(w.Runs(), tasks)
}

type nothingKept struct{}

// Take implements simulate.Sink.
func (nothingKept) Take(engine.ID) (simulate.Content, bool) { return simulate.Content{}, false }

// tell writes runs and their messages down so that they can be compared: times to the second, by the event that started them.
func tell(runs []engine.Run, tasks []engine.Task) (told []string) {
	at := func(t time.Time) string { return t.UTC().Format("Jan 2 15:04:05") }
	name := map[engine.ID]string{}
	for i := range runs {
		r := &runs[i]
		name[r.ID] = r.Event.ID + " " + r.Workflow
		line := fmt.Sprintf("%s of %s %s: %s %q, at %v, steps", name[r.ID], r.Event.Contact.ID, at(r.Started), r.State, r.End, r.At)
		if r.Wait != nil && !r.State.Over() {
			line += " until " + at(r.Wait.Due)
		}
		for n, s := range r.Steps {
			line += fmt.Sprintf("\n%3d %s %v %s %s %s", n, at(s.At), s.Path, s.Outcome, s.By, s.Fault)
		}
		told = append(told, line)
	}
	slices.SortFunc(tasks, func(a, b engine.Task) int {
		return cmp.Or(a.Created.Compare(b.Created), slices.Compare(a.Step, b.Step))
	})
	for _, t := range tasks {
		tries := ""
		for _, try := range t.Tries {
			tries += fmt.Sprintf(", %d %s %s", try.N, at(try.At), try.Result)
		}
		told = append(told, fmt.Sprintf("%s %v: %s to %s %s %d times, at %s%s %s", name[t.Run], t.Step, t.Kind, t.To, t.State, t.Attempts, at(t.Changed), tries, t.Error))
	}
	slices.Sort(told)
	return told
}

var scenarioTriggers = []string{"new_sign_up", "offer_access_granted", "lesson_completed"}

func drawScenario(t *rapid.T) *scenario {
	s := &scenario{partitions: rapid.SampledFrom([]int{1, 4}).Draw(t, "partitions"), flows: map[string]string{}, seed: rapid.IntRange(0, 1000).Draw(t, "seed")}
	for i := range rapid.IntRange(1, 3).Draw(t, "workflows") {
		s.flows[fmt.Sprint("flow", i)] = drawSource(t)
	}
	now := bubbleBegins
	for i := range rapid.IntRange(1, 12).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "minutes")) * time.Minute)
		who := rapid.SampledFrom([]string{"ada", "bob"}).Draw(t, "who")
		at := now.Add(time.Duration(4*i+1) * time.Second) // waits are of whole minutes: no event comes as one ends
		ev := engine.Event{ID: fmt.Sprint("e", i), Source: "scenario", Location: "academy", Type: rapid.SampledFrom(scenarioTriggers).Draw(t, "type"), Time: at,
			Contact: engine.Contact{ID: who, Email: who + "@example.com", Custom: engine.Custom{"score": int64(rapid.IntRange(0, 2).Draw(t, "score"))}}}
		switch noun := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "noun"); ev.Type {
		case "offer_access_granted":
			ev.Offer = &engine.Noun{ID: noun}
		case "lesson_completed":
			ev.Lesson = &engine.Noun{ID: noun}
		}
		s.events = append(s.events, ev)
	}
	return s
}

// drawSource draws the text of a workflow.
func drawSource(t *rapid.T) string {
	var b strings.Builder
	fmt.Fprintf(&b, "class: transactional\ntriggers: [%s]\n", rapid.SampledFrom(scenarioTriggers).Draw(t, "trigger"))
	fmt.Fprintf(&b, "reentry: %s\n", rapid.SampledFrom([]string{"never", "always", "after_end", "{allow: {after: 2d}}"}).Draw(t, "reentry"))
	for _, line := range []string{"goal: {event: {lesson_completed: {lesson: two}}}\n", "when: contact.custom.score > 0\n", "coalesce: 5m\n"} {
		if rapid.IntRange(0, 3).Draw(t, "setting") == 0 {
			b.WriteString(line)
		}
	}
	b.WriteString("steps:\n")
	drawSteps(t, &b, "  ", 2)
	return b.String()
}

func drawSteps(t *rapid.T, b *strings.Builder, indent string, deep int) {
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		kinds := []string{"email", "sms", "wait", "until", "for", "tag", "set", "goal"}
		if deep > 0 {
			kinds = append(kinds, "if", "split")
		}
		minutes := rapid.IntRange(1, 4000).Draw(t, "minutes")
		switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
		case "email", "sms":
			fmt.Fprintf(b, "%s- %s: hello\n", indent, kind)
			for _, line := range []string{"on_error: stop", "retry: never", "retry: 15s", "retry: {for: 10m, attempts: 2}", "on_unknown: hold", "on_unknown: resend"} {
				if rapid.IntRange(0, 3).Draw(t, "setting") == 0 {
					fmt.Fprintf(b, "%s  %s\n", indent, line)
					break
				}
			}
		case "wait":
			fmt.Fprintf(b, "%s- wait: %dm\n", indent, minutes)
		case "until":
			fmt.Fprintf(b, "%s- wait: {until: %s}\n", indent, rapid.SampledFrom([]string{`"09:00"`, "monday"}).Draw(t, "until"))
		case "for":
			fmt.Fprintf(b, "%s- wait: {for: %s, timeout: %dm}\n", indent, rapid.SampledFrom(scenarioTriggers).Draw(t, "for"), minutes)
		case "tag":
			fmt.Fprintf(b, "%s- tag: known\n", indent)
		case "set":
			// No condition reads it: two runs of a contact may go on in one instant, and which is first is left open.
			fmt.Fprintf(b, "%s- set: {level: 5}\n", indent)
		case "goal":
			fmt.Fprintf(b, "%s- goal: {event: {offer_access_granted: {offer: two}}, else: wait, timeout: %dm}\n", indent, minutes)
		case "if":
			fmt.Fprintf(b, "%s- if: contact.custom.score > 1\n%s  then:\n", indent, indent)
			drawSteps(t, b, indent+"    ", deep-1)
			fmt.Fprintf(b, "%s  else:\n", indent)
			drawSteps(t, b, indent+"    ", deep-1)
		case "split":
			fmt.Fprintf(b, "%s- split:\n%s    left:\n", indent, indent)
			drawSteps(t, b, indent+"      ", deep-1)
			fmt.Fprintf(b, "%s    right:\n", indent)
			drawSteps(t, b, indent+"      ", deep-1)
		}
	}
}
