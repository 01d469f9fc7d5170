package engine

import (
	"fmt"
	"strings"
	"time"
)

// maxStarted is how many workflows may start one another at once. Files cannot form a cycle (see flowfile); this is for
// sets that were made otherwise.
const maxStarted = 20

// AdvanceIn is Advance among the workflows in force, of which a step may start others for the same contact. Their runs are
// returned too, taken through their first steps. The set must not be nil.
func AdvanceIn(set *Set, w *Workflow, r Run, p Person, in Input, now time.Time) (Run, Person, []Run, []Command) {
	return advance(set, 0, w, set.Location, r, p, in, now)
}

// start carries out a step of kind "start": the other workflow begins with this run's event, in the same commit, if it is
// no draft and its when and re-entry allow it. Its triggers do not matter.
func (m *machine) start(s *Step, path []string) {
	line := StepResult{Kind: s.Kind, Outcome: "not_started"}
	var w *Workflow
	if m.among != nil {
		w = m.among.Lookup(s.Start)
	}
	switch {
	case w == nil:
		line.Fault = fmt.Sprintf("there is no workflow %q in force", s.Start)
	case m.depth >= maxStarted:
		line.Fault = fmt.Sprintf("more than %d workflows start one another", maxStarted)
	default:
		m.startOther(w, path, &line)
	}
	m.note(path, line)
	m.stopOnFault(s, path, line.Fault)
}

func (m *machine) startOther(w *Workflow, path []string, line *StepResult) {
	ev := m.r.Event
	pl := planner{set: m.among, p: m.p, ev: &ev, now: m.now, told: m.p,
		identity: "start:" + m.r.ID.String() + "/" + strings.Join(path, "/"), by: m.r.ID, depth: m.depth + 1}
	reason, fault := pl.refuse(&candidate{w: w})
	if reason != "" {
		line.Fault = w.ID + ": " + reason
		if fault != "" {
			line.Fault += " (" + fault + ")"
		}
		return
	}
	kind, value := ledgerNoun(w, &ev)
	id := pl.start(seed{w: w, ordinal: m.r.Ordinal, keys: []string{ledgerKey(w.ID, kind, value)},
		offers: m.r.Offers, products: m.r.Products, record: m.r.EventRecord()})
	m.p = pl.p
	m.started = append(m.started, pl.runs...)
	m.commands = append(m.commands, pl.commands...)
	line.Outcome, line.Response = "started", Custom{"run": id.String(), "workflow": w.ID}
}
