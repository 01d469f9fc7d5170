package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"latchkey/engine"
)

// announced keeps what a step has published, or failed to, and reports whether it is such a step. The notice is among cmds.
func (w *World) announced(r *running, s *engine.StepResult, cmds []engine.Command) bool {
	step := engine.StepAt(r.w.Steps, s.Path)
	if step == nil {
		return false
	}
	if _, ok := step.Settings.(engine.Announcer); !ok || s.Outcome == "skipped" {
		w.refusedStart(step, s)
		return false
	}
	m := Message{Task: engine.Task{Kind: s.Kind, Location: r.Location, Workflow: r.Workflow, Run: r.ID, Contact: r.Contact, Step: s.Path,
		State: engine.TaskFailed, Error: s.Fault, Changed: w.now}}
	behind := ":" + r.ID.String() + "/" + strings.Join(s.Path, "/")
	for _, c := range cmds {
		if c.Notice == nil || !strings.HasSuffix(c.Notice.ID, behind) {
			continue
		}
		m.State, m.Subject, m.Type = engine.TaskSent, c.Notice.Subject, c.Notice.Type
		data, err := json.Marshal(c.Notice.Data)
		if err != nil {
			w.fail(fmt.Errorf("notice %s: %w", c.Notice.ID, err))
		}
		if !w.cfg.Quiet {
			m.Content.Text = string(data)
		}
	}
	w.Messages = append(w.Messages, m)
	if !w.cfg.Quiet {
		w.say("%s", m.String())
	}
	return true
}

// refusedStart keeps why a step did not start another workflow, as an event's decision would.
func (w *World) refusedStart(step *engine.Step, s *engine.StepResult) {
	if step.Start != "" && s.Outcome == "not_started" {
		w.Decisions = append(w.Decisions, engine.Decision{Workflow: step.Start, Reason: strings.TrimPrefix(s.Fault, step.Start+": ")})
	}
}

// Answer sets what the other side says to a step's requests from now on.
func (w *World) Answer(a engine.TestAnswer) {
	w.say("%s is answered %d from now on", a.Step, a.Status)
	w.answers[a.Step] = a
}

// An answerKey is under which a context holds a TestAnswer.
type answerKey struct{}

func (w *World) answering(ctx context.Context, s *engine.Step) context.Context {
	if a, ok := w.answers[s.ID]; ok {
		return context.WithValue(ctx, answerKey{}, a)
	}
	return ctx
}

// AnswerOf returns what is to be answered to the request that an action makes with ctx, if the test says it.
func AnswerOf(ctx context.Context) (engine.TestAnswer, bool) {
	a, ok := ctx.Value(answerKey{}).(engine.TestAnswer)
	return a, ok
}
