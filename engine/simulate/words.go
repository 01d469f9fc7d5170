package simulate

import (
	"fmt"
	"strings"
	"time"

	"latchkey/engine"
)

// A Line is one line of what happened.
type Line struct {
	At   time.Time
	Text string
}

func (w *World) say(format string, args ...any) {
	if !w.cfg.Quiet {
		w.Story = append(w.Story, Line{w.now, fmt.Sprintf(format, args...)})
	}
}

// describe names an event and what it is about.
func describe(ev *engine.Event) string {
	var about []string
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		if n := ev.Noun(kind); n != nil {
			about = append(about, kind+" "+n.ID)
		}
	}
	if len(about) == 0 {
		return ev.Type
	}
	return ev.Type + " (" + strings.Join(about, ", ") + ")"
}

func stepID(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return path[len(path)-1]
}

// clock writes a time as test files write it.
func (w *World) clock(t time.Time) string { return Clock(t, w.set.Location) }

// Clock writes a time in the zone of a location, as test files write it.
func Clock(t time.Time, loc *engine.Location) string {
	zone := loc.Zone
	if zone == nil {
		zone = time.UTC
	}
	form := "Mon 2006-01-02 15:04"
	if t.Second() != 0 {
		form += ":05"
	}
	return t.In(zone).Format(form)
}
