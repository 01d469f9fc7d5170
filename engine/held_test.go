package engine

import (
	"testing"
	"time"
)

// TestHeldSteps has runs of a workflow that is paused, or whose file is gone, do nothing that others see, wherever they stand, and go on
// from there when it does.
func TestHeldSteps(t *testing.T) {
	t.Parallel()
	grant := Step{ID: "g", Kind: "grant", Settings: announcer{}}
	with := func(status Status, steps ...Step) *Set {
		return NewSet(&Location{ID: "academy"}, []*Workflow{
			{ID: "w", Version: "v1", Status: status, Reentry: Reentry{Allow: "never"}, Triggers: []Trigger{{Type: "new_sign_up"}}, Steps: steps},
			{ID: "other", Version: "v1", Status: Live, Reentry: Reentry{Allow: "never"}, Steps: []Step{{ID: "o", Kind: "email"}}},
		})
	}
	gone := NewSet(&Location{ID: "academy"}, nil)
	ev := Event{ID: "e1", Type: "new_sign_up", Location: "academy", Time: day1}
	tag := Step{ID: "t", Kind: StepTag, Tag: Tag{Add: []string{"seen"}}}
	wait := Step{ID: "x", Kind: StepWait, For: []Trigger{{Type: "product_started"}}, Wait: Duration{Days: 1}}
	inner := Step{ID: "i", Kind: StepIf, If: must(t, "true"), Then: []Step{grant}}
	for name, steps := range map[string][]Step{
		"first": {grant}, "behind a tag": {tag, grant}, "within": {inner}, "a start": {{ID: "s", Kind: StepStart, Start: "other"}},
		"behind a wait": {wait, grant}, "one that may be skipped": {{ID: "g", Kind: "grant", When: must(t, "true"), Settings: announcer{}}},
	} {
		live := with(Live, steps...)
		p, runs, cmds, _ := Plan(with(Paused, steps...), Person{Key: NewID(day1, 3, "p"), Location: "academy"}, ev, day1)
		r, now := runs[0], day1
		if name == "behind a wait" {
			now = day1.Add(time.Hour)
			r, p, _, cmds = AdvanceIn(gone, live.Lookup("w"), r, p, Input{Event: &Event{Type: "product_started"}}, now)
		}
		if len(runs) != 1 || len(cmds) != 0 || r.State != RunWaiting || r.Wait.Kind != WaitHeld || r.Wait.Due.After(now) {
			t.Errorf("%s: %d runs, %d commands, %s %+v", name, len(runs), len(cmds), r.State, r.Wait)
			continue
		}
		r, _, runs, cmds = AdvanceIn(live, live.Lookup("w"), r, p, Input{Timer: true}, now.Add(48*time.Hour))
		if r.State != RunFinished || len(cmds)+len(runs) < 2 || r.Wait != nil {
			t.Errorf("%s, live again: %s %q, %d runs, %d commands", name, r.State, r.End, len(runs), len(cmds))
		}
	}
}

// TestHeldReachesItsGoal has an event move a run that is held as any other.
func TestHeldReachesItsGoal(t *testing.T) {
	t.Parallel()
	w := &Workflow{ID: "w", Version: "v1", Status: Paused, Reentry: Reentry{Allow: "never"}, Triggers: []Trigger{{Type: "new_sign_up"}},
		Steps: []Step{{ID: "g", Kind: "grant", Settings: announcer{}}, {ID: "goal", Kind: StepGoal, For: []Trigger{{Type: "product_started"}}}}}
	set := NewSet(&Location{ID: "academy"}, []*Workflow{w})
	p, runs, _, _ := Plan(set, Person{Key: NewID(day1, 3, "p"), Location: "academy"}, Event{ID: "e", Type: "new_sign_up", Location: "academy", Time: day1}, day1)
	r, _, _, _ := AdvanceIn(set, w, runs[0], p, Input{Event: &Event{Type: "product_started"}}, day1)
	if len(p.Listens) != 1 || r.State != RunFinished || len(r.Steps) != 2 || r.Steps[1].Outcome != "met" {
		t.Errorf("%+v %s %+v", p.Listens, r.State, r.Steps)
	}
}
