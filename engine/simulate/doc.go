// Package simulate owns the core on a virtual clock: workflows that wait for weeks run in microseconds, with no store on
// disk, no network and no sleeping. It carries out the tests of a project (engine.Test).
//
// It decides nothing that engine decides, and renders and mints nothing itself: steps are carried out by the Catalog's
// actions, whose senders hand their messages to a Sink. It does not read files (engine/flowfile).
package simulate
