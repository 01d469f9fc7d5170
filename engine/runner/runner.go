package runner

import (
	"context"
	"errors"
	"time"

	"latchkey/engine"
)

// A Runner drives one instance. Its methods may be called by many goroutines at once.
type Runner struct {
	cfg Config
}

var errTODO = errors.New("not written yet")

// New makes a Runner. It touches nothing until SetWorkflows and Run are called.
func New(cfg Config) (*Runner, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Runner{cfg: cfg}, nil
}

// SetWorkflows puts the workflows of one location in force and keeps the source of each version. Call it once
// for every location before Run, and again whenever files change. Runs that were held by a paused or missing
// workflow go on if it is in force again.
func (r *Runner) SetWorkflows(ctx context.Context, set *engine.Set) error { return errTODO }

// Run recovers from the store what an earlier instance left, then drives until ctx ends or a store is lost.
// Sends in flight get Config.Grace to end, and their results are stored. It returns nil if ctx ended.
func (r *Runner) Run(ctx context.Context) error { return errTODO }

// Ready is closed when Run has recovered. Handle, Redeem and Import wait for it.
func (r *Runner) Ready() <-chan struct{} { return nil }

// Handle applies a batch. It returns nil only after the commits that hold all that the events caused; after an
// error nothing is lost and the same batch may be handed in again.
func (r *Runner) Handle(ctx context.Context, b engine.Batch) error { return errTODO }

// Offsets returns how far a stream was processed by every partition, zero Created and Seq if it never was.
func (r *Runner) Offsets(ctx context.Context, stream string) (engine.Offset, error) {
	return engine.Offset{}, errTODO
}

// Rewind says that a stream was made anew though its time of creation is the same: its sequences start over.
func (r *Runner) Rewind(ctx context.Context, stream string) error { return errTODO }

// Redeem runs fn in the partition of a shard and, in the same commit, lets the redemption that it returns have
// its effects: the run moves on, and link.redeemed and user_login are published. fn may run twice; its error
// is returned as it is and nothing is stored.
func (r *Runner) Redeem(ctx context.Context, shard uint16, fn func(tx engine.Tx, now time.Time) (engine.Redemption, error)) error {
	return errTODO
}

// An ImportedContact is a learner that the site already has, and what was granted.
type ImportedContact struct {
	Contact  engine.Contact `json:"contact"` // needs ID or Email
	Offers   []engine.Noun  `json:"offers,omitempty"`
	Products []engine.Noun  `json:"products,omitempty"`
}

// Import adds and updates contacts. It removes nothing, starts nothing and may be run again.
func (r *Runner) Import(ctx context.Context, location string, contacts []ImportedContact) error {
	return errTODO
}

// Lookup returns the keys of the contacts that text names: a key, the site's own id, or an e-mail address
// (which several may share). None is no error.
func (r *Runner) Lookup(ctx context.Context, location, text string) ([]engine.ID, error) {
	return nil, errTODO
}

// Person returns the person of that key, or of the contact that absorbed it, or nil.
func (r *Runner) Person(ctx context.Context, location string, key engine.ID) (*engine.Person, error) {
	return nil, errTODO
}

// A Filter chooses what Tasks, Runs and Decisions return. Zero fields choose all.
type Filter struct {
	Location string    // "" is every location
	Limit    int       // default 100
	Before   engine.ID // older than this id
	Contact  engine.ID
	Run      engine.ID
	State    string
}

// Tasks returns tasks, newest first.
func (r *Runner) Tasks(ctx context.Context, f Filter) ([]engine.Task, error) { return nil, errTODO }

// Runs returns runs, newest first.
func (r *Runner) Runs(ctx context.Context, f Filter) ([]engine.Run, error) { return nil, errTODO }

// Stats is what a Runner is doing.
type Stats struct {
	Waiting int // runs that wait for a time
	Due     int // tasks to be attempted now
	Later   int // tasks that wait for their time or for a workflow to be resumed
	Sending int // attempts going on
}

// Stats returns what the runner is doing now.
func (r *Runner) Stats() Stats { return Stats{} }

// Idle returns when nothing is due now: no task, timer, result or notice. It returns ctx's error if it ends first.
func (r *Runner) Idle(ctx context.Context) error { return errTODO }
