package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Window is when messages may begin: on some days, from a time of day to another, as a clock on the wall shows them. Where
// clocks are put forward over its beginning, it begins with the gap's end; what the clock shows twice is in it twice.
type Window struct {
	Days          [7]bool // by time.Weekday, on which it begins
	From, To      int     // minutes since midnight; To is after From and at most 24:00, or before it, on the day after
	Location      bool    // by the location's clock and not by the contact's
	Transactional bool    // holds transactional messages too, and not only marketing
}

// ParseWeekday reads a day of the week as users write it: mon or monday. The error's text is for the author.
func ParseWeekday(s string) (time.Weekday, error) {
	word := strings.ToLower(s)
	for i, day := range weekdays {
		if word == day || word == day[:3] {
			return time.Weekday(i), nil
		}
	}
	hint := "; the days are mon, tue, wed, thu, fri, sat and sun"
	for _, day := range weekdays {
		if len(word) >= 2 && strings.HasPrefix(day, word) {
			return 0, fmt.Errorf("no day %q; did you mean %s?", s, day[:3])
		}
	}
	short := make([]string, 0, len(weekdays))
	for _, day := range weekdays {
		short = append(short, day[:3])
	}
	if near := Nearest(word, slices.Concat(short, weekdays[:])); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near[:3])
	}
	return 0, fmt.Errorf("no day %q%s", s, hint)
}

// ParseClock reads a time of day, of 24 hours, as minutes since midnight. The error's text is for the author.
func ParseClock(s string) (minutes int, err error) {
	var u Until
	err = u.clock(s)
	return u.Hour*60 + u.Minute, err
}

// DayMinutes is how many minutes a day of 24 hours has.
const DayMinutes = 24 * 60

// holds reports whether messages of the class wait for the window.
func (w *Window) holds(c Class) bool {
	return c == Marketing || c == Transactional && w.Transactional
}

// zone returns whose clock counts.
func (w *Window) zone(loc *Location, p *Person) *time.Location {
	if w.Location {
		return (&Person{}).Zone(loc)
	}
	return p.Zone(loc)
}

// Next returns the first time, at or after t, at which the window is open in the zone. It goes through the zone's periods of
// one offset, in each of which the clock on the wall runs evenly.
func (w *Window) Next(t time.Time, zone *time.Location) time.Time {
	for range 1000 { // a zone without end of changes; the window opens in each week or two of them
		_, offset := t.In(zone).Zone()
		_, end := t.In(zone).ZoneBounds()
		ahead := time.Duration(offset) * time.Second
		wall := t.UTC().Add(ahead)
		if at, ok := w.nextOn(wall); ok {
			if open := at.Add(-ahead); end.IsZero() || open.Before(end) {
				return open
			}
		}
		if end.IsZero() {
			break
		}
		t = end
	}
	return t
}

// nextOn returns the first time at or after wall at which a clock that is never put forward or back is in the window.
func (w *Window) nextOn(wall time.Time) (time.Time, bool) {
	midnight := wall.Truncate(24 * time.Hour)
	length := w.To - w.From
	if length <= 0 {
		length += DayMinutes
	}
	for i := -1; i <= 7; i++ { // yesterday's may cross midnight
		day := midnight.AddDate(0, 0, i)
		from := day.Add(time.Duration(w.From) * time.Minute)
		to := from.Add(time.Duration(length) * time.Minute)
		if !w.Days[day.Weekday()] || !wall.Before(to) {
			continue
		}
		if from.Before(wall) {
			from = wall
		}
		return from, true
	}
	return time.Time{}, false
}
