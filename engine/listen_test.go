package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func waitFor(id string, timeout time.Duration, events ...Trigger) Step {
	return Step{ID: id, Kind: StepWait, Wait: Duration{Rest: timeout}, For: events}
}

func goalAt(id, otherwise string, events ...Trigger) Step {
	return Step{ID: id, Kind: StepGoal, GoalElse: otherwise, Wait: Duration{Rest: time.Hour}, For: events}
}

func mail(id string) Step { return Step{ID: id, Kind: "email"} }

var (
	onRedeem = Trigger{Type: LinkRedeemed}
	onLogin  = Trigger{Type: "user_login"}
	onStart  = Trigger{Type: "product_started", Filters: []Filter{{Noun: "product", AnyOf: []string{"go-101"}}}}
	onLesson = Trigger{Type: "lesson_completed", Filters: []Filter{{Noun: "lesson", NoneOf: []string{"intro"}}}}
)

// play takes a run through "begin"-less words: an event ("product_started product=go-101"), "sent", "failed", "redeem", "timer" (when
// its time has come), "later" (half an hour).
func (s *story) play(words ...string) {
	for i, w := range words {
		switch w {
		case "":
		case "sent", "failed":
			s.done(TaskState(w))
		case "redeem":
			s.input(Input{Redeemed: &Redemption{Run: s.r.ID, At: s.now}})
		case "later":
			s.now = s.now.Add(30 * time.Minute)
		case "timer":
			s.now = s.r.Wait.Due
			s.input(Input{Timer: true})
		default:
			ev := event(i, w)
			s.input(Input{Event: &ev})
		}
	}
}

// hears lists what the person knows that runs listen for.
func (s *story) hears() string {
	var out []string
	for _, l := range s.p.Listens {
		out = append(out, l.Types...)
	}
	return strings.Join(out, " ")
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps []Step
		play  string // comma between words
		want  string // outcomes
		hears string
	}{
		"met":                  {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "user_login", "w=met", ""},
		"another event":        {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "product_started", "", "user_login"},
		"timed out":            {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "timer", "w=timed_out", ""},
		"too late":             {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "timer,user_login,redeem", "w=timed_out", ""},
		"before it waited":     {[]Step{mail("m"), waitFor("w", time.Hour, onLogin)}, "user_login,sent", "m=sent", "user_login"},
		"filter":               {[]Step{waitFor("w", time.Hour, onStart), mail("m")}, "product_started product=js,product_started", "", "product_started"},
		"filter met":           {[]Step{waitFor("w", time.Hour, onStart), mail("m")}, "product_started product=js,product_started product=go-101", "w=met", ""},
		"none_of":              {[]Step{waitFor("w", time.Hour, onLesson), mail("m")}, "lesson_completed lesson=intro", "", "lesson_completed"},
		"none_of met":          {[]Step{waitFor("w", time.Hour, onLesson), mail("m")}, "lesson_completed lesson=two", "w=met", ""},
		"one of two":           {[]Step{waitFor("w", time.Hour, onStart, onLogin), mail("m")}, "user_login", "w=met", ""},
		"once for each":        {[]Step{waitFor("v", time.Hour, onLogin), waitFor("w", time.Hour, onLogin), mail("m")}, "user_login", "v=met", "user_login"},
		"redeemed":             {[]Step{waitFor("w", time.Hour, onRedeem), mail("m")}, "redeem", "w=met", ""},
		"redeemed already":     {[]Step{mail("l"), waitFor("w", time.Hour, onRedeem), mail("m")}, "redeem,sent", "l=sent w=met", ""},
		"redeemed, not waited": {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "redeem", "", "user_login"},
		"link or event":        {[]Step{waitFor("w", time.Hour, onLogin, onRedeem), mail("m")}, "redeem", "w=met", ""},
		"time came, no timer":  {[]Step{waitFor("w", time.Hour, onLogin), mail("m")}, "later,later,later,user_login", "w=met", ""},
		"a plain wait":         {[]Step{{ID: "w", Kind: StepWait, Wait: Duration{Rest: time.Hour}}, mail("m")}, "user_login,redeem,timer", "w=waited", ""},
		"outcome is usable": {[]Step{waitFor("w", time.Hour, onLogin), {ID: "i", Kind: StepIf, If: must(t, `run.steps.w.outcome == "timed_out"`),
			Then: []Step{mail("m")}}}, "timer", "w=timed_out i=then", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, c.steps...)
			s.play(strings.Split(c.play, ",")...)
			if s.outcomes() != c.want || s.hears() != c.hears {
				t.Errorf("got %s, hears %q; want %s, hears %q", s.outcomes(), s.hears(), c.want, c.hears)
			}
		})
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	loginGoal := &Goal{Events: []Trigger{onLogin}}
	branch := []Step{{ID: "i", Kind: StepIf, If: must(t, "true"), Then: []Step{mail("a"), goalAt("g", GoalContinue, onLogin), mail("b")}}, mail("c")}
	for name, c := range map[string]struct {
		goal  *Goal
		steps []Step
		play  string
		want  string // outcomes
		log   string
		state string // where it stands or why it ended
	}{
		"reached while sending":  {loginGoal, []Step{mail("m"), mail("n")}, "user_login", "m=left", "email m cancel run.finished", "reached its goal: user_login, event e0"},
		"reached while waiting":  {loginGoal, []Step{waitFor("w", time.Hour, onStart), mail("m")}, "user_login", "w=left", "run.finished", "reached its goal: user_login, event e0"},
		"goal before wait":       {loginGoal, []Step{waitFor("w", time.Hour, onLogin), mail("m")}, "user_login", "w=left", "run.finished", "reached its goal: user_login, event e0"},
		"other event":            {loginGoal, []Step{mail("m")}, "product_started", "", "email m", "m"},
		"by a link":              {&Goal{Events: []Trigger{onRedeem}}, []Step{mail("m"), mail("n")}, "sent,redeem", "m=sent n=left", "email m email n cancel run.finished", "reached its goal: link.redeemed"},
		"condition fails":        {&Goal{Events: []Trigger{onLogin}, When: must(t, "len(access.offers) > 0")}, []Step{mail("m")}, "user_login", "", "email m", "m"},
		"condition holds":        {&Goal{Events: []Trigger{onLogin}, When: must(t, "len(access.offers) == 0")}, []Step{mail("m")}, "user_login", "m=left", "email m cancel run.finished", "reached its goal: user_login, event e0"},
		"condition faults":       {&Goal{Events: []Trigger{onLogin}, When: must(t, "contact.custom.n > 1")}, []Step{mail("m")}, "user_login", "goal=not_met", "email m", "m"},
		"faults again and again": {&Goal{Events: []Trigger{onLogin}, When: must(t, "contact.custom.n > 1")}, []Step{mail("m"), mail("n")}, "user_login,user_login,sent,user_login,user_login", "m=sent goal=not_met", "email m email n", "n"},
		"jump":                   {nil, []Step{mail("m"), mail("n"), goalAt("g", GoalContinue, onLogin), mail("o")}, "user_login", "m=left g=met", "email m cancel email o", "o"},
		"jump from a wait":       {nil, []Step{waitFor("w", time.Hour, onLogin), mail("n"), goalAt("g", GoalContinue, onLogin), mail("o")}, "user_login", "w=left g=met", "email o", "o"},
		"nearest":                {nil, []Step{mail("m"), goalAt("g", GoalContinue, onLogin), mail("n"), goalAt("h", GoalContinue, onLogin), mail("o")}, "user_login", "m=left g=met", "email m cancel email n", "n"},
		"not backwards":          {nil, []Step{goalAt("g", GoalContinue, onLogin), mail("n")}, "user_login", "g=not_met", "email n", "n"},
		"skipped goal":           {nil, []Step{mail("m"), {ID: "g", Kind: StepGoal, When: must(t, "false"), For: []Trigger{onLogin}}, mail("n")}, "user_login", "", "email m", "m"},
		"come to, end":           {nil, []Step{goalAt("g", GoalEnd, onLogin), mail("n")}, "user_login", "g=not_met", "run.finished", "came to its goal g without having reached it"},
		"come to, wait":          {nil, []Step{goalAt("g", GoalWait, onLogin), mail("n")}, "", "", "", "g"},
		"waits, met":             {nil, []Step{goalAt("g", GoalWait, onLogin), mail("n"), goalAt("h", GoalContinue, onLogin)}, "user_login", "g=met", "email n", "n"},
		"waits, timed out":       {nil, []Step{goalAt("g", GoalWait, onLogin), mail("n")}, "timer", "g=timed_out", "email n", "n"},
		"link came before":       {nil, []Step{mail("m"), {ID: "i", Kind: StepIf, If: must(t, "true"), Then: []Step{goalAt("g", GoalEnd, onRedeem)}}, mail("n")}, "redeem,sent", "m=sent i=then i/then/g=met", "email m email n", "n"},
		"out of a branch":        {nil, append(slices.Clone(branch), goalAt("h", GoalContinue, onStart)), "product_started product=go-101", "i=then i/then/a=left h=met", "email i/then/a cancel run.finished", "came to its last step"},
		"within a branch":        {nil, branch, "user_login", "i=then i/then/a=left i/then/g=met", "email i/then/a cancel email i/then/b", "i/then/b"},
		"not into a branch":      {nil, append([]Step{mail("m")}, branch...), "user_login", "", "email m", "m"},
		"left message is sent":   {loginGoal, []Step{mail("m")}, "user_login,sent", "m=left", "email m cancel run.finished", "reached its goal: user_login, event e0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := beginWithGoal(t, c.goal, c.steps)
			s.play(strings.Split(c.play, ",")...)
			state := s.r.End + strings.Join(s.r.At, "/")
			if log := strings.Join(s.log, " "); c.play != "" && log != c.log || s.outcomes() != c.want || state != c.state {
				t.Errorf("got  %s | %s | %s\nwant %s | %s | %s", s.outcomes(), strings.Join(s.log, " "), state, c.want, c.log, c.state)
			}
			if s.r.State.Over() && len(s.p.Listens) > 0 {
				t.Errorf("over, and listens for %s", s.hears())
			}
		})
	}
}

// TestLeftMessage settles a message that was being sent when its run reached the goal.
func TestLeftMessage(t *testing.T) {
	t.Parallel()
	s := beginWithGoal(t, &Goal{Events: []Trigger{onLogin}}, []Step{mail("m")})
	if s.hears() != "user_login" {
		t.Errorf("hears %q", s.hears())
	}
	task := s.r.Task
	s.play("user_login")
	if !s.r.LeftTask(task) {
		t.Fatal("the message is not left")
	}
	s.input(Input{Done: &Task{ID: task, Kind: "email", State: TaskSent}})
	if s.r.LeftTask(task) || s.outcomes() != "m=sent" || s.r.State != RunFinished || s.r.End != "reached its goal: user_login, event e0" {
		t.Errorf("%s, %+v", s.outcomes(), s.r)
	}
}

// TestTimeoutDays has a timeout in calendar days of the contact's zone, and in a demonstration's short ones.
func TestTimeoutDays(t *testing.T) {
	t.Parallel()
	w := &Workflow{ID: "w", Steps: []Step{{ID: "w", Kind: StepWait, Wait: Duration{Days: 2}, For: []Trigger{onLogin}}}}
	now := time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC) // clocks go forward on the 28th
	p := ada()
	p.Contact.Timezone = "Europe/London"
	for _, c := range []struct {
		loc  *Location
		want time.Duration
	}{{academy, 47 * time.Hour}, {&Location{ID: "academy", Day: 10 * time.Second}, 20 * time.Second}} {
		r, _, _ := Advance(w, c.loc, Run{ID: NewID(now, 1, "r"), Location: "academy"}, p, Input{Begin: true}, now)
		if got := r.Wait.Due.Sub(now); got != c.want || fmt.Sprint(r.Wait.For) != "[user_login]" {
			t.Errorf("due after %v, want %v: %+v", got, c.want, r.Wait)
		}
	}
}

// TestListensOfTwoRuns keeps one run's entry when the other's goes.
func TestListensOfTwoRuns(t *testing.T) {
	t.Parallel()
	s := begin(t, waitFor("w", time.Hour, onLogin), waitFor("x", time.Hour, onStart, onLesson))
	other := Listen{NewID(day1, 7, "other"), []string{"user_login"}}
	s.p.Listens = append([]Listen{other}, s.p.Listens...)
	s.play("user_login")
	if s.hears() != "user_login lesson_completed product_started" {
		t.Errorf("hears %s", s.hears())
	}
	s.r, s.p, _ = Stop(s.r, s.p, "cancelled", s.now)
	if len(s.p.Listens) != 1 || s.p.Listens[0].Run != other.Run {
		t.Errorf("listens %v", s.p.Listens)
	}
}

func TestGoldenListens(t *testing.T) {
	t.Parallel()
	p, r, e := goldenPerson(), goldenRun(), goldenEvent()
	p.Listens = []Listen{{r.ID, []string{"lesson_completed", "user_login"}}, {NewID(day1, 0x1234, "other run"), []string{"product_started"}}}
	p.Took = []ID{NewID(day1, 0x4321, "mail only")}
	r.Wait = &Wait{Kind: WaitEvent, Since: day1, Due: day1.Add(time.Hour), For: []string{LinkRedeemed, "lesson_completed (lesson intro)"}}
	r.Steps = append(r.Steps, StepResult{Path: []string{"w"}, Kind: StepWait, At: day1, Outcome: outcomeMet, By: "user_login, event e-1"})
	e.Decisions = append(e.Decisions, Decision{Workflow: "welcome", Run: r.ID, Moved: "met the wait w"})
	tx := mapTx{}
	if err := errors.Join(SavePerson(tx, p), SaveRun(tx, r)); err != nil {
		t.Fatal(err)
	}
	gotP, err := DecodePerson(golden(t, "person-listens.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) {
		t.Errorf("person: %v\n%s", err, cmp.Diff(p, gotP))
	}
	gotR, err := DecodeRun(golden(t, "run-waits-for.v1", tx.Get(SpaceActive, Key("academy", r.ID[:]))))
	if err != nil || !cmp.Equal(gotR, r) {
		t.Errorf("run: %v\n%s", err, cmp.Diff(r, gotR))
	}
	gotE, err := DecodeEvent(golden(t, "event-moved.v1", encodeEvent(e)))
	if err != nil || !cmp.Equal(gotE, e) {
		t.Errorf("event: %v\n%s", err, cmp.Diff(e, gotE))
	}
}

func TestAbsorbListens(t *testing.T) {
	t.Parallel()
	p, from := ada(), Person{Key: NewID(day1, 9, "mail only"), Location: "academy", Listens: []Listen{{NewID(day1, 9, "r"), []string{"user_login"}}}}
	joined, forward := Absorb(p, from)
	if len(joined.Listens) != 0 || !slices.Equal(joined.Took, []ID{from.Key}) || len(forward.Listens) != 1 {
		t.Errorf("joined %+v, forward %+v", joined, forward)
	}
}

// TestStepNamedGoal has the fault of a goal's condition hide no step that is named goal.
func TestStepNamedGoal(t *testing.T) {
	t.Parallel()
	s := beginWithGoal(t, &Goal{Events: []Trigger{onLogin}, When: must(t, "contact.custom.n > 1")}, []Step{mail("goal"), mail("n")})
	s.play("sent", "user_login")
	if ok, fault := must(t, `run.steps.goal.outcome == "sent"`).True(NewEnv(academy, &s.p, &s.r.Event, &s.r, s.now)); !ok || len(s.r.Steps) != 2 {
		t.Errorf("%v %s, steps %+v", ok, fault, s.r.Steps)
	}
}
