package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"latchkey/engine"
)

// This file is the pages about workflows: which there are, and one with its file.

type flowLine struct {
	*engine.Workflow
	Starts  string // what starts it, in words
	Waiting int    // runs of it that are not over, at most countMost
	More    bool   // there are more
}

// countMost is how far runs of a workflow are counted for a page.
const countMost = 200

func (c *Config) workflows() []*engine.Workflow {
	if c.Workflows == nil {
		return nil
	}
	return c.Workflows()
}

func (c *Config) flowNames() (names []string) {
	for _, w := range c.workflows() {
		names = append(names, w.ID)
	}
	return names
}

func (c *Config) workflowsPage(r *http.Request) (any, error) {
	var out []flowLine
	for _, w := range c.workflows() {
		l := flowLine{Workflow: w, Starts: starts(w)}
		for _, state := range []string{"waiting", "sending"} {
			runs, err := c.History.Runs(r.Context(), Query{Location: c.Location.ID, Workflow: w.ID, State: state, Limit: countMost})
			if err != nil {
				return nil, err
			}
			l.Waiting, l.More = l.Waiting+len(runs), l.More || len(runs) == countMost
		}
		out = append(out, l)
	}
	return out, nil
}

// starts says what starts a workflow.
func starts(w *engine.Workflow) string {
	var out []string
	for _, t := range w.Triggers {
		s := t.Type
		for _, f := range t.Filters {
			if len(f.AnyOf) > 0 {
				s += ", " + f.Noun + " " + strings.Join(f.AnyOf, " or ")
			}
			if len(f.NoneOf) > 0 {
				s += ", " + f.Noun + " not " + strings.Join(f.NoneOf, " nor ")
			}
		}
		out = append(out, s)
	}
	for range w.Absences {
		out = append(out, "something that does not happen")
	}
	if len(out) == 0 {
		return "another workflow, or by hand"
	}
	return strings.Join(out, "; ")
}

type flowView struct {
	*engine.Workflow
	Starts string
	Steps  []stepLine
	Source []sourceLine
}

// A stepLine is a step with what its newest runs did in it.
type stepLine struct {
	Path, Kind, Name    string
	Line, Depth         int
	Here, Passed, Ended int
}

type sourceLine struct {
	N    int
	Text string
}

func (c *Config) workflowPage(r *http.Request) (any, error) {
	id := r.PathValue("id")
	for _, w := range c.workflows() {
		if w.ID != id {
			continue
		}
		v := flowView{Workflow: w, Starts: starts(w)}
		runs, err := c.History.Runs(r.Context(), Query{Location: c.Location.ID, Workflow: id, Limit: countMost})
		if err != nil {
			return nil, err
		}
		addSteps(&v.Steps, w.Steps, 0)
		countSteps(v.Steps, runs)
		for n, line := range strings.Split(strings.TrimRight(string(w.Source), "\n"), "\n") {
			v.Source = append(v.Source, sourceLine{n + 1, line})
		}
		return v, nil
	}
	return nil, fmt.Errorf("workflow %q: %w", id, ErrNotFound)
}

func addSteps(out *[]stepLine, steps []engine.Step, depth int) {
	for i := range steps {
		s := &steps[i]
		*out = append(*out, stepLine{Path: s.ID, Kind: s.Kind, Name: s.Name, Line: s.Line, Depth: depth})
		for _, l := range s.Lists() {
			addSteps(out, l.Steps, depth+1)
		}
	}
}

// countSteps counts in which step runs stand, and how many went through each.
func countSteps(steps []stepLine, runs []engine.Run) {
	at := map[string]*stepLine{}
	for i := range steps {
		at[steps[i].Path] = &steps[i]
	}
	last := func(path []string) *stepLine {
		if len(path) == 0 {
			return nil
		}
		return at[path[len(path)-1]]
	}
	for i := range runs {
		r := &runs[i]
		if s := last(r.At); s != nil && !r.State.Over() {
			s.Here++
		}
		for j := range r.Steps {
			s := last(r.Steps[j].Path)
			switch {
			case s == nil:
			case r.Steps[j].Outcome == "failed" || r.Steps[j].Outcome == "expired":
				s.Ended++
			case r.Steps[j].Outcome != "skipped":
				s.Passed++
			}
		}
	}
}

func (c *Config) endWorkflow(r *http.Request) (any, string, error) {
	id := r.PathValue("id")
	e, err := c.end(r, What{Workflow: id})
	return e, "/workflows/" + url.PathEscape(id) + "?done=ended", err
}
