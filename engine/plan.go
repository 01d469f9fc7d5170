package engine

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Plan decides what an event does to a person: what the event changes in their profile, access and ledger, which workflows
// of the set start, and what those runs ask for first. It changes none of its arguments. The runner has
// already dropped duplicates. now never goes back from call to call.
//
// A draft starts nothing. A paused workflow starts its runs as a live one does, up to their first task or wait: it
// is for the runner to begin no task and fire no timer of a workflow that is paused. Results and redemptions are
// given to Advance even then, so they are never lost.
//
// Decisions has one entry for each workflow with a trigger of the event's type, in the order of ids.
func Plan(set *Set, p Person, ev Event, now time.Time) (Person, []Run, []Command, []Decision) {
	at := ev.Time
	if at.IsZero() {
		at = now
	}
	at = at.UTC()
	pl := planner{set: set, p: p, ev: &ev, now: now}
	if p.Since.IsZero() {
		pl.p.Since = now
	}
	apply(&pl.p, &ev, at)
	pl.ordinal = issueOf(&pl.p, &ev, at)
	candidates := set.indexed().byType[ev.Type]
	if len(candidates) == 0 {
		return pl.p, nil, nil, nil
	}
	pl.told = pl.p
	pl.decisions = make([]Decision, len(candidates))
	for i := range candidates {
		pl.consider(&candidates[i], &pl.decisions[i])
	}
	return pl.p, pl.runs, pl.commands, pl.decisions
}

type planner struct {
	set     *Set
	p       Person // as they are after what was considered
	ev      *Event
	now     time.Time
	ordinal uint64

	env       Env    // of the event, made when it is first needed
	identity  string // of the event, likewise
	runs      []Run
	commands  []Command
	decisions []Decision
	told      Person // as the event left them: what when sees, whichever workflows started before
}

// consider decides on one workflow.
func (pl *planner) consider(c *candidate, d *Decision) {
	d.Workflow = c.w.ID
	if d.Reason, d.Fault = pl.refuse(c); d.Reason == "" {
		d.Run = pl.start(c.w)
	}
}

// refuse returns the first reason why the event does not start the workflow, or "".
func (pl *planner) refuse(c *candidate) (reason, fault string) {
	if c.w.Status == Draft {
		return "the workflow is a draft", ""
	}
	if reason := c.refuse(pl.ev); reason != "" {
		return reason, ""
	}
	if c.w.When != nil {
		if pl.env.roots == nil {
			pl.env = NewEnv(pl.set.Location, &pl.told, pl.ev, nil, pl.now)
		}
		if ok, fault := c.w.When.True(pl.env); !ok {
			return "when does not hold: " + c.w.When.Source + c.w.When.saw(pl.env), fault
		}
	}
	return pl.reentry(c.w), ""
}

// reentry returns why the contact may not go through the workflow again, or "".
func (pl *planner) reentry(w *Workflow) string {
	kind, value := ledgerNoun(w, pl.ev)
	last, ok := pl.p.Starts[ledgerKey(w.ID, kind, value)]
	if !ok {
		return ""
	}
	var until string
	switch w.Reentry.Allow {
	case "always":
		return ""
	case "after_end":
		if last.Ended {
			return ""
		}
		until = "after_end, and that run has not ended"
	case "after":
		again := last.At.Add(w.Reentry.After)
		if !pl.now.Before(again) {
			return ""
		}
		until = "not before " + again.Format(time.RFC3339)
	default:
		until = "never"
	}
	what := "this contact"
	if kind != "contact" {
		what = fmt.Sprintf("%s %q", kind, value)
	}
	return fmt.Sprintf("re-entry: it started for %s at %s already; again: %s", what, last.At.Format(time.RFC3339), until)
}

// start makes a run of the workflow and takes it through its first steps.
func (pl *planner) start(w *Workflow) ID {
	if pl.identity == "" {
		id := pl.ev.Identity()
		pl.identity = hex.EncodeToString(id[:])
	}
	r := Run{
		ID:       NewID(pl.now, pl.p.Key.Shard(), pl.ev.Location, pl.identity, w.ID),
		Location: pl.p.Location,
		Workflow: w.ID,
		Version:  w.Version,
		Contact:  pl.p.Key,
		Event:    *pl.ev,
		Ordinal:  pl.ordinal,
		Started:  pl.now,
	}
	r.Event.Contact = Contact{ID: pl.ev.Contact.ID}
	r.Event.Warnings = nil
	starts := make(map[string]Start, len(pl.p.Starts)+1)
	maps.Copy(starts, pl.p.Starts)
	kind, value := ledgerNoun(w, pl.ev)
	starts[ledgerKey(w.ID, kind, value)] = Start{At: pl.now, Run: r.ID}
	pl.p.Starts = starts
	var commands []Command
	r, pl.p, commands = Advance(w, pl.set.Location, r, pl.p, Input{Begin: true}, pl.now)
	pl.runs = append(pl.runs, r)
	pl.commands = append(pl.commands, commands...)
	return r.ID
}

// ledgerNoun returns what the workflow's starts are told apart by: the kind, and the event's noun of it. Events without
// the noun share one entry.
func ledgerNoun(w *Workflow, ev *Event) (kind, value string) {
	kind = w.Reentry.Key
	if kind == "" {
		kind, _, _ = strings.Cut(ev.Type, "_") // a trigger begins with its own noun, if it has one
	}
	switch kind {
	case "offer", "product", "category", "lesson":
		if n := ev.Noun(kind); n != nil {
			value = n.ID
		}
		return kind, value
	}
	return "contact", ""
}

// ledgerKey is a key of Person.Starts: "welcome/offer:gold", or "welcome/contact".
func ledgerKey(workflow, kind, value string) string {
	if kind == "contact" {
		return workflow + "/contact"
	}
	return workflow + "/" + kind + ":" + value
}
