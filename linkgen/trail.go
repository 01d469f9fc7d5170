package linkgen

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"latchkey/engine"
)

// What can happen to a link, as TrailEntry.What.
const (
	Minted       = "minted"
	Sent         = "sent"          // a message with it was accepted, or may have been
	Fetched      = "fetched"       // by what is probably no person; Why says how it looks
	Shown        = "shown"         // its page, to what may be a person
	Redeemed     = "redeemed"      // it let someone in
	Refused      = "refused"       // it did not; Why is the Reason
	SessionEnded = "session_ended" // one that it opened
	HandedOff    = "handed_off"    // its holder was sent on, signed in, to the app in Why
	Ended        = "revoked"       // Why is by which scope
)

// A TrailEntry is one thing that happened to a link. It holds no secret and no whole address.
type TrailEntry struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Why     string    `json:"why,omitempty"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"` // coarse
	By      string    `json:"by,omitempty"`
	Times   int       `json:"times,omitempty"` // how often it happened in a row, if more than once
	Last    time.Time `json:"last,omitzero"`   // and when it last did
}

// Bounds of a timeline.
const (
	trailMost  = 64               // entries of a link
	trailFirst = 16               // of them the oldest, which stay
	trailSame  = 10 * time.Minute // what happens again within this is one entry
	trailText  = 120              // bytes of a text in it

	notesMost  = 10_000      // entries that wait to be written
	notesEvery = time.Second // how often they are
	notesBatch = 200         // links in one commit
)

// A trail is what is kept of a link's timeline. SpaceTrails, by selector.
type trail struct {
	Entries []TrailEntry
	Left    int // how many were left out between the oldest and the newest
}

// add appends an entry, or counts it as one more of the last.
func (t *trail) add(e TrailEntry) {
	e.Why, e.Device, e.Address, e.By = cut(e.Why), cut(e.Device), cut(e.Address), cut(e.By)
	if n := len(t.Entries); n > 0 {
		last := &t.Entries[n-1]
		same := *last
		same.At, same.Times, same.Last = e.At, e.Times, e.Last
		if same == e && e.At.Sub(last.At) < trailSame {
			last.Times, last.Last = max(last.Times, 1)+max(e.Times, 1), e.At
			if !e.Last.IsZero() {
				last.Last = e.Last
			}
			return
		}
	}
	t.Entries = append(t.Entries, e)
	if over := len(t.Entries) - trailMost; over > 0 {
		t.Entries = slices.Delete(t.Entries, trailFirst, trailFirst+over)
		t.Left += over
	}
}

// cut bounds a text, at the end of a character.
func cut(s string) string {
	if len(s) <= trailText {
		return s
	}
	n := trailText
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// join appends what another trail holds.
func (t *trail) join(o *trail) {
	for _, e := range o.Entries {
		t.add(e)
	}
	t.Left += o.Left
}

func noteTx(tx engine.Tx, s Selector, e TrailEntry) error {
	return noteTrail(tx, s, &trail{Entries: []TrailEntry{e}})
}

func noteTrail(tx engine.Tx, s Selector, more *trail) error {
	var t trail
	if _, err := load(tx, engine.SpaceTrails, s[:], &t); err != nil {
		return fmt.Errorf("timeline of link %s: %w", s.ID(), err)
	}
	t.join(more)
	if err := save(tx, engine.SpaceTrails, s[:], t); err != nil {
		return fmt.Errorf("timeline of link %s: %w", s.ID(), err)
	}
	return nil
}

// A Trail notes what happens to links. What a GET does it keeps in memory, bounded, until Run writes it, so that such
// a request waits for nothing and changes nothing else.
type Trail struct {
	stores engine.Stores

	mu      sync.Mutex
	waiting map[Selector]*trail
	n       int // entries of all of them
	lost    uint64
	wake    chan struct{}
}

// NewTrail returns a trail on stores. Without Run it fills up and drops the rest.
func NewTrail(stores engine.Stores) *Trail {
	return &Trail{stores: stores, waiting: map[Selector]*trail{}, wake: make(chan struct{}, 1)}
}

// Note notes something in the timeline of a link, soon. It never blocks; what is too much, or of no link, is dropped.
func (t *Trail) Note(id string, e TrailEntry) {
	s, err := ParseID(id)
	if err != nil || t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.waiting[s]
	if of == nil {
		of = new(trail)
	}
	was := len(of.Entries)
	if t.n >= notesMost && was == 0 {
		t.lost++
		return
	}
	of.add(e)
	t.n += len(of.Entries) - was
	t.waiting[s] = of
	if len(t.waiting) >= notesBatch {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Lost returns how many entries were dropped, because too many waited or they could not be written.
func (t *Trail) Lost() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// NoteTx notes in the timeline of a link what happens in a commit. It runs on the partition of the link's shard; a link that is
// not stored has none. Returns ErrBadID.
func NoteTx(tx engine.Tx, id string, e TrailEntry) error {
	s, err := ParseID(id)
	if err != nil {
		return fmt.Errorf("timeline of a link: %w", err)
	}
	if tx.Get(engine.SpaceLinks, s[:]) == nil {
		return nil
	}
	return noteTx(tx, s, e)
}

// Run writes what is noted until ctx ends, and then the rest.
func (t *Trail) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return t.Flush(last)
		case <-t.wake:
		case <-time.After(notesEvery):
		}
		// What could not be written is dropped: a timeline is no reason to stop.
		_ = t.Flush(ctx)
	}
}

// Flush writes now what is noted. What it cannot write is lost.
func (t *Trail) Flush(ctx context.Context) error {
	t.mu.Lock()
	all, n := t.waiting, t.n
	t.waiting, t.n = map[Selector]*trail{}, 0
	t.mu.Unlock()
	if n == 0 {
		return nil
	}
	if err := t.write(ctx, all); err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lost += uint64(n) // some may be written
		return fmt.Errorf("write timelines: %w", err)
	}
	return nil
}

func (t *Trail) write(ctx context.Context, all map[Selector]*trail) error {
	of := map[engine.Store][]Selector{}
	for s := range maps.Keys(all) {
		store := t.stores.For(s.Shard())
		of[store] = append(of[store], s)
	}
	for store, list := range of {
		for part := range slices.Chunk(list, notesBatch) {
			if err := store.Update(ctx, func(tx engine.Tx) error { return noteAll(tx, part, all) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func noteAll(tx engine.Tx, part []Selector, all map[Selector]*trail) error {
	for _, s := range part {
		if tx.Get(engine.SpaceLinks, s[:]) == nil {
			continue // forgotten meanwhile
		}
		if err := noteTrail(tx, s, all[s]); err != nil {
			return err
		}
	}
	return nil
}

// Timeline returns what happened to a link, oldest first. Returns ErrBadID and ErrNoLink.
func (l *Links) Timeline(ctx context.Context, stores engine.Stores, id string) ([]TrailEntry, error) {
	s, err := ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("timeline of a link: %w", err)
	}
	var out []TrailEntry
	err = stores.For(s.Shard()).View(ctx, func(tx engine.Tx) (err error) {
		out, err = timeline(tx, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("timeline of link %s: %w", id, err)
	}
	return out, nil
}

func timeline(tx engine.Tx, s Selector) ([]TrailEntry, error) {
	rec, ok, err := loadLink(tx, s)
	if err == nil && !ok {
		err = ErrNoLink
	}
	if err != nil {
		return nil, err
	}
	var t trail
	if _, err := load(tx, engine.SpaceTrails, s[:], &t); err != nil {
		return nil, err
	}
	out := append([]TrailEntry{mintedEntry(tx, rec.Link)}, t.Entries...)
	if t.Left > 0 {
		at := min(trailFirst+1, len(out))
		out = slices.Insert(out, at, TrailEntry{At: out[at-1].At, What: "…", Why: fmt.Sprintf("%d more", t.Left)})
	}
	v, err := state(tx, rec, s, rec.Created)
	if err != nil {
		return nil, err
	}
	if v.cause.Scope != "" {
		out = append(out, v.cause.entry())
	}
	slices.SortStableFunc(out, func(a, b TrailEntry) int { return a.At.Compare(b.At) })
	return out, nil
}

func (c cause) entry() TrailEntry {
	e := TrailEntry{At: c.At, What: Ended, By: c.By, Why: "with all of its " + c.Scope}
	switch {
	case c.Scope == "link":
		e.Why = ""
	case c.Scope == "everything":
		e.Why = "with everything"
	case c.Scope == "contact" && c.By == "":
		e.Why = "its contact lost the last access"
	}
	return e
}

// mintedEntry says what a link was made for. The run, while it is kept, names the event.
func mintedEntry(tx engine.Tx, rec Link) TrailEntry {
	e := TrailEntry{At: rec.Created, What: Minted, By: rec.By}
	switch {
	case rec.Workflow != "":
		e.Why = fmt.Sprintf("workflow %s, step %s, by %s", rec.Workflow, rec.Step, rec.Channel)
	case rec.Channel == "hand":
		e.Why = "by hand"
	case rec.Channel != "":
		e.Why = "by " + rec.Channel
	}
	if rec.Run.IsZero() {
		return e
	}
	if run, err := engine.LoadRun(tx, rec.Location, rec.Run); err == nil && run != nil && run.Event.Type != "" {
		e.Why += fmt.Sprintf(", for event %s %s", run.Event.Type, run.Event.ID)
	}
	return e
}

// Says tells an entry in words.
func (e TrailEntry) Says() string {
	says := map[string]string{Minted: "made", Sent: "sent", Fetched: "fetched by what is probably no person", Shown: "its page was shown",
		Redeemed: "let someone in", Refused: "let nobody in", SessionEnded: "a session that it opened ended", HandedOff: "its holder was sent on",
		Ended: "revoked"}[e.What]
	if says == "" {
		says = e.What
	}
	if e.By != "" {
		says += " by " + e.By
	}
	if e.Why != "" {
		says += ": " + e.Why
	}
	if where := strings.Trim(e.Device+", "+e.Address, ", "); where != "" {
		says += " (" + where + ")"
	}
	if e.Times > 1 {
		says += fmt.Sprintf(", %d times", e.Times)
	}
	return says
}
