package engine

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// DefaultHoldLimit is how late a message may be and is still sent, where its workflow does not say.
const DefaultHoldLimit = 7 * 24 * time.Hour

// A Hold is why a task that is due has not begun.
type Hold struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // it is looked at again then; zero if somebody must let it go
	By    string    `json:"by"`             // for people: "the window"
}

// A Verdict says whether a task may begin. Neither Go nor Expired means that it is held, until Until if that is not zero.
type Verdict struct {
	Go      bool
	Expired bool // it is never to be sent
	Until   time.Time
	By      string // what holds it, or why it expired
}

// Gate decides whether a task may begin now, and if not, when to look again and why. w is the workflow in force today by
// the task's workflow id, nil if there is none: its rules count, and not those of the version that the run is pinned to. loc is the
// location today, p whom the task is for. It may be asked at any time and as often as one likes.
func Gate(w *Workflow, loc *Location, t *Task, p *Person, now time.Time) Verdict {
	switch {
	case w == nil:
		return Verdict{By: "its workflow, whose file is not there"}
	case w.Status == Paused:
		return Verdict{By: "its workflow, which is paused"}
	case loc.Pause != nil:
		return Verdict{By: "the pause of all sending"}
	}
	limit := w.HoldLimit
	if limit <= 0 {
		limit = DefaultHoldLimit
	}
	expiry := t.lateSince(now).Add(limit)
	if !now.Before(expiry) {
		return Verdict{Expired: true, By: "held for too long" + heldBy(t) + ", the limit is " + inWords(limit)}
	}
	until, by := w.opening(loc, t, p, now)
	if by == "" {
		return Verdict{Go: true}
	}
	if expiry.Before(until) {
		until = expiry
	}
	return Verdict{Until: until, By: by}
}

// lateSince is from when a task is late: from the time that it was due first, or from when it was held after an attempt.
func (t *Task) lateSince(now time.Time) time.Time {
	switch {
	case t.Attempts == 0:
		return t.NotBefore
	case t.Held != nil:
		return t.Held.Since
	}
	return now
}

func heldBy(t *Task) string {
	if t.Held == nil {
		return ""
	}
	return " by " + t.Held.By
}

// opening returns when the workflow's rules let a message begin, and what holds it until then; "" if nothing does.
func (w *Workflow) opening(loc *Location, t *Task, p *Person, now time.Time) (until time.Time, by string) {
	until = now
	if t.Class == "" {
		return until, ""
	}
	if w.Limit != nil {
		l := *w.Limit
		if loc.Day > 0 {
			l.In = time.Duration(float64(l.In) * float64(loc.Day) / float64(24*time.Hour))
		}
		if until = l.room(t, p, now); until.After(now) {
			by = w.Limit.String()
		}
	}
	if w.Window == nil || !w.Window.holds(t.Class) || loc.Day > 0 { // short days have no hours
		return until, by
	}
	open := w.Window.Next(until, w.Window.zone(loc, p))
	switch {
	case !open.After(until):
	case by == "":
		by = "the window"
	default:
		by += " and the window"
	}
	return open, by
}

// inWords writes a length as users may: 1w.
func inWords(d time.Duration) string {
	return fmt.Sprint(Duration{Days: int(d / (24 * time.Hour)), Rest: d % (24 * time.Hour)})
}

// A classed is the settings of a step that sends a message.
type classed interface{ MessageClass() Class }

// MessageClass returns the class of the message that the step sends, or "" if it sends none. The settings of a message say it by
// a method of that name.
func (s *Step) MessageClass() Class {
	if c, ok := s.Settings.(classed); ok {
		return c.MessageClass()
	}
	return ""
}

// SameRules reports whether Gate says the same under both sets, whatever it is asked.
func SameRules(a, b *Set) bool {
	if len(a.Workflows) != len(b.Workflows) || (&Person{}).Zone(a.Location).String() != (&Person{}).Zone(b.Location).String() {
		return false
	}
	for i, w := range a.Workflows {
		v := b.Workflows[i]
		if w.ID != v.ID || w.Status != v.Status || w.HoldLimit != v.HoldLimit || !reflect.DeepEqual(w.Window, v.Window) || !reflect.DeepEqual(w.Limit, v.Limit) {
			return false
		}
	}
	return true
}

// MessageClasses returns the classes of the messages that the steps send, each once.
func MessageClasses(steps []Step) (classes []Class) {
	for i := range steps {
		found := []Class{steps[i].MessageClass()}
		for _, l := range steps[i].Lists() {
			found = append(found, MessageClasses(l.Steps)...)
		}
		for _, c := range found {
			if c != "" && !slices.Contains(classes, c) {
				classes = append(classes, c)
			}
		}
	}
	return classes
}
