package engine

import (
	"slices"
	"strings"
)

// LinkRedeemed is what a wait or a goal calls it when a login link of the run lets the learner in. It is no trigger: only
// the run whose link it was learns of it.
const LinkRedeemed = "link.redeemed"

// A Goal is what a workflow is for. Reaching it ends a run, wherever it stands.
type Goal struct {
	Events []Trigger // any of them reaches it
	When   *Expr     // nil means always; otherwise the goal is reached only if it holds when the event comes
}

// What a step of kind "goal" does with a run that comes to it before its event.
const (
	GoalContinue = "continue" // goes on past it
	GoalWait     = "wait"     // waits for the event, until the step's timeout
	GoalEnd      = "end"      // ends
)

// The kinds of Wait.
const (
	WaitTime  = "time"  // until Due
	WaitEvent = "event" // for one of For, until Due at the latest
	WaitHeld  = "held"  // before its step, for its workflow to be live again
)

// Outcomes of the steps that wait for something to happen, and of what a goal leaves behind.
const (
	outcomeMet      = "met"
	outcomeTimedOut = "timed_out"
	outcomeNotMet   = "not_met" // the run came to a goal before its event
	outcomeLeft     = "left"    // the run left the step for a goal; a message that was being sent then gets its own outcome
)

// A Listen says of which types of events an active run is to be told. Which events of them it waits for, its workflow knows.
type Listen struct {
	Run   ID       `json:"run"`
	Types []string `json:"types"` // in order, each once
}

// Hears reports whether the run is to be told of events of that type.
func (l *Listen) Hears(eventType string) bool { return slices.Contains(l.Types, eventType) }

// String says what the trigger asks for: "lesson_completed (lesson intro, product not go-101)".
func (t *Trigger) String() string {
	var parts []string
	for _, f := range t.Filters {
		if len(f.AnyOf) > 0 {
			parts = append(parts, f.Noun+" "+strings.Join(f.AnyOf, " or "))
		}
		if len(f.NoneOf) > 0 {
			parts = append(parts, f.Noun+" not "+strings.Join(f.NoneOf, " or "))
		}
	}
	if len(parts) == 0 {
		return t.Type
	}
	return t.Type + " (" + strings.Join(parts, ", ") + ")"
}

// anyFits reports whether the event is one of those that the triggers ask for.
func anyFits(triggers []Trigger, ev *Event) bool {
	return slices.ContainsFunc(triggers, func(t Trigger) bool {
		if t.Type != ev.Type {
			return false
		}
		m := newMatcher(t)
		return m.refuse(ev) == ""
	})
}

// happened moves the run if it waits for the event, or if the event reaches a goal: the workflow's first, then that of the
// step it waits in, then the nearest goal ahead, and last the wait that it stands in. It reports whether it did.
func (m *machine) happened(ev *Event) bool {
	by := ev.Type
	if ev.ID != "" {
		by += ", event " + ev.ID
	}
	if g := m.w.Goal; g != nil && anyFits(g.Events, ev) && m.holds(g.When) {
		reason := "reached its goal: " + by
		m.leave(reason)
		m.end(RunFinished, reason)
		return true
	}
	if !m.locate() {
		return true // it was stopped
	}
	at := m.r.At
	here := StepAt(m.w.Steps, at)
	waits := m.r.Wait != nil && m.r.Wait.Kind == WaitEvent && anyFits(here.For, ev)
	if !waits || here.Kind != StepGoal {
		if m.jump(ev, by) {
			return true
		}
	}
	if waits {
		m.depart()
		m.note(at, StepResult{Kind: here.Kind, Outcome: outcomeMet, By: by})
	}
	return waits
}

// jump takes the run to the nearest goal ahead that the event reaches: one behind its position in a list that it stands in.
func (m *machine) jump(ev *Event, by string) bool {
	for i := len(m.lists) - 1; i >= 0; i-- {
		l := &m.lists[i]
		for n := l.next; n < len(l.steps); n++ {
			s := &l.steps[n]
			if s.Kind != StepGoal || !anyFits(s.For, ev) || !m.holds(s.When) {
				continue
			}
			m.leave("the run went on to its goal " + s.ID + ": " + by)
			m.depart()
			m.lists = m.lists[:i+1]
			l.next = n + 1
			m.note(slices.Concat(l.path, []string{s.ID}), StepResult{Kind: s.Kind, Outcome: outcomeMet, By: by})
			return true
		}
	}
	return false
}

// holds reports whether a goal's condition does. A fault is told in the story.
func (m *machine) holds(when *Expr) bool {
	if when == nil {
		return true
	}
	ok, fault := when.True(m.env())
	if fault != "" {
		m.faulted(fault)
	}
	return ok
}

// faulted keeps the last fault of a goal's condition alone: events may come for ever, and the story is a part of the run.
func (m *machine) faulted(fault string) {
	before := slices.IndexFunc(m.r.Steps, StepResult.goalFaulted)
	if before >= 0 {
		m.r.Steps = slices.Delete(slices.Clone(m.r.Steps), before, before+1)
	}
	m.note([]string{StepGoal}, StepResult{Kind: StepGoal, Outcome: outcomeNotMet, Fault: fault})
}

// goalFaulted reports whether this is the fault of a goal's condition, which is no step's result: a step may be named goal.
func (s StepResult) goalFaulted() bool {
	return s.Kind == StepGoal && s.Outcome == outcomeNotMet && s.Fault != ""
}

// leave tells that the run goes from where it stands without having done with it, and takes back a message that is
// not being sent yet.
func (m *machine) leave(reason string) {
	s := StepAt(m.w.Steps, m.r.At)
	if s == nil {
		return
	}
	m.note(m.r.At, StepResult{Kind: s.Kind, Outcome: outcomeLeft, Task: m.r.Task})
	if !m.r.Task.IsZero() {
		m.commands = append(m.commands, Command{Cancel: &Cancel{Location: m.r.Location, Task: m.r.Task, Reason: reason}})
	}
}

// LeftTask reports whether the run left a message behind, for a goal, whose outcome it was not told yet. Such a message
// is not to be attempted (again).
func (r *Run) LeftTask(id ID) bool {
	return slices.ContainsFunc(r.Steps, func(s StepResult) bool { return s.Task == id && s.Outcome == outcomeLeft })
}

// Settled tells the run what became of a message that it had left behind, and reports whether there was such a one. It
// changes nothing of the run given.
func Settled(r Run, t *Task) (Run, bool) {
	if !r.LeftTask(t.ID) {
		return r, false
	}
	r.Steps = slices.Clone(r.Steps)
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Task == t.ID && s.Outcome == outcomeLeft {
			s.Outcome, s.Fault = string(t.State), t.Error
		}
	}
	return r, true
}

// waitFor begins a wait for one of the step's events. A link of this run that was redeemed already ends it at once; events
// count from now.
func (m *machine) waitFor(s *Step, path []string) (waits bool) {
	if m.redeemedAlready(s) {
		m.note(path, StepResult{Kind: s.Kind, Outcome: outcomeMet, By: LinkRedeemed})
		return false
	}
	m.r.State, m.r.At = RunWaiting, path
	m.r.Wait = &Wait{Kind: WaitEvent, Since: m.now, Due: m.after(s.Wait)}
	for i := range s.For {
		m.r.Wait.For = append(m.r.Wait.For, s.For[i].String())
	}
	return true
}

func (m *machine) redeemedAlready(s *Step) bool {
	return !m.r.Redeemed.IsZero() && slices.ContainsFunc(s.For, func(t Trigger) bool { return t.Type == LinkRedeemed })
}

// goal is for a run that comes to a step of kind "goal" without its event.
func (m *machine) goal(s *Step, path []string) (waits bool) {
	if s.GoalElse == GoalWait || m.redeemedAlready(s) {
		return m.waitFor(s, path)
	}
	m.note(path, StepResult{Kind: s.Kind, Outcome: outcomeNotMet})
	if s.GoalElse == GoalEnd {
		m.end(RunFinished, "came to its goal "+s.ID+" without having reached it")
	}
	return false
}

// listen keeps true what the person knows of the run: which events it is to be told of.
func (m *machine) listen() {
	types := m.hears()
	at := slices.IndexFunc(m.p.Listens, func(l Listen) bool { return l.Run == m.r.ID })
	switch {
	case at < 0 && len(types) == 0, at >= 0 && slices.Equal(m.p.Listens[at].Types, types):
	case at < 0:
		m.p.Listens = append(slices.Clip(m.p.Listens), Listen{m.r.ID, types})
	case len(types) == 0:
		m.p.Listens = WithoutListen(m.p.Listens, m.r.ID)
	default:
		m.p.Listens = slices.Clone(m.p.Listens)
		m.p.Listens[at].Types = types
	}
}

// WithoutListen returns the list without a run, and does not change it. An empty list is nil.
func WithoutListen(list []Listen, run ID) []Listen {
	list = slices.DeleteFunc(slices.Clone(list), func(l Listen) bool { return l.Run == run })
	if len(list) == 0 {
		return nil
	}
	return list
}

// hears returns the types of events that can move the run from where it stands.
func (m *machine) hears() []string {
	if m.r.State.Over() {
		return nil
	}
	var types []string
	add := func(triggers []Trigger) {
		for _, t := range triggers {
			if t.Type != LinkRedeemed {
				types = append(types, t.Type)
			}
		}
	}
	if m.w.Goal != nil {
		add(m.w.Goal.Events)
	}
	for _, l := range m.lists {
		for i := l.next; i < len(l.steps); i++ {
			if l.steps[i].Kind == StepGoal {
				add(l.steps[i].For)
			}
		}
	}
	if m.r.Wait != nil && m.r.Wait.Kind == WaitEvent {
		add(StepAt(m.w.Steps, m.r.At).For)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// Moved says what an event did to a run: "met the wait wait-1"; "" if nothing.
func Moved(before, after *Run) string {
	for _, s := range after.Steps[min(len(before.Steps), len(after.Steps)):] {
		if s.By == "" {
			continue
		}
		if s.Kind == StepGoal {
			return "reached the goal " + strings.Join(s.Path, "/")
		}
		return "met the wait " + strings.Join(s.Path, "/")
	}
	if after.State.Over() && !before.State.Over() {
		return "ended it: " + after.End
	}
	return ""
}
