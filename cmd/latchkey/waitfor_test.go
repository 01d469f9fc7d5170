package main

import (
	"strings"
	"testing"
	"time"

	"latchkey/engine/console"
	"latchkey/engine/runner"
)

const cameInWorkflow = `class: transactional
triggers: [offer_access_granted]
goal: {event: {product_completed: {product: go-101}}}
steps:
  - email: {subject: Welcome, text: 'Come in: <<login_url>>'}
  - wait: {for: link.redeemed, timeout: 2d}
  - if: run.link_redeemed
    then:
      - email: {subject: Good to see you, text: 'It was <<run.link_redeemed>>'}
    else:
      - sms: 'Come in: <<login_url>>'
  - id: lesson
    wait: {for: {lesson_completed: {lesson: {none_of: [intro]}}}, timeout: 1w}
  - email: {subject: 'After the lesson', text: Hello}
    when: run.steps.lesson.outcome == "met"
  - wait: 1w
  - email: {subject: Never, text: never}
`

// TestWaitForLinkAndEvent has one learner come in by the link of the mail and go on to the goal, and another time out. A restart
// comes in between.
func TestWaitForLinkAndEvent(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/came-in.yaml": cameInWorkflow, "extra": "partitions: " + partitions})
			testWaitForLinkAndEvent(t, w)
		})
	}
}

func testWaitForLinkAndEvent(t *testing.T, w *world) {
	_, stop := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	link := links(w.waitMails(1)[0].text)[0]
	w.send(nc, "offer_access_granted", "2", strings.NewReplacer("c-1", "c-2", "ada@", "bob@", "0123", "0199").Replace(adaGold))
	w.waitMails(2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ := w.start()
	var runs []console.Run
	w.ask("GET", "/v1/runs?contact=c-1", "", &runs)
	if len(runs) != 1 || strings.Join(runs[0].For, " ") != "link.redeemed" || runs[0].At != "wait-1" {
		t.Fatalf("runs: %+v", runs)
	}
	server := "--server=" + w.admin("")
	shows := func(args []string, want ...string) {
		t.Helper()
		_, out, errs := w.command(append(args, server)...)
		for _, s := range want {
			if !strings.Contains(out, s) {
				t.Errorf("%v does not say %q:\n%s%s", args, s, out, errs)
			}
		}
	}
	shows([]string{"runs", "show", runs[0].ID}, "now it waits in wait-1 for link.redeemed, until ", " at the latest\n")
	letsIn(t, "link of the mail", link, "Gold")
	if m := w.waitMails(3)[2]; m.subject != "Good to see you" || !strings.Contains(m.text, "It was true") {
		t.Errorf("%q: %s", m.subject, m.text)
	}
	w.pass(49 * time.Hour)
	if text := w.waitTexts(1)[0]; text.Get("To") != "+14155550199" {
		t.Errorf("SMS to %s", text.Get("To"))
	}
	nc = w.connect()
	w.until(t, "both wait for a lesson", i, func(s runner.Stats) bool { return s.Waiting == 2 })
	w.send(nc, "lesson_completed", "3", `{"contact": {"id": "c-1"}, "lesson": {"id": "intro"}}`)
	w.send(nc, "lesson_completed", "4", `{"contact": {"id": "c-1"}, "lesson": {"id": "two"}}`)
	if m := w.waitMails(4)[3]; m.subject != "After the lesson" || m.to != "<ada@example.com>" {
		t.Errorf("%q to %s", m.subject, m.to)
	}
	w.quiet(i, nc)
	shows([]string{"explain", "lesson_completed:4"}, "came-in  met the wait lesson of run "+runs[0].ID+", which waits in wait-2 until ")
	w.send(nc, "product_completed", "5", `{"contact": {"id": "c-1"}, "product": {"id": "go-101"}}`)
	w.quiet(i, nc)
	shows([]string{"explain", "product_completed:5"}, "came-in  ended run "+runs[0].ID+": reached its goal: product_completed, event product_completed:5, which is finished")
	shows([]string{"runs", "show", runs[0].ID}, "the wait wait-1 was met (link.redeemed)\n", "the wait lesson was met (lesson_completed, event lesson_completed:4)\n",
		"left wait-2 for a goal\n", "finished: reached its goal: product_completed, event product_completed:5\n")
}
