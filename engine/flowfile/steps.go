package flowfile

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// maxNested is how deep an if or a split may stand within another.
const maxNested = 20

var (
	stepKeys   = []string{"id", "name", "when"}
	actionKeys = []string{"on_error", "on_unknown", "retry", "timeout"} // of the kinds that are actions
	flowKinds  = []string{"wait", "if", "split", "tag", "set", "goal", "start", "end"}
)

// steps reads a list of steps, which what names; nil if it is none.
func (r *reader) steps(n *yaml.Node, what string, nested int) []engine.Step {
	if nested > maxNested {
		r.fail(n, "steps stand within steps more than %d times", maxNested)
		return nil
	}
	example := "`- wait: 1d`"
	if nested > 0 {
		example = "`" + what + ": [end]`"
	}
	items, ok := r.list(n, what, example)
	if !ok {
		r.lost = true
		return nil
	}
	steps := make([]engine.Step, 0, len(items))
	ended := false
	for _, item := range items {
		s, ok := r.step(item, nested)
		if !ok {
			r.lost = true
			continue
		}
		if ended {
			r.softly(func() { r.fail(item, "this step is never reached: the one before it ends the workflow") })
		}
		ended = s.Kind == "end" && s.When == nil
		steps = append(steps, s)
	}
	return steps
}

// kinds returns every kind of step in this version.
func (r *reader) stepKinds() []string {
	kinds := slices.AppendSeq(slices.Collect(maps.Keys(r.cat.Actions)), maps.Keys(r.cat.Notices))
	slices.Sort(kinds)
	return append(kinds, flowKinds...)
}

func (r *reader) step(n *yaml.Node, nested int) (engine.Step, bool) {
	s := engine.Step{Line: n.Line}
	if n.Kind == yaml.ScalarNode {
		return r.bareStep(n, s)
	}
	entries, ok := r.mapping(n, "a step", "`wait: 1d`")
	if len(entries) == 0 {
		if ok {
			r.fail(n, "the step is empty")
		}
		return s, false
	}
	kind, found := r.findKind(n, entries)
	if !found {
		return s, false
	}
	s.Kind = kind.name
	parts := r.stepParts(entries, kind, &s)
	switch s.Kind {
	case "wait":
		r.wait(kind.value, &s)
		r.sureWait(entries, &s)
	case "end":
		if !isNull(kind.value) {
			s.End, _ = r.text(kind.value, "the reason of end")
		}
	case "start":
		r.start(kind, &s)
	case "if":
		r.branch(n, kind, parts, nested, &s)
	case "split":
		r.split(kind, nested, &s)
	case "tag":
		r.tag(kind, &s)
	case "set":
		r.set(kind, &s)
	case "goal":
		r.goalStep(kind, &s)
	default:
		r.action(kind, &s)
	}
	return s, true
}

func (r *reader) bareStep(n *yaml.Node, s engine.Step) (engine.Step, bool) {
	word, ok := r.text(n, "a step")
	switch {
	case !ok:
	case word == "end":
		s.Kind = "end"
		return s, true
	case slices.Contains(r.stepKinds(), word):
		r.fail(n, "the step %s needs its settings, after a colon", word)
	default:
		r.unknownKind(n, word)
	}
	return s, false
}

// findKind returns the one key that says what the step does.
func (r *reader) findKind(n *yaml.Node, entries []entry) (entry, bool) {
	kinds := r.stepKinds()
	var found []entry
	for _, e := range entries {
		if slices.Contains(kinds, e.name) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) > 1:
		r.fail(found[1].key, "a step does one thing; begin %s with a dash of its own", found[1].name)
		return entry{}, false
	case len(found) == 1:
		return found[0], true
	}
	for _, e := range entries {
		if e.name == "then" || e.name == "else" {
			r.fail(e.key, "%s belongs to an if; write it right under the if, in the same column and without a dash", e.name)
			return entry{}, false
		}
		if !slices.Contains(stepKeys, e.name) && !slices.Contains(actionKeys, e.name) {
			r.unknownKind(e.key, e.name)
			return entry{}, false
		}
	}
	r.fail(n, "the step does nothing; give it one of %s", join(kinds, "or"))
	return entry{}, false
}

func (r *reader) unknownKind(n *yaml.Node, word string) {
	kinds := r.stepKinds()
	if near := didYouMean(word, kinds); near != "" {
		r.fail(n, "no step %q%s", word, near)
		return
	}
	r.fail(n, "no step %q; the steps are %s", word, join(kinds, "and"))
}

// stepParts reads what may stand beside any kind, and returns then and else.
func (r *reader) stepParts(entries []entry, kind entry, s *engine.Step) map[string]entry {
	parts := map[string]entry{}
	for _, e := range entries {
		switch {
		case e.name == kind.name:
		case e.name == "id":
			s.ID = r.givenID(e.value)
		case e.name == "name":
			s.Name, _ = r.text(e.value, "name")
		case e.name == "when":
			s.When = r.expr(e.value, "when")
		case slices.Contains(actionKeys, e.name):
			r.actionKey(e, kind, s)
		case kind.name == "if" && (e.name == "then" || e.name == "else"):
			parts[e.name] = e
		case isNull(kind.value):
			r.fail(e.key, "%s stands beside %s; indent it by two more spaces, so that it stands within", e.name, kind.name)
		default:
			keys := append([]string{kind.name}, stepKeys...)
			keys = append(keys, r.actionKeys(kind.name)...)
			if kind.name == "if" {
				keys = append(keys, "then", "else")
			}
			r.unknownKey(e.key, "the step "+kind.name, keys)
		}
	}
	return parts
}

func (r *reader) givenID(n *yaml.Node) string {
	id, ok := r.text(n, "id")
	switch {
	case !ok:
	case !isName(id):
		r.fail(n, "the id %q must be letters, digits, - and _, at most 64", id)
	case r.given[id]:
		r.fail(n, "another step has the id %q", id)
	default:
		r.given[id] = true
		return id
	}
	return ""
}

// number gives an id to each step that has none: its kind, and which of that kind it is in the file.
func (r *reader) number(steps []engine.Step) {
	for i := range steps {
		s := &steps[i]
		for s.ID == "" {
			r.numbered[s.Kind]++
			if id := fmt.Sprintf("%s-%d", s.Kind, r.numbered[s.Kind]); !r.given[id] {
				s.ID = id
			}
		}
		for _, l := range s.Lists() {
			r.number(l.Steps)
		}
	}
}

func (r *reader) wait(n *yaml.Node, s *engine.Step) {
	if n.Kind != yaml.MappingNode {
		s.Wait, _ = r.duration(n, "wait")
		return
	}
	entries, ok := r.mapping(n, "wait", "`wait: 1d`")
	if ok && len(entries) == 0 {
		r.fail(n, "wait is empty; write how long, such as 90s, 15m, 3h, 2d or 1w")
	}
	parts := map[string]entry{}
	for _, e := range entries {
		parts[e.name] = e
		switch e.name {
		case "until":
			r.until(e.value, s)
		case "for", "timeout":
		default:
			r.fail(e.key, "wait has no key %q; write how long, such as `wait: 1d`, or `wait: {until: monday}`, or `wait: {for: product_started, timeout: 3d}`", e.name)
		}
	}
	r.waitFor(n, parts, s)
}

// sureWait says that only a wait until a field can fail.
func (r *reader) sureWait(entries []entry, s *engine.Step) {
	n := slices.IndexFunc(entries, func(e entry) bool { return e.name == "on_error" })
	if n >= 0 && (s.Until == nil || s.Until.Field == "") {
		r.fail(entries[n].key, "on_error belongs to a step that can fail; of waits, one until a field can, such as {until: contact.custom.exam}")
	}
}

func (r *reader) branch(n *yaml.Node, kind entry, parts map[string]entry, nested int, s *engine.Step) {
	s.If = r.expr(kind.value, "if")
	if e, ok := parts["then"]; ok {
		s.Then = r.steps(e.value, "then", nested+1)
	} else {
		r.fail(n, "if has no then")
	}
	if e, ok := parts["else"]; ok {
		s.Else = r.steps(e.value, "else", nested+1)
	} else {
		r.fail(n, "if has no else; write `else: []` if nothing is to be done")
	}
}

// action has a step's settings read by its action.
func (r *reader) action(kind entry, s *engine.Step) {
	sc := engine.StepContext{Workflow: r.flow.ID, Class: r.flow.Class, Triggers: r.kinds, Location: r.loc}
	before := len(r.problems)
	r.softly(func() {
		n := &node{r: r, kind: kind.name, key: kind.key, value: kind.value}
		if a := r.cat.Actions[kind.name]; a != nil {
			s.Settings = a.Decode(n, sc)
		} else if a := r.cat.Notices[kind.name].Decode(n, sc); a != nil {
			s.Settings = a
		}
	})
	switch {
	case s.Settings != nil:
	case len(r.problems) == before:
		r.fail(kind.key, "the settings of %s cannot be used", kind.name)
	case r.broken == nil:
		r.broken = &r.problems[before]
	}
}
