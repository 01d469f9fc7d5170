package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Until is a time at which a wait ends, as users write it: "09:00", "monday", "monday 09:00", or the name of a field
// that holds a date or a time.
type Until struct {
	Field   string       // as in contact.custom.exam; then the others mean nothing
	Daily   bool         // on any day
	Weekday time.Weekday // unless Daily
	Hour    int
	Minute  int
}

const untilForms = `"09:00", monday, "monday 09:00", or a field that holds a time, such as contact.custom.exam`

// weekdays are in the order of time.Weekday.
var weekdays = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// untilRoots are what a field may begin with.
var untilRoots = []string{"contact.custom.", "event.custom.", "custom."}

// ParseUntil reads what users write. The error's text is for the author.
func ParseUntil(s string) (Until, error) {
	words := strings.Fields(s)
	switch {
	case len(words) == 0:
		return Until{}, fmt.Errorf("a time is missing; write %s", untilForms)
	case len(words) == 1 && strings.Contains(s, "."):
		return parseField(words[0])
	}
	u := Until{Daily: true}
	if word := strings.ToLower(words[0]); word[0] < '0' || word[0] > '9' {
		day := slices.Index(weekdays[:], word)
		if day < 0 {
			return Until{}, fmt.Errorf("until cannot be %q%s", s, untilHint(word))
		}
		u, words = Until{Weekday: time.Weekday(day)}, words[1:]
	}
	switch len(words) {
	case 0:
		return u, nil
	case 1:
		return u, u.clock(words[0])
	}
	return Until{}, fmt.Errorf("until cannot be %q; it is %s", s, untilForms)
}

func untilHint(word string) string {
	for _, day := range weekdays {
		if len(word) >= 2 && strings.HasPrefix(day, word) {
			return fmt.Sprintf("; did you mean %s?", day)
		}
	}
	if near := Nearest(word, weekdays[:]); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; it is " + untilForms
}

// parseField reads the name of a field. What it holds is not known before the run is there.
func parseField(s string) (Until, error) {
	for _, root := range untilRoots {
		if name, ok := strings.CutPrefix(s, root); ok && name != "" && !strings.Contains(name, ".") {
			return Until{Field: s}, nil
		}
	}
	if s == "event.time" {
		return Until{Field: s}, nil
	}
	return Until{}, fmt.Errorf("until cannot be the field %q; it may be contact.custom.NAME, event.custom.NAME, event.time or custom.NAME", s)
}

// clock reads the time of a day, of 24 hours.
func (u *Until) clock(s string) error {
	h, m, _ := strings.Cut(s, ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	if err1 != nil || err2 != nil || len(h) > 2 || len(m) != 2 || hour > 23 || minute > 59 {
		return fmt.Errorf("%q is not a time of day; write hours and minutes of a day of 24 hours, such as \"09:00\" or \"17:30\"", s)
	}
	u.Hour, u.Minute = int(hour), int(minute)
	return nil
}

// next returns the first time, at or after now, at which the zone's clock shows the time of day on one of the days. A time
// that does not exist there moves past the gap, and one that comes twice means the first, as with Duration.After.
func (u *Until) next(now time.Time, zone *time.Location) time.Time {
	year, month, day := now.In(zone).Date()
	for i := -1; ; i++ { // yesterday's may have been put off by a gap at midnight
		wall := time.Date(year, month, day+i, u.Hour, u.Minute, 0, 0, time.UTC)
		if !u.Daily && wall.Weekday() != u.Weekday {
			continue
		}
		if t := firstAt(wall, zone); !t.Before(now) {
			return t.UTC()
		}
	}
}

// timeForms are how a field may hold a time; those without a zone mean the contact's.
var timeForms = []string{time.RFC3339Nano, "2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"}

// readTime reads the time that a field holds.
func readTime(v any, zone *time.Location) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), !v.IsZero()
	case string:
		for i, form := range timeForms {
			t, err := time.Parse(form, strings.TrimSpace(v))
			if err != nil {
				continue
			}
			if i > 0 {
				t = firstAt(t, zone)
			}
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// notATime says that a field holds no time. It quotes little of it: what a site says of a learner may be long.
func notATime(field string, v any) string {
	if v == nil {
		return field + " is absent"
	}
	said := Hidden
	if !NamesSecret(field) {
		r := []rune(WithoutTokens(v))
		if len(r) > 40 {
			r = append(r[:40], '…')
		}
		said = strconv.Quote(string(r))
	}
	return field + " is " + said + ", neither a date nor a time; write them as 2026-11-23 or 2026-11-23T18:00:00Z"
}

// String writes it as ParseUntil reads it.
func (u *Until) String() string {
	switch {
	case u.Field != "":
		return u.Field
	case u.Daily:
		return fmt.Sprintf("%02d:%02d", u.Hour, u.Minute)
	}
	return fmt.Sprintf("%s %02d:%02d", weekdays[u.Weekday], u.Hour, u.Minute)
}
