package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What a step tags and sets is there for the next step, and for the next workflow.
func TestTagAndSet(t *testing.T) {
	t.Parallel()
	s := begin(t,
		Step{ID: "t1", Kind: StepTag, Tag: Tag{Add: []string{"vip", "new"}}},
		Step{ID: "s1", Kind: StepSet, Set: Custom{"cohort": "2026-11", "score": int64(5), "gone": nil}},
		Step{ID: "t2", Kind: StepTag, When: must(t, `"vip" in contact.tags and contact.custom.score == 5`), Tag: Tag{Add: []string{"vip", "both"}, Remove: []string{"new", "never"}}},
		Step{ID: "s2", Kind: StepSet, Set: Custom{"score": nil}},
		Step{ID: "m", Kind: "email", When: must(t, `contact.custom.score == nil and contact.custom.cohort == "2026-11"`)},
	)
	if want := []string{"both", "vip"}; !cmp.Equal(s.p.Tags, want) {
		t.Errorf("tags: got %v, want %v", s.p.Tags, want)
	}
	if want := (Custom{"cohort": "2026-11"}); !cmp.Equal(s.p.Contact.Custom, want) {
		t.Errorf("custom: got %v, want %v", s.p.Contact.Custom, want)
	}
	if want := "t1=tagged s1=set t2=tagged s2=set"; s.outcomes() != want || s.r.State != RunSending {
		t.Errorf("got %s, %s", s.outcomes(), s.r.State)
	}
}

func TestSetWithoutRoom(t *testing.T) {
	t.Parallel()
	s := begin(t, Step{ID: "m", Kind: "email"}, Step{ID: "s", Kind: StepSet, Set: Custom{"a": "x", "big": int64(1)}})
	s.p.Contact.Custom = Custom{"big": strings.Repeat("x", maxCustom)}
	s.done(TaskSent)
	if got := s.r.Steps[1]; got.Outcome != "set" || got.Fault != "no room among the contact's custom fields for a" {
		t.Errorf("%+v", got)
	}
	if s.p.Contact.Custom["big"] != int64(1) {
		t.Error("what is smaller found no room")
	}
}

// Tags stay in order and each once, and what is taken away is gone; nothing given is changed.
func TestTaggedModel(t *testing.T) {
	t.Parallel()
	words := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID)
	rapid.Check(t, func(t *rapid.T) {
		var tags []string
		model := map[string]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			tag := Tag{Remove: words.Draw(t, "remove")}
			for _, w := range words.Draw(t, "add") {
				if !strings.Contains(fmt.Sprint(tag.Remove), w) {
					tag.Add = append(tag.Add, w)
				}
			}
			before := fmt.Sprint(tags, tag)
			next := tagged(tags, tag)
			if after := fmt.Sprint(tags, tag); after != before {
				t.Fatalf("arguments changed: %s, %s", before, after)
			}
			tags = next
			for _, w := range tag.Add {
				model[w] = true
			}
			for _, w := range tag.Remove {
				delete(model, w)
			}
			if want := sortedKeys(model); fmt.Sprint(tags) != fmt.Sprint(want) {
				t.Fatalf("got %v, want %v", tags, want)
			}
		}
	})
}

// What one workflow does to a contact does not decide whether another starts for the same event, whatever their order.
func TestWhenSeesNoOtherWorkflow(t *testing.T) {
	t.Parallel()
	a := welcome("a", Trigger{Type: "user_login"})
	a.Steps = []Step{{ID: "t", Kind: StepTag, Tag: Tag{Add: []string{"vip"}}}}
	b := welcome("b", Trigger{Type: "user_login"})
	b.When = must(t, `"vip" in contact.tags`)
	set := NewSet(academy, []*Workflow{a, b})
	p, runs, _, _ := Plan(set, ada(), event(1, "user_login"), day1)
	if len(runs) != 1 || !cmp.Equal(p.Tags, []string{"vip"}) {
		t.Errorf("%d runs, tags %v", len(runs), p.Tags)
	}
	if _, runs, _, _ = Plan(set, p, event(2, "user_login"), day1); len(runs) != 1 || runs[0].Workflow != "b" {
		t.Errorf("after the tag: %v", runs)
	}
}

func TestAbsorbJoinsTags(t *testing.T) {
	t.Parallel()
	p, from := ada(), Person{Key: NewID(day1, 9, "mail"), Tags: []string{"b", "c"}}
	p.Tags = []string{"a", "b"}
	if joined, forward := Absorb(p, from); !cmp.Equal(joined.Tags, []string{"a", "b", "c"}) || forward.Tags != nil {
		t.Errorf("%v, %v", joined.Tags, forward.Tags)
	}
}

// on_error ends the run at a message that failed or expired, and at no other outcome.
func TestStopOnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state TaskState
		stop  bool
		want  RunState
	}{
		{TaskFailed, true, RunStopped}, {TaskExpired, true, RunStopped}, {TaskSent, true, RunSending}, {TaskUnknown, true, RunSending},
		{TaskSuppressed, true, RunSending}, {TaskFailed, false, RunSending}, {TaskExpired, false, RunSending},
	} {
		s := begin(t, Step{ID: "in", Kind: StepIf, If: must(t, "true"), Then: []Step{{ID: "a", Kind: "email", StopOnError: c.stop}}}, Step{ID: "b", Kind: "email"})
		s.input(Input{Done: &Task{ID: s.r.Task, Kind: "email", State: c.state, Error: "550 no such user"}})
		if s.r.State != c.want || c.want == RunStopped && (s.r.End != "step in/then/a "+string(c.state)+": 550 no such user" || !s.p.Starts["w/contact"].Ended) {
			t.Errorf("%s, stop %v: %s, %q", c.state, c.stop, s.r.State, s.r.End)
		}
		if got := s.r.Steps[1]; got.Outcome != string(c.state) {
			t.Errorf("%s: the story has %s", c.state, got.Outcome)
		}
	}
}

// Steps that the core carries out itself can fail too: a condition that faults, a field that holds no time, a workflow that does not
// start.
func TestStopOnErrorOfCoreSteps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step Step
		end  string
	}{
		"condition": {Step{ID: "a", Kind: StepIf, If: must(t, `contact.custom.none > 5`)}, "step a failed: contact.custom.none > 5: "},
		"no time":   {Step{ID: "a", Kind: StepWait, Until: &Until{Field: "contact.custom.exam"}}, "step a failed: contact.custom.exam is absent"},
		"no start":  {Step{ID: "a", Kind: StepStart, Start: "other"}, `step a failed: there is no workflow "other"`},
		"holds":     {Step{ID: "a", Kind: StepIf, If: must(t, `true`)}, ""},
	} {
		for _, stop := range []bool{true, false} {
			c.step.StopOnError = stop
			s := begin(t, c.step, Step{ID: "b", Kind: "email"})
			want := RunSending
			if stop && c.end != "" {
				want = RunStopped
			}
			if s.r.State != want || want == RunStopped && !strings.HasPrefix(s.r.End, c.end) {
				t.Errorf("%s, stop %v: %s, %q", name, stop, s.r.State, s.r.End)
			}
		}
	}
}
