// Package engine owns the nouns and the decisions of Latchkey: events, contacts, persons, workflows, steps,
// runs, and the two pure functions that move them (Plan and Advance). It declares the interfaces that the
// rooms around it fill: Store, Catalog, Action.
//
// It never does anything: no clock, network, file or goroutine is in it. Time, ids and secrets are given to
// it, so the same code serves the live server, tests on a virtual clock, backtests and explanations.
// It imports the standard library and expr-lang/expr only.
package engine
