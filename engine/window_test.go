package engine

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// window makes a window of words: "mon,tue 09:00 18:00".
func window(t testing.TB, s string) *Window {
	t.Helper()
	f := strings.Fields(s)
	w := &Window{}
	for day := range strings.SplitSeq(f[0], ",") {
		if day == "all" {
			w.Days = [7]bool{true, true, true, true, true, true, true}
			continue
		}
		d, err := ParseWeekday(day)
		if err != nil {
			t.Fatal(err)
		}
		w.Days[d] = true
	}
	var err1, err2 error
	w.From, err1 = ParseClock(f[1])
	w.To, err2 = ParseClock(f[2])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return w
}

func TestWindowNext(t *testing.T) {
	t.Parallel()
	const office, night = "mon,tue,wed,thu,fri 09:00 18:00", "fri 20:00 02:00"
	for _, c := range []struct{ name, window, zone, at, want string }{
		{"open", office, "Europe/London", "2026-11-23T12:00:00Z", ""},
		{"as it begins", office, "Europe/London", "2026-11-23T09:00:00Z", ""},
		{"just before it ends", office, "Europe/London", "2026-11-23T17:59:59Z", ""},
		{"as it ends", office, "Europe/London", "2026-11-23T18:00:00Z", "2026-11-24T09:00:00Z"},
		{"over the weekend", office, "Europe/London", "2026-11-27T18:30:00Z", "2026-11-30T09:00:00Z"},
		{"another zone", office, "America/New_York", "2026-11-23T12:00:00Z", "2026-11-23T14:00:00Z"},
		{"half an hour", office, "Asia/Kolkata", "2026-11-23T12:00:00Z", ""},
		{"across midnight", night, "UTC", "2026-11-28T01:59:00Z", ""},
		{"across midnight, over", night, "UTC", "2026-11-28T02:00:00Z", "2026-12-04T20:00:00Z"},
		{"the next day has no window of its own", night, "UTC", "2026-11-28T20:00:00Z", "2026-12-04T20:00:00Z"},
		{"one day a week", "sun 10:00 11:00", "UTC", "2026-11-22T11:00:00Z", "2026-11-29T10:00:00Z"},
		{"the day after clocks went forward", office, "Europe/London", "2026-03-29T12:00:00Z", "2026-03-30T08:00:00Z"},
		{"the day after clocks went back", office, "Europe/London", "2026-10-25T12:00:00Z", "2026-10-26T09:00:00Z"},
		{"into a leap day", "tue 09:00 18:00", "UTC", "2028-02-28T12:00:00Z", "2028-02-29T09:00:00Z"},
		{"the month's end", "mon 09:00 18:00", "UTC", "2027-02-28T12:00:00Z", "2027-03-01T09:00:00Z"},
		{"over the year's end", "thu 22:00 06:00", "Europe/London", "2027-01-01T05:59:00Z", ""},
		{"the year's end, over", "thu 22:00 06:00", "Europe/London", "2027-01-01T06:00:00Z", "2027-01-07T22:00:00Z"},
		{"all night while clocks go forward", "sat 22:00 06:00", "Europe/London", "2026-03-29T04:59:59Z", ""},
		{"that night is an hour shorter", "sat 22:00 06:00", "Europe/London", "2026-03-29T05:00:00Z", "2026-04-04T21:00:00Z"},
		{"all night while clocks go back", "sat 22:00 06:00", "Europe/London", "2026-10-25T05:59:59Z", ""},
		{"it begins in the gap", "sun 01:30 04:00", "Europe/London", "2026-03-29T00:10:00Z", "2026-03-29T01:00:00Z"},
		{"it lies in the gap", "sun 01:15 01:45", "Europe/London", "2026-03-29T00:10:00Z", "2026-04-05T00:15:00Z"},
		{"it ends in the gap", "sun 00:00 01:30", "Europe/London", "2026-03-29T01:00:00Z", "2026-04-04T23:00:00Z"},
		{"the first of two", "sun 01:30 04:00", "Europe/London", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"the second of two", "sun 01:30 01:45", "Europe/London", "2026-10-25T00:50:00Z", "2026-10-25T01:30:00Z"},
		{"midnight comes twice", "sat 23:30 00:00", "America/Havana", "2026-10-31T23:00:00Z", "2026-11-01T03:30:00Z"},
		{"midnight does not come", "sun 00:00 06:00", "Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"},
		{"a day that does not come", "fri 09:00 18:00", "Pacific/Apia", "2011-12-30T05:00:00Z", "2012-01-05T19:00:00Z"},
		{"half an hour of summer", "sun 02:15 03:00", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			want := at
			if c.want != "" {
				if want, err = time.Parse(time.RFC3339, c.want); err != nil {
					t.Fatal(err)
				}
			}
			if got := window(t, c.window).Next(at, zone); !got.Equal(want) {
				t.Errorf("%s, want %s", got.In(zone), want.In(zone))
			}
		})
	}
}

// shows reports whether a clock on the wall shows a time in the window. It knows nothing of how Next finds one.
func shows(w *Window, t time.Time, zone *time.Location) bool {
	wall := t.In(zone)
	at := wall.Hour()*60 + wall.Minute()
	today, before := w.Days[wall.Weekday()], w.Days[(wall.Weekday()+6)%7]
	if w.From < w.To {
		return today && w.From <= at && at < w.To
	}
	return today && w.From <= at || before && at < w.To
}

// TestWindowAnywhere looks for the next opening minute by minute, near the days on which clocks change.
func TestWindowAnywhere(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "Pacific/Apia"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	days := []time.Time{day1, time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC), time.Date(2011, 12, 29, 0, 0, 0, 0, time.UTC)}
	rapid.Check(t, func(t *rapid.T) {
		w := &Window{From: rapid.IntRange(0, 1439).Draw(t, "from"), To: rapid.IntRange(1, DayMinutes).Draw(t, "to")}
		if w.From == w.To {
			w.To++
		}
		w.Days[rapid.IntRange(0, 6).Draw(t, "day")] = true
		for i := range w.Days {
			w.Days[i] = w.Days[i] || rapid.Bool().Draw(t, "another")
		}
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		at := rapid.SampledFrom(days).Draw(t, "near").Truncate(24 * time.Hour).Add(time.Duration(rapid.IntRange(0, 4*1440).Draw(t, "minutes")) * time.Minute)
		want := at
		for !shows(w, want, zone) {
			want = want.Add(time.Minute)
		}
		if got := w.Next(at, zone); !got.Equal(want) {
			t.Fatalf("window %+v at %s: %s, want %s", w, at.In(zone), got.In(zone), want.In(zone))
		}
	})
}
