package runner

import (
	"sync"
	"sync/atomic"
	"time"

	"latchkey/engine"
)

// A partition is one store and what is derived from it in memory: the timers of its runs and the queues of
// its tasks. A hundred thousand due tasks cost about ten megabytes: only ids are held.
type partition struct {
	store engine.Store
	clock atomic.Int64 // the latest Tick, Unix milliseconds

	// What its runs did to persons of other partitions is all carried over if these are the same; see owe.go.
	owed, paid atomic.Uint64

	offsetAt time.Time // when an offset was last stored; Handle's own

	mu         sync.Mutex
	timers     schedule[timer]
	horizon    engine.TimerPlace  // timers before it are in memory, the others only in the store
	overdue    backlog            // but for these
	shrinkAt   int                // how many timers in memory are too many
	later      schedule[item]     // tasks that wait for their time
	ready      map[*channel]*fifo // tasks to be attempted now
	lanes      map[laneKey]lane   // those with a first attempt ready or going on -> the ones behind it
	ownLanes   int                // how many of them are a channel's own
	heldTimers []timer            // of paused or missing workflows
	heldTasks  []item
	gated      map[engine.ID]int // contacts -> how many of their tasks in later a rule of their workflow holds
	items      uint64            // how many were queued
	released   uint64            // how often what was held was released
	results    []result          // attempts that are over and whose outcome is not stored
	flying     map[engine.ID]int // contacts -> attempts that are with a worker or on their way to one
	inHand     map[*place]int    // timers and tasks taken from the queues and not yet put back or settled; none is 0
	unread     bool              // there may be notices to publish
	publishing bool
	published  uint64 // how often notices were looked for

	wake     chan struct{} // something was queued
	settle   chan struct{} // results has grown
	announce chan struct{} // unread was set
}

// An item is a task in the queues.
type item struct {
	id, contact engine.ID
	place       *place
	ch          *channel
	first       bool   // it was never attempted, so it holds its contact's lane
	laned       bool   // it holds its lane already, while it waits to go
	own         bool   // its lane is its channel's own
	gated       bool   // a rule of its workflow holds it
	seq         uint64 // its place among all that were queued
}

// A place is a location that has workflows, or whose records are in the store.
type place struct {
	id    string
	set   atomic.Pointer[engine.Set]   // nil if the location is not configured
	pause atomic.Pointer[engine.Pause] // of all sending; nil if there is none

	courses atomic.Pointer[engine.Courses] // nil before they were first asked for
}

// inForce returns the location and the workflow in force by that id; held says that its runs must not move.
func (pl *place) inForce(workflow string) (loc *engine.Location, held bool) {
	set := pl.set.Load()
	if set == nil {
		return nil, true
	}
	w := set.Lookup(workflow)
	return set.Location, w == nil || w.Status == engine.Paused
}

func newPartition(s engine.Store) *partition {
	p := &partition{
		store:    s,
		ready:    map[*channel]*fifo{},
		lanes:    map[laneKey]lane{},
		flying:   map[engine.ID]int{},
		gated:    map[engine.ID]int{},
		inHand:   map[*place]int{},
		wake:     make(chan struct{}, 1),
		settle:   make(chan struct{}, 1),
		announce: make(chan struct{}, 1),
	}
	p.owed.Store(1) // an earlier instance may have left something
	return p
}

// now is the partition's time: the wall clock's, or the store's if the wall clock went back.
func (p *partition) now(wall time.Time) int64 { return max(wall.UnixMilli(), p.clock.Load()) }

func (p *partition) ticked(t time.Time) {
	ms := t.UnixMilli()
	for {
		old := p.clock.Load()
		if ms <= old || p.clock.CompareAndSwap(old, ms) {
			return
		}
	}
}

// hand notes that n more of a location's were taken from the queues, or that -n are back or settled. The caller holds mu.
func (p *partition) hand(pl *place, n int) {
	if p.inHand[pl] += n; p.inHand[pl] == 0 {
		delete(p.inHand, pl)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add queues a task that is to be attempted at at (Unix milliseconds). The caller holds mu.
func (p *partition) add(it item, at, now int64) {
	p.number(&it)
	if at > now {
		p.later.push(at, it)
		return
	}
	if !it.first || it.laned || p.enter(&it) {
		it.laned = false
		p.push(it)
	}
}

// addOverdue queues a task to go at at, although it is due: it has its contact's lane until then, so that nothing passes it. It
// returns false if it went behind another of its contact instead. The caller holds mu.
func (p *partition) addOverdue(it item, at int64) bool {
	p.number(&it)
	if it.first {
		if !p.enter(&it) {
			return false
		}
		it.laned = true
	}
	p.later.push(at, it)
	return true
}

// giveBack puts a task that was taken back in front. The caller holds mu.
func (p *partition) giveBack(it item) {
	if it.first && !it.own && it.ch.open.Load() {
		p.sidestep(it)
		return
	}
	q := p.ready[it.ch]
	q.returned = append(q.returned, it)
}

// promote moves the tasks whose time has come to the ready ones, in the order in which they were queued first: rules may have
// held several of one contact until one and the same time. The caller holds mu.
func (p *partition) promote(now int64) {
	var due []item
	for p.later.due(now) {
		it := p.later.pop()
		p.ungate(&it)
		due = append(due, it)
	}
	inTurn(due)
	for _, it := range due {
		p.add(it, now, now)
	}
}
