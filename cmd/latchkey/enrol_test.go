package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/engine/console"
)

// enrolFiles: a welcome that gathers a first purchase, a workflow of each of its events beside it, and a nudge by absence.
const gatherWorkflow = `class: transactional
triggers: [new_sign_up, offer_access_granted, product_access_granted]
coalesce: 30s
reentry: {key: contact}
steps:
  - email: {subject: 'Welcome', text: '<<range products>><<title>> <<end>>Come in: <<login_url>>'}
`

const nudgeWorkflow = `class: transactional
triggers:
  - absent: {of: product_started, after: 3d, since: product_access_granted}
steps:
  - email: {subject: 'Begin <<product.title>>', text: 'Come in: <<login_url>>'}
`

// TestFirstPurchaseWelcomesOnce is what coalesce is for: without it the welcome would start with each event.
func TestFirstPurchaseWelcomesOnce(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			testFirstPurchaseWelcomesOnce(t, newWorld(t, map[string]string{
				"workflows/welcome.yaml": gatherWorkflow, "workflows/nudge.yaml": nudgeWorkflow, "workflows/offer.yaml": mailWorkflow("offer_access_granted"),
				"extra": "links: {keep: 1, ttl: 30d}\npartitions: " + partitions,
			}))
		})
	}
}

func testFirstPurchaseWelcomesOnce(t *testing.T, w *world) {
	i, stop := w.start()
	nc := w.connect()
	nouns := map[string]string{"offer": "gold", "product": "go-101"}
	for n, trigger := range []string{"new_sign_up", "offer_access_granted", "product_access_granted"} {
		w.put(nc, forms["structured"](trigger, fmt.Sprint("p", n), eventData("ada", nouns)))
	}
	w.quiet(i, nc)
	if mails := w.waitMails(1); len(mails) != 1 || mails[0].subject != "by offer_access_granted" {
		t.Fatalf("within the window: %d mails", len(mails))
	}
	if out := w.explained("p0"); !strings.Contains(out, "welcome  not yet: coalesce: what else comes until ") {
		t.Errorf("p0 says:\n%s", out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, stop = w.start() // in the middle of the window
	nc = w.connect()
	w.pass(31 * time.Second)
	mails := w.waitMails(2)
	w.quiet(i, nc)
	if mails[1].subject != "Welcome" || !strings.Contains(mails[1].text, "Title of go-101 Come in") {
		t.Errorf("%q: %s", mails[1].subject, mails[1].text)
	}
	for n, link := range w.linksTo("ada") { // links of one purchase do not end one another
		letsIn(t, fmt.Sprint("link ", n), link, "Title of go-101")
	}
	var runs []console.Run
	w.ask(http.MethodGet, "/v1/runs?workflow=welcome", "", &runs)
	if len(runs) != 1 || runs[0].Event.ID != "p0" {
		t.Fatalf("runs %+v", runs)
	}
	for id, want := range map[string]string{
		"p0": "welcome  started run " + runs[0].ID + ", which is finished", "p1": `; gathered with new_sign_up "p0"`, "p2": `; gathered with new_sign_up "p0"`,
	} {
		if out := w.explained(id); !strings.Contains(out, want) || !strings.Contains(out, "Run "+runs[0].ID+" of welcome:") || strings.Contains(out, "not yet: coalesce") {
			t.Errorf("%s says:\n%s", id, out)
		}
	}
	if out := w.explained("p2"); !strings.Contains(out, `nudge    not yet: absent: starts at `) {
		t.Errorf("p2 says:\n%s", out)
	}

	// Nothing begins for three days.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.pass(72 * time.Hour)
	i, _ = w.start()
	nc = w.connect()
	mails = w.waitMails(3)
	w.quiet(i, nc)
	if mails[2].subject != "Begin Title of go-101" || len(w.waitMails(3)) != 3 {
		t.Errorf("%d mails, %q", len(w.waitMails(3)), mails[2].subject)
	}
	for n, link := range w.linksTo("ada") {
		letsIn(t, fmt.Sprint("link ", n, " three days later"), link, "Title of go-101")
	}
	if out := w.explained("p2"); !strings.Contains(out, "nudge    started run ") {
		t.Errorf("p2 says:\n%s", out)
	}
	// A later purchase is another one, and its link ends those before.
	w.at(nc, w.now(), "offer_access_granted", "ada", map[string]string{"offer": "silver"})
	w.quiet(i, nc)
	found := w.linksTo("ada")
	for n, link := range found[:3] {
		refuses(t, fmt.Sprint("link ", n), link, replaced)
	}
	letsIn(t, "the newest", found[3], "Title of silver")
}

// explained is what the command says of an event.
func (w *world) explained(id string) string {
	w.t.Helper()
	code, out, errs := w.command("explain", id, "--server="+w.admin(""))
	if code != exitOK {
		w.t.Fatalf("explain %s: exit %d: %s", id, code, errs)
	}
	return out
}
