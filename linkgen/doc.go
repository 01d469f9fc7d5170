// Package linkgen owns login links and the sessions that they open: minting, checking, families, redemption,
// revocation, and the records of all that on engine.Store.
//
// A link's URL holds a token; what is stored is a keyed hash of it, so neither the data folder nor a backup
// lets anyone in. A link is shown everywhere by its id, which is safe to print.
//
// It does not serve pages (linkgen/portal does), send messages, or decide what a learner may see: access is the
// core's, and is read from engine.Person whenever a link is opened.
package linkgen
