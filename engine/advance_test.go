package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// story is a run, driven by hand, with what it did so far.
type story struct {
	t         interface{ Fatal(...any) }
	w         *Workflow
	r         Run
	p         Person
	now       time.Time
	log       []string
	cancelled []ID
}

func begin(t interface{ Fatal(...any) }, steps ...Step) *story { return beginWithGoal(t, nil, steps) }

func beginWithGoal(t interface{ Fatal(...any) }, goal *Goal, steps []Step) *story {
	s := &story{t: t, now: day1, p: ada(), w: &Workflow{ID: "w", Version: "v1", Steps: steps, Goal: goal}}
	s.r = Run{ID: NewID(day1, 7, "run"), Location: "academy", Workflow: "w", Version: "v1", Contact: s.p.Key, Event: event(1, "user_login"), Started: day1}
	s.p.Starts = map[string]Start{"w/contact": {At: day1, Run: s.r.ID}}
	s.input(Input{Begin: true})
	return s
}

// input advances the run and checks that nothing given was changed.
func (s *story) input(in Input) []Command {
	before, _ := json.Marshal([]any{s.r, s.p, in})
	r, p, cmds := Advance(s.w, academy, s.r, s.p, in, s.now)
	if after, _ := json.Marshal([]any{s.r, s.p, in}); string(after) != string(before) {
		s.t.Fatal("arguments changed:\n", string(before), "\n", string(after))
	}
	s.r, s.p = r, p
	for _, c := range cmds {
		if c.Task != nil {
			s.log = append(s.log, c.Task.Kind+" "+strings.Join(c.Task.Step, "/"))
		} else if c.Cancel != nil {
			if slices.Contains(s.cancelled, c.Cancel.Task) {
				s.t.Fatal("cancelled twice:", c.Cancel.Task)
			}
			s.cancelled = append(s.cancelled, c.Cancel.Task)
			s.log = append(s.log, "cancel")
		} else {
			s.log = append(s.log, c.Notice.Type)
		}
	}
	return cmds
}

func (s *story) done(state TaskState) {
	s.input(Input{Done: &Task{ID: s.r.Task, Kind: "email", State: state}})
}

func (s *story) outcomes() string {
	var out []string
	for _, r := range s.r.Steps {
		out = append(out, strings.Join(r.Path, "/")+"="+r.Outcome)
	}
	return strings.Join(out, " ")
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	day := Duration{Days: 1}
	s := begin(t,
		Step{ID: "hello", Kind: "email"},
		Step{ID: "no", Kind: "sms", When: must(t, `contact.phone != ""`)},
		Step{ID: "pause", Kind: StepWait, Wait: day},
		Step{ID: "in", Kind: StepIf, If: must(t, `run.link_redeemed`), Then: []Step{{ID: "came", Kind: StepEnd, End: "came in"}},
			Else: []Step{
				{ID: "deep", Kind: StepIf, If: must(t, `run.steps.hello.outcome == "failed"`), Then: []Step{{ID: "rest", Kind: StepWait, Wait: day}, {ID: "nudge", Kind: "sms"}}},
			}},
		Step{ID: "bye", Kind: "email"},
	)
	if s.r.State != RunSending || s.r.At[0] != "hello" {
		t.Fatalf("%+v", s.r)
	}
	s.done(TaskFailed)
	if s.r.State != RunWaiting || !cmp.Equal(s.r.At, []string{"pause"}) || !s.r.Wait.Due.Equal(day1.AddDate(0, 0, 1)) || !s.r.Task.IsZero() {
		t.Fatalf("%+v", s.r)
	}
	s.now = s.r.Wait.Due.Add(-1)
	s.input(Input{Timer: true})
	if s.r.State != RunWaiting || s.r.At[0] != "pause" {
		t.Fatal("a timer was early")
	}
	s.now = s.r.Wait.Due
	s.input(Input{Timer: true})
	if s.r.State != RunWaiting || !cmp.Equal(s.r.At, []string{"in", "else", "deep", "then", "rest"}) {
		t.Fatalf("%+v", s.r)
	}
	s.now = s.r.Wait.Due.Add(time.Minute)
	s.input(Input{Timer: true})
	if !cmp.Equal(s.r.At, []string{"in", "else", "deep", "then", "nudge"}) {
		t.Fatalf("%+v", s.r)
	}
	s.done(TaskSent)
	s.done(TaskUnknown)
	if want := "hello=failed no=skipped pause=waited in=else in/else/deep=then in/else/deep/then/rest=waited in/else/deep/then/nudge=sent bye=unknown"; s.outcomes() != want {
		t.Errorf("got  %s\nwant %s", s.outcomes(), want)
	}
	if want := "[email hello sms in/else/deep/then/nudge email bye run.finished]"; fmt.Sprint(s.log) != want {
		t.Errorf("got %s, want %s", s.log, want)
	}
	if s.r.State != RunFinished || !s.p.Starts["w/contact"].Ended || !s.r.Ended.Equal(s.now) || s.r.End == "" || s.r.At != nil {
		t.Errorf("%+v", s.r)
	}
}

func TestRedeemed(t *testing.T) {
	t.Parallel()
	steps := []Step{{ID: "a", Kind: "email"}, {ID: "in", Kind: StepIf, If: must(t, `run.link_redeemed`), Then: []Step{{ID: "e", Kind: StepEnd, End: "came in"}}}}
	s := begin(t, steps...)
	s.input(Input{Redeemed: &Redemption{Run: NewID(day1, 1, "another"), At: s.now}})
	if !s.r.Redeemed.IsZero() {
		t.Error("another run's link counts")
	}
	s.input(Input{Redeemed: &Redemption{Run: s.r.ID, At: s.now}})
	s.input(Input{Redeemed: &Redemption{Run: s.r.ID, At: s.now.Add(time.Hour)}})
	s.done(TaskSent)
	if s.r.End != "came in" || !s.r.Redeemed.Equal(s.now) {
		t.Errorf("%+v", s.r)
	}
	s = begin(t, steps...)
	s.done(TaskSent)
	if s.r.State != RunFinished {
		t.Fatalf("%+v", s.r)
	}
	s.input(Input{Redeemed: &Redemption{Run: s.r.ID, At: s.now}})
	if s.r.Redeemed.IsZero() || s.r.State != RunFinished {
		t.Error("a redemption after the end is lost")
	}
}

func TestInputsOutOfPlace(t *testing.T) {
	t.Parallel()
	steps := []Step{{ID: "a", Kind: "email"}, {ID: "b", Kind: StepWait, Wait: Duration{Rest: time.Hour}}, {ID: "c", Kind: "sms"}}
	s := begin(t, steps...)
	same := func(name string, in Input) {
		t.Helper()
		r, p, cmds := Advance(s.w, academy, s.r, s.p, in, s.now.Add(100*time.Hour))
		if !cmp.Equal(r, s.r) || !cmp.Equal(p, s.p) || cmds != nil {
			t.Errorf("%s in state %s changed the run to %+v", name, s.r.State, r)
		}
	}
	first := s.r.Task
	for range 3 {
		same("begin", Input{Begin: true})
		same("nothing", Input{})
		same("another's result", Input{Done: &Task{ID: NewID(day1, 1, "x"), State: TaskSent}})
		same("no result yet", Input{Done: &Task{ID: s.r.Task, State: TaskSending}})
		if s.r.State != RunWaiting {
			same("timer", Input{Timer: true})
			s.done(TaskSent)
		} else {
			same("a second result", Input{Done: &Task{ID: first, State: TaskSent}})
			s.now = s.now.Add(time.Hour)
			s.input(Input{Timer: true})
		}
	}
	same("timer", Input{Timer: true})
	if s.r.State != RunFinished {
		t.Fatalf("%+v", s.r)
	}
}

// Two futures of one run or person share no memory, even where a slice has room to spare.
func TestNothingIsShared(t *testing.T) {
	t.Parallel()
	s := begin(t, Step{ID: "a", Kind: "email"}, Step{ID: "b", Kind: "email"})
	s.r.Steps = make([]StepResult, 0, 8)
	sent, _, _ := Advance(s.w, academy, s.r, s.p, Input{Done: &Task{ID: s.r.Task, State: TaskSent}}, s.now)
	failed, _, _ := Advance(s.w, academy, s.r, s.p, Input{Done: &Task{ID: s.r.Task, State: TaskFailed}}, s.now)
	if sent.Steps[0].Outcome != "sent" || failed.Steps[0].Outcome != "failed" {
		t.Errorf("runs: %v, %v", sent.Steps, failed.Steps)
	}
	p := ada()
	p.Products = map[string]*Grant{"p": {Via: append(make([]string, 0, 4), "g")}}
	none := NewSet(academy, nil)
	one, _, _, _ := Plan(none, p, event(1, "offer_access_granted offer=h product=p"), day1)
	two, _, _, _ := Plan(none, p, event(1, "offer_access_granted offer=i product=p"), day1)
	if one.Products["p"].Via[1] != "h" || two.Products["p"].Via[1] != "i" {
		t.Errorf("persons: %v, %v", one.Products["p"], two.Products["p"])
	}
}

func TestPositionThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, at := range [][]string{{"gone"}, {"in", "then", "gone"}, {"in", "elsewhere", "b"}, {"in", "then"}, nil} {
		s := begin(t, Step{ID: "a", Kind: "email"}, Step{ID: "in", Kind: StepIf, If: must(t, "true"), Then: []Step{{ID: "b", Kind: "email"}}})
		s.r.At = at
		s.done(TaskSent)
		if s.r.State != RunStopped || !strings.Contains(s.r.End, "is not in version v1") || !s.p.Starts["w/contact"].Ended {
			t.Errorf("at %v: %+v", at, s.r)
		}
	}
}

func TestEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, steps := range [][]Step{nil, {{ID: "e", Kind: StepEnd}}, {{ID: "x", Kind: "email", When: must(t, `contact.custom.n > 1`)}}} {
		s := begin(t, steps...)
		if s.r.State != RunFinished || fmt.Sprint(s.log) != "[run.finished]" {
			t.Errorf("%v: %+v, %v", steps, s.r, s.log)
		}
	}
}

// In any tree of steps and any order of inputs: never early, the story has each step at most once, each task is asked
// for once, and in the end the run is over.
func TestAdvanceModel(t *testing.T) {
	t.Parallel()
	conds := []*Expr{must(t, "true"), must(t, "false"), must(t, "run.link_redeemed"), must(t, "contact.custom.n > 1")}
	n := 0
	var tree func(t *rapid.T, depth int) []Step
	tree = func(t *rapid.T, depth int) []Step {
		var steps []Step
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			n++
			s := Step{ID: fmt.Sprint("s", n), Kind: rapid.SampledFrom([]string{"email", "sms", StepWait, StepWait, StepIf, StepIf, StepSplit, StepTag, StepSet, StepGoal, StepEnd}).Draw(t, "kind")}
			if rapid.IntRange(0, 3).Draw(t, "with when") == 0 {
				s.When = rapid.SampledFrom(conds).Draw(t, "when")
			}
			switch s.Kind {
			case StepWait:
				s.Wait = Duration{Days: rapid.IntRange(0, 3).Draw(t, "days"), Rest: time.Hour}
				s.Until = rapid.SampledFrom([]*Until{nil, {Daily: true, Hour: 9}, {Weekday: time.Monday}, {Field: "contact.custom.n"}, {Field: "event.time"}}).Draw(t, "until")
				if rapid.Bool().Draw(t, "for") {
					s.For = modelEvents.Draw(t, "events")
				}
			case StepGoal:
				s.For = modelEvents.Draw(t, "events")
				s.GoalElse = rapid.SampledFrom([]string{GoalContinue, GoalWait, GoalEnd}).Draw(t, "else")
				s.Wait = Duration{Rest: time.Hour}
			case StepIf:
				s.If = rapid.SampledFrom(conds).Draw(t, "if")
				if depth < 4 {
					s.Then, s.Else = tree(t, depth+1), tree(t, depth+1)
				}
			case StepSplit:
				if depth < 4 {
					s.Split = []Branch{{Name: "a", Weight: 1, Steps: tree(t, depth+1)}, {Name: "b", Weight: 2, Steps: tree(t, depth+1)}}
				}
			case StepTag:
				s.Tag = Tag{Add: []string{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "tag")}, Remove: []string{"z"}}
			case StepSet:
				s.Set = Custom{"n": rapid.SampledFrom([]any{int64(7), "2026-11-05", "2026-11-05T09:00:00Z", nil}).Draw(t, "value")}
			}
			steps = append(steps, s)
		}
		return steps
	}
	rapid.Check(t, func(t *rapid.T) {
		n = 0
		var goal *Goal
		if rapid.IntRange(0, 3).Draw(t, "goal") == 0 {
			goal = &Goal{Events: modelEvents.Draw(t, "goal's events")}
		}
		s := beginWithGoal(t, goal, tree(t, 0))
		for i := 0; !s.r.State.Over(); i++ {
			if i > 20*(n+1) {
				t.Fatalf("does not end: %+v", s.r)
			}
			was := s.r
			s.now = s.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "minutes")) * time.Minute)
			input := rapid.IntRange(0, 5).Draw(t, "input")
			if i > 10*(n+1) { // the draw may have been the same all the time
				input = 1 + 3*(i%2)
			}
			switch input {
			case 0:
				s.input(Input{Redeemed: &Redemption{Run: s.r.ID, At: s.now}})
			case 1:
				s.done(rapid.SampledFrom([]TaskState{TaskSent, TaskFailed, TaskSending, TaskSuppressed}).Draw(t, "state"))
			case 2:
				s.input(Input{Begin: true})
			case 3:
				ev := event(i, rapid.SampledFrom([]string{"user_login", "lesson_completed lesson=intro", "lesson_completed lesson=two", "product_started"}).Draw(t, "event"))
				deaf := !slices.ContainsFunc(s.p.Listens, func(l Listen) bool { return l.Hears(ev.Type) })
				s.input(Input{Event: &ev})
				if deaf && !cmp.Equal(was, s.r) {
					t.Fatalf("moved by %s, for which it did not listen: %v", ev.Type, s.p.Listens)
				}
			default:
				s.input(Input{Timer: true})
				if s.r.State == RunWaiting && i > 3*n {
					s.now = s.r.Wait.Due
				}
			}
			if s.r.State == RunWaiting && s.r.Wait.Kind == WaitEvent && !s.r.Redeemed.IsZero() && slices.Contains(s.r.Wait.For, LinkRedeemed) {
				t.Fatal("waits for what has happened")
			}
			moved := Moved(&was, &s.r) != ""
			if was.State == RunWaiting && !moved && !cmp.Equal(was.At, s.r.At) && s.now.Before(was.Wait.Due) {
				t.Fatalf("left a wait until %v at %v", was.Wait.Due, s.now)
			}
		}
		seen := map[string]bool{}
		for _, r := range s.r.Steps {
			if k := strings.Join(r.Path, "/"); seen[k] {
				t.Fatalf("%s twice in %s", k, s.outcomes())
			} else {
				seen[k] = true
			}
		}
		asked := map[string]bool{}
		for _, l := range s.log {
			if asked[l] && l != "cancel" {
				t.Fatalf("%s asked for twice", l)
			}
			asked[l] = true
		}
		if len(s.p.Listens) > 0 {
			t.Fatalf("it is over and listens: %v", s.p.Listens)
		}
		if !asked["run.finished"] || !s.p.Starts["w/contact"].Ended {
			t.Fatal("the end was not told")
		}
	})
}

var modelEvents = rapid.SampledFrom([][]Trigger{
	{{Type: LinkRedeemed}}, {{Type: "user_login"}, {Type: LinkRedeemed}}, {{Type: "product_started"}},
	{{Type: "lesson_completed", Filters: []Filter{{Noun: "lesson", AnyOf: []string{"intro"}}}}},
	{{Type: "lesson_completed", Filters: []Filter{{Noun: "lesson", NoneOf: []string{"intro"}}}}},
})

func BenchmarkAdvance(b *testing.B) {
	s := begin(b, Step{ID: "a", Kind: "email"}, Step{ID: "in", Kind: StepIf, If: must(b, `run.link_redeemed`)}, Step{ID: "b", Kind: StepWait, Wait: Duration{Days: 1}})
	in := Input{Done: &Task{ID: s.r.Task, State: TaskSent}}
	b.ReportAllocs()
	for b.Loop() {
		if r, _, _ := Advance(s.w, academy, s.r, s.p, in, day1); r.State != RunWaiting {
			b.Fatal(r.State)
		}
	}
}

// A run's tasks are in its own partition, whoever its person is by now.
func TestTaskInRunsPartition(t *testing.T) {
	t.Parallel()
	w := &Workflow{ID: "welcome", Version: "v1", Steps: []Step{{ID: "hello", Kind: "email"}}}
	r := Run{ID: NewID(day1, 0x1234, "run"), Location: "academy", Workflow: "welcome", Contact: NewID(day1, 0x1234, "old")}
	p := Person{Key: NewID(day1, 0x9999, "absorber"), Location: "academy"}
	_, _, cmds := Advance(w, &Location{ID: "academy"}, r, p, Input{Begin: true}, day1)
	if len(cmds) != 1 || cmds[0].Task == nil || cmds[0].Task.ID.Shard() != 0x1234 {
		t.Errorf("commands: %+v", cmds)
	}
}

// What follows a wait was to happen when the wait was over; and what follows a message that expired is as late.
func TestLateness(t *testing.T) {
	t.Parallel()
	w := &Workflow{ID: "welcome", Version: "v1", Steps: []Step{
		{ID: "sleep", Kind: StepWait}, {ID: "one", Kind: "email"}, {ID: "two", Kind: "email"}, {ID: "three", Kind: "email"},
	}}
	due, now := day1, day1.Add(30*24*time.Hour)
	r := Run{
		ID: NewID(day1, 1, "run"), Location: "academy", State: RunWaiting, At: []string{"sleep"}, Wait: &Wait{Kind: "time", Due: due},
	}
	in := Input{Timer: true}
	for i, tt := range []struct {
		outcome TaskState
		want    time.Time
	}{{TaskExpired, due}, {TaskSent, due}, {TaskSent, now}} {
		var cmds []Command
		r, _, cmds = Advance(w, &Location{ID: "academy"}, r, Person{}, in, now)
		if len(cmds) != 1 || cmds[0].Task == nil || !cmds[0].Task.NotBefore.Equal(tt.want) {
			t.Fatalf("message %d: %+v, want one not before %s", i+1, cmds, tt.want)
		}
		k := *cmds[0].Task
		k.State = tt.outcome
		in = Input{Done: &k}
	}
}
