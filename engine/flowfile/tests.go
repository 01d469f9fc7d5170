package flowfile

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// A TestProject is what test files may speak of.
type TestProject struct {
	Catalog   *engine.Catalog
	Location  *engine.Location
	Workflows []*engine.Workflow // of which none has a mistake
	// Templates returns the names of the templates for a kind of step.
	Templates func(kind string) []string
	// Event checks an event's data as the course site would send it, and fills in no id, time or ordinal. Its error's text,
	// and the event's warnings, are for the author.
	Event func(trigger string, data map[string]any) (engine.Event, error)
}

var (
	testKeys    = []string{"name", "at", "contact", "given", "split", "do"}
	contactKeys = []string{"id", "email", "phone", "first_name", "last_name", "timezone", "locale", "consent", "custom", "tags"}
	doKeys      = []string{"event", "after", "at", "redeem", "fail", "later", "unknown", "slow", "down", "up", "answer", "pause", "resume", "expect"}
)

const (
	testExample = "`- name: …`, with at, contact and do"
	testSuffix  = "_test"
	// defaultStart is a Monday morning.
	defaultStart = "2026-06-01 09:00"
)

// LoadTestDir reads the test files of a folder (*_test.yaml), in the order of their names, and returns every problem of
// all of them, sorted. Tests without mistakes are returned even if others have some.
func LoadTestDir(fsys fs.FS, dir string, tp *TestProject) ([]engine.Test, []engine.Problem) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, []engine.Problem{unreadable(dir, "folder", err)}
	}
	var tests []engine.Test
	var problems []engine.Problem
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		if !strings.HasSuffix(e.Name(), testSuffix+".yaml") || strings.HasPrefix(e.Name(), ".") || e.IsDir() {
			continue
		}
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			problems = append(problems, unreadable(file, "file", err))
			continue
		}
		t, found := LoadTests(file, src, tp)
		tests, problems = append(tests, t...), append(problems, found...)
	}
	return tests, tidy(problems)
}

// A testReader reads a test file.
type testReader struct {
	*reader
	tp    *TestProject
	ids   []string // of the workflows
	scope string   // the workflow that the file is about, or ""
	test  *engine.Test
	who   map[string]any // the test's contact, as an event that comes later tells it
}

// LoadTests reads one test file: a list of tests. What a file NAME_test.yaml expects concerns the workflow NAME, if there is
// one, else all of them. Returns no tests if any problem is more than a warning.
func LoadTests(file string, src []byte, tp *TestProject) ([]engine.Test, []engine.Problem) {
	r := &testReader{tp: tp, reader: &reader{file: file, lines: splitLines(src), cat: tp.Catalog, loc: tp.Location}}
	for _, w := range tp.Workflows {
		r.ids = append(r.ids, w.ID)
	}
	if stem := strings.TrimSuffix(path.Base(file), testSuffix+".yaml"); slices.Contains(r.ids, stem) {
		r.scope = stem
	}
	var tests []engine.Test
	if root := r.parse(src); root != nil {
		r.checkDepth(root)
		if r.broken == nil {
			tests = r.tests(root)
		}
	}
	if r.broken != nil {
		tests = nil
	}
	return tests, tidy(r.problems)
}

func (r *testReader) tests(root *yaml.Node) []engine.Test {
	items, ok := r.list(root, "a test file", testExample)
	if ok && len(items) == 0 {
		r.fail(root, "the file has no tests")
	}
	names := map[string]int{}
	var tests []engine.Test
	for _, item := range items {
		t := r.oneTest(item)
		if line, twice := names[t.Name]; twice && t.Name != "" {
			r.fail(item, "the name %q is here twice; the first is in line %d", t.Name, line)
		}
		names[t.Name] = item.Line
		tests = append(tests, t)
	}
	return tests
}

func (r *testReader) oneTest(n *yaml.Node) engine.Test {
	t := engine.Test{Pos: r.at(n), Workflow: r.scope}
	r.test = &t
	entries, ok := r.mapping(n, "a test", testExample)
	keys := map[string]entry{}
	for _, e := range entries {
		keys[e.name] = e
		if !slices.Contains(testKeys, e.name) {
			r.unknownKey(e.key, "a test", testKeys)
		}
	}
	if e, there := keys["name"]; there {
		t.Name, _ = r.text(e.value, "name")
	} else if ok {
		r.fail(n, "the test has no name")
	}
	r.start(keys)
	r.contact(keys["contact"])
	if e, there := keys["given"]; there {
		r.given(e.value)
	}
	if e, there := keys["split"]; there {
		r.splits(e.value)
	}
	if e, there := keys["do"]; there {
		r.do(e.value)
	} else if ok {
		r.fail(n, "the test has no do: what happens, and what is expected")
	}
	return t
}

func (r *testReader) zone() *time.Location {
	if r.loc == nil || r.loc.Zone == nil {
		return time.UTC
	}
	return r.loc.Zone
}

// start reads when the test begins.
func (r *testReader) start(keys map[string]entry) {
	m, _ := engine.ParseMoment(defaultStart, r.zone())
	if e, there := keys["at"]; there {
		if got, ok := r.moment(e.value); ok {
			m = got
		}
		if m.Next != nil {
			r.fail(e.value, "a test begins at a date and time, such as %s", defaultStart)
		}
	}
	r.test.Start = m.Time
}

func (r *testReader) moment(n *yaml.Node) (engine.Moment, bool) {
	s, ok := r.text(n, "at")
	if !ok {
		return engine.Moment{}, false
	}
	m, err := engine.ParseMoment(s, r.zone())
	if err != nil {
		r.fail(n, "%v", err)
	}
	return m, err == nil
}

// contact reads whom the test is about. e is zero if the test does not say.
func (r *testReader) contact(e entry) {
	said := map[string]any{"id": "learner", "email": "learner@example.com"}
	if e.value != nil {
		said = map[string]any{}
		entries, _ := r.mapping(e.value, "contact", "`{id: c-1, email: ada@example.com}`")
		for _, f := range entries {
			switch f.name {
			case "consent", "custom":
				said[f.name] = r.literal(f.value, f.name)
			case "tags":
				r.test.Tags = slices.Sorted(slices.Values(r.tags(f.value, "tags")))
			default:
				if !slices.Contains(contactKeys, f.name) {
					r.unknownKey(f.key, "contact", contactKeys)
				} else if s, ok := r.text(f.value, f.name); ok {
					said[f.name] = s
				}
			}
		}
	}
	r.who = map[string]any{}
	for _, name := range []string{"id", "email"} {
		if v, there := said[name]; there {
			r.who[name] = v
			break
		}
	}
	ev, err := r.tp.Event("user_login", map[string]any{"contact": said})
	r.checkEvent(e.key, &ev, err)
	r.test.Contact = ev.Contact
}

// checkEvent tells what is wrong with an event: at the course site it would be dropped or left out.
func (r *testReader) checkEvent(n *yaml.Node, ev *engine.Event, err error) {
	if n == nil {
		n = &yaml.Node{Line: r.test.Line, Column: r.test.Col}
	}
	if err != nil {
		r.fail(n, "%v", err)
		return
	}
	for _, w := range ev.Warnings {
		r.fail(n, "%s", w)
	}
}

// given reads events that came before.
func (r *testReader) given(n *yaml.Node) {
	items, _ := r.list(n, "given", "`[{offer_access_granted: {offer: gold}}]`")
	for _, item := range items {
		if ev, ok := r.event(item, "an event of given"); ok {
			r.test.Given = append(r.test.Given, ev)
		}
	}
}

// event reads `new_sign_up` or `{offer_access_granted: {offer: gold}}`.
func (r *testReader) event(n *yaml.Node, what string) (engine.Event, bool) {
	name, data := n, map[string]any{}
	if n.Kind == yaml.MappingNode {
		entries, ok := r.mapping(n, what, "`offer_access_granted: {offer: gold}`")
		if !ok || len(entries) != 1 {
			r.fail(n, "%s is one trigger, such as `offer_access_granted: {offer: gold}`", what)
			return engine.Event{}, false
		}
		name = entries[0].key
		if !isNull(entries[0].value) {
			data = r.data(entries[0].value, name.Value)
		}
	}
	trigger, ok := r.text(name, what)
	if !ok {
		return engine.Event{}, false
	}
	if names := slices.Sorted(maps.Keys(r.cat.Triggers)); !slices.Contains(names, trigger) {
		r.fail(name, "no trigger %q%s", trigger, orList(trigger, names, "the triggers"))
		return engine.Event{}, false
	}
	contact, _ := data["contact"].(map[string]any)
	if contact == nil {
		contact = map[string]any{}
	}
	if contact["id"] == nil && contact["email"] == nil || contact["id"] == nil && r.who["id"] != nil {
		maps.Copy(contact, r.who)
	}
	data["contact"] = contact
	ev, err := r.tp.Event(trigger, data)
	r.checkEvent(name, &ev, err)
	return ev, err == nil
}

// data reads what an event says. Where a noun is expected, its id is enough.
func (r *testReader) data(n *yaml.Node, trigger string) map[string]any {
	entries, _ := r.mapping(n, "the data of "+trigger, "`{offer: gold}`")
	data := map[string]any{}
	for _, e := range entries {
		if slices.Contains(nouns, e.name) && e.value.Kind == yaml.ScalarNode {
			if id, ok := r.text(e.value, e.name); ok {
				data[e.name] = map[string]any{"id": id}
			}
			continue
		}
		data[e.name] = r.literal(e.value, e.name)
	}
	return data
}

// literal reads any value: numbers, true and false are what they are unless in quotes.
func (r *testReader) literal(n *yaml.Node, what string) any {
	switch n.Kind {
	case yaml.MappingNode:
		entries, _ := r.mapping(n, what, "`{key: value}`")
		m := make(map[string]any, len(entries))
		for _, e := range entries {
			m[e.name] = r.literal(e.value, e.name)
		}
		return m
	case yaml.SequenceNode:
		items, _ := r.list(n, what, "`[1, 2]`")
		l := []any{}
		for _, item := range items {
			l = append(l, r.literal(item, what))
		}
		return l
	}
	v, _ := r.value(entry{what, n, n})
	return v
}

// splits reads the branch that the contact takes at each split.
func (r *testReader) splits(n *yaml.Node) {
	entries, _ := r.mapping(n, "split", "`{split-1: short}`")
	r.test.Split = map[string]string{}
	for _, e := range entries {
		branches := []string{}
		var ids []string
		r.eachStep(r.scope, func(_ string, s *engine.Step) {
			if s.Kind != engine.StepSplit {
				return
			}
			ids = append(ids, s.ID)
			for _, b := range s.Split {
				if s.ID == e.name {
					branches = append(branches, b.Name)
				}
			}
		})
		if !slices.Contains(ids, e.name) {
			r.fail(e.key, "no split %q%s", e.name, orList(e.name, ids, "the splits"))
			continue
		}
		if b, ok := r.word(e.value, e.name, slices.Compact(slices.Sorted(slices.Values(branches)))...); ok {
			r.test.Split[e.name] = b
		}
	}
}

// eachStep goes through the steps of a workflow, or of all.
func (r *testReader) eachStep(workflow string, fn func(workflow string, s *engine.Step)) {
	for _, w := range r.tp.Workflows {
		if workflow == "" || w.ID == workflow {
			walk(w.Steps, func(s *engine.Step) { fn(w.ID, s) })
		}
	}
}

func walk(steps []engine.Step, fn func(*engine.Step)) {
	for i := range steps {
		fn(&steps[i])
		for _, l := range steps[i].Lists() {
			walk(l.Steps, fn)
		}
	}
}

// orList says which word was probably meant, or which there are.
func orList(word string, words []string, what string) string {
	if near := didYouMean(word, words); near != "" {
		return near
	}
	return fmt.Sprintf("; %s are %s", what, join(words, "and"))
}
