package simulate

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// expect compares what a test expects at one moment with what is. It returns the first difference.
func (pl *player) expect(e *engine.Expectation) *Failure {
	for _, c := range []struct {
		key   string
		asked bool
		check func(*engine.Expectation) string
	}{
		{"nothing", e.Nothing, pl.expectNothing},
		{"message", e.Message != nil, pl.expectNext},
		{"started", e.Started != nil, pl.expectStarted},
		{"not_started", e.NotStarted != nil, pl.expectNotStarted},
		{"steps", e.Outcomes != nil, pl.expectOutcomes},
		{"end", e.End != nil, pl.expectEnd},
		{"in", e.In != "", pl.expectIn},
		{"until", !e.Until.IsZero(), pl.expectUntil},
		{"tags", e.Tags != nil, pl.expectTags},
		{"custom", e.Custom != nil, pl.expectCustom},
	} {
		if !c.asked {
			continue
		}
		if msg := c.check(e); msg != "" {
			return &Failure{e.At[c.key], msg}
		}
		if c.key == "message" {
			if key, msg := pl.Messages[pl.seen-1].compare(e.Message); msg != "" {
				return &Failure{e.At[key], msg}
			}
		}
	}
	return nil
}

func (pl *player) expectNothing(e *engine.Expectation) string {
	if m := pl.oldest(e.Workflow); m != nil {
		return fmt.Sprintf("expected no message, but there is one: %s", m)
	}
	return ""
}

// expectNext takes the oldest message, if it is the one.
func (pl *player) expectNext(e *engine.Expectation) string {
	x := e.Message
	want := x.String()
	m := pl.oldest(e.Workflow)
	if m == nil {
		return fmt.Sprintf("expected %s, but no message was sent%s", want, pl.whyNot(e))
	}
	if m.Kind != x.Kind || !m.named(x.Name) {
		return fmt.Sprintf("expected %s, but the next message is another: %s", want, m)
	}
	if m.State != x.State {
		return fmt.Sprintf("expected %s to be %s, but it is %s%s", want, x.State, m.State, because(m.Error))
	}
	pl.seen++
	return ""
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// whyNot says where the run is that has sent nothing, or why there is none.
func (pl *player) whyNot(e *engine.Expectation) string {
	workflow := pl.workflowOf(e)
	if r := pl.newest(workflow); r != nil {
		return "; " + pl.where(r)
	}
	for _, d := range pl.Decisions {
		if d.Workflow == workflow && d.Reason != "" {
			return fmt.Sprintf("; %s did not start: %s%s", d.Workflow, d.Reason, because(d.Fault))
		}
	}
	return ""
}

func (pl *player) workflowOf(e *engine.Expectation) string {
	if e.Workflow != "" {
		return e.Workflow
	}
	return pl.test.Workflow
}

// newest returns the newest run of a workflow, or of any, or nil.
func (pl *player) newest(workflow string) *running {
	for _, r := range slices.Backward(pl.runs) {
		if workflow == "" || r.Workflow == workflow {
			return r
		}
	}
	return nil
}

// where says what a run is doing.
func (pl *player) where(r *running) string {
	switch {
	case r.State.Over():
		return fmt.Sprintf("the run of %s is over: %s", r.Workflow, r.End)
	case r.State == engine.RunWaiting && r.Wait != nil:
		return fmt.Sprintf("the run of %s waits in %s%s", r.Workflow, stepID(r.At), pl.forWhat(r.Wait))
	case r.task != nil && r.task.Held != nil && !r.task.Held.Until.IsZero():
		return fmt.Sprintf("the run of %s is in %s, held by %s until %s", r.Workflow, stepID(r.At), r.task.Held.By, pl.clock(r.task.Held.Until))
	case r.task != nil && r.task.Held != nil:
		return fmt.Sprintf("the run of %s is in %s, held by %s", r.Workflow, stepID(r.At), r.task.Held.By)
	case r.task != nil && r.task.Error != "":
		return fmt.Sprintf("the run of %s is in %s, which is tried again at %s: %s", r.Workflow, stepID(r.At), pl.clock(r.task.NotBefore), r.task.Error)
	}
	return fmt.Sprintf("the run of %s is in %s, whose message is not sent yet", r.Workflow, stepID(r.At))
}

// run returns the run that an expectation is about, or why there is none.
func (pl *player) run(e *engine.Expectation) (*running, string) {
	if r := pl.newest(pl.workflowOf(e)); r != nil {
		return r, ""
	}
	if why := pl.whyNot(e); why != "" {
		return nil, "there is no run" + why
	}
	return nil, "there is no run"
}

func (pl *player) expectEnd(e *engine.Expectation) string {
	r, why := pl.run(e)
	switch {
	case r == nil:
		return fmt.Sprintf("expected the run to end with %q, but %s", *e.End, why)
	case !r.State.Over():
		return fmt.Sprintf("expected the run to have ended with %q, but %s", *e.End, pl.where(r))
	case !strings.Contains(r.End, *e.End):
		return fmt.Sprintf("expected the run to end with %q, but it ended with %q", *e.End, r.End)
	}
	return ""
}

func (pl *player) expectIn(e *engine.Expectation) string {
	r, why := pl.run(e)
	if r == nil {
		return fmt.Sprintf("expected a run in %s, but %s", e.In, why)
	}
	if r.State.Over() || stepID(r.At) != e.In {
		return fmt.Sprintf("expected the run to be in %s, but %s", e.In, pl.where(r))
	}
	return ""
}

func (pl *player) expectUntil(e *engine.Expectation) string {
	r, why := pl.run(e)
	if r == nil {
		return fmt.Sprintf("expected a run that waits until %s, but %s", pl.clock(e.Until), why)
	}
	if until := r.until(); !until.Equal(e.Until) {
		return fmt.Sprintf("expected the run to wait until %s, but %s", pl.clock(e.Until), pl.where(r))
	}
	return ""
}

// until returns until when a run waits, or its message is held.
func (r *running) until() (t time.Time) {
	switch {
	case r.State == engine.RunWaiting && r.Wait != nil:
		t = r.Wait.Due
	case r.State == engine.RunSending && r.task.Held != nil:
		t = r.task.Held.Until
	}
	return t
}

func (pl *player) expectOutcomes(e *engine.Expectation) string {
	r, why := pl.run(e)
	for _, id := range slices.Sorted(maps.Keys(e.Outcomes)) {
		want, got := e.Outcomes[id], ""
		if r == nil {
			return fmt.Sprintf("expected the step %s to be %s, but %s", id, want, why)
		}
		for _, s := range r.Steps {
			if stepID(s.Path) == id {
				got = s.Outcome
			}
		}
		switch {
		case got == "":
			return fmt.Sprintf("expected the step %s to be %s, but the run has not gone through it; %s", id, want, pl.where(r))
		case got != want:
			return fmt.Sprintf("expected the step %s to be %s, but it is %s", id, want, got)
		}
	}
	return ""
}

func (pl *player) expectStarted(e *engine.Expectation) string {
	for _, id := range e.Started {
		if d, ok := pl.decision(id); !ok || d.Run.IsZero() {
			return fmt.Sprintf("expected %s to start, but it did not: %s", id, reasonOf(d, ok))
		}
	}
	return ""
}

func (pl *player) expectNotStarted(e *engine.Expectation) string {
	for _, want := range e.NotStarted {
		d, ok := pl.decision(want.Workflow)
		switch {
		case ok && !d.Run.IsZero():
			return fmt.Sprintf("expected %s not to start, but it did", want.Workflow)
		case !strings.Contains(reasonOf(d, ok), want.Reason):
			return fmt.Sprintf("expected %s not to start because of %q, but the reason is: %s", want.Workflow, want.Reason, reasonOf(d, ok))
		}
	}
	return ""
}

// decision returns what was decided of a workflow: that it started, if it did.
func (pl *player) decision(workflow string) (found engine.Decision, ok bool) {
	for _, d := range pl.Decisions {
		if d.Workflow == workflow && d.Moved == "" && (!ok || !d.Run.IsZero()) {
			found, ok = d, true
		}
	}
	return found, ok
}

func reasonOf(d engine.Decision, ok bool) string {
	if !ok {
		return "the last event is none of its triggers"
	}
	return d.Reason + because(d.Fault)
}

func (pl *player) expectTags(e *engine.Expectation) string {
	have := pl.person(pl.key).Tags
	if !slices.Equal(have, slices.Sorted(slices.Values(*e.Tags))) {
		return fmt.Sprintf("expected the contact's tags to be %s, but they are %s", listed(*e.Tags), listed(have))
	}
	return ""
}

func listed(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func (pl *player) expectCustom(e *engine.Expectation) string {
	have := pl.person(pl.key).Contact.Custom
	for _, name := range slices.Sorted(maps.Keys(e.Custom)) {
		if want, got := e.Custom[name], have[name]; !reflect.DeepEqual(want, got) {
			return fmt.Sprintf("expected contact.custom.%s to be %s, but it is %s", name, literal(want), literal(got))
		}
	}
	return ""
}

func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "absent"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
