package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time as users write it: 90s, 15m, 3h, 2d, 1w, joined largest first (1w2d).
type Duration struct {
	Days int // calendar days; a week is seven
	Rest time.Duration
}

// longest is the most that one unit of a duration may say: a century of days, so that no sum overflows.
const longest = 36525

const durationForms = "90s, 15m, 3h, 2d, 1w, or joined: 1d12h"

// ParseDuration reads a duration. Zero, negative and unknown units are errors whose text is for the author.
func ParseDuration(s string) (Duration, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return Duration{}, fmt.Errorf("a duration is missing; write %s", durationForms)
	}
	if text[0] == '-' {
		return Duration{}, fmt.Errorf("duration %q is negative; it must be more than zero", s)
	}
	var d Duration
	last := len(unitOrder)
	for rest := text; rest != ""; {
		n := digits(rest)
		u := letters(rest[n:])
		unit := rest[n : n+u]
		at := strings.Index(unitOrder, unit)
		if n == 0 || u != 1 || at < 0 {
			return Duration{}, durationMistake(s, text)
		}
		count, err := strconv.Atoi(rest[:n])
		if err != nil || count > longest*24*60*60/unitSeconds(unit) {
			return Duration{}, fmt.Errorf("duration %q is too long; the longest is %dd", s, longest)
		}
		if at >= last {
			return Duration{}, fmt.Errorf("duration %q: write each unit once, the largest first, as in 1w2d3h", s)
		}
		last = at
		d = d.plus(count, unit)
		rest = rest[n+u:]
	}
	if d == (Duration{}) {
		return Duration{}, fmt.Errorf("duration %q is zero; it must be more than zero", s)
	}
	return d, nil
}

// unitOrder lists the units from the smallest.
const unitOrder = "smhdw"

func unitSeconds(unit string) int {
	return map[string]int{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[unit]
}

func (d Duration) plus(n int, unit string) Duration {
	switch unit {
	case "w":
		d.Days += 7 * n
	case "d":
		d.Days += n
	default:
		d.Rest += time.Duration(n*unitSeconds(unit)) * time.Second
	}
	return d
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// letters returns how much of s comes before the next digit.
func letters(s string) int {
	n := strings.IndexAny(s, "0123456789")
	if n < 0 {
		return len(s)
	}
	return n
}

// durationMistake words what is wrong with a text that is no duration, and its likely cure.
func durationMistake(s, text string) error {
	if joined := strings.Join(strings.Fields(text), ""); joined != text {
		if d, err := ParseDuration(joined); err == nil {
			return fmt.Errorf("duration %q has a space in it; write %s", s, d)
		}
	}
	n := digits(text)
	num, word := text[:n], strings.ToLower(strings.TrimSpace(text[n:]))
	if n == 0 {
		return fmt.Errorf("%q is not a duration; write %s", s, durationForms)
	}
	if word == "" {
		return fmt.Errorf("duration %q needs a unit: write %ss, %sm, %sh, %sd or %sw", s, num, num, num, num, num)
	}
	if strings.TrimSpace(text[n:]) == "M" {
		return fmt.Errorf("duration %q: M could be months; write %sm for minutes, or days, as in 30d", s, num)
	}
	if strings.ContainsAny(word[:1], ".,") {
		return fmt.Errorf("duration %q has a fraction; write whole numbers joined, as in 1h30m", s)
	}
	for _, u := range []struct{ unit, words string }{
		{"s", "s sec secs second seconds"}, {"m", "m min mins minute minutes"}, {"h", "h hr hrs hour hours"},
		{"d", "d day days"}, {"w", "w wk wks week weeks"},
	} {
		if slices.Contains(strings.Fields(u.words), word) {
			return fmt.Errorf("%q is not a duration; write %s%s", s, num, u.unit)
		}
	}
	switch word {
	case "mo", "mon", "month", "months", "y", "yr", "year", "years":
		return fmt.Errorf("duration %q: months and years differ in length; write days, as in 30d", s)
	case "ms", "us", "ns":
		return fmt.Errorf("duration %q: the smallest unit is the second, as in 1s", s)
	}
	return fmt.Errorf("duration %q has an unknown unit; the units are s, m, h, d and w, as in %s", s, durationForms)
}

// Fixed returns the length with a day of 24 hours.
func (d Duration) Fixed() time.Duration { return time.Duration(d.Days)*24*time.Hour + d.Rest }

// After returns the time, in UTC, that lies d after t, its days counted as calendar days at the same wall time in the
// zone. A time that does not exist there moves past the gap, by its length; one that comes twice means the first. The
// rest is added after the days.
func (d Duration) After(t time.Time, zone *time.Location) time.Time {
	if d.Days != 0 {
		_, offset := t.In(zone).Zone()
		wall := t.UTC().Add(time.Duration(offset) * time.Second) // what the zone's clock shows, as if in UTC
		t = firstAt(wall.AddDate(0, 0, d.Days), zone)
	}
	return t.Add(d.Rest).UTC()
}

// firstAt returns the first time at which the zone's clock shows what wall shows in UTC. It goes through the zone's
// periods of one offset in order, from before any in which wall could fall.
func firstAt(wall time.Time, zone *time.Location) time.Time {
	at := wall.Add(-36 * time.Hour)
	var gap time.Time
	for {
		_, offset := at.In(zone).Zone()
		from, to := at.In(zone).ZoneBounds()
		t := wall.Add(-time.Duration(offset) * time.Second)
		switch {
		case !gap.IsZero() && t.Before(from):
			return gap // the clock was put forward over it: the offset before counts
		case to.IsZero() || t.Before(to):
			return t
		}
		gap, at = t, to
	}
}

// String writes it largest unit first, as ParseDuration reads it.
func (d Duration) String() string {
	var b strings.Builder
	put := func(n int64, unit string) {
		if n != 0 {
			b.WriteString(strconv.FormatInt(n, 10) + unit)
		}
	}
	put(int64(d.Days/7), "w")
	put(int64(d.Days%7), "d")
	put(int64(d.Rest/time.Hour), "h")
	put(int64(d.Rest%time.Hour/time.Minute), "m")
	put(int64(d.Rest%time.Minute/time.Second), "s")
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
