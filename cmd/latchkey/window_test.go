package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine/runner"
)

// toThe moves the world's clock to the next time that is a day of the week at an hour, UTC.
func (w *world) toThe(day time.Weekday, hour int) {
	now := w.now().UTC()
	at := now.Truncate(24 * time.Hour).Add(time.Duration(hour) * time.Hour)
	for at.Weekday() != day || !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	w.pass(at.Sub(now))
}

const officeWorkflow = `class: marketing
triggers: [offer_access_granted]
window: {days: [mon, tue, wed, thu, fri], from: 09:00, to: 18:00}
steps:
  - email: {subject: nudge, text: 'Come in: <<login_url ttl="2d">>'}
`

// TestWindow holds a marketing message overnight, over a restart, and says so meanwhile.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/office.yaml": officeWorkflow, "workflows/course.yaml": courseWorkflow})
	w.toThe(time.Monday, 20)
	i, stop := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	gated := func(s runner.Stats) bool { return s.Gated == 1 }
	w.until(t, "held", i, gated)
	if got := w.sent(); !slices.Equal(got, []string{"ada first"}) {
		t.Fatalf("in the evening: %v", got)
	}
	m := w.messages("?workflow=office")[0]
	until := m.Held.Until.Format(time.DateTime)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"due, held until ", []string{"messages", "list", "--workflow", "office"}},
		{" by the window", []string{"messages", "show", m.ID}},
		{"now it holds email-1 by email back until ", []string{"runs", "show", m.Run}},
	} {
		code, out, errs := w.command(append(c.args, "--dir", w.dir)...)
		if code != exitOK || !strings.Contains(out, c.want) {
			t.Errorf("%v: code %d\n%s%s", c.args, code, out, errs)
		}
	}
	if !strings.HasSuffix(until, " 09:00:00") || m.Held.By != "the window" || !m.Next.Equal(m.Held.Until) {
		t.Errorf("held: %+v, next %s", m.Held, m.Next)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	w.until(t, "held again", i, gated)
	w.toThe(time.Tuesday, 8)
	w.quiet(i, nc)
	if got := w.sent(); slices.Contains(got, "ada nudge") {
		t.Fatalf("at eight: %v", got)
	}
	w.toThe(time.Tuesday, 9)
	w.wait("the nudge", func() bool { return len(w.mails) >= 3 })
	mailed := w.linksTo("ada")
	letsIn(t, "the link of the mail that was held", mailed[len(mailed)-1], "Title of gold")
}

// TestWindowIsEdited opens the window in the file while a message is held.
func TestWindowIsEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/office.yaml": officeWorkflow})
	w.toThe(time.Saturday, 12)
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	w.until(t, "held", i, func(s runner.Stats) bool { return s.Gated == 1 })
	w.edit(t, i, map[string]string{"workflows/office.yaml": strings.Replace(officeWorkflow, "thu, fri", "thu, fri, sat", 1)})
	w.waitMails(1)
}

// TestLimit sends a contact one message of marketing a day, of two workflows, and the rest later.
func TestLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/a.yaml": "class: marketing\ntriggers: [offer_access_granted]\nlimit: {messages: 1, in: 1d}\nreentry: always\nsteps:\n  - email: {subject: a, text: Hi}\n",
		"workflows/b.yaml": "class: marketing\ntriggers: [new_sign_up]\nsteps:\n  - email: {subject: b, text: Hi}\n",
	})
	i, stop := w.start()
	nc := w.connect()
	w.send(nc, "new_sign_up", "1", `{"contact": {"id": "ada", "email": "ada@example.com"}}`)
	w.waitMails(1)
	w.quiet(i, nc)
	w.grant(nc, "ada", "gold")
	w.grant(nc, "ada", "silver")
	w.quiet(i, nc)
	gated := func(n int) func(runner.Stats) bool { return func(s runner.Stats) bool { return s.Gated == n } }
	w.until(t, "two are held", i, gated(2))
	if m := w.messages("?state=due")[0]; m.Held == nil || m.Held.By != "the limit of 1 message in 1d" {
		t.Errorf("%+v", m)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	w.until(t, "two are held again", i, gated(2))
	for n := range 2 {
		w.pass(24*time.Hour + time.Minute)
		w.waitMails(n + 2)
		w.quiet(i, nc) // the message counts from when its end is stored
		w.until(t, "the rest is held", i, gated(1-n))
	}
	if got, want := w.sent(), []string{"ada a", "ada a", "ada b"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
