package runner

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// audit holds what is in the store, and what went out, against the promises.
func (tl *teller) audit(t *testing.T, flows []*engine.Workflow) {
	runs, err := tl.Runs(t.Context(), Filter{Limit: 1000})
	if err != nil {
		tl.faultf("runs: %v", err)
	}
	tasks, err := tl.Tasks(t.Context(), Filter{Limit: 10000})
	if err != nil {
		tl.faultf("tasks: %v", err)
	}
	if tl.events, err = tl.Events(t.Context(), Filter{Limit: 1000}); err != nil {
		tl.faultf("events: %v", err)
	}
	tl.auditStarts(flows, runs)
	of := map[engine.ID][]engine.Task{}
	for _, task := range tasks {
		of[task.Run] = append(of[task.Run], task)
		tl.auditEffects(&task)
	}
	byID := map[string]*engine.Workflow{}
	for _, f := range flows {
		byID[f.ID] = f
	}
	for i := range runs {
		tl.auditRun(byID[runs[i].Workflow], &runs[i], of[runs[i].ID])
	}
	tl.auditOrder(flows, runs, of)
	if s := tl.Stats(); s.Waiting+s.Due+s.Later+s.Sending+s.Held > 0 {
		tl.faultf("something is left to do: %+v", s)
	}
	if n := tl.bus.count("run.finished"); n != len(runs) {
		tl.faultf("%d runs, and %d are told of", len(runs), n)
	}
}

// auditStarts: nothing lost, nothing started twice. The model: the first event of each identity counts, and a workflow that is
// never entered again takes the first of those that fit, for each noun.
func (tl *teller) auditStarts(flows []*engine.Workflow, runs []engine.Run) {
	got := map[string]int{}
	for _, r := range runs {
		got[r.Workflow+" "+r.Event.ID]++
	}
	want := map[string]int{}
	seen, entered := map[string]bool{}, map[string]bool{}
	for _, ev := range tl.stream {
		if seen[ev.ID] {
			continue
		}
		seen[ev.ID] = true
		for _, f := range flows {
			noun := ""
			if ev.Offer != nil {
				noun = ev.Offer.ID
			}
			if ev.Lesson != nil {
				noun = ev.Lesson.ID
			}
			filters := f.Triggers[0].Filters
			entry := f.ID + " " + ev.Contact.ID + " " + noun
			switch {
			case f.Triggers[0].Type != ev.Type, len(filters) > 0 && !slices.Contains(filters[0].AnyOf, noun):
			case f.Reentry.Allow == "never" && entered[entry]:
			default:
				entered[entry] = true
				want[f.ID+" "+ev.ID] = 1
			}
		}
	}
	for k, n := range want {
		if got[k] != n {
			tl.faultf("%s: %d runs, want %d", k, got[k], n)
		}
	}
	for k, n := range got {
		if want[k] == 0 {
			tl.faultf("%s: %d runs, want none", k, n)
		}
	}
}

// auditOrder: the messages that events asked for at once were first attempted in the order of the stream, for each contact.
func (tl *teller) auditOrder(flows []*engine.Workflow, runs []engine.Run, of map[engine.ID][]engine.Task) {
	slices.SortFunc(runs, func(a, b engine.Run) int {
		return cmp.Or(cmp.Compare(a.Event.Ordinal, b.Event.Ordinal), cmp.Compare(a.Workflow, b.Workflow))
	})
	newest, first := map[string]int{}, map[string]string{}
	for _, f := range flows {
		first[f.ID] = f.Steps[0].ID
	}
	for _, r := range runs {
		for _, task := range of[r.ID] {
			if task.Step[0] != first[r.Workflow] {
				continue
			}
			at := slices.IndexFunc(tl.effects, func(e effect) bool { return e.task == task.ID })
			if at < 0 {
				continue // a life ended before it had an effect, and an SMS is not tried again
			}
			if at < newest[r.Event.Contact.ID] {
				tl.faultf("the message of event %d to %s was attempted before that of an earlier one", r.Event.Ordinal, r.Event.Contact.ID)
			}
			newest[r.Event.Contact.ID] = at
		}
	}
}

// auditEffects: an effect happens once. The exceptions are one whose result was not committed when a life ended, and one
// whose outcome nobody knows; an SMS has none.
func (tl *teller) auditEffects(task *engine.Task) {
	effects := tl.had(task.ID)
	done := 0 // in the life of the effect before
	for i, e := range effects {
		if i > 0 && effects[i-1].life != e.life {
			done = 0
		}
		if done > 0 {
			tl.faultf("%s %s: attempt %d after it was done, in one life", task.Kind, task.ID, e.attempt)
		}
		if e.verdict == works || e.verdict == final {
			done++
		}
	}
	reached := slices.DeleteFunc(slices.Clone(effects), func(e effect) bool { return e.verdict != works && e.verdict != doubtful })
	lastIs := func(v failure) bool { return len(effects) > 0 && effects[len(effects)-1].verdict == v }
	switch {
	case !task.State.Over():
		tl.faultf("%s %s is still %s", task.Kind, task.ID, task.State)
	case task.Kind == "sms" && len(reached) > 1:
		tl.faultf("an SMS went out %d times: %+v", len(reached), effects)
	case task.Kind == "sms" && task.State == engine.TaskUnknown: // seen, and in an operator's hands
	case task.State == engine.TaskSent && !lastIs(works):
		tl.faultf("%s %s is sent: %+v", task.Kind, task.ID, effects)
	case task.State == engine.TaskUnknown && (lastIs(doubtful) || lastIs(lost)): // and the time for another attempt is over
	case task.State == engine.TaskFailed && (!lastIs(final) && !lastIs(temporary) || task.Error == ""):
		tl.faultf("%s %s failed (%q): %+v", task.Kind, task.ID, task.Error, effects)
	case task.State != engine.TaskSent && task.State != engine.TaskFailed:
		tl.faultf("%s %s is %s (%q): %+v", task.Kind, task.ID, task.State, task.Error, effects)
	}
}

// auditWait: it is never cut short but by what it waits for, and what comes in it is not passed over.
func (tl *teller) auditWait(step *engine.Step, r *engine.Run, began time.Time, s engine.StepResult) {
	met := false
	for _, e := range tl.events {
		if len(step.For) == 0 || e.Type != step.For[0].Type || e.Contact != r.Contact || e.ID == r.Event.ID {
			continue
		}
		if e.At.After(began) && e.At.Before(s.At) {
			tl.faultf("run %s: %s in %s passed over event %s", r.ID, s.Outcome, step.ID, e.ID)
		}
		met = met || e.At.Equal(s.At)
	}
	if !met && s.Outcome == "met" || s.Outcome != "met" && s.At.Sub(began) < step.Wait.Fixed() {
		tl.faultf("run %s waited %v in %s, which is %v: %s", r.ID, s.At.Sub(began), step.ID, step.Wait.Fixed(), s.Outcome)
	}
}

// auditRun: each step once and in its order, waits never cut short, and an end that the story bears out.
func (tl *teller) auditRun(f *engine.Workflow, r *engine.Run, tasks []engine.Task) {
	states := map[string]engine.TaskState{}
	for _, t := range tasks {
		step := strings.Join(t.Step, "/")
		if _, twice := states[step]; twice {
			tl.faultf("run %s has two tasks of step %s", r.ID, step)
		}
		states[step] = t.State
	}
	before := r.Started
	for i, s := range r.Steps {
		if i >= len(f.Steps) || s.Path[0] != f.Steps[i].ID {
			tl.faultf("run %s: step %d is %v", r.ID, i, s.Path)
			return
		}
		step := &f.Steps[i]
		if step.Kind == "wait" {
			tl.auditWait(step, r, before, s)
		}
		if step.Kind != "wait" && s.Outcome != string(states[step.ID]) {
			tl.faultf("run %s says that %s was %s, and it is %s", r.ID, step.ID, s.Outcome, states[step.ID])
		}
		if s.At.Before(before) {
			tl.faultf("run %s: %v is told at %s, after %s", r.ID, s.Path, s.At.Format(time.RFC3339), before.Format(time.RFC3339))
		}
		before = s.At
	}
	last := len(r.Steps) - 1
	switch {
	case r.State == engine.RunFinished && len(r.Steps) == len(f.Steps):
	case r.State == engine.RunStopped && last >= 0 && f.Steps[last].StopOnError && r.Steps[last].Outcome == string(engine.TaskFailed):
	default:
		tl.faultf("run %s is %s (%q) after %d of %d steps", r.ID, r.State, r.End, len(r.Steps), len(f.Steps))
	}
}
