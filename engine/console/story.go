package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// Story tells a run from its event to its end, or to what it waits for. Times within sentences are in zone.
func (rec *RunRecord) Story(zone *time.Location) RunStory {
	r := &rec.Run
	s := RunStory{Run: RunOf(r), Messages: rec.Messages, Steps: make([]Step, 0, len(r.Steps))}
	if rec.Person != nil {
		s.Name = rec.Person.Contact.Name()
	}
	if s.Messages == nil {
		s.Messages = []Message{}
	}
	if rec.Event != nil {
		s.Decisions = decisionsOf(rec.Event.Decisions, map[engine.ID]engine.Run{r.ID: *r}, zone)
	}
	messages := make(map[string]*Message, len(s.Messages))
	for i := range s.Messages {
		messages[s.Messages[i].ID] = &s.Messages[i]
	}
	if !r.Event.Time.IsZero() {
		s.tell(r.Event.Time, "%s happened (event %s)%s", r.Event.Type, r.Event.ID, about(&r.Event))
	}
	by := ""
	if !r.StartedBy.IsZero() {
		by = ", by a step of run " + r.StartedBy.String()
	}
	s.tell(r.Started, "workflow %s started%s", r.Workflow, by)
	if !r.Redeemed.IsZero() {
		s.tell(r.Redeemed, "a link of this run let the learner in for the first time")
	}
	newest := make(map[engine.ID]int)
	for i := range r.Steps {
		newest[r.Steps[i].Task] = i
	}
	for i := range r.Steps {
		step := &r.Steps[i]
		o := Step{Step: strings.Join(step.Path, "/"), Kind: step.Kind, At: step.At, Outcome: step.Outcome, Fault: step.Fault, By: step.By, Response: step.Response}
		if !step.Task.IsZero() {
			o.Message = step.Task.String()
		}
		s.Steps = append(s.Steps, o)
		m := messages[o.Message]
		again := triedAgain(&o, m)
		if again {
			m = asOf(m, o.At)
		}
		s.tell(step.At, "%s", stepSays(&o, m))
		if again && newest[step.Task] == i && (r.State.Over() || step.Task != r.Task) {
			s.tellAgain(o, messages[o.Message], zone)
		}
	}
	if r.State.Over() {
		s.tell(r.Ended, "%s: %s", r.State, r.End)
	}
	// What lies apart in the run's record comes in the order of time; the sort is stable, so steps of one moment stay in theirs.
	slices.SortStableFunc(s.Story[1:], func(a, b Line) int { return a.At.Compare(b.At) })
	if !r.State.Over() {
		s.tell(sinceOf(r, messages), "%s", now(r, messages, zone))
	}
	return s
}

func (s *RunStory) tell(at time.Time, format string, args ...any) {
	s.Story = append(s.Story, Line{At: at, Says: fmt.Sprintf(format, args...)})
}

// about says what an event is about: ", offer Gold (gold)".
func about(e *engine.Event) string {
	var said string
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		switch n := e.Noun(kind); {
		case n == nil:
		case n.Title == "" || n.Title == n.ID:
			said += ", " + kind + " " + n.ID
		default:
			said += fmt.Sprintf(", %s %s (%s)", kind, n.Title, n.ID)
		}
	}
	return said
}

// stepSays is the sentence of a step that a run has taken; m is its message, nil if it is none or is not kept any more.
func stepSays(s *Step, m *Message) string {
	var says string
	switch {
	case s.Outcome == "skipped":
		return "skipped " + s.Step + ": its when did not hold" + faultSays(s.Fault)
	case s.Outcome == "no_time":
		return "did not wait in " + s.Step + faultSays(s.Fault)
	case s.Kind == engine.StepIf, s.Kind == engine.StepSplit:
		return "took the branch " + s.Outcome + " of " + s.Step + faultSays(s.Fault)
	case s.Kind == engine.StepGoal, s.Outcome == "left", s.Outcome == "met", s.Outcome == "timed_out":
		return goalSays(s, m)
	case s.Kind == engine.StepWait:
		return "the wait " + s.Step + " was over" + faultSays(s.Fault)
	case s.Kind == engine.StepEnd:
		return "came to " + s.Step
	case s.Kind == engine.StepStart && s.Response["run"] != nil:
		return fmt.Sprintf("%s: started run %v of %v", s.Step, s.Response["run"], s.Response["workflow"])
	case s.Message == "":
		return s.Step + ": " + s.Outcome + faultSays(s.Fault)
	case s.Outcome == string(engine.TaskSent):
		says = "sent " + messageSays(s, m)
	case s.Outcome == string(engine.TaskUnknown):
		says = "may have sent " + messageSays(s, m) + ": nobody knows"
	case s.Outcome == string(engine.TaskSuppressed), s.Outcome == string(engine.TaskExpired), s.Outcome == string(engine.TaskFailed):
		says = "did not send " + messageSays(s, m) + ": " + s.Outcome
	default:
		says = s.Outcome + " " + messageSays(s, m)
	}
	if m != nil && m.Attempts > 1 {
		says += fmt.Sprintf(", %d attempts", m.Attempts)
	}
	says += faultSays(s.Fault) + ", message " + s.Message + linksSay(m)
	if m != nil && len(m.Copies) > 0 {
		says += ", copied by hand as message " + strings.Join(m.Copies, " and ")
	}
	return says
}

// goalSays is the sentence of a step that waited for something to happen, or that was left for a goal.
func goalSays(s *Step, m *Message) string {
	by := ""
	if s.By != "" {
		by = " (" + s.By + ")"
	}
	what := "the wait "
	if s.Kind == engine.StepGoal {
		what = "the goal "
	}
	switch {
	case s.Outcome == "left" && s.Message != "":
		return "left " + messageSays(s, m) + " while it was being sent, for a goal, message " + s.Message + linksSay(m)
	case s.Outcome == "left":
		return "left " + s.Step + " for a goal"
	case s.Outcome == "timed_out":
		return what + s.Step + " timed out"
	case s.Outcome == "not_met":
		return "the goal " + s.Step + " was not reached before" + faultSays(s.Fault)
	case s.Kind == engine.StepGoal:
		return "reached the goal " + s.Step + by
	}
	return what + s.Step + " was met" + by
}

// messageSays names a message: welcome ("Your course") to ada@example.com by email.
func messageSays(s *Step, m *Message) string {
	if m == nil {
		return s.Step + " by " + s.Kind
	}
	says := m.Step
	if m.Subject != "" {
		says += fmt.Sprintf(" (%q)", m.Subject)
	}
	if m.To != "" {
		says += " to " + m.To
	}
	return says + " by " + m.Channel
}

func linksSay(m *Message) string {
	switch {
	case m == nil || len(m.Links) == 0:
		return ""
	case len(m.Links) == 1:
		return ", link " + m.Links[0]
	}
	return ", links " + strings.Join(m.Links, " ")
}

func faultSays(fault string) string {
	if fault == "" {
		return ""
	}
	return " (" + fault + ")"
}

// now says what a run that is not over is doing.
func now(r *engine.Run, messages map[string]*Message, zone *time.Location) string {
	m := messages[r.Task.String()]
	if r.State != engine.RunSending || m == nil {
		return "now it " + standing(r, zone)
	}
	what := messageSays(&Step{Step: m.Step, Kind: m.Channel}, m)
	if m.Held != nil {
		return "now it holds " + what + heldSays(m.Held, zone) + ", message " + m.ID + linksSay(m)
	}
	return "now it is sending " + what + nextSays(m, zone)
}

// nextSays is the rest of the sentence of a message that is on its way.
func nextSays(m *Message, zone *time.Location) (says string) {
	if m.Attempts > 0 && m.State == string(engine.TaskDue) {
		says += fmt.Sprintf(": attempt %d failed%s, the next is at %s", m.Attempts, faultSays(m.Error), clock(m.Next, zone))
	}
	return says + ", message " + m.ID + linksSay(m)
}

func heldSays(h *engine.Hold, zone *time.Location) string {
	if h.Until.IsZero() {
		return " back, by " + h.By
	}
	return " back until " + clock(h.Until, zone) + ", by " + h.By
}

// sinceOf is when what a run is doing began.
func sinceOf(r *engine.Run, messages map[string]*Message) time.Time {
	at := r.Started
	if n := len(r.Steps); n > 0 {
		at = r.Steps[n-1].At
	}
	if r.Wait != nil {
		at = r.Wait.Since
	}
	if m := messages[r.Task.String()]; m != nil && m.Changed.After(at) {
		at = m.Changed
	}
	if m := messages[r.Task.String()]; m != nil && m.Held != nil && m.Held.Since.After(at) {
		at = m.Held.Since
	}
	return at
}

// standing says how things are with a run: "is finished: came to its last step", "waits in wait-1 until …".
func standing(r *engine.Run, zone *time.Location) string {
	at := strings.Join(r.At, "/")
	switch {
	case r.State.Over():
		return "is " + string(r.State) + ": " + r.End
	case r.Wait != nil && len(r.Wait.For) > 0:
		return "waits in " + at + " for " + strings.Join(r.Wait.For, " or ") + ", until " + clock(r.Wait.Due, zone) + " at the latest"
	case r.Wait != nil && r.Wait.Kind == engine.WaitHeld:
		return "is held before " + at + " until its workflow goes on"
	case r.Wait != nil && !r.Wait.Due.IsZero():
		return "waits in " + at + " until " + clock(r.Wait.Due, zone)
	case r.State == engine.RunSending:
		return "is sending " + at
	}
	return "is " + string(r.State) + " in " + at
}

func clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2 Jan 2006 15:04:05 MST")
}
