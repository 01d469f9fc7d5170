package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/engine"
)

// A Result is what came of one test.
type Result struct {
	Failure *Failure // nil if all was as expected
	Story   []Line   // what happened, up to the failure
	Took    time.Duration
	Span    time.Duration   // how much time passed in it
	Reached map[string]bool // steps that a run came to: the workflow, a slash, the step's id
}

// A Failure is the first thing that was not as expected, in words: "expected X, but Y".
type Failure struct {
	engine.Pos
	Msg string
}

// A player carries out one test.
type player struct {
	*World
	test *engine.Test
	key  engine.ID // the contact's
	seen int       // how many messages were expected
}

// Run carries out a test in a world of its own. Its error says that the world itself could not go on, or ctx ended.
func Run(ctx context.Context, cfg Config, t *engine.Test) (Result, error) {
	began := time.Now()
	pl := player{World: New(cfg, t.Start), test: t}
	failure := pl.prepare()
	if failure == nil {
		failure = pl.play(ctx)
	}
	res := Result{Failure: failure, Story: pl.Story, Took: time.Since(began), Span: pl.now.Sub(t.Start), Reached: map[string]bool{}}
	for _, r := range pl.runs {
		for _, s := range r.Steps {
			res.Reached[r.Workflow+"/"+stepID(s.Path)] = true
		}
	}
	return res, errors.Join(pl.err, ctx.Err())
}

// prepare makes the contact known, with a key that takes it into the branches that the test asks for.
func (pl *player) prepare() *Failure {
	t := pl.test
	for n := range 10_000 {
		pl.key = pl.Key(&t.Contact, strconv.Itoa(n))
		if pl.splitsAs(t.Split, pl.key) {
			pl.Meet(t.Contact, t.Tags, pl.key)
			for _, ev := range t.Given {
				pl.Given(ev)
			}
			return nil
		}
	}
	return &Failure{t.Pos, "no contact takes all the branches of split; there may be no such step"}
}

// splitsAs reports whether a contact takes those branches, and all of them are there.
func (pl *player) splitsAs(want map[string]string, key engine.ID) bool {
	found := 0
	for _, w := range pl.set.Workflows {
		if pl.test.Workflow != "" && w.ID != pl.test.Workflow {
			continue
		}
		for s := range eachStep(w.Steps) {
			if branch, ok := want[s.ID]; ok && s.Kind == engine.StepSplit {
				found++
				if s.Branch(pl.set.Location.ID, w.ID, key) != branch {
					return false
				}
			}
		}
	}
	return found >= len(want)
}

func eachStep(steps []engine.Step) func(yield func(*engine.Step) bool) {
	return func(yield func(*engine.Step) bool) { yieldSteps(steps, yield) }
}

func yieldSteps(steps []engine.Step, yield func(*engine.Step) bool) bool {
	for i := range steps {
		if !yield(&steps[i]) {
			return false
		}
		for _, l := range steps[i].Lists() {
			if !yieldSteps(l.Steps, yield) {
				return false
			}
		}
	}
	return true
}

func (pl *player) play(ctx context.Context) *Failure {
	for _, s := range pl.test.Do {
		if s.Expect != nil {
			if f := pl.expect(s.Expect); f != nil {
				return f
			}
			continue
		}
		if f := pl.leftOver(s.Pos, "before this"); f != nil {
			return f
		}
		if msg := pl.do(ctx, &s); msg != "" {
			return &Failure{s.Pos, msg}
		}
		if pl.err != nil || ctx.Err() != nil {
			return nil
		}
	}
	return pl.leftOver(pl.test.Pos, "at its end")
}

// leftOver fails if there are messages that nothing expected.
func (pl *player) leftOver(at engine.Pos, when string) *Failure {
	if m := pl.oldest(""); m != nil {
		return &Failure{at, fmt.Sprintf("%s there is a message that nothing expected: %s", when, m)}
	}
	return nil
}

// oldest returns the oldest message that was not expected yet, or nil: of a workflow, or of those that the test is about.
func (pl *player) oldest(workflow string) *Message {
	for ; pl.seen < len(pl.Messages); pl.seen++ {
		if m := &pl.Messages[pl.seen]; pl.about(m.Workflow, workflow) {
			return m
		}
	}
	return nil
}

func (pl *player) about(workflow, only string) bool {
	if only == "" {
		only = pl.test.Workflow
	}
	return only == "" || only == workflow
}

// do lets one thing happen. It returns what went otherwise than the test says.
func (pl *player) do(ctx context.Context, s *engine.TestStep) string {
	switch {
	case s.Event != nil:
		pl.Event(ctx, *s.Event)
	case s.After != nil:
		pl.Until(ctx, s.After.After(pl.now, pl.person(pl.key).Zone(pl.set.Location)))
	case s.At != nil:
		t := s.At.After(pl.now, pl.set.Location.Zone)
		if t.Before(pl.now) {
			return fmt.Sprintf("this is before the test's time, which is %s", pl.clock(pl.now))
		}
		pl.Until(ctx, t)
	case s.Redeem != nil:
		return pl.redeem(ctx, s.Redeem)
	case s.Send != nil:
		pl.Send(ctx, *s.Send)
	case s.Answer != nil:
		pl.Answer(*s.Answer)
	case s.Status != nil && s.Status.Workflow == "" && s.Status.Status == engine.Paused:
		pl.Pause(ctx, &engine.Pause{Since: pl.now})
	case s.Status != nil && s.Status.Workflow == "":
		pl.Pause(ctx, nil)
	case s.Status != nil:
		pl.SetStatus(ctx, s.Status.Workflow, s.Status.Status)
	}
	return ""
}

// redeem opens the newest link, or the one that the test names.
func (pl *player) redeem(ctx context.Context, l *engine.TestLink) string {
	for _, m := range slices.Backward(pl.Messages) {
		links := m.Content.Links
		if len(links) == 0 || l.From != "" && !m.named(l.From) || l.From == "" && !pl.about(m.Workflow, "") {
			continue
		}
		err := pl.Redeem(ctx, links[len(links)-1].URL)
		var refused *Refused
		switch {
		case errors.As(err, &refused) && l.Refused == "":
			return "expected the link to let the learner in, but it does not: " + refused.Reason
		case errors.As(err, &refused) && !strings.Contains(refused.Reason, l.Refused):
			return fmt.Sprintf("expected the link to let nobody in because it is %q, but it is %q", l.Refused, refused.Reason)
		case errors.As(err, &refused):
			pl.say("the link lets nobody in: %s", refused.Reason)
		case err != nil:
			pl.fail(err)
		case l.Refused != "":
			return fmt.Sprintf("expected the link to let nobody in because it is %q, but it lets the learner in", l.Refused)
		}
		return ""
	}
	if l.From != "" {
		return fmt.Sprintf("there is no message %q with a link in it", l.From)
	}
	return "there is no message with a link in it"
}

// named reports whether a message is of that template or step.
func (m *Message) named(name string) bool {
	return name == "" || name == m.Template || name == stepID(m.Step)
}
