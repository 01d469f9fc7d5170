package engine

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestStepAt(t *testing.T) {
	t.Parallel()
	steps := []Step{
		{ID: "a", Kind: "email"},
		{ID: "b", Kind: StepIf, Then: []Step{{ID: "c"}}, Else: []Step{
			{ID: "d", Kind: StepIf, Then: []Step{{ID: "e", Kind: StepSplit, Split: []Branch{{Name: "one", Steps: []Step{{ID: "f"}}}, {Name: "two"}}}}},
		}},
	}
	for _, path := range [][]string{{"a"}, {"b", "then", "c"}, {"b", "else", "d", "then", "e"}, {"b", "else", "d", "then", "e", "one", "f"}} {
		if s := StepAt(steps, path); s == nil || s.ID != path[len(path)-1] {
			t.Errorf("%v: %v", path, s)
		}
	}
	for _, path := range [][]string{
		{"x"}, {"b", "else", "c"}, {"b", "then", "c", "then", "a"}, {"b", "then"}, {"b", "else", "d", "then", "e", "two", "f"}, nil,
	} {
		if s := StepAt(steps, path); s != nil {
			t.Errorf("%v: %v", path, s)
		}
	}
}

// A run goes on in its branch after a task and after a wait, and behind the split when the branch is done.
func TestSplit(t *testing.T) {
	t.Parallel()
	branch := func(name string, weight int) Branch {
		return Branch{name, weight, []Step{{ID: name + "-mail", Kind: "email"}, {ID: name + "-rest", Kind: StepWait, Wait: Duration{Days: 1}}, {ID: name + "-end", Kind: StepTag, Tag: Tag{Add: []string{name}}}}}
	}
	s := begin(t, Step{ID: "ab", Kind: StepSplit, Split: []Branch{branch("none", 0), branch("all", 1)}}, Step{ID: "bye", Kind: "email"})
	s.done(TaskSent)
	s.now = s.r.Wait.Due
	s.input(Input{Timer: true})
	s.done(TaskSent)
	want := "ab=all ab/all/all-mail=sent ab/all/all-rest=waited ab/all/all-end=tagged bye=sent"
	if s.outcomes() != want || fmt.Sprint(s.p.Tags) != "[all]" || s.r.State != RunFinished {
		t.Errorf("got  %s, tags %v, %s\nwant %s", s.outcomes(), s.p.Tags, s.r.State, want)
	}
	if s := begin(t, Step{ID: "ab", Kind: StepSplit}); s.r.State != RunFinished || s.outcomes() != "ab=skipped" {
		t.Errorf("a split without branches: %s", s.outcomes())
	}
}

// Each contact stays with its branch, and each branch has about its share: within five standard deviations.
func TestSplitShares(t *testing.T) {
	t.Parallel()
	const contacts = 4000
	rapid.Check(t, func(t *rapid.T) {
		var branches []Branch
		sum := 0
		for i := range rapid.IntRange(2, 5).Draw(t, "branches") {
			b := Branch{Name: fmt.Sprint("b", i), Weight: rapid.IntRange(1, 100).Draw(t, "weight")}
			branches, sum = append(branches, b), sum+b.Weight
		}
		step := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "step")
		got := map[string]int{}
		for i := range contacts {
			id := NewID(day1, 7, "contact", fmt.Sprint(i))
			b := choose(branches, "academy", "w", step, id)
			if again := choose(branches, "academy", "w", step, id); again != b {
				t.Fatalf("contact %d: %s, then %s", i, b.Name, again.Name)
			}
			got[b.Name]++
		}
		for _, b := range branches {
			p := float64(b.Weight) / float64(sum)
			if want, off := p*contacts, 5*math.Sqrt(contacts*p*(1-p))+1; math.Abs(float64(got[b.Name])-want) > off {
				t.Fatalf("%s of %d of %d: %d contacts, want %.0f ± %.0f", b.Name, b.Weight, sum, got[b.Name], want, off)
			}
		}
	})
}

// What one split says of a contact tells nothing of what another says, be it of another step, workflow or location.
func TestSplitsAreIndependent(t *testing.T) {
	t.Parallel()
	branches := []Branch{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}
	for name, other := range map[string][3]string{
		"step": {"academy", "w", "y"}, "workflow": {"academy", "v", "x"}, "location": {"school", "w", "x"}, "border": {"academy", "wx", ""},
	} {
		same := 0
		for i := range 4000 {
			id := NewID(day1, 7, "contact", fmt.Sprint(i))
			if choose(branches, "academy", "w", "x", id) == choose(branches, other[0], other[1], other[2], id) {
				same++
			}
		}
		if same < 1800 || same > 2200 {
			t.Errorf("another %s: %d of 4000 alike", name, same)
		}
	}
}

// The branch of a contact is a promise to those who are in the middle of it: the hash may not change.
func TestSplitIsForEver(t *testing.T) {
	t.Parallel()
	branches := []Branch{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}
	got := ""
	for i := range 16 {
		got += choose(branches, "academy", "welcome", "split-1", NewID(day1, 7, fmt.Sprint(i))).Name
	}
	if want := "bababaabbbaaaaba"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
