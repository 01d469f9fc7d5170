package flowfile

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// What a run waits for, and what its goal is: events, named and filtered as triggers are, and link.redeemed.

// waitFor reads for and timeout of a wait.
func (r *reader) waitFor(n *yaml.Node, parts map[string]entry, s *engine.Step) {
	event, has := parts["for"]
	timeout, timed := parts["timeout"]
	switch _, until := parts["until"]; {
	case !has && timed && until:
		r.fail(timeout.key, "timeout belongs to `for`; a wait until a time ends by itself")
	case !has && timed:
		r.fail(timeout.key, "timeout belongs to `for`; for a length of time alone write `wait: %s`", timeout.value.Value)
	case has && until:
		r.fail(event.key, "a wait is either until a time or for an event; for both, write `{for: …, timeout: …}`")
	case has:
		s.For = r.events(event.value, "`for`")
		r.timeout(event.key, parts, "this wait", s)
	}
}

// timeout reads after how long a run goes on without its event. It is needed: an event may never come.
func (r *reader) timeout(n *yaml.Node, parts map[string]entry, what string, s *engine.Step) {
	e, ok := parts["timeout"]
	if !ok {
		r.fail(n, "%s has no timeout, and an event may never come; add one, after which the run goes on, such as `timeout: 2d`", what)
		return
	}
	s.Wait, _ = r.duration(e.value, "timeout")
}

// events reads an event, one with filters, or a list of them of which any will do.
func (r *reader) events(n *yaml.Node, what string) (events []engine.Trigger) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = r.list(n, what, "`[product_started, link.redeemed]`"); ok && len(items) == 0 {
			r.fail(n, "%s is an empty list; name the event", what)
		}
	}
	for _, item := range items {
		if t, ok := r.event(item, what); ok {
			events = append(events, t)
		}
	}
	return events
}

// event reads `name` or `name: {filters}`.
func (r *reader) event(n *yaml.Node, what string) (engine.Trigger, bool) {
	if n.Kind == yaml.ScalarNode {
		name, ok := r.text(n, what)
		if !ok {
			return engine.Trigger{}, false
		}
		_, ok = r.eventKind(n, name)
		return engine.Trigger{Type: name}, ok
	}
	entries, ok := r.mapping(n, what, "`{lesson_completed: {lesson: intro}}`")
	if len(entries) == 0 {
		if ok {
			r.fail(n, "%s is empty; name the event", what)
		}
		return engine.Trigger{}, false
	}
	for _, e := range entries[1:] {
		if r.isFilter(entries[0].name, e.name) {
			r.fail(e.key, "%s stands beside %s; put it within, such as `{%s: {%s: …}}`", e.name, entries[0].name, entries[0].name, e.name)
		} else {
			r.fail(e.key, "%s is one event; for any of several write a list", what)
		}
	}
	e := entries[0]
	kind, ok := r.eventKind(e.key, e.name)
	t := engine.Trigger{Type: e.name}
	if ok && !isNull(e.value) {
		t.Filters = r.filters(e.value, kind)
	}
	return t, ok
}

// eventKind looks up what can be waited for.
func (r *reader) eventKind(n *yaml.Node, name string) (engine.TriggerKind, bool) {
	if kind, ok := r.cat.Triggers[name]; ok {
		return kind, true
	}
	if name == engine.LinkRedeemed {
		return engine.TriggerKind{Name: name}, true
	}
	names := append(slices.Sorted(maps.Keys(r.cat.Triggers)), engine.LinkRedeemed)
	near := didYouMean(name, names)
	if near == "" && strings.Contains(name, "redeem") {
		near = didYouMean(engine.LinkRedeemed, names)
	}
	if near != "" {
		r.fail(n, "no event %q%s", name, near)
	} else {
		r.fail(n, "no event %q; a run can wait for %s", name, join(names, "and"))
	}
	return engine.TriggerKind{}, false
}

// goal reads the workflow's goal.
func (r *reader) goal(n *yaml.Node) {
	parts, ok := r.goalParts(n, "event", "when")
	if !ok {
		return
	}
	g := &engine.Goal{}
	if e, ok := parts["event"]; ok {
		g.Events = r.events(e.value, "`event`")
	}
	if e, ok := parts["when"]; ok {
		g.When = r.expr(e.value, "when")
	}
	r.flow.Goal = g
}

// goalStep reads a step of kind goal.
func (r *reader) goalStep(kind entry, s *engine.Step) {
	parts, ok := r.goalParts(kind.value, "event", "else", "timeout")
	if !ok {
		return
	}
	if e, ok := parts["event"]; ok {
		s.For = r.events(e.value, "`event`")
	}
	s.GoalElse = engine.GoalContinue
	if e, ok := parts["else"]; ok {
		if word, ok := r.word(e.value, "else", engine.GoalContinue, engine.GoalWait, engine.GoalEnd); ok {
			s.GoalElse = word
		}
	}
	if e, ok := parts["timeout"]; ok && s.GoalElse != engine.GoalWait {
		r.fail(e.key, "timeout belongs to `else: wait`")
	} else if s.GoalElse == engine.GoalWait {
		r.timeout(parts["else"].key, parts, "`else: wait`", s)
	}
}

// goalParts reads the keys of a goal, of which event is needed.
func (r *reader) goalParts(n *yaml.Node, keys ...string) (map[string]entry, bool) {
	const example = "`{event: product_started}`"
	entries, ok := r.mapping(n, "goal", example)
	if !ok {
		return nil, false
	}
	parts := map[string]entry{}
	for _, e := range entries {
		parts[e.name] = e
		if slices.Contains(keys, e.name) {
			continue
		}
		if _, known := r.cat.Triggers[e.name]; known || e.name == engine.LinkRedeemed {
			r.fail(e.key, "write the goal's event as `event: %s`", e.name)
			return nil, false
		}
		r.unknownKey(e.key, "goal", keys)
	}
	if _, ok := parts["event"]; !ok {
		r.fail(n, "the goal has no event; write %s", example)
	}
	return parts, true
}
