package engine

import "time"

// Plan decides what an event does to a person: what the event changes in their profile, access and ledger, which workflows
// of the set start, and what those runs ask for first. It changes none of its arguments. The runner has
// already dropped duplicates. now never goes back from call to call.
//
// Decisions has one entry for each workflow with a trigger of the event's type.
func Plan(set *Set, p Person, ev Event, now time.Time) (Person, []Run, []Command, []Decision) {
	panic("not written yet")
}

// Advance moves one run by one input, through all steps that need no waiting. w is the version that the run is pinned
// to, loc its location today. It changes none of its arguments. An input that does not fit the run's state
// (a timer that was overtaken, a second result) changes nothing.
func Advance(w *Workflow, loc *Location, r Run, p Person, in Input, now time.Time) (Run, Person, []Command) {
	panic("not written yet")
}
