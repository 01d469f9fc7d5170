package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine/runner"
)

const courseWorkflow = `name: Course
status: live
class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: first, text: 'Come in: <<login_url>>'}
  - wait: 1h
  - email: {subject: second, text: 'Come in: <<login_url ttl="3h">>'}
`

// TestPaused changes a workflow's file and starts again: its runs hold, and go on when it is live again. While it is
// paused, events enrol and send nothing; where there is no file, they find no workflow.
func TestPaused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string // what the file is meanwhile; none if ""
		want       []string
	}{
		{"paused", strings.Replace(courseWorkflow, "live", "paused", 1), []string{"ada first", "ada second", "bob first", "bob second"}},
		{"deleted", "", []string{"ada first", "ada second"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/course.yaml": courseWorkflow, "workflows/other.yaml": mailWorkflow("new_sign_up")})
			i, stop := w.start()
			nc := w.connect()
			restart := func(file string) {
				t.Helper()
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(w.dir, "workflows", "course.yaml")
				err := os.Remove(path)
				if file != "" {
					err = os.WriteFile(path, []byte(file), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				i, stop = w.start()
				nc = w.connect()
			}
			w.grant(nc, "ada", "gold")
			w.quiet(i, nc)
			restart(c.file)
			w.pass(2 * time.Hour)
			w.grant(nc, "bob", "gold")
			w.quiet(i, nc)
			w.until(t, "held", i, func(s runner.Stats) bool { return s.Held == len(c.want)/2 })
			if got := w.sent(); !slices.Equal(got, []string{"ada first"}) {
				t.Fatalf("while it is %s: %v", c.name, got)
			}
			restart(courseWorkflow)
			w.waitMails(1 + len(c.want)/2)
			w.quiet(i, nc)
			w.pass(2 * time.Hour)
			w.waitMails(len(c.want))
			w.quiet(i, nc)
			if got := w.sent(); !slices.Equal(got, c.want) {
				t.Errorf("live again: %v, want %v", got, c.want)
			}
			mailed := w.linksTo("ada")
			letsIn(t, "the link of the mail that was held", mailed[len(mailed)-1], "Title of gold")
		})
	}
}

// sent lists the mails as "reader subject", in order of the alphabet.
func (w *world) sent() (out []string) {
	for _, m := range w.waitMails(0) {
		reader, _, _ := strings.Cut(strings.Trim(m.to, "<>"), "@")
		out = append(out, reader+" "+m.subject)
	}
	slices.Sort(out)
	return out
}

// until waits for the runner's figures to be right.
func (w *world) until(t *testing.T, what string, i *instance, ok func(runner.Stats) bool) {
	t.Helper()
	if !comes(func() bool { return ok(i.runner.Stats()) }) {
		t.Fatalf("waited too long until %s: %+v\n%s", what, i.runner.Stats(), w.logTail())
	}
}
