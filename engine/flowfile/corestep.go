package flowfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// The settings of the steps that the core itself carries out, beside if, end and a wait for a length of time.

// maxTag is how many characters a tag may have.
const maxTag = 64

// until reads `{until: …}`.
func (r *reader) until(n *yaml.Node, s *engine.Step) {
	text, ok := r.text(n, "until")
	if !ok {
		return
	}
	u, err := engine.ParseUntil(text)
	if err != nil {
		r.fail(n, "%v", err)
		return
	}
	if name, ok := strings.CutPrefix(u.Field, "custom."); ok {
		r.custom(r.at(n), name)
	}
	s.Until = &u
}

// split reads branches by their names: each a list of steps, or {weight, steps}.
func (r *reader) split(kind entry, nested int, s *engine.Step) {
	entries, ok := r.mapping(kind.value, "split", "`{short: [end], long: [{wait: 1d}]}`")
	if !ok {
		return
	}
	for _, e := range entries {
		if !isName(e.name) {
			r.fail(e.key, "the branch's name %q must be letters, digits, - and _, at most 64", e.name)
		}
		s.Split = append(s.Split, r.splitBranch(e, nested))
	}
	if len(entries) < 2 {
		r.fail(kind.key, "split needs two branches or more; write each as its name and its steps")
	}
}

func (r *reader) splitBranch(e entry, nested int) engine.Branch {
	b := engine.Branch{Name: e.name, Weight: 1}
	if e.value.Kind == yaml.SequenceNode {
		b.Steps = r.steps(e.value, e.name, nested+1)
		return b
	}
	what := "the branch " + e.name
	entries, ok := r.mapping(e.value, what, "`{weight: 1, steps: [end]}`")
	if !ok {
		return b
	}
	found := false
	for _, part := range entries {
		switch part.name {
		case "weight":
			b.Weight = r.weight(part.value)
		case "steps":
			b.Steps, found = r.steps(part.value, "steps", nested+1), true
		default:
			r.unknownKey(part.key, what, []string{"weight", "steps"})
		}
	}
	if !found {
		r.fail(e.key, "%s has no steps; write `steps: []` if nothing is to be done", what)
	}
	return b
}

func (r *reader) weight(n *yaml.Node) int {
	text, ok := r.text(n, "weight")
	if !ok {
		return 1
	}
	w, err := strconv.Atoi(text)
	if err != nil || w < 1 || w > engine.MaxWeight {
		r.fail(n, "weight must be a whole number from 1 to %d, not %q; a branch's share is its weight in the sum of all", engine.MaxWeight, text)
		return 1
	}
	return w
}

// tag reads a tag, a list of tags to add, or {add, remove}.
func (r *reader) tag(kind entry, s *engine.Step) {
	n := kind.value
	if n.Kind != yaml.MappingNode {
		s.Tag.Add = r.tags(n, "tag")
		return
	}
	entries, ok := r.mapping(n, "tag", "`{add: vip, remove: new}`")
	if ok && len(entries) == 0 {
		r.fail(n, "tag is empty; write a tag, or {add: …, remove: …}")
	}
	for _, e := range entries {
		switch e.name {
		case "add":
			s.Tag.Add = r.tags(e.value, "add")
		case "remove":
			s.Tag.Remove = r.tags(e.value, "remove")
		default:
			r.unknownKey(e.key, "tag", []string{"add", "remove"})
		}
	}
	for _, t := range s.Tag.Add {
		if slices.Contains(s.Tag.Remove, t) {
			r.fail(n, "the tag %q is both added and removed", t)
		}
	}
}

func (r *reader) tags(n *yaml.Node, what string) []string {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = r.list(n, what, "`[vip, gold]`"); ok && len(items) == 0 {
			r.fail(n, "%s is an empty list", what)
		}
	}
	var tags []string
	for _, item := range items {
		t, ok := r.text(item, "a tag")
		switch {
		case !ok:
		case t == "" || t != strings.TrimSpace(t) || utf8.RuneCountInString(t) > maxTag || strings.ContainsFunc(t, unicode.IsControl):
			r.fail(item, "the tag %q must be 1 to %d characters on one line, with no space around them", t, maxTag)
		case slices.Contains(tags, t):
			r.fail(item, "the tag %q is here twice", t)
		default:
			tags = append(tags, t)
		}
	}
	return tags
}

// set reads custom fields and their values.
func (r *reader) set(kind entry, s *engine.Step) {
	entries, ok := r.mapping(kind.value, "set", "`{cohort: 2026-11}`")
	if ok && len(entries) == 0 {
		r.fail(kind.key, "set is empty; write the fields of contact.custom and their values, such as `set: {cohort: 2026-11}`")
	}
	s.Set = make(engine.Custom, len(entries))
	for _, e := range entries {
		if !isField(e.name) {
			r.fail(e.key, "%s", fieldMistake(e.name))
			continue
		}
		if v, ok := r.value(e); ok {
			s.Set[e.name] = v
		}
	}
}

// isField reports whether expressions and templates can name the field.
func isField(s string) bool {
	return isName(s) && !strings.Contains(s, "-") && (s[0] < '0' || s[0] > '9')
}

func fieldMistake(name string) string {
	for _, root := range []string{"contact.custom.", "custom.", "contact."} {
		if rest, ok := strings.CutPrefix(name, root); ok && isField(rest) {
			return fmt.Sprintf("set writes contact.custom only; leave %q out and write %s", root, rest)
		}
	}
	return fmt.Sprintf("the field %q must be letters, digits and _, at most 64, and begin with no digit", name)
}

// value reads a literal: a number, true, false and null are what they are unless in quotes, all else is text.
func (r *reader) value(e entry) (any, bool) {
	n := e.value
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "null" {
		return nil, true
	}
	if isNull(n) {
		r.fail(e.key, "%s has no value; write null to forget the field, or \"\" for an empty text", e.name)
		return nil, false
	}
	text, ok := r.text(n, e.name)
	if !ok || n.Style != 0 {
		return text, ok
	}
	if v, ok := literal(text); ok {
		return v, true
	}
	return text, true
}

// literal reads a number, true or false as JSON has them.
func literal(text string) (any, bool) {
	var c engine.Custom
	if !json.Valid([]byte(text)) || c.UnmarshalJSON([]byte(`{"v":`+text+`}`)) != nil {
		return nil, false
	}
	return c["v"], true
}
