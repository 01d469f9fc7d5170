package engine

import "time"

// A Duration is a length of time as users write it: 90s, 15m, 3h, 2d, 1w, joined largest first (1w2d).
type Duration struct {
	Days int // calendar days; a week is seven
	Rest time.Duration
}

// ParseDuration reads a duration. Zero, negative and unknown units are errors whose text is for the author.
func ParseDuration(s string) (Duration, error) { panic("not written yet") }

// Fixed returns the length with a day of 24 hours.
func (d Duration) Fixed() time.Duration { return time.Duration(d.Days)*24*time.Hour + d.Rest }

// After returns the time that lies d after t, its days counted as calendar days at the same wall time in the zone. A
// time that does not exist there moves past the gap; one that comes twice means the first.
func (d Duration) After(t time.Time, zone *time.Location) time.Time { panic("not written yet") }

// String returns the shortest way to write it.
func (d Duration) String() string { panic("not written yet") }
