package main

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/engine/console"
)

// TestReplay has events that could not be used become usable: an address that two contacts shared, and a location that was not
// configured. Replayed, each has its effect once, also if its publisher sent it again meanwhile.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			testReplay(t, newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "partitions: " + partitions}))
		})
	}
}

func testReplay(t *testing.T, w *world) {
	i, _ := w.start()
	nc := w.connect()
	server := "--server=" + w.admin("")
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := w.command(append(args, server)...)
		if code != want {
			t.Fatalf("%v: exit %d: %s%s", args, code, out, errs)
		}
		return out + errs
	}
	letters := func() (list []console.Letter) {
		t.Helper()
		w.quiet(i, nc)
		w.ask("GET", "/v1/dead", "", &list)
		return list
	}
	w.send(nc, "user_login", "login:1", `{"contact": {"id": "c-1", "email": "ada@example.com"}}`)
	w.send(nc, "user_login", "login:2", `{"contact": {"id": "c-2", "email": "ada@example.com"}}`)
	grant := func(id string) {
		w.send(nc, "offer_access_granted", id, `{"contact": {"email": "ada@example.com"}, "offer": {"id": "gold", "title": "Gold"}}`)
	}
	grant("order-1")
	w.put(nc, forms["structured"]("offer_access_granted", "order-2", []byte(`{"contact": {"email": "ada@example.com"}, "offer": {"id": "silver"}}`)))
	list := letters()
	first := "offer_access_granted:order-1"
	if len(list) != 2 || list[1].ID != first || list[1].Reason != "ambiguous: several contacts have this e-mail address" || list[0].ID != "order-2" || list[0].Location != "academy" {
		t.Fatalf("letters: %+v", list)
	}
	if out := run(0, "explain", first); !strings.Contains(out, "It is a dead letter since") || !strings.Contains(out, "reason     ambiguous") {
		t.Errorf("explain: %s", out)
	}
	run(0, "dead", "replay", "--all") // nothing is mended yet
	if again := letters(); len(again) != 2 || again[0].Letter == list[0].Letter || again[1].ID != first {
		t.Fatalf("letters that died again: %+v", again)
	}
	w.send(nc, "user_login", "login:3", `{"contact": {"id": "c-2", "email": "bob@example.com"}}`)
	w.quiet(i, nc)
	if out := run(0, "dead", "replay", first); !strings.Contains(out, "offer_access_granted "+first) {
		t.Errorf("replay: %s", out)
	}
	if mail := w.waitMails(1)[0]; mail.to != "<ada@example.com>" {
		t.Errorf("mail to %s", mail.to)
	}
	// The publisher sends both again: the one is a duplicate, the other is applied before it is replayed.
	w.put(nc, forms["structured"]("offer_access_granted", "order-2", []byte(`{"contact": {"email": "ada@example.com"}, "offer": {"id": "silver"}}`)))
	w.waitMails(2)
	run(0, "dead", "replay", "--reason", "ambig")
	if left := letters(); len(left) != 0 {
		t.Errorf("letters left: %+v", left)
	}
	w.quiet(i, nc)
	if mails := w.waitMails(2); len(mails) != 2 {
		t.Errorf("%d mails", len(mails))
	}
	if out := run(0, "explain", first); strings.Contains(out, "dead letter") || !strings.Contains(out, "hello  started run") {
		t.Errorf("explain after the replay: %s", out)
	}
	if out := run(0, "explain", "order-2"); !strings.Contains(out, "delivered 1 times more, the last at ") {
		t.Errorf("explain of one that came again: %s", out)
	}
	var page []console.Letter
	if w.ask("GET", "/v1/dead?limit=1", "", &page); len(page) != 0 {
		t.Error(fmt.Sprint(page))
	}
}
