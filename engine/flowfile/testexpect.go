package flowfile

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

var (
	messageKeys = []string{"to", "subject", "text", "without", "state", "error", "attempts"}
	expectKeys  = []string{"workflow", "started", "not_started", "in", "until", "end", "steps", "tags", "custom"}
	overStates  = []string{string(engine.TaskSent), string(engine.TaskUnknown), string(engine.TaskFailed),
		string(engine.TaskSuppressed), string(engine.TaskExpired)}
)

// expect reads `nothing`, or what is expected by its keys.
func (r *testReader) expect(whole entry) *engine.Expectation {
	x := &engine.Expectation{At: map[string]engine.Pos{}}
	if whole.value.Kind == yaml.ScalarNode {
		x.At["nothing"] = r.at(whole.value)
		_, x.Nothing = r.word(whole.value, "expect", "nothing")
		return x
	}
	entries, ok := r.mapping(whole.value, "expect", "`{email: welcome}`")
	if ok && len(entries) == 0 {
		r.fail(whole.value, "expect is empty; write `expect: nothing` if no message is to be sent")
	}
	kinds := r.messageKinds()
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.name == "workflow" }); i >= 0 {
		x.Workflow, _ = r.workflowID(entries[i].value, "workflow")
	}
	r.expectMessage(entries, kinds, x)
	for _, e := range entries {
		x.At[e.name] = r.at(e.value)
		switch {
		case slices.Contains(kinds, e.name), e.name == "workflow":
		case slices.Contains(messageKeys, e.name), slices.Contains(requestKeys, e.name):
			if x.Message == nil {
				r.fail(e.key, "%s is about a message; say which one, such as `email: welcome`", e.name)
			}
		case slices.Contains(expectKeys, e.name):
			r.expectState(e, x)
		default:
			r.unknownKey(e.key, "expect", slices.Concat(kinds, messageKeys, requestKeys, expectKeys))
		}
	}
	return x
}

func (r *testReader) scopeOf(x *engine.Expectation) string {
	if x.Workflow != "" {
		return x.Workflow
	}
	return r.scope
}

// expectMessage reads which message is expected, and what is said of it.
func (r *testReader) expectMessage(entries []entry, kinds []string, x *engine.Expectation) {
	for _, e := range entries {
		if !slices.Contains(kinds, e.name) {
			continue
		}
		if x.Message != nil {
			r.fail(e.key, "one message at a time; begin another `- expect:`")
			continue
		}
		x.Message = &engine.ExpectMessage{Kind: e.name, State: engine.TaskSent}
		r.messageOf(e, x)
		x.At["message"] = r.at(e.key)
	}
	m := x.Message
	if m == nil {
		return
	}
	stated := false
	for _, e := range entries {
		switch e.name {
		case "to":
			m.To, _ = r.text(e.value, "to")
		case "subject":
			m.Subject = r.parts(e)
		case "text":
			m.Text = r.parts(e)
		case "without":
			m.Without = r.parts(e)
		case "error":
			m.Error, _ = r.text(e.value, "error")
			if !stated {
				m.State = engine.TaskFailed
			}
		case "state":
			s, _ := r.word(e.value, "state", overStates...)
			m.State, stated = engine.TaskState(s), true
		case "attempts":
			m.Attempts = r.attempts(e.value)
		case "type", "url", "headers", "body", "data", "response":
			r.expectRequest(e, x)
		}
	}
}

// parts reads a text, or a list of them.
func (r *testReader) parts(e entry) []string {
	items := []*yaml.Node{e.value}
	if e.value.Kind == yaml.SequenceNode {
		items, _ = r.list(e.value, e.name, "`[Hello, Ada]`")
	}
	var out []string
	for _, item := range items {
		if s, ok := r.text(item, e.name); ok {
			out = append(out, s)
		}
	}
	return out
}

// expectState reads what is expected of runs and of the contact.
func (r *testReader) expectState(e entry, x *engine.Expectation) {
	switch e.name {
	case "started":
		x.Started = r.workflowIDs(e)
	case "not_started":
		x.NotStarted = r.refusals(e)
	case "in":
		x.In = r.stepID(e.value, "in", r.scopeOf(x))
	case "until":
		if m, ok := r.moment(e.value); ok && m.Next == nil {
			x.Until = m.Time
		} else if ok {
			r.fail(e.value, "until is a date and time, such as %s", defaultStart)
		}
	case "end":
		s, _ := r.text(e.value, "end")
		x.End = &s
	case "steps":
		r.outcomes(e, x)
	case "tags":
		tags := []string{}
		if e.value.Kind != yaml.SequenceNode || len(e.value.Content) > 0 {
			tags = r.tags(e.value, "tags")
		}
		x.Tags = &tags
	case "custom":
		entries, _ := r.mapping(e.value, "custom", "`{cohort: 2026-11}`")
		x.Custom = engine.Custom{}
		for _, f := range entries {
			x.Custom[f.name] = r.literal(f.value, f.name)
		}
	}
}

func (r *testReader) workflowIDs(e entry) []string {
	items := []*yaml.Node{e.value}
	if e.value.Kind == yaml.SequenceNode {
		items, _ = r.list(e.value, e.name, "`[welcome]`")
	}
	ids := []string{}
	for _, item := range items {
		if id, ok := r.workflowID(item, e.name); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// refusals reads workflows, or {workflow: a part of the reason}.
func (r *testReader) refusals(e entry) []engine.Refusal {
	out := []engine.Refusal{}
	if e.value.Kind != yaml.MappingNode {
		for _, id := range r.workflowIDs(e) {
			out = append(out, engine.Refusal{Workflow: id})
		}
		return out
	}
	entries, _ := r.mapping(e.value, e.name, "`{win-back: re-entry}`")
	for _, f := range entries {
		if id, ok := r.workflowID(f.key, e.name); ok {
			why, _ := r.text(f.value, "the reason")
			out = append(out, engine.Refusal{Workflow: id, Reason: why})
		}
	}
	return out
}

// outcomes reads what became of steps, by their ids.
func (r *testReader) outcomes(e entry, x *engine.Expectation) {
	entries, _ := r.mapping(e.value, "steps", "`{nudge: skipped}`")
	x.Outcomes = map[string]string{}
	for _, f := range entries {
		id := r.stepID(f.key, "steps", r.scopeOf(x))
		if s, ok := r.text(f.value, fmt.Sprintf("what became of %s", f.name)); ok && id != "" {
			x.Outcomes[id] = s
		}
	}
}

func (r *testReader) stepID(n *yaml.Node, what, workflow string) string {
	id, ok := r.text(n, what)
	if !ok {
		return ""
	}
	var ids []string
	r.eachStep(workflow, func(_ string, s *engine.Step) { ids = append(ids, s.ID) })
	if !slices.Contains(ids, id) {
		r.fail(n, "no step %q%s", id, orList(id, ids, "the steps"))
		return ""
	}
	return id
}
