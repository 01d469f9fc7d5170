package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"latchkey/actions/smtp/sink"
	"latchkey/engine/console"
)

// historyFiles are workflows of which one event starts some, and others say no in each of their ways.
var historyFiles = map[string]string{
	"workflows/welcome.yaml": `class: transactional
triggers: [offer_access_granted]
steps:
  - id: hello
    email: {subject: 'Hello <<contact.first_name>>', text: 'Come in: <<login_url>>'}
  - id: text
    when: contact.first_name == "Bob"
    sms: 'Come in: <<login_url>>'
  - id: was-it-gold
    if: offer.id == "gold"
    then:
      - id: pause
        wait: 1h
    else: []
`,
	"workflows/silver.yaml": "class: transactional\ntriggers: [{offer_access_granted: {offer: [silver]}}]\nsteps:\n  - email: {subject: Silver, text: Hi}\n",
	"workflows/bobs.yaml":   "class: transactional\ntriggers: [offer_access_granted]\nwhen: contact.first_name == \"Bob\"\nsteps:\n  - email: {subject: Bob, text: Hi}\n",
	"workflows/sketch.yaml": "status: draft\nclass: transactional\ntriggers: [offer_access_granted]\nsteps:\n  - email: {subject: Sketch, text: Hi}\n",
}

// command runs one command line against the world's server.
func (w *world) command(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	a := &app{env: os.Environ(), in: strings.NewReader(""), out: &stdout, err: &stderr}
	code = a.run(w.t.Context(), append([]string{"latchkey"}, args...))
	return code, stdout.String(), stderr.String()
}

// TestWhatHappened asks of events that started, and did not start, workflows what became of them: by the command, and so by the
// admin API behind it.
func TestWhatHappened(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"extra": "partitions: " + partitions}
			for name, text := range historyFiles {
				files[name] = text
			}
			testWhatHappened(t, newWorld(t, files))
		})
	}
}

func testWhatHappened(t *testing.T, w *world) {
	refused := w.answerAt(sink.Rcpt, func(_ int64, m sink.Mail) sink.Answer {
		if strings.Contains(fmt.Sprint(m.To), "eve@") {
			return sink.Answer{Code: 550, Text: "5.1.1 no such user here"}
		}
		return sink.Answer{}
	})
	i, _ := w.start()
	nc := w.connect()
	for _, e := range []struct{ trigger, id, contact, name, offer string }{
		{"offer_access_granted", "order/1", "ada", "Ada", "gold"},
		{"offer_access_granted", "order/2", "ada", "Ada", "gold"},
		{"offer_access_granted", "order/3", "eve", "Eve", "tin"},
		{"offer_access_removed", "order/1", "eve", "Eve", "tin"},
	} {
		w.put(nc, forms["structured"](e.trigger, e.id, fmt.Appendf(nil, `{"contact": {"id": %q, "email": "%s@example.com", "first_name": %q}, "offer": {"id": %q, "title": "The %s"}}`,
			e.contact, e.contact, e.name, e.offer, e.offer)))
		w.quiet(i, nc)
	}
	if refused.Load() == 0 {
		t.Fatal("no recipient was asked for")
	}
	server := "--server=" + w.admin("")
	says := func(args []string, want ...string) string {
		t.Helper()
		code, out, errs := w.command(append(args, server)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, errs)
		}
		for _, s := range want {
			if !strings.Contains(out, s) {
				t.Errorf("%v does not say %q:\n%s", args, s, out)
			}
		}
		if strings.Contains(out, "/l/") {
			t.Errorf("%v shows a live link:\n%s", args, out)
		}
		return out
	}
	var runs []console.Run
	w.ask("GET", "/v1/runs", "", &runs)
	if len(runs) != 2 || runs[0].State != "finished" || runs[1].State != "waiting" || runs[1].At != "was-it-gold/then/pause" || runs[1].Event.ID != "order/1" {
		t.Fatalf("runs: %+v", runs)
	}
	mail := w.messages("?run=" + runs[1].ID)[0]
	out := says([]string{"explain", "order/1"},
		"offer_access_granted order/1\n", "offer_access_removed order/1\n", "  No workflow had this trigger.\n",
		"  welcome  started run "+runs[1].ID+", which waits in was-it-gold/then/pause until ",
		`  silver   did not start: trigger offer_access_granted: offer "gold" is not one of "silver"`,
		`  bobs     did not start: when does not hold: contact.first_name == "Bob"; contact.first_name is "Ada"`,
		"  sketch   did not start: the workflow is a draft\n",
		"offer_access_granted happened (event order/1), offer The gold (gold)\n",
		`  sent hello ("Hello Ada") to ada@example.com by email, message `+mail.ID+", link "+mail.Links[0]+"\n",
		"  skipped text: its when did not hold\n",
		"  took the branch then of was-it-gold\n",
		"  now it waits in was-it-gold/then/pause until ")
	if strings.Index(out, "skipped text") < strings.Index(out, "sent hello") {
		t.Errorf("not in order:\n%s", out)
	}
	says([]string{"explain", "order/2"}, "  welcome  did not start: re-entry: it started for offer \"gold\" at ")
	says([]string{"explain", "order/3"}, `  did not send hello ("Hello Eve") to eve@example.com by email: failed (`, "550", "took the branch else", "finished: came to its last step\n")
	both := says([]string{"explain", "ada@example.com"}, "order/1", "order/2")
	if strings.Contains(both, "order/3") || strings.Index(both, "order/1") < strings.Index(both, "order/2") {
		t.Errorf("explain of a contact:\n%s", both)
	}
	says([]string{"runs", "show", runs[1].ID}, "contact   Ada, "+runs[1].Contact, "\nThe same event and other workflows:\n", "  sketch  did not start", "sent hello")
	if out := says([]string{"runs", "list", "--state", "waiting"}, runs[1].ID, "waiting in was-it-gold/then/pause until "); strings.Contains(out, runs[0].ID) {
		t.Errorf("runs that wait:\n%s", out)
	}
	says([]string{"messages", "list", "--state", "failed", "--workflow", "welcome"}, "eve@example.com")
	says([]string{"messages", "show", mail.ID}, "state     sent\n", "links     "+mail.Links[0])
	if out := says([]string{"runs", "list", "-o", "jsonl"}, `"workflow":"welcome"`); strings.Count(out, "\n") != 2 {
		t.Errorf("one run is not one line:\n%s", out)
	}

	w.pass(2 * 3600e9)
	letsIn(t, "the link", links(w.waitMails(1)[0].text)[0], "The gold")
	if !comes(func() bool { w.ask("GET", "/v1/runs?state=finished", "", &runs); return len(runs) == 2 }) {
		t.Fatalf("runs that finished: %+v", runs)
	}
	w.quiet(i, nc)
	says([]string{"runs", "show", runs[1].ID}, "the wait was-it-gold/then/pause was over\n", "a link of this run let the learner in for the first time\n", "finished: came to its last step\n")

	testPagesOfEvents(t, w)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"explain", "nobody"}, 1, `there is neither an event nor a contact "nobody"`},
		{[]string{"explain", "--contact", "nobody"}, 1, `contact "nobody": not found`},
		{[]string{"runs", "show", mail.ID}, 1, "run " + mail.ID + ": not found"},
		{[]string{"messages", "show", runs[0].ID}, 1, "message " + runs[0].ID + ": not found"},
		{[]string{"messages", "list", "--contact", "nobody"}, 1, `contact "nobody": not found`},
	} {
		if code, _, errs := w.command(append(c.args, server)...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d: %s", c.args, code, errs)
		}
	}
	if s := w.logText(); strings.Contains(s, "ada@example.com") {
		t.Error("an address is in the log")
	}
}

// testPagesOfEvents reads a contact's events one by one.
func testPagesOfEvents(t *testing.T, w *world) {
	t.Helper()
	var got []string
	for before := ""; ; {
		var page []console.Event
		w.ask("GET", "/v1/events?contact=eve&limit=1&before="+url.QueryEscape(before), "", &page)
		if len(page) == 0 {
			break
		}
		got, before = append(got, page[0].Type), page[0].Record
	}
	if fmt.Sprint(got) != "[offer_access_removed offer_access_granted]" {
		t.Errorf("events by pages: %v", got)
	}
}

// TestHistoryUnderTheOldKey has one contact that was known by its address alone and another by its id alone, until an event tells
// that they are one.
func TestHistoryUnderTheOldKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "user_login", "1", `{"contact": {"id": "c-1"}}`)
	w.send(nc, "offer_access_granted", "1", `{"contact": {"email": "ada@example.com"}, "offer": {"id": "gold"}}`)
	w.quiet(i, nc)
	var runs []console.Run
	w.ask("GET", "/v1/runs", "", &runs)
	w.send(nc, "user_login", "2", `{"contact": {"id": "c-1", "email": "ada@example.com"}}`)
	w.quiet(i, nc)
	var before, since []console.Event
	w.ask("GET", "/v1/events?contact="+runs[0].Contact, "", &before)
	w.ask("GET", "/v1/events?contact=c-1", "", &since)
	if len(before) != 1 || before[0].Type != "offer_access_granted" || len(since) != 2 || since[0].Type != "user_login" {
		t.Errorf("under the old key %+v, under the new %+v", before, since)
	}
}
