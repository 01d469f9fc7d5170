package flowfile

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

var (
	workflowKeys = []string{"name", "status", "class", "triggers", "when", "coalesce", "reentry", "goal", "window", "limit", "hold_limit", "steps"}
	nouns        = []string{"offer", "product", "category", "lesson"}
)

// workflow reads the whole file.
func (r *reader) workflow(root *yaml.Node) {
	r.checkDepth(root)
	if r.broken != nil {
		return
	}
	entries, _ := r.mapping(root, "a workflow", "`triggers: [new_sign_up]`")
	keys := map[string]*yaml.Node{}
	for _, e := range entries {
		keys[e.name] = e.value
		if !slices.Contains(workflowKeys, e.name) {
			r.softly(func() { r.unknownKey(e.key, "a workflow", workflowKeys) })
		}
	}
	if entries == nil {
		return
	}
	r.softly(func() { r.head(root, keys) })
	if n := keys["goal"]; n != nil {
		r.goal(n)
	}
	switch n := keys["steps"]; n {
	case nil:
		r.fail(root, "the workflow has no steps")
	default:
		r.flow.Steps = r.steps(n, "a workflow's steps", 0)
		r.number(r.flow.Steps)
		r.softly(r.unknownSteps)
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			r.fail(n, "the workflow has no steps")
		}
	}
	r.idleRules(keys)
}

// head reads all but the steps.
func (r *reader) head(root *yaml.Node, keys map[string]*yaml.Node) {
	f := r.flow
	f.Name = f.ID
	if n := keys["name"]; n != nil {
		f.Name, _ = r.text(n, "name")
	}
	if n := keys["status"]; n != nil {
		s, _ := r.word(n, "status", string(engine.Live), string(engine.Draft), string(engine.Paused))
		f.Status = engine.Status(s)
	}
	if n := keys["class"]; n != nil {
		s, _ := r.word(n, "class", string(engine.Transactional), string(engine.Marketing))
		f.Class = engine.Class(s)
	}
	if n := keys["triggers"]; n != nil {
		r.triggers(n)
	} else {
		r.needsTriggers(root)
	}
	r.inherit()
	if n := keys["when"]; n != nil {
		f.When = r.expr(n, "when")
	}
	if n := keys["coalesce"]; n != nil {
		f.Coalesce, _ = r.duration(n, "coalesce")
	}
	if n := keys["reentry"]; n != nil {
		r.reentry(n)
	}
	r.rules(keys)
}

func (r *reader) triggers(n *yaml.Node) {
	items, ok := r.list(n, "triggers", "`[new_sign_up]`")
	if ok && len(items) == 0 {
		r.needsTriggers(n)
	}
	for _, item := range items {
		r.trigger(item)
	}
}

// trigger reads `name`, `name: {filters}` or `absent: {settings}`.
func (r *reader) trigger(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		switch name, ok := r.text(n, "a trigger"); {
		case ok && name == absentWord:
			r.fail(n, "absent needs its settings; write it as absent: %s", absentForm)
		case ok:
			r.kindOf(n, name)
		}
		return
	}
	entries, _ := r.mapping(n, "a trigger with filters", "`offer_access_granted: {offer: gold}`")
	for i, e := range entries {
		if i > 0 && len(entries) > 1 && r.isFilter(entries[0].name, e.name) {
			r.fail(e.key, "%s stands beside %s; indent it by two more spaces, so that it is a part of it", e.name, entries[0].name)
			continue
		}
		if i > 0 {
			r.fail(e.key, "one trigger to a line: begin this one with a dash of its own")
		}
		if e.name == absentWord {
			r.absent(e.key, e.value)
			continue
		}
		kind, ok := r.kindOf(e.key, e.name)
		if !ok || isNull(e.value) {
			continue
		}
		r.flow.Triggers[len(r.flow.Triggers)-1].Filters = r.filters(e.value, kind)
	}
}

func (r *reader) isFilter(trigger, word string) bool {
	return slices.Contains(r.cat.Triggers[trigger].Filters, word) || trigger == absentWord && slices.Contains(absentKeys, word)
}

// kindOf looks a trigger up and adds it to the workflow.
func (r *reader) kindOf(n *yaml.Node, name string) (engine.TriggerKind, bool) {
	kind, ok := r.findTrigger(n, name, absentWord)
	if ok {
		r.flow.Triggers = append(r.flow.Triggers, engine.Trigger{Type: name})
		r.kinds = append(r.kinds, kind)
	}
	return kind, ok
}

// findTrigger looks a trigger up. Others are words that may stand where its name does.
func (r *reader) findTrigger(n *yaml.Node, name string, others ...string) (engine.TriggerKind, bool) {
	kind, ok := r.cat.Triggers[name]
	if !ok {
		names := append(slices.Sorted(maps.Keys(r.cat.Triggers)), others...)
		if near := didYouMean(name, names); near != "" {
			r.fail(n, "no trigger %q%s", name, near)
		} else {
			r.fail(n, "no trigger %q; the triggers are %s", name, join(names, "and"))
		}
	}
	return kind, ok
}

// filters reads the filters of a trigger.
func (r *reader) filters(n *yaml.Node, kind engine.TriggerKind) (filters []engine.Filter) {
	entries, _ := r.mapping(n, "the filter of "+kind.Name, "`{offer: gold}`")
	for _, e := range entries {
		switch {
		case slices.Contains(kind.Filters, e.name):
			f := engine.Filter{Noun: e.name}
			r.filter(e.value, &f)
			filters = append(filters, f)
		case len(kind.Filters) == 0:
			r.fail(e.key, "%s takes no filters", kind.Name)
		default:
			r.fail(e.key, "%s cannot be filtered by %q, only by %s", kind.Name, e.name, join(kind.Filters, "and"))
		}
	}
	return filters
}

// filter reads an id, a list of ids, or {any_of, none_of}.
func (r *reader) filter(n *yaml.Node, f *engine.Filter) {
	if n.Kind != yaml.MappingNode {
		f.AnyOf = r.ids(n, f.Noun)
		return
	}
	keys := []string{"any_of", "none_of"}
	entries, ok := r.mapping(n, "the filter "+f.Noun, "`{any_of: [gold]}`")
	if ok && len(entries) == 0 {
		r.fail(n, "the filter %s is empty; leave it out to mean any", f.Noun)
	}
	for _, e := range entries {
		switch e.name {
		case "any_of":
			f.AnyOf = r.ids(e.value, "any_of")
		case "none_of":
			f.NoneOf = r.ids(e.value, "none_of")
		default:
			r.unknownKey(e.key, "the filter "+f.Noun, keys)
		}
	}
}

func (r *reader) ids(n *yaml.Node, what string) []string {
	if n.Kind != yaml.SequenceNode {
		if s, ok := r.text(n, what); ok {
			return []string{s}
		}
		return nil
	}
	items, ok := r.list(n, what, "`[gold, silver]`")
	if ok && len(items) == 0 {
		r.fail(n, "%s is an empty list; leave it out to mean any", what)
	}
	var out []string
	for _, item := range items {
		if s, ok := r.text(item, "an id in "+what); ok {
			out = append(out, s)
		}
	}
	return out
}

var allowed = []string{"never", "after_end", "always"}

// reentry reads a word, or {key, allow}.
func (r *reader) reentry(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.allow(n, "reentry")
		return
	}
	entries, _ := r.mapping(n, "reentry", "`{key: offer, allow: never}`")
	for _, e := range entries {
		switch e.name {
		case "key":
			r.reentryKey(e.value)
		case "allow":
			r.allow(e.value, "allow")
		case "after":
			r.fail(e.key, "write it as `allow: {after: %s}`", e.value.Value)
		default:
			r.unknownKey(e.key, "reentry", []string{"key", "allow"})
		}
	}
}

// allow reads never, after_end, always or {after: D}.
func (r *reader) allow(n *yaml.Node, what string) {
	re := &r.flow.Reentry
	if n.Kind != yaml.MappingNode {
		if s, ok := r.text(n, what); ok {
			if !slices.Contains(allowed, s) {
				r.fail(n, "%s cannot be %q; it is never, after_end, always or {after: 30d}", what, s)
				return
			}
			re.Allow = s
		}
		return
	}
	entries, ok := r.mapping(n, what, "`{after: 30d}`")
	if ok && len(entries) == 0 {
		r.fail(n, "%s is empty; it is never, after_end, always or {after: 30d}", what)
	}
	for _, e := range entries {
		if e.name != "after" {
			r.unknownKey(e.key, what, []string{"after"})
			continue
		}
		if d, ok := r.duration(e.value, "after"); ok {
			re.Allow, re.After = "after", d.Fixed()
		}
	}
}

// reentryKey reads the noun that re-entry counts by: one that a trigger has.
func (r *reader) reentryKey(n *yaml.Node) {
	key, ok := r.word(n, "key", append([]string{"contact"}, nouns...)...)
	if !ok {
		return
	}
	r.flow.Reentry.Key = key
	has := func(k engine.TriggerKind) bool { return k.Noun == key || slices.Contains(k.Filters, key) }
	if key != "contact" && len(r.kinds) > 0 && !slices.ContainsFunc(r.kinds, has) {
		r.fail(n, "none of the triggers has %s %s, so re-entry cannot count by it", article(key), key)
	}
}

func (r *reader) duration(n *yaml.Node, what string) (engine.Duration, bool) {
	s, ok := r.text(n, what)
	if !ok {
		return engine.Duration{}, false
	}
	d, err := engine.ParseDuration(s)
	if err != nil {
		r.fail(n, "%v", err)
	}
	return d, err == nil
}

func article(noun string) string {
	if noun == "offer" {
		return "an"
	}
	return "a"
}
