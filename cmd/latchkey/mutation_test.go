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
// some test of the example then fails. What cannot be taken away, since the file then has a mistake, needs no test.
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
	m.each(w, &root, top, "")
}

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
	src, err := yaml.Dump(root)
	if err != nil {
		m.Fatal(err)
	}
	p := m.bench.project
	file := "workflows/" + w.ID + ".yaml"
	mutant, problems := flowfile.Load(file, w.ID, src, p.catalog, p.loc)
	if mutant == nil || mistakes(problems) {
		return
	}
	m.loaded++
	flows := slices.Clone(p.workflows)
	flows[slices.IndexFunc(flows, func(f *engine.Workflow) bool { return f.ID == w.ID })] = mutant
	if m.red(flows) == "" && m.loadable(file, src) {
		m.Errorf("%s:%d: no test fails without %s", filepath.Join(m.bench.cfg.Dir, file), line, at)
	}
}

// loadable reports whether the workflows of the project have no mistake between them, with one of them changed.
func (m *mutants) loadable(file string, src []byte) bool {
	p, folder := m.bench.project, fstest.MapFS{}
	for name, source := range p.sources {
		folder[name] = &fstest.MapFile{Data: source}
	}
	folder[file] = &fstest.MapFile{Data: src}
	_, problems := flowfile.LoadDir(folder, "workflows", p.catalog, p.loc)
	return !mistakes(problems)
}
