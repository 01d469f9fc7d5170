package engine

import (
	"testing"
	"time"
)

// said is the settings of a message of that class.
type said Class

func (s said) MessageClass() Class { return Class(s) }

func TestGate(t *testing.T) {
	t.Parallel()
	office := window(t, "mon,tue,wed,thu,fri 09:00 18:00")
	both := *office
	both.Transactional = true
	here := *office
	here.Location = true
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	loc := &Location{ID: "academy", Zone: time.UTC}
	monday := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	evening := monday.Add(20 * time.Hour)
	for _, c := range []struct {
		name  string
		w     *Workflow
		loc   *Location
		task  Task
		zone  string
		now   time.Time
		go_   bool
		until time.Time
		by    string
	}{
		{name: "no rule", w: &Workflow{}, task: Task{Class: Marketing}, now: evening, go_: true},
		{name: "no workflow", task: Task{Class: Marketing}, now: evening, by: "its workflow, whose file is not there"},
		{name: "paused", w: &Workflow{Status: Paused}, now: evening, by: "its workflow, which is paused"},
		{name: "draft", w: &Workflow{Status: Draft}, now: evening, go_: true},
		{name: "all sending paused", w: &Workflow{}, loc: &Location{Pause: &Pause{}}, now: evening, by: "the pause of all sending"},
		{name: "in the window", w: &Workflow{Window: office}, task: Task{Class: Marketing}, now: monday.Add(10 * time.Hour), go_: true},
		{name: "after it", w: &Workflow{Window: office}, task: Task{Class: Marketing}, now: evening, until: monday.Add(33 * time.Hour), by: "the window"},
		{name: "transactional", w: &Workflow{Window: office}, task: Task{Class: Transactional}, now: evening, go_: true},
		{name: "also transactional", w: &Workflow{Window: &both}, task: Task{Class: Transactional}, now: evening, until: monday.Add(33 * time.Hour), by: "the window"},
		{name: "no message", w: &Workflow{Window: &both}, now: evening, go_: true},
		{name: "the contact's clock", w: &Workflow{Window: office}, task: Task{Class: Marketing}, zone: "Asia/Tokyo", now: monday.Add(10 * time.Hour),
			until: monday.Add(24 * time.Hour), by: "the window"},
		{name: "the location's clock", w: &Workflow{Window: &here}, task: Task{Class: Marketing}, zone: "Asia/Tokyo", now: monday.Add(10 * time.Hour), go_: true},
		{name: "the location's clock, elsewhere", w: &Workflow{Window: &here}, loc: &Location{Zone: tokyo}, task: Task{Class: Marketing}, now: monday.Add(10 * time.Hour),
			until: monday.Add(24 * time.Hour), by: "the window"},
		{name: "short days have no hours", w: &Workflow{Window: office}, loc: &Location{Day: time.Second}, task: Task{Class: Marketing}, now: evening, go_: true},
		{name: "a retry", w: &Workflow{Window: office}, task: Task{Class: Marketing, Attempts: 3}, now: evening, until: monday.Add(33 * time.Hour), by: "the window"},
		{name: "it expires before the window opens", w: &Workflow{Window: office, HoldLimit: time.Hour}, task: Task{Class: Marketing}, now: evening,
			until: evening.Add(time.Hour), by: "the window"},
		{name: "late by less than a week", w: &Workflow{}, task: Task{NotBefore: evening.Add(-DefaultHoldLimit + 1)}, now: evening, go_: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.loc == nil {
				c.loc = loc
			}
			if c.task.NotBefore.IsZero() {
				c.task.NotBefore = c.now
			}
			v := Gate(c.w, c.loc, &c.task, &Person{Contact: Contact{Timezone: c.zone}}, c.now)
			if v.Go != c.go_ || v.Expired || !v.Until.Equal(c.until) || v.By != c.by {
				t.Errorf("%+v, want until %s by %q", v, c.until, c.by)
			}
		})
	}
}

func TestGateExpires(t *testing.T) {
	t.Parallel()
	loc, now := &Location{Zone: time.UTC}, day1
	held := &Hold{Since: now.Add(-8 * 24 * time.Hour), By: "the window"}
	for _, c := range []struct {
		name string
		w    Workflow
		task Task
		by   string
	}{
		{"the default", Workflow{}, Task{NotBefore: now.Add(-DefaultHoldLimit)}, "held for too long, the limit is 1w"},
		{"its own", Workflow{HoldLimit: 90 * time.Minute}, Task{NotBefore: now.Add(-2 * time.Hour)}, "held for too long, the limit is 1h30m"},
		{"by", Workflow{}, Task{NotBefore: now.Add(-9 * 24 * time.Hour), Held: held}, "held for too long by the window, the limit is 1w"},
		{"a retry", Workflow{}, Task{NotBefore: now, Attempts: 1, Held: held}, "held for too long by the window, the limit is 1w"},
		{"a retry that was not held", Workflow{}, Task{NotBefore: now.Add(-30 * 24 * time.Hour), Attempts: 1}, ""},
	} {
		v := Gate(&c.w, loc, &c.task, &Person{}, now)
		if v.Expired != (c.by != "") || v.By != c.by || v.Go == v.Expired {
			t.Errorf("%s: %+v", c.name, v)
		}
		c.w.Status = Paused
		if v := Gate(&c.w, loc, &c.task, &Person{}, now); v.Expired || v.Go {
			t.Errorf("%s, paused: %+v", c.name, v)
		}
	}
}
