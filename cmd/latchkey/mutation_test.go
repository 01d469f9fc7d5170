package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
	"latchkey/engine/flowfile"
	"latchkey/engine/simulate"
)

// TestExamplesAreTested takes every step and every setting of every example's workflows away in turn, and demands that
// some test of the example then fails. What cannot be taken away, since the file then has a mistake, needs no test. Values are not
// changed, nor is anything taken from latchkey.yaml or the templates.
//
// Red when an expectation is taken out of a test of an example that no other test has; and, so that it does not look at nothing, when
// what keepIDs writes cannot be loaded, or runs otherwise.
func TestExamplesAreTested(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/latchkey.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		cfg, problems := loadConfig(filepath.Dir(file), nil, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, site := range cfg.Sites {
			t.Run(filepath.Base(filepath.Dir(file))+"/"+site.Location, func(t *testing.T) {
				t.Parallel()
				testedWhole(t, site)
			})
		}
	}
}

func testedWhole(t *testing.T, cfg *Config) {
	m := openMutants(t, cfg)
	flows := m.bench.project.workflows
	for _, w := range flows {
		if _, there := m.bench.project.sources["workflows/"+w.ID+"_test.yaml"]; !there {
			t.Errorf("%s has no tests", w.ID)
			continue
		}
		m.mutate(w)
	}
	t.Logf("%d mutants of %d workflows, %d of which could be loaded, %d tests", m.made, len(flows), m.loaded, len(m.tests))
}

// mutants are what becomes of a project's workflows when something is taken away.
type mutants struct {
	*testing.T
	bench        *workbench
	tests        []engine.Test
	made, loaded int
}

func openMutants(t *testing.T, cfg *Config) *mutants {
	b, err := newWorkbench(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tests, more := b.tests()
	if problems := slices.Concat(b.project.problems, more); len(problems) > 0 {
		t.Fatal(problems)
	}
	m := &mutants{T: t, bench: b, tests: tests}
	if red := m.red(b.project.workflows); red != "" {
		t.Fatalf("as it is, %s fails", red)
	}
	return m
}

// red returns the first test that fails with these workflows, or "".
func (m *mutants) red(flows []*engine.Workflow) string {
	world := m.bench.world(flows)
	for i := range m.tests {
		res, err := simulate.Run(context.Background(), world, &m.tests[i])
		if err != nil {
			m.Fatalf("%s: %v", testName(&m.tests[i]), err)
		}
		if res.Failure != nil {
			return testName(&m.tests[i])
		}
	}
	return ""
}

// mutate takes each part of a workflow away in turn.
func (m *mutants) mutate(w *engine.Workflow) {
	var root yaml.Node
	if err := yaml.Load(w.Source, &root); err != nil {
		m.Fatal(err)
	}
	top := root.Content[0]
	keepIDs(valueOf(top, "steps"), w.Steps)
	if same := m.load(w, &root); same == nil { // else no mutant of it could be either
		m.Errorf("%s cannot be loaded as it is", w.ID)
	} else if red := m.red(same); red != "" {
		m.Errorf("%s is another workflow when it is read again: %s fails", w.ID, red)
	}
	m.each(w, &root, top, "")
}

// load reads the project's workflows with one as it stands in root now; nil if there is a mistake in any, or between them.
func (m *mutants) load(w *engine.Workflow, root *yaml.Node) []*engine.Workflow {
	src, err := yaml.Dump(root)
	if err != nil {
		m.Fatal(err)
	}
	p, folder := m.bench.project, fstest.MapFS{}
	if len(w.Triggers) > 0 { // what is a mistake by itself is told sooner
		if _, problems := flowfile.Load(fileOf(w), w.ID, src, p.catalog, p.loc); mistakes(problems) {
			return nil
		}
	}
	for name, source := range p.sources {
		folder[name] = &fstest.MapFile{Data: source}
	}
	folder[fileOf(w)] = &fstest.MapFile{Data: src}
	flows, problems := flowfile.LoadDir(folder, "workflows", p.catalog, p.loc)
	if mistakes(problems) {
		return nil
	}
	return flows
}

func fileOf(w *engine.Workflow) string { return "workflows/" + w.ID + ".yaml" }

// keepIDs gives each step the id that it has, so that taking one away leaves the others' as they are.
func keepIDs(list *yaml.Node, steps []engine.Step) {
	for i, item := range list.Content {
		if item.Kind != yaml.MappingNode {
			continue
		}
		if valueOf(item, "id") == nil {
			item.Content = append(item.Content, scalar("id"), scalar(steps[i].ID))
		}
		for _, l := range steps[i].Lists() {
			in := item
			if s := valueOf(item, "split"); s != nil {
				in = s
			}
			sub := valueOf(in, l.Name)
			if sub != nil && sub.Kind == yaml.MappingNode {
				sub = valueOf(sub, "steps")
			}
			if sub != nil {
				keepIDs(sub, l.Steps)
			}
		}
	}
}

func scalar(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// each takes away what is in n, one after the other, and then what is in that.
func (m *mutants) each(w *engine.Workflow, root, n *yaml.Node, path string) {
	width := 1
	if n.Kind == yaml.MappingNode {
		width = 2
	}
	whole := n.Content
	for i := 0; i < len(whole); i += width {
		at := fmt.Sprintf("%s[%d]", path, i)
		if width == 2 {
			at = strings.TrimPrefix(path+"."+whole[i].Value, ".")
		}
		if !forPeople(at) {
			n.Content = slices.Delete(slices.Clone(whole), i, i+width)
			m.try(w, root, at, whole[i].Line)
			n.Content = whole
		}
		m.each(w, root, whole[i+width-1], at)
	}
}

// forPeople reports whether a setting changes nothing that a test could see.
func forPeople(at string) bool {
	return at == "name" || strings.HasSuffix(at, "].name") || strings.HasSuffix(at, "].id")
}

func (m *mutants) try(w *engine.Workflow, root *yaml.Node, at string, line int) {
	m.made++
	flows := m.load(w, root)
	if flows == nil {
		return
	}
	m.loaded++
	if m.red(flows) == "" {
		m.Errorf("%s:%d: no test fails without %s", filepath.Join(m.bench.cfg.Dir, fileOf(w)), line, at)
	}
}
