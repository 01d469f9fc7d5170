package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStart has one workflow start others within one call: with its event, and as their own settings allow.
func TestStart(t *testing.T) {
	t.Parallel()
	mail := Step{ID: "hi", Kind: "email"}
	flow := func(id string, tune func(*Workflow), steps ...Step) *Workflow {
		w := &Workflow{ID: id, Version: "v1", Status: Live, Reentry: Reentry{Allow: "never"}, Steps: steps}
		if tune != nil {
			tune(w)
		}
		return w
	}
	starts := func(ids ...string) (steps []Step) {
		for _, id := range ids {
			steps = append(steps, Step{ID: "to-" + id, Kind: StepStart, Start: id})
		}
		return append(steps, Step{ID: "after", Kind: StepIf, If: must(t, `run.steps["to-b"].outcome == "started"`), Then: []Step{mail}})
	}
	set := NewSet(&Location{ID: "academy"}, []*Workflow{
		flow("a", func(w *Workflow) { w.Triggers = []Trigger{{Type: "offer_access_granted"}} }, starts("b", "draft", "never", "gone", "b2")...),
		flow("b", nil, Step{ID: "to-c", Kind: StepStart, Start: "c"}),
		flow("b2", func(w *Workflow) { w.When = must(t, `offer.id == "gold"`) }, mail),
		flow("c", nil, Step{ID: "t", Kind: StepTag, Tag: Tag{Add: []string{"seen"}}}, mail),
		flow("draft", func(w *Workflow) { w.Status = Draft }, mail),
		flow("never", func(w *Workflow) { w.When = must(t, `offer.id == "silver"`) }, mail),
	})
	ev := Event{ID: "e1", Type: "offer_access_granted", Location: "academy", Time: day1, Ordinal: 7, Offer: &Noun{ID: "gold"}, Contact: Contact{ID: "c-17"}, Depth: 1}
	p, runs, cmds, decisions := Plan(set, Person{Key: NewID(day1, 3, "p"), Location: "academy"}, ev, day1)
	var got []string
	for _, r := range runs {
		line := r.Workflow
		for _, s := range r.Steps {
			line += "; " + s.Path[len(s.Path)-1] + " " + s.Outcome + " " + s.Fault
		}
		got = append(got, line)
	}
	want := []string{
		`a; to-b started ; to-draft not_started draft: the workflow is a draft; to-never not_started never: when does not hold: offer.id == "silver"; offer.id is "gold"; ` +
			`to-gone not_started there is no workflow "gone" in force; to-b2 started ; after then `,
		"b; to-c started ", "c; t tagged ", "b2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(decisions) != 1 || decisions[0].Run != runs[0].ID || !runs[0].StartedBy.IsZero() || runs[1].StartedBy != runs[0].ID || runs[2].StartedBy != runs[1].ID {
		t.Errorf("%+v", decisions)
	}
	if runs[0].Steps[0].Response["run"] != runs[1].ID.String() || runs[2].Event.Offer.ID != "gold" || runs[2].Event.Depth != 1 || runs[2].Ordinal != runs[0].Ordinal {
		t.Errorf("%+v", runs)
	}
	for _, r := range runs[1:] { // however much later they start, what was decided of the event is found
		if r.Record != EventRecordID(day1, p.Key, 7) {
			t.Errorf("%s: record %s", r.Workflow, r.Record)
		}
	}
	if len(p.Tags) != 1 || len(p.Starts) != 4 || len(cmds) != 4 { // three mails, and the end of b
		t.Errorf("%v %v %d commands", p.Tags, p.Starts, len(cmds))
	}
	again := Run{ID: NewID(day1, 3, "another"), Location: "academy", Workflow: "a", Contact: p.Key, Event: ev}
	next, _, more, _ := AdvanceIn(set, set.Lookup("a"), again, p, Input{Begin: true}, day1)
	if len(more) != 0 || !strings.HasPrefix(next.Steps[0].Fault, `b: re-entry: it started for offer "gold"`) {
		t.Errorf("%d runs %+v", len(more), next.Steps[0])
	}
	if next, _, _ := Advance(set.Lookup("a"), set.Location, again, Person{}, Input{Begin: true}, day1); next.Steps[0].Outcome != "not_started" {
		t.Errorf("without the other workflows: %+v", next.Steps[0])
	}
}

// TestStartsEnd bounds what no file can ask for.
func TestStartsEnd(t *testing.T) {
	t.Parallel()
	loop := &Workflow{ID: "loop", Version: "v", Status: Live, Reentry: Reentry{Allow: "always"}, Triggers: []Trigger{{Type: "user_login"}},
		Steps: []Step{{ID: "s", Kind: StepStart, Start: "loop"}}}
	_, runs, _, _ := Plan(NewSet(&Location{ID: "academy"}, []*Workflow{loop}), Person{Key: NewID(day1, 3, "p"), Location: "academy"},
		Event{ID: "e", Type: "user_login", Location: "academy", Time: day1}, day1)
	ids := map[ID]bool{}
	for _, r := range runs {
		ids[r.ID] = true
	}
	if len(runs) != maxStarted+1 || len(ids) != len(runs) {
		t.Errorf("%d runs, %d ids", len(runs), len(ids))
	}
}

// TestGoldenStarted holds the record of a run that a step started.
func TestGoldenStarted(t *testing.T) {
	t.Parallel()
	r := goldenRun()
	r.StartedBy = NewID(day1, 0x1234, "starter")
	tx := mapTx{}
	if err := SaveRun(tx, r); err != nil {
		t.Fatal(err)
	}
	got, err := DecodeRun(golden(t, "run-started.v1", tx.Get(SpaceActive, Key("academy", r.ID[:]))))
	if err != nil || !cmp.Equal(got, r) {
		t.Errorf("%v\n%s", err, cmp.Diff(r, got))
	}
}
