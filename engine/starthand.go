package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// The types of the events that start the workflows which send a contact a login link at somebody's wish. They are no triggers, so
// that nobody publishes them. Their custom holds channel, language, app, to, and staff (true) if it is not the contact's own wish.
const (
	EventLogin  = "login.requested"
	EventInvite = "invite.requested"
)

// byHand is in the ordinal of an event that no stream brought, beside a hash of what the event is. It keeps the event's record
// apart from those of the stream's; links are never minted under it.
const byHand = 1 << 63

// HandOrdinal returns the ordinal of an event that somebody made for one contact, so that a run starts by hand.
func HandOrdinal(ev *Event) uint64 {
	id := ev.Identity()
	return byHand | binary.BigEndian.Uint64(id[:8])
}

// A Rate is how often something may happen: N times, 1 or more, in any stretch of that length.
type Rate struct {
	N  int
	In time.Duration
}

// StartByHand starts one workflow for a person, whatever its triggers are: for the event, which no stream brought and which
// changes nothing of what is known of the person. The workflow's status, when and re-entry count. The run's links are minted under
// ordinal 0, older than any, so that they join the contact's newest ones. It changes none of its arguments.
//
// rates bound how often a person is asked for in this way; none bound nothing, and count for nothing. If there is no room, the
// decision says until when (Until), and nothing else is changed.
func StartByHand(set *Set, p Person, ev Event, workflow string, rates []Rate, now time.Time) (Person, []Run, []Command, Decision) {
	d := Decision{Workflow: workflow}
	if at := p.AskedRoom(rates, now); at.After(now) {
		d.Reason, d.Until = "it was asked for too often: not before "+set.Location.instant(at), at
		return p, nil, nil, d
	}
	p.ask(rates, now)
	ev.Ordinal = HandOrdinal(&ev)
	pl := planner{set: set.indexed(), p: p, ev: &ev, now: now, told: p}
	w := pl.set.Lookup(workflow)
	if w == nil {
		d.Reason = fmt.Sprintf("there is no workflow %q in force", workflow)
		return p, nil, nil, d
	}
	if d.Reason, d.Fault = pl.refuse(&candidate{w: w}); d.Reason == "" {
		kind, value := ledgerNoun(w, &ev)
		d.Run = pl.start(seed{w: w, keys: []string{ledgerKey(w.ID, kind, value)}})
	}
	return pl.p, pl.runs, pl.commands, d
}

// AskedRoom returns when the rates let the person be asked for again: now, if they do.
func (p *Person) AskedRoom(rates []Rate, now time.Time) time.Time { return room(p.Asked, rates, now) }

// HasRoom reports whether the rates let something happen now that happened at those times, which are in order.
func HasRoom(at []time.Time, rates []Rate, now time.Time) bool {
	return !room(at, rates, now).After(now)
}

// room returns when the rates let it happen again, not before now.
func room(at []time.Time, rates []Rate, now time.Time) time.Time {
	free := now
	for _, r := range rates {
		if n := len(at) - r.N; n >= 0 {
			if t := at[n].Add(r.In); t.After(free) {
				free = t
			}
		}
	}
	return free
}

// ask notes that the person was asked for, and forgets what no rate asks about any more.
func (p *Person) ask(rates []Rate, now time.Time) {
	keep := 0
	for _, r := range rates {
		keep = max(keep, r.N)
	}
	if keep > 0 {
		all := append(slices.Clone(p.Asked), now)
		p.Asked = all[max(0, len(all)-keep):]
	}
}

// joinAsked is what a person is asked for who absorbs another.
func joinAsked(a, b []time.Time) []time.Time {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, time.Time.Compare)
	return all
}
