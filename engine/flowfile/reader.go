package flowfile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// maxNodes bounds what aliases may multiply.
const maxNodes = 20_000

// A reader reads one file and gathers what is wrong with it.
type reader struct {
	file     string
	lines    [][]rune
	cat      *engine.Catalog
	loc      *engine.Location
	problems []engine.Problem
	// soft is set while reading what a run that has begun no longer needs; broken is the first problem of the rest.
	soft   bool
	broken *engine.Problem
	nodes  int

	flow     *engine.Workflow
	kinds    []engine.TriggerKind // of the triggers
	graph    *graph               // of the folder; nil if the file is read alone
	given    map[string]bool      // step ids that the author gave
	numbered map[string]int       // steps so far, by kind
	named    []namedStep
	lost     bool // a step could not be read, so that ids may be missing
}

func read(file, id string, src []byte, cat *engine.Catalog, loc *engine.Location, g *graph) *reader {
	r := &reader{graph: g, file: file, lines: splitLines(src), cat: cat, loc: loc,
		given: map[string]bool{}, numbered: map[string]int{},
		flow: &engine.Workflow{ID: id, Version: Version(src), Source: src, Status: engine.Live,
			Reentry: engine.Reentry{Allow: "never"}}}
	if !isName(id) {
		r.softly(func() {
			r.report(engine.Pos{Line: 1, Col: 1}, "the file's name is the workflow's id: use letters, digits, - and _ only")
		})
	}
	if root := r.parse(src); root != nil {
		r.workflow(root)
	}
	r.problems = tidy(r.problems)
	return r
}

// softly runs fn, whose problems do not stop a run that has begun.
func (r *reader) softly(fn func()) {
	was := r.soft
	r.soft = true
	fn()
	r.soft = was
}

// report adds a mistake at a position of this file.
func (r *reader) report(at engine.Pos, format string, args ...any) {
	r.add(engine.Problem{Pos: at, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) add(p engine.Problem) {
	if p.File == "" {
		p.File = r.file
	}
	p.Line, p.Col = max(p.Line, 1), max(p.Col, 1)
	r.problems = append(r.problems, p)
	if !r.soft && !p.Warning && r.broken == nil {
		r.broken = &p
	}
}

// fail adds a mistake at the beginning of a node.
func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.report(engine.Pos{Line: n.Line, Col: n.Column}, format, args...)
}

// An entry is one key of a mapping and its value, aliases resolved.
type entry struct {
	name       string
	key, value *yaml.Node
}

// deref follows an alias. It returns nil, having said so, if aliases make the file too large or never end.
func (r *reader) deref(n *yaml.Node) *yaml.Node {
	at := n
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if r.nodes++; r.nodes == maxNodes {
		r.fail(at, "the file has more than %d values, its aliases written out", maxNodes)
	}
	if r.nodes >= maxNodes {
		return nil
	}
	return n
}

// mapping returns the entries of a mapping, in order. what names the thing in a sentence ("a workflow").
func (r *reader) mapping(n *yaml.Node, what, example string) ([]entry, bool) {
	if n = r.deref(n); n == nil {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is written as keys and values, such as %s, not as %s", what, example, describe(n))
		return nil, false
	}
	entries, ok := make([]entry, 0, len(n.Content)/2), true
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], r.deref(n.Content[i+1])
		first, twice := lines[k.Value]
		switch {
		case v == nil:
			return nil, false
		case k.Kind != yaml.ScalarNode:
			r.fail(k, "a key must be one word")
			ok = false
		case k.Tag == "!!merge":
			r.fail(k, "merge keys (<<) are not read here; repeat the keys, or put a text that begins with << in quotes")
			ok = false
		case twice:
			r.fail(k, "%q is here twice; the first is in line %d", k.Value, first)
			ok = false
		default:
			lines[k.Value] = k.Line
			entries = append(entries, entry{k.Value, k, v})
		}
	}
	return entries, ok
}

// list returns the items of a list.
func (r *reader) list(n *yaml.Node, what, example string) ([]*yaml.Node, bool) {
	if n = r.deref(n); n == nil {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s is a list, such as %s, not %s", what, example, describe(n))
		return nil, false
	}
	items := make([]*yaml.Node, 0, len(n.Content))
	for _, c := range n.Content {
		if c = r.deref(c); c == nil {
			return nil, false
		}
		items = append(items, c)
	}
	return items, true
}

// text returns a scalar as it is written. what names it in a sentence.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	if n = r.deref(n); n == nil {
		return "", false
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fail(n, "%s is one value, not %s", what, describe(n))
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n, "%s has the YAML tag %s, which means nothing here; put a text that begins with ! in quotes", what, n.Tag)
	case isNull(n):
		r.fail(n, "%s is empty; give it a value, or leave it out", what)
	default:
		return n.Value, true
	}
	return "", false
}

// word returns a scalar that must be one of some words.
func (r *reader) word(n *yaml.Node, what string, allowed ...string) (string, bool) {
	s, ok := r.text(n, what)
	if ok && !slices.Contains(allowed, s) {
		r.fail(n, "%s cannot be %q; it is %s", what, s, join(allowed, "or"))
		return "", false
	}
	return s, ok
}

// expr compiles a condition. An error stands where in the file the fault is.
func (r *reader) expr(n *yaml.Node, what string) *engine.Expr {
	src, ok := r.text(n, what)
	if !ok {
		return nil
	}
	e, col, err := engine.CompileExpr(strings.TrimRight(src, " \t\r\n"))
	if err != nil {
		r.report(r.within(r.deref(n), max(col-1, 0)), "%v", err)
		return nil
	}
	for _, step := range e.Steps() {
		r.named = append(r.named, namedStep{r.within(r.deref(n), step.Col-1), step.Name})
	}
	for _, c := range e.Customs() {
		r.custom(r.within(r.deref(n), c.Col-1), c.Name)
	}
	return e
}

// custom says that a setting is not in latchkey.yaml: it would be nothing for ever.
func (r *reader) custom(at engine.Pos, name string) {
	if r.loc == nil { // the file alone is read
		return
	}
	if _, ok := r.loc.Custom[name]; ok {
		return
	}
	so := cmp.Or(didYouMean(name, slices.Sorted(maps.Keys(r.loc.Custom))),
		"; set it in latchkey.yaml, under custom, or write contact.custom."+name+" for the contact's own")
	r.softly(func() { r.report(at, "unknown field custom.%s%s", name, so) })
}

// A namedStep is the id of a step that an expression names.
type namedStep struct {
	at engine.Pos
	id string
}

// unknownSteps says which ids that expressions name no step has.
func (r *reader) unknownSteps() {
	if r.lost {
		return
	}
	ids := stepIDs(r.flow.Steps, nil)
	for _, s := range r.named {
		if slices.Contains(ids, s.id) {
			continue
		}
		if near := didYouMean(s.id, ids); near != "" {
			r.report(s.at, "no step has the id %q%s", s.id, near)
		} else {
			r.report(s.at, "no step has the id %q; a step without an id of its own is called by its kind and number, as in wait-1", s.id)
		}
	}
}

func stepIDs(steps []engine.Step, ids []string) []string {
	for i := range steps {
		ids = append(ids, steps[i].ID)
		for _, l := range steps[i].Lists() {
			ids = stepIDs(l.Steps, ids)
		}
	}
	return ids
}

// unknownKey says that a key means nothing.
func (r *reader) unknownKey(k *yaml.Node, what string, allowed []string) {
	if near := didYouMean(k.Value, allowed); near != "" {
		r.fail(k, "%s has no key %q%s (its keys: %s)", what, k.Value, near, strings.Join(allowed, ", "))
		return
	}
	r.fail(k, "%s has no key %q; its keys are %s", what, k.Value, join(allowed, "and"))
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0
}

// describe says what a node is, in the author's words.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case len([]rune(n.Value)) > 30:
		return "a text"
	}
	return fmt.Sprintf("%q", n.Value)
}
