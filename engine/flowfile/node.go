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

// lookup finds the value at a JSON pointer.
func (n *node) lookup(key string) *yaml.Node {
	at := n.value
	for _, part := range strings.Split(key, "/") {
		if at = n.r.child(at, unescapePointer.Replace(part)); at == nil {
			return nil
		}
	}
	return at
}

// child returns the value of a mapping's key or a list's index, or nil.
func (r *reader) child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return r.deref(n.Content[i])
		}
		return nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return r.deref(n.Content[i+1])
		}
	}
	return nil
}

// RFC 6901, section 3 and 4.
var (
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
)

// tree reads a value of any shape, which stands at that pointer.
func (r *reader) tree(n *yaml.Node, what, at string) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		entries, ok := r.mapping(n, what, "`{key: value}`")
		m := make(map[string]any, len(entries))
		for _, e := range entries {
			v, fine := r.tree(e.value, e.name, at+"/"+escapePointer.Replace(e.name))
			m[e.name], ok = v, ok && fine
		}
		return m, ok
	case yaml.SequenceNode:
		items, ok := r.list(n, what, "`[a, b]`")
		list := make([]any, len(items))
		for i, item := range items {
			v, fine := r.tree(item, "an item of "+what, at+"/"+strconv.Itoa(i))
			list[i], ok = v, ok && fine
		}
		return list, ok
	}
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "null" {
		return engine.Leaf{Text: "null", Literal: true, At: at}, true
	}
	text, ok := r.text(n, what)
	l := engine.Leaf{Text: text, At: at}
	if ok && n.Style == 0 {
		l.Value, l.Literal = literal(text)
	}
	return l, ok
}

// Decode implements engine.Node. Fields may be string, int, bool, []string, map[string]string and any.
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
		n.r.unknownKey(e.key, "the step "+n.kind, names)
	}
	return len(n.r.problems) == before
}

// field reads one value into a field of the settings.
func (r *reader) field(e entry, f reflect.Value) {
	if f.Kind() == reflect.Interface {
		if v, ok := r.tree(e.value, e.name, escapePointer.Replace(e.name)); ok {
			f.Set(reflect.ValueOf(v))
		}
		return
	}
	switch f.Interface().(type) {
	case []string:
		if e.value.Kind == yaml.SequenceNode && len(e.value.Content) == 0 {
			r.fail(e.value, "%s is an empty list; leave it out", e.name)
			return
		}
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
		} else if i < 1 {
			r.fail(e.value, "%s must be 1 or more", e.name)
		}
		f.SetInt(int64(i))
	case reflect.Bool:
		if s, ok = r.word(e.value, e.name, "true", "false"); ok {
			f.SetBool(s == "true")
		}
	}
}
