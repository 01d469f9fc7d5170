package simulate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"latchkey/engine"
)

// A Tally counts what the workflows of a world did.
type Tally struct {
	Workflow string      `json:"workflow"`
	Started  int         `json:"started"`
	Contacts int         `json:"contacts"` // that it started for
	Open     int         `json:"open"`     // runs that are not over at the end
	Steps    []StepTally `json:"steps,omitempty"`
}

// A StepTally counts the messages of one step.
type StepTally struct {
	Step     string                   `json:"step"`
	Kind     string                   `json:"kind"`
	Template string                   `json:"template,omitempty"`
	States   map[engine.TaskState]int `json:"states"`
	Error    string                   `json:"error,omitempty"` // the first one's
}

// Tally counts what began, and what became of messages, from a time on: for each workflow in the order of their ids.
func (w *World) Tally(since time.Time) []Tally {
	byID := map[string]*Tally{}
	people := map[string]map[engine.ID]bool{}
	for _, f := range w.set.Workflows {
		byID[f.ID], people[f.ID] = &Tally{Workflow: f.ID}, map[engine.ID]bool{}
	}
	for _, r := range w.runs {
		t := byID[r.Workflow]
		if t == nil || r.Started.Before(since) {
			continue
		}
		t.Started++
		people[r.Workflow][r.Contact] = true
		if !r.State.Over() {
			t.Open++
		}
	}
	for i := range w.Messages {
		m := &w.Messages[i]
		if t := byID[m.Workflow]; t != nil && !m.Changed.Before(since) {
			t.count(m)
		}
	}
	var out []Tally
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		t := byID[id]
		t.Contacts = len(people[id])
		slices.SortFunc(t.Steps, func(a, b StepTally) int { return cmp.Compare(a.Step, b.Step) })
		out = append(out, *t)
	}
	return out
}

func (t *Tally) count(m *Message) {
	id := stepID(m.Step)
	i := slices.IndexFunc(t.Steps, func(s StepTally) bool { return s.Step == id })
	if i < 0 {
		i = len(t.Steps)
		t.Steps = append(t.Steps, StepTally{Step: id, Kind: m.Kind, Template: m.Template, States: map[engine.TaskState]int{}})
	}
	s := &t.Steps[i]
	s.States[m.State]++
	if s.Error == "" {
		s.Error = m.Error
	}
}
