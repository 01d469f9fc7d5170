package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Limit is how many messages of one class a contact gets within a time, from all workflows of the location, before one of the
// workflow that has the limit must wait.
type Limit struct {
	Messages int // from 1 to MaxLimitMessages
	In       time.Duration
}

// MaxLimitMessages is the largest Limit.Messages: what a person got is a part of their record.
const MaxLimitMessages = 100

// reservedLong is how long an attempt may take, beside what is lost for other reasons than the clock.
const reservedLong = 24 * time.Hour

// A Delivery is a message that a person got, or is being sent, as far as the limits of workflows ask.
type Delivery struct {
	Task     ID        `json:"task"`
	Class    Class     `json:"class"`
	At       time.Time `json:"at"`                 // when it was handed over, or when its attempt began
	Reserved bool      `json:"reserved,omitempty"` // its attempt goes on
}

func (l *Limit) String() string {
	plural := "s"
	if l.Messages == 1 {
		plural = ""
	}
	return fmt.Sprintf("the limit of %d message%s in %s", l.Messages, plural, inWords(l.In))
}

// widen makes of l one that keeps what either asks for.
func (l Limit) widen(other Limit) Limit {
	return Limit{max(l.Messages, other.Messages), max(l.In, other.In)}
}

// room returns when the person may get another message of the task's class: now, or when enough of the last ones are long ago.
// An attempt that goes on counts as if it ended now. The task itself does not count.
func (l *Limit) room(t *Task, p *Person, now time.Time) time.Time {
	var at []time.Time
	for _, d := range p.Messages {
		switch {
		case d.Class != t.Class || d.Task == t.ID:
		case d.Reserved && now.Sub(d.At) < reservedLong:
			at = append(at, now)
		default:
			at = append(at, d.At)
		}
	}
	if len(at) < l.Messages {
		return now
	}
	slices.SortFunc(at, func(a, b time.Time) int { return b.Compare(a) })
	if free := at[l.Messages-1].Add(l.In); free.After(now) {
		return free
	}
	return now
}

// Counts returns what is to be kept of the messages of a class that a person gets: the widest of all limits in force. It is false
// if no workflow asks.
func (s *Set) Counts(c Class) (Limit, bool) {
	l, ok := s.counts[c]
	return l, ok
}

func countsOf(workflows []*Workflow) map[Class]Limit {
	var counts map[Class]Limit
	for _, w := range workflows {
		if w.Limit == nil {
			continue
		}
		for _, c := range append(MessageClasses(w.Steps), w.Class) {
			if c != "" {
				if counts == nil {
					counts = map[Class]Limit{}
				}
				counts[c] = counts[c].widen(*w.Limit)
			}
		}
	}
	return counts
}

// Reserve notes in the ledger that an attempt of the task begins. keep is Set.Counts of its class. The person is not changed.
func (p Person) Reserve(t *Task, keep Limit, now time.Time) Person {
	d := Delivery{Task: t.ID, Class: t.Class, At: now, Reserved: true}
	var handed []Delivery // of this class, the newest first
	var next []Delivery
	for _, old := range p.Messages {
		switch {
		case old.Task == t.ID:
			d.Reserved = old.Reserved // an earlier attempt may have handed it over: then it counts whatever comes
		case old.Class != t.Class || old.Reserved && now.Sub(old.At) < reservedLong:
			next = append(next, old)
		case !old.Reserved && now.Sub(old.At) < keep.In:
			handed = append(handed, old)
		}
	}
	slices.SortStableFunc(handed, func(a, b Delivery) int { return b.At.Compare(a.At) })
	next = append(next, handed[:min(len(handed), keep.Messages)]...)
	next = append(next, d)
	slices.SortFunc(next, func(a, b Delivery) int {
		return cmp.Or(a.At.Compare(b.At), slices.Compare(a.Task[:], b.Task[:]))
	})
	p.Messages = next
	return p
}

// Settle notes in the ledger how the task's attempt ended: handed over, perhaps, or not at all; then its place is free again. It
// reports whether the ledger changed. The person is not changed.
func (p Person) Settle(t *Task, handed bool, now time.Time) (Person, bool) {
	n := slices.IndexFunc(p.Messages, func(d Delivery) bool { return d.Task == t.ID })
	if n < 0 || !p.Messages[n].Reserved && !handed {
		return p, false
	}
	if !handed {
		p.Messages = slices.Delete(slices.Clone(p.Messages), n, n+1)
		return p, true
	}
	p.Messages = slices.Clone(p.Messages)
	p.Messages[n].At, p.Messages[n].Reserved = now, false
	return p, true
}

// joinMessages is what two persons got who are one.
func joinMessages(a, b []Delivery) []Delivery {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b Delivery) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-4*MaxLimitMessages):]
}
