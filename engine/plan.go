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
// A draft starts nothing. A paused workflow starts its runs as a live one does, up to their first task, wait or step that publishes or
// starts another: it is for the runner to begin no task and fire no timer of a workflow that is paused. Results and redemptions are
// given to Advance even then, so they are never lost.
//
// Decisions has one entry for each workflow with a trigger of the event's type, in the order of ids. Behind them come one for each
// Watch that the event ended, and one for each Absence that counts from events of its type.
func Plan(set *Set, p Person, ev Event, now time.Time) (Person, []Run, []Command, []Decision) {
	at := ev.Time
	if at.IsZero() {
		at = now
	}
	at = at.UTC()
	pl := planner{set: set.indexed(), p: p, ev: &ev, now: now}
	if p.Since.IsZero() {
		pl.p.Since = now
	}
	apply(&pl.p, &ev, at)
	pl.ordinal = issueOf(&pl.p, &ev, at)
	pl.told = pl.p
	if candidates := pl.set.byType[ev.Type]; len(candidates) > 0 {
		pl.decisions = make([]Decision, len(candidates))
		for i := range candidates {
			pl.consider(&candidates[i], &pl.decisions[i])
		}
	}
	pl.unwatch()
	pl.watch()
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
	by        ID     // the run whose step starts others; zero if an event does
	depth     int    // see machine
	told      Person // as the event left them: what when sees, whichever workflows started before
}

// consider decides on one workflow.
func (pl *planner) consider(c *candidate, d *Decision) {
	d.Workflow = c.w.ID
	switch d.Reason, d.Fault = pl.refuse(c); {
	case d.Reason != "":
	case pl.gathers(c.w):
		pl.gather(c.w, d)
	default:
		kind, value := ledgerNoun(c.w, pl.ev)
		d.Run = pl.start(seed{w: c.w, ordinal: pl.ordinal, keys: []string{ledgerKey(c.w.ID, kind, value)}})
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
	if reason, fault := pl.when(c.w); reason != "" {
		return reason, fault
	}
	kind, value := ledgerNoun(c.w, pl.ev)
	return pl.reentry(c.w, ledgerKey(c.w.ID, kind, value)), ""
}

// when returns that the workflow's when does not hold, and its fault, or "".
func (pl *planner) when(w *Workflow) (reason, fault string) {
	if w.When == nil {
		return "", ""
	}
	if pl.env.roots == nil {
		pl.env = NewEnv(pl.set.Location, &pl.told, pl.ev, nil, pl.now)
	}
	if ok, fault := w.When.True(pl.env); !ok {
		return "when does not hold: " + w.When.Source + w.When.saw(pl.env), fault
	}
	return "", ""
}

// reentry returns why the contact may not go through the workflow again, by that entry of the ledger, or "".
func (pl *planner) reentry(w *Workflow, key string) string {
	last, ok := pl.p.Starts[key]
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
		until = "not before " + pl.set.Location.instant(again)
	default:
		until = "never"
	}
	what := "this contact"
	if kind, value, ok := strings.Cut(strings.TrimPrefix(key, w.ID+"/"), ":"); ok {
		what = fmt.Sprintf("%s %q", kind, value)
	}
	return fmt.Sprintf("re-entry: it started for %s at %s already; again: %s", what, pl.set.Location.instant(last.At), until)
}

// A seed is what a run is made of, beside the event.
type seed struct {
	w                *Workflow
	ordinal          uint64
	keys             []string // of the ledger
	offers, products []Noun   // of all that was gathered
	record           ID       // the event's, unless it is applied now
}

// start makes a run of the event and takes it through its first steps.
func (pl *planner) start(s seed) ID {
	w := s.w
	if pl.identity == "" {
		id := pl.ev.Identity()
		pl.identity = hex.EncodeToString(id[:])
	}
	r := Run{
		ID:        NewID(pl.now, pl.p.Key.Shard(), pl.ev.Location, pl.identity, w.ID),
		Location:  pl.p.Location,
		Workflow:  w.ID,
		Version:   w.Version,
		Contact:   pl.p.Key,
		Event:     pl.kept(),
		Ordinal:   s.ordinal,
		Started:   pl.now,
		Offers:    s.offers,
		Products:  s.products,
		Record:    s.record,
		StartedBy: pl.by,
	}
	starts := make(map[string]Start, len(pl.p.Starts)+len(s.keys))
	maps.Copy(starts, pl.p.Starts)
	for _, key := range s.keys {
		starts[key] = Start{At: pl.now, Run: r.ID}
	}
	pl.p.Starts = starts
	var started []Run
	var commands []Command
	r, pl.p, started, commands = advance(pl.set, pl.depth, w, pl.set.Location, r, pl.p, Input{Begin: true}, pl.now)
	pl.runs = append(append(pl.runs, r), started...)
	pl.commands = append(pl.commands, commands...)
	return r.ID
}

// ledgerNoun returns what the workflow's starts are told apart by: the kind, and the event's noun of it. Events without
// the noun share one entry.
func ledgerNoun(w *Workflow, ev *Event) (kind, value string) {
	own, _, _ := strings.Cut(ev.Type, "_") // a trigger begins with its own noun, if it has one
	return ledgerBy(w, ev, own)
}

// ledgerBy is ledgerNoun with the kind that counts if the workflow does not say one.
func ledgerBy(w *Workflow, ev *Event, own string) (kind, value string) {
	if kind = w.Reentry.Key; kind == "" {
		kind = own
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
