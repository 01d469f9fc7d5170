package flowfile

import (
	"slices"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// The word that stands for a trigger that does not come, and its keys.
const absentWord = "absent"

var absentKeys = []string{"of", "after", "since", "by"}

const absentForm = "{of: product_started, after: 3d, since: product_access_granted}"

// absent reads the settings of an absence trigger.
func (r *reader) absent(key, n *yaml.Node) {
	entries, ok := r.mapping(n, absentWord, "`"+absentForm+"`")
	if !ok {
		return
	}
	var a engine.Absence
	var of, since engine.TriggerKind
	var by entry
	read := map[string]bool{}
	for _, e := range entries {
		read[e.name] = true
		switch e.name {
		case "of":
			of = r.oneTrigger(e.value, "of", &a.Of)
		case "since":
			since = r.oneTrigger(e.value, "since", &a.Since)
		case "after":
			a.After, _ = r.duration(e.value, "after")
		case "by":
			by = e
		default:
			r.unknownKey(e.key, absentWord, absentKeys)
		}
	}
	missing := slices.DeleteFunc(slices.Clone(absentKeys[:3]), func(name string) bool { return read[name] })
	if len(missing) > 0 {
		r.fail(key, "absent has no %s; write it as absent: %s", join(missing, "and"), absentForm)
	}
	if of.Name == "" || since.Name == "" {
		return
	}
	a.By = r.absentBy(by, of, since)
	r.flow.Absences = append(r.flow.Absences, a)
	r.kinds = append(r.kinds, since)
}

// absentBy returns the noun for which the event is missed: as written, else the noun that since is about, if of can name it.
func (r *reader) absentBy(by entry, of, since engine.TriggerKind) string {
	names := func(k engine.TriggerKind, noun string) bool {
		return k.Noun == noun || slices.Contains(k.Filters, noun)
	}
	if by.value == nil {
		if since.Noun != "" && names(of, since.Noun) {
			return since.Noun
		}
		return "contact"
	}
	noun, ok := r.word(by.value, "by", append([]string{"contact"}, nouns...)...)
	if !ok || noun == "contact" {
		return noun
	}
	for _, k := range []engine.TriggerKind{of, since} {
		if !names(k, noun) {
			r.fail(by.value, "%s names no %s, so absent cannot go by it", k.Name, noun)
			break
		}
	}
	return noun
}

// oneTrigger reads `name` or `{name: {filters}}`. The kind is zero if there is no such trigger.
func (r *reader) oneTrigger(n *yaml.Node, what string, t *engine.Trigger) (kind engine.TriggerKind) {
	if n.Kind == yaml.ScalarNode {
		if name, ok := r.text(n, what); ok {
			kind, _ = r.findTrigger(n, name)
			t.Type = kind.Name
		}
		return kind
	}
	entries, ok := r.mapping(n, what, "`{product_started: {product: go-101}}`")
	if ok && len(entries) != 1 {
		r.fail(n, "%s is one trigger, such as product_started or {product_started: {product: go-101}}", what)
	}
	if len(entries) != 1 {
		return kind
	}
	kind, ok = r.findTrigger(entries[0].key, entries[0].name)
	t.Type = kind.Name
	if ok && !isNull(entries[0].value) {
		t.Filters = r.filters(entries[0].value, kind)
	}
	return kind
}
