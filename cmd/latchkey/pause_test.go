package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine/runner"
)

// TestPauseOfSending pauses over the admin API, restarts, and resumes. Links open all the time.
func TestPauseOfSending(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/course.yaml": courseWorkflow, "extra": "partitions: " + partitions})
			i, stop := w.start()
			nc := w.connect()
			w.grant(nc, "ada", "gold")
			w.quiet(i, nc)
			if status, says := w.do(http.MethodPost, "/v1/pause", `{"reason": "the relay is moved"}`); status != http.StatusOK || !strings.Contains(says, `"paused": true`) {
				t.Fatalf("%d %s", status, says)
			}
			if status, says := w.do(http.MethodPost, "/v1/pause", `{}`); status != http.StatusOK || !strings.Contains(says, "the relay is moved") {
				t.Errorf("paused again, without a reason: %d %s", status, says)
			}
			w.grant(nc, "bob", "gold")
			w.quiet(i, nc)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			i, _ = w.start()
			nc = w.connect()
			w.pass(2 * time.Hour)
			w.until(t, "held", i, func(s runner.Stats) bool { return s.Held == 2 })
			if got := w.sent(); !slices.Equal(got, []string{"ada first"}) {
				t.Fatalf("while sending is paused: %v", got)
			}
			for path, want := range map[string]string{"/readyz": "sending: paused since ", "/v1/status": `"reason": "the relay is moved"`, "/": "the relay is moved"} {
				if status, says := w.do(http.MethodGet, path, "", header("Authorization", "Bearer "+i.apiKey.Reveal())); status != http.StatusOK || !strings.Contains(says, want) {
					t.Errorf("%s: %d %s", path, status, says)
				}
			}
			letsIn(t, "a link, while sending is paused", w.linksTo("ada")[0], "Title of gold")
			if status, says := w.do(http.MethodPost, "/v1/resume", "", header("Origin", "https://evil.example.com")); status != http.StatusForbidden {
				t.Errorf("another site resumes: %d %s", status, says)
			}
			if status, says := w.do(http.MethodPost, "/v1/resume", ""); status != http.StatusOK || !strings.Contains(says, `"paused": false`) {
				t.Fatalf("%d %s", status, says)
			}
			w.waitMails(3)
			w.quiet(i, nc)
			if got, want := w.sent(), []string{"ada first", "ada second", "bob first"}; !slices.Equal(got, want) {
				t.Errorf("after it: %v, want %v", got, want)
			}
			if _, says := w.get("/readyz"); !strings.Contains(says, "sending: ok") {
				t.Error(says)
			}
			if log := w.wholeLog(); !strings.Contains(log, "sending is paused") || !strings.Contains(log, "sending goes on") {
				t.Error("the log does not tell")
			}
		})
	}
}
