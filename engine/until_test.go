package engine

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zoneOf(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestUntil(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ until, zone, now, want string }{
		{"09:00", "UTC", "2026-11-02T08:59:59Z", "2026-11-02T09:00:00Z"},
		{"09:00", "UTC", "2026-11-02T09:00:00Z", "2026-11-02T09:00:00Z"},
		{"09:00", "UTC", "2026-11-02T09:00:01Z", "2026-11-03T09:00:00Z"},
		{"9:00", "America/New_York", "2026-11-02T08:00:00Z", "2026-11-02T14:00:00Z"},
		{"00:00", "UTC", "2026-12-31T00:00:01Z", "2027-01-01T00:00:00Z"},
		{"monday", "UTC", "2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z"}, // it is a Monday
		{"monday", "UTC", "2026-11-02T00:00:01Z", "2026-11-09T00:00:00Z"},
		{"Sunday", "UTC", "2026-11-02T12:00:00Z", "2026-11-08T00:00:00Z"},
		{"monday 17:30", "Europe/London", "2026-11-02T12:00:00Z", "2026-11-02T17:30:00Z"},
		{"monday", "Pacific/Auckland", "2026-11-01T11:30:00Z", "2026-11-08T11:00:00Z"}, // Monday there already
		// The ends of months and years, and leap days, by the zone's date.
		{"09:00", "UTC", "2026-04-30T09:00:01Z", "2026-05-01T09:00:00Z"},
		{"09:00", "UTC", "2028-02-28T10:00:00Z", "2028-02-29T09:00:00Z"},
		{"09:00", "UTC", "2027-02-28T10:00:00Z", "2027-03-01T09:00:00Z"},
		{"tuesday", "UTC", "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"08:00", "Asia/Tokyo", "2026-12-31T00:00:00Z", "2026-12-31T23:00:00Z"},
		{"monday 09:00", "Europe/London", "2026-12-28T09:00:01Z", "2027-01-04T09:00:00Z"},
		// A week with a change in it is an hour shorter or longer.
		{"monday 09:00", "Europe/London", "2026-03-23T09:00:01Z", "2026-03-30T08:00:00Z"},
		{"monday 09:00", "Europe/London", "2026-10-19T08:00:01Z", "2026-10-26T09:00:00Z"},
		{"sunday 01:30", "Europe/London", "2026-10-25T00:30:01Z", "2026-11-01T01:30:00Z"}, // the second time is not a second Sunday
		// The clock goes forward over it: past the gap, by its length.
		{"02:30", "America/New_York", "2026-03-08T06:00:00Z", "2026-03-08T07:30:00Z"},
		{"02:30", "America/New_York", "2026-03-08T07:10:00Z", "2026-03-08T07:30:00Z"},
		{"02:30", "America/New_York", "2026-03-08T07:31:00Z", "2026-03-09T06:30:00Z"},
		// It comes twice: the first, and between the two the next day's.
		{"01:30", "America/New_York", "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"},
		{"01:30", "America/New_York", "2026-11-01T05:45:00Z", "2026-11-02T06:30:00Z"},
		{"friday 09:00", "Pacific/Apia", "2011-12-29T20:00:00Z", "2011-12-30T19:00:00Z"}, // a Friday that was left out
	} {
		u, err := ParseUntil(c.until)
		if err != nil {
			t.Errorf("%s: %v", c.until, err)
			continue
		}
		now, _ := time.Parse(time.RFC3339, c.now)
		if got := u.next(now, zoneOf(t, c.zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s at %s: got %s, want %s", c.until, c.zone, c.now, got, c.want)
		}
	}
}

func TestParseUntil(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" 9:05 ": "09:05", "MONDAY": "monday 00:00", "friday  23:59": "friday 23:59", "contact.custom.exam": "contact.custom.exam",
		"event.time": "event.time", "custom.start": "custom.start",
	} {
		u, err := ParseUntil(in)
		if err != nil || u.String() != want {
			t.Errorf("%q: got %v, %v", in, u.String(), err)
		}
		if again, err := ParseUntil(u.String()); err != nil || again != u {
			t.Errorf("%q does not come back: %v, %v", want, again, err)
		}
	}
	for in, want := range map[string]string{
		"": "missing", "24:00": "time of day", "9:5": "time of day", "-1:00": "cannot be", "+9:00": "cannot be", "mon": "did you mean monday?",
		"wensday": "did you mean wednesday?", "tomorrow": "it is", "contact.email": "cannot be the field", "contact.custom.a.b": "cannot be the field",
		"monday 9am": "time of day", "1d": "time of day",
	} {
		if u, err := ParseUntil(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want %q", in, u, err, want)
		}
	}
}

// Never before now, at most a week and the length of a gap after it, and the clock shows what was asked unless there was a gap.
func TestUntilModel(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, zoneOf(t, "Europe/London"), zoneOf(t, "America/New_York"), zoneOf(t, "Australia/Lord_Howe"),
		zoneOf(t, "Pacific/Apia"), zoneOf(t, "America/Sao_Paulo"), zoneOf(t, "Asia/Kathmandu")}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		now := time.Unix(rapid.Int64Range(1_300_000_000, 1_900_000_000).Draw(t, "now"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		u := Until{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute")}
		most := 9 * 24 * time.Hour
		if u.Daily = rapid.Bool().Draw(t, "daily"); u.Daily {
			most = 2*24*time.Hour + time.Hour
		} else {
			u.Weekday = time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))
		}
		got := u.next(now, zone)
		if got.Before(now) || got.After(now.Add(most)) {
			t.Fatalf("%s at %s: %s", u.String(), now.In(zone), got.In(zone))
		}
		if at := got.In(zone); at.Hour() != u.Hour || at.Minute() != u.Minute || !u.Daily && at.Weekday() != u.Weekday {
			_, before := at.Add(-25 * time.Hour).Zone()
			if _, after := at.Zone(); before == after {
				t.Fatalf("%s at %s: %s, and no clock was changed", u.String(), now.In(zone), at)
			}
		}
		if again := u.next(got, zone); !again.Equal(got) {
			t.Fatalf("at that time: %s, then %s", got, again)
		}
	})
}

// A run waits until a field's time in the contact's zone; what is past does not hold it, and what is no time is told.
func TestWaitUntilField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		due   string // or the outcome
		fault string
	}{
		{"2026-11-20", "2026-11-20T05:00:00Z", ""},
		{" 2026-11-20 18:00 ", "2026-11-20T23:00:00Z", ""},
		{"2026-11-20T18:00", "2026-11-20T23:00:00Z", ""},
		{"2026-11-20T18:00:00+01:00", "2026-11-20T17:00:00Z", ""},
		{time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), "2026-11-20T00:00:00Z", ""},
		{"2026-11-01", "waited", ""},
		{nil, "no_time", "contact.custom.exam is absent"},
		{"soon", "no_time", `contact.custom.exam is "soon", neither a date nor a time`},
		{int64(20261120), "no_time", "neither"},
		{strings.Repeat("é", 9000), "no_time", "é…"},
		{"2026-02-30", "no_time", "neither"},
	} {
		s := begin(t, Step{ID: "first", Kind: "email"}, Step{ID: "exam", Kind: StepWait, Until: &Until{Field: "contact.custom.exam"}}, Step{ID: "next", Kind: "email"})
		s.p.Contact.Timezone, s.p.Contact.Custom = "America/New_York", Custom{"exam": c.value}
		s.done(TaskSent)
		if s.r.State == RunWaiting {
			if got := s.r.Wait.Due.Format(time.RFC3339); got != c.due {
				t.Errorf("%v: got %s, want %s", c.value, got, c.due)
			}
			continue
		}
		if got := s.r.Steps[1]; got.Outcome != c.due || !strings.Contains(got.Fault, c.fault) || (c.fault == "") != (got.Fault == "") || len(got.Fault) > 250 {
			t.Errorf("%v: got %s, %q", c.value, got.Outcome, got.Fault)
		}
		if s.r.State != RunSending || s.r.At[0] != "next" {
			t.Errorf("%v: the run is %s at %v", c.value, s.r.State, s.r.At)
		}
	}
}

// Where a day is shortened for a demonstration, so is the time until.
func TestUntilOnShortDays(t *testing.T) {
	t.Parallel()
	loc := *academy
	loc.Day = 24 * time.Second
	w := &Workflow{ID: "w", Steps: []Step{{ID: "a", Kind: StepWait, Until: &Until{Daily: true, Hour: 10, Minute: 30}}}}
	now := day1.Truncate(time.Minute)
	r, _, _ := Advance(w, &loc, Run{ID: NewID(day1, 7, "run")}, ada(), Input{Begin: true}, now)
	if want := now.Add(time.Second); r.Wait == nil || !r.Wait.Due.Equal(want) {
		t.Errorf("%+v, want %s", r.Wait, want)
	}
}
