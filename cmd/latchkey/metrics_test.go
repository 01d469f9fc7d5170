package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
	"latchkey/engine/runner"
)

// TestMetrics does one of each thing and reads what the page of metrics says.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	i, _ := w.start()
	nc := w.connect()
	m := forms["structured"]("offer_access_granted", "1", eventData("ada", map[string]string{"offer": "gold"}))
	w.put(nc, m)
	w.waitMails(1)
	w.put(nc, m) // another message, the same event
	w.put(nc, forms["bare"]("user_login", "1", eventData("ada", nil)))
	w.send(nc, "offer_access_granted", "bad", `{"contact": `)
	w.send(nc, "somebody_else", "bad", `{}`)
	if err := nc.Publish("courses.elsewhere.user_login", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	w.answerAt(sink.Dot, func(int64, sink.Mail) sink.Answer { return sink.Answer{Code: 550, Text: "no"} })
	w.grant(nc, "bob", "gold")
	w.quiet(i, nc)
	letsIn(t, "the link", w.linksTo("ada")[0], "Title of gold")
	stranger := w.config().BaseURL + "/l/" + strings.Repeat("A", 36)
	if status, _ := newPerson(t).open(http.MethodGet, stranger, nil); status != http.StatusGone {
		t.Errorf("a link that was never minted: %d", status)
	}
	w.until(t, "both runs wait", i, func(s runner.Stats) bool { return s.Waiting == 2 })
	page := w.metricsPage()
	for _, line := range []string{
		`latchkey_runs{location="academy",state="waiting"} 2`,
		`latchkey_runs_total{location="academy",result="started"} 2`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
	w.pass(25 * time.Hour)
	w.quiet(i, nc)
	w.until(t, "no run waits", i, func(s runner.Stats) bool { return s.Waiting == 0 })
	w.quiet(i, nc)
	page = w.metricsPage()
	for _, line := range []string{
		`latchkey_events_total{location="academy",result="started",trigger="offer_access_granted"} 2`,
		`latchkey_events_total{location="academy",result="duplicate",trigger="offer_access_granted"} 1`,
		`latchkey_events_total{location="academy",result="unreadable",trigger="offer_access_granted"} 1`,
		`latchkey_events_total{location="academy",result="unreadable",trigger=""} 1`,
		`latchkey_events_total{location="",result="unreadable",trigger="user_login"} 1`,
		`latchkey_events_lag 0`,
		`latchkey_runs{location="academy",state="waiting"} 0`,
		`latchkey_runs_total{location="academy",result="finished"} 2`,
		`latchkey_messages_total{channel="email",location="academy",state="sending"} 2`,
		`latchkey_messages_total{channel="email",location="academy",state="sent"} 1`,
		`latchkey_messages_total{channel="email",location="academy",state="failed"} 1`,
		`latchkey_links_minted_total{channel="email",location="academy"} 2`,
		`latchkey_links_opened_total{by="button",location="academy",result="ok"} 1`,
		`latchkey_timer_late_seconds_count{location="academy"} 2`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
	for _, begin := range []string{
		`latchkey_events_total{location="academy",result="matched_nothing",trigger="user_login"} `, // and those that signing in causes
		`latchkey_links_opened_total{by="page",location="academy",result="ok"} `, `latchkey_links_opened_total{by="page",location="academy",result="unknown"} `,
		`latchkey_commit_seconds_count `, `latchkey_commit_functions_sum `, `latchkey_build_info{`, `go_goroutines `,
	} {
		if !strings.Contains(page, "\n"+begin) {
			t.Errorf("lacks %s…", begin)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "latchkey_") {
				t.Log(line)
			}
		}
	}
}

func (w *world) metricsPage() string {
	w.t.Helper()
	status, page := w.get("/metrics")
	if status != http.StatusOK {
		w.t.Fatalf("/metrics: %d %s", status, page)
	}
	return page
}
