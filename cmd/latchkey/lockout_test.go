package main

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"latchkey/linkgen"
	"latchkey/linkgen/portal"
)

// TestStrangersKeepNobodyOut: what a stranger can do with nothing but an address, all day long, does not take from its owner the way
// in that they have: the button of a link that is over, and the console's sign-in mail.
//
// Red when ratesOf returns loginRates for all; and when askAlways is an hour.
func TestStrangersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": staffed})
	i, _ := w.start()
	w.learners("", "ada")
	n := 0
	ask := func(r portal.LoginRequest) (mails int) {
		t.Helper()
		before := len(w.waitMails(0))
		n++
		r.Location = "academy"
		i.asks(t, n, r)
		for len(i.logins.queue) > 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // it is being served
		for range 1000 {                  // until all that was started is sent
			if started, _ := strconv.Atoi(w.logins()["email started"]); started == len(w.waitMails(0)) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		return len(w.waitMails(0)) - before
	}
	mails := 0
	for range 23 {
		mails += ask(portal.LoginRequest{Address: "ada@example.com"})
		w.pass(time.Hour)
	}
	if mails != 6 {
		t.Errorf("%d mails at strangers' wish in a day", mails)
	}
	own := portal.LoginRequest{Contact: i.runnerKey(t, "ada"), Reason: "expired"}
	if ask(own) != 1 {
		t.Error("the button of her own link sends none after a day of strangers")
	}
	mails = 0
	for range 30 {
		w.pass(time.Minute)
		mails += ask(own)
	}
	if mails != 5 {
		t.Errorf("%d mails at the wish of who holds a link: they are bounded too", mails)
	}

	c := w.clerk()
	flood := func() { c.open("/signin/mail", url.Values{"email": {"sue@acme.test"}}) }
	sent := func() (n int) {
		time.Sleep(20 * time.Millisecond) // one more would be on its way
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, m := range w.mails {
			if m.To == "sue@acme.test" {
				n++
			}
		}
		return n
	}
	newest, had := w.now(), 0
	for range 180 { // an hour
		flood()
		if all := sent(); all > had {
			newest, had = w.now(), all
		}
		if age := w.now().Sub(newest); age >= linkgen.StaffTTL {
			t.Fatalf("no sign-in link of the last %v works: hers are used up by who asks for them", age)
		}
		w.pass(20 * time.Second)
	}
	if had < 6 || had > 12 {
		t.Errorf("%d sign-in mails in an hour", had)
	}
}
