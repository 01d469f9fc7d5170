package engine

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]Duration{
		"90s": {0, 90 * time.Second}, "15m": {0, 15 * time.Minute}, "3h": {0, 3 * time.Hour}, "2d": {2, 0}, "1w": {7, 0},
		"1w2d": {9, 0}, "1d12h": {1, 12 * time.Hour}, "1h30m5s": {0, time.Hour + 30*time.Minute + 5*time.Second}, " 2d ": {2, 0},
		"48h": {0, 2 * day}, "36525d": {36525, 0},
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "missing", "24": "24h", "1 day": "write 1d", "2 days": "write 2d", "90 min": "write 90m", "-5m": "negative", "0s": "zero",
		"0d0h": "zero", "1.5h": "1h30m", "1mo": "30d", "1M": "months", "1 d": "write 1d", "500ms": "second", "1x": "unknown unit", "soon": "not a duration",
		"1h1d": "largest first", "1h1h": "largest first", "1d 2h": "write 1d2h", "99999999999999999999d": "too long", "36526d": "too long",
	} {
		_, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v; want an error with %q", text, err, want)
		}
	}
}

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, zone, from, d, want string }{
		{"plain day", "Europe/London", "2026-01-10T09:00:00Z", "1d", "2026-01-11T09:00:00Z"},
		{"day of 23 hours", "Europe/London", "2026-03-28T09:00:00Z", "1d", "2026-03-29T09:00:00+01:00"},
		{"day of 25 hours", "Europe/London", "2026-10-24T09:00:00+01:00", "1d", "2026-10-25T09:00:00Z"},
		{"into the gap", "Europe/London", "2026-03-28T01:30:00Z", "1d", "2026-03-29T02:30:00+01:00"},
		{"first second of the gap", "Europe/London", "2026-03-28T01:00:00Z", "1d", "2026-03-29T02:00:00+01:00"},
		{"end of the gap", "Europe/London", "2026-03-28T02:00:00Z", "1d", "2026-03-29T02:00:00+01:00"},
		{"comes twice", "Europe/London", "2026-10-24T01:30:00+01:00", "1d", "2026-10-25T01:30:00+01:00"},
		{"from the second of two", "Europe/London", "2026-10-25T01:30:00Z", "1d", "2026-10-26T01:30:00Z"},
		{"New York gap", "America/New_York", "2026-03-07T02:30:00-05:00", "1d", "2026-03-08T03:30:00-04:00"},
		{"New York twice", "America/New_York", "2026-10-31T01:30:00-04:00", "1d", "2026-11-01T01:30:00-04:00"},
		{"half an hour of gap", "Australia/Lord_Howe", "2026-10-03T02:15:00+10:30", "1d", "2026-10-04T02:45:00+11:00"},
		{"half an hour twice", "Australia/Lord_Howe", "2026-04-04T01:45:00+11:00", "1d", "2026-04-05T01:45:00+11:00"},
		{"a day that never was", "Pacific/Apia", "2011-12-29T09:00:00-10:00", "1d", "2011-12-31T09:00:00+14:00"},
		{"over the day that never was", "Pacific/Apia", "2011-12-29T09:00:00-10:00", "2d", "2011-12-31T09:00:00+14:00"},
		{"month's end", "UTC", "2026-01-31T23:59:59Z", "1d", "2026-02-01T23:59:59Z"},
		{"leap day", "UTC", "2028-02-28T12:00:00Z", "1d", "2028-02-29T12:00:00Z"},
		{"no leap day", "UTC", "2026-02-28T12:00:00Z", "1d", "2026-03-01T12:00:00Z"},
		{"the end of a long month to the end of a short one", "Europe/London", "2026-01-31T09:00:00Z", "4w", "2026-02-28T09:00:00Z"},
		{"a month's end through summer time", "Europe/London", "2026-03-31T09:00:00+01:00", "30d", "2026-04-30T09:00:00+01:00"},
		{"the year's end", "America/New_York", "2026-12-31T23:30:00-05:00", "1d", "2027-01-01T23:30:00-05:00"},
		{"from a leap day, a year of days", "UTC", "2028-02-29T12:00:00Z", "365d", "2029-02-28T12:00:00Z"},
		{"a century without a leap day", "UTC", "2100-02-28T12:00:00Z", "1d", "2100-03-01T12:00:00Z"},
		{"a leap day by the zone's date", "Asia/Tokyo", "2028-02-27T23:00:00Z", "1w", "2028-03-06T08:00:00+09:00"},
		{"both changes of a year", "Europe/London", "2026-03-01T09:00:00Z", "270d", "2026-11-26T09:00:00Z"},
		{"a gap at midnight", "Africa/Cairo", "2026-04-23T00:30:00+02:00", "1d", "2026-04-24T01:30:00+03:00"},
		{"hours over the hour that comes twice", "Europe/London", "2026-10-25T00:30:00+01:00", "2h", "2026-10-25T01:30:00Z"},
		{"hours are hours", "Europe/London", "2026-03-28T09:00:00Z", "24h", "2026-03-29T10:00:00+01:00"},
		{"days, then the rest", "Europe/London", "2026-03-28T00:30:00Z", "1d1h", "2026-03-29T02:30:00+01:00"},
	} {
		from, _ := time.Parse(time.RFC3339, c.from)
		want, _ := time.Parse(time.RFC3339, c.want)
		d, err := ParseDuration(c.d)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.After(from, zone(t, c.zone)); !got.Equal(want) {
			t.Errorf("%s: %s after %s is %s, want %s", c.name, c.d, c.from, got.In(zone(t, c.zone)), want)
		}
	}
}

// Days keep the wall time wherever that exists, move it forward by at most a gap otherwise, and never go back.
func TestAfterProperties(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, n := range []string{"Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu"} {
		zones = append(zones, zone(t, n))
	}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		from := time.Unix(rapid.Int64Range(1.2e9, 2.1e9).Draw(t, "from"), 0)
		d := Duration{Days: rapid.IntRange(1, 400).Draw(t, "days")}
		got := d.After(from, z)
		a, b := from.In(z), got.In(z)
		want := time.Date(a.Year(), a.Month(), a.Day()+d.Days, a.Hour(), a.Minute(), a.Second(), 0, time.UTC)
		_, off := b.Zone()
		shown := got.UTC().Add(time.Duration(off) * time.Second)
		moved := shown.Sub(want)
		if moved < 0 || moved > 24*time.Hour {
			t.Fatalf("%v after %v shows %v", d, a, b)
		}
		if moved > 0 { // then the zone's clock never showed it: no offset near gives it back
			for h := -30 * time.Hour; h <= 30*time.Hour; h += 30 * time.Minute {
				_, o := got.Add(h).In(z).Zone()
				x := want.Add(-time.Duration(o) * time.Second)
				if _, o2 := x.In(z).Zone(); o2 == o {
					t.Fatalf("%v after %v: moved to %v, yet %v exists", d, a, b, x.In(z))
				}
			}
		}
		if !got.After(from) {
			t.Fatalf("%v after %v is %v: not later", d, a, b)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		d := Duration{Days: rapid.IntRange(0, 1000).Draw(t, "days"), Rest: time.Duration(rapid.IntRange(0, 1e6).Draw(t, "rest")) * time.Second}
		if d == (Duration{}) {
			return
		}
		if back, err := ParseDuration(d.String()); err != nil || back != d {
			t.Fatalf("%v reads back as %v, %v", d, back, err)
		}
	})
}
