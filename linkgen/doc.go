// Package linkgen owns login links and the sessions that they open: minting, checking, families, redemption,
// revocation, what happened to each link, where it leads, and the records of all that on engine.Store. It also owns what goes with
// staff: their sign-in links and sessions, the list of what they did, and the memory of what may be used only once.
//
// A link's URL holds a token; what is stored is a keyed hash of it, so neither the data folder nor a backup
// lets anyone in. A link is shown everywhere by its id, which is safe to print.
//
// Nothing that ends many links rewrites them. A newer family raises a floor in its contact's head; ending all links of a
// contact raises an epoch in its account; ending those of a run, workflow, location or store leaves a floor among the
// marks that a partition gives out in order. A link or session is compared with these whenever it is used, so that the very
// next request is refused, however many there are.
//
// It does not serve pages (linkgen/portal does), send messages, or decide what a learner may see: access is the
// core's, and is read from engine.Person whenever a link is opened.
package linkgen
