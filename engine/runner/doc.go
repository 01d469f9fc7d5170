// Package runner drives the pure core of engine: it takes events in, stores what they cause, fires timers,
// carries out tasks through their actions, tries again, and publishes notices. It owns the order in which a
// contact's messages are first attempted, the directory of contacts, and the records of the spaces that
// engine names as the runner's.
//
// It decides nothing about workflows (engine), about how a message is made or travels (actions) or about
// where events come from (triggers).
//
// All that must survive is in the store; what is in memory (timers, queues, offsets) follows a commit and is
// rebuilt from the store by Run.
package runner
