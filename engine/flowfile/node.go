package flowfile

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// A node is the settings of one step, for its action.
type node struct {
	r          *reader
	kind       string
	key, value *yaml.Node
}

var _ engine.Node = (*node)(nil)

// Scalar implements engine.Node.
func (n *node) Scalar() (string, bool) {
	if n.value.Kind != yaml.ScalarNode || isNull(n.value) {
		return "", false
	}
	return n.value.Value, true
}

// Pos implements engine.Node.
func (n *node) Pos(key string, offset int) engine.Pos {
	at := n.value
	if key != "" {
		if at = n.lookup(key); at == nil {
			return n.r.at(n.key)
		}
	}
	if isNull(at) {
		return n.r.at(n.key)
	}
	if offset < 0 || at.Kind != yaml.ScalarNode {
		return n.r.at(at)
	}
	return n.r.within(at, offset)
}

// Report implements engine.Node.
func (n *node) Report(p engine.Problem) { n.r.add(p) }

func (n *node) lookup(key string) *yaml.Node {
	if n.value.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.value.Content); i += 2 {
		if n.value.Content[i].Value == key {
			return n.r.deref(n.value.Content[i+1])
		}
	}
	return nil
}

// Decode implements engine.Node. Fields may be string, int, bool, []string and map[string]string.
func (n *node) Decode(into any) bool {
	if isNull(n.value) {
		n.r.fail(n.key, "the step %s needs its settings", n.kind)
		return false
	}
	before := len(n.r.problems)
	v := reflect.ValueOf(into).Elem()
	fields, names := map[string]reflect.Value{}, []string{}
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); name != "" && name != "-" {
			fields[name] = v.Field(i)
			names = append(names, name)
		}
	}
	entries, _ := n.r.mapping(n.value, "the step "+n.kind, "`{"+names[0]+": …}`")
	for _, e := range entries {
		if f, ok := fields[e.name]; ok {
			n.r.field(e, f)
			continue
		}
		if slices.Contains(actionKeys, e.name) {
			n.r.fail(e.key, "%s stands beside %s, not within it", e.name, n.kind)
			continue
		}
		n.r.unknownKey(e.key, "the step "+n.kind, names, nil)
	}
	return len(n.r.problems) == before
}

// field reads one value into a field of the settings.
func (r *reader) field(e entry, f reflect.Value) {
	switch f.Interface().(type) {
	case []string:
		f.Set(reflect.ValueOf(r.ids(e.value, e.name)))
		return
	case map[string]string:
		entries, _ := r.mapping(e.value, e.name, "`{key: value}`")
		m := make(map[string]string, len(entries))
		for _, e := range entries {
			m[e.name], _ = r.text(e.value, e.name)
		}
		f.Set(reflect.ValueOf(m))
		return
	}
	s, ok := r.text(e.value, e.name)
	if !ok {
		return
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(s)
	case reflect.Int:
		i, err := strconv.Atoi(s)
		if err != nil {
			r.fail(e.value, "%s must be a whole number, not %q", e.name, s)
		}
		f.SetInt(int64(i))
	case reflect.Bool:
		if s, ok = r.word(e.value, e.name, "true", "false"); ok {
			f.SetBool(s == "true")
		}
	}
}
