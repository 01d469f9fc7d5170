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
		i.asks(t, n, r)
		w.waitServed(n)
		started, _ := strconv.Atoi(w.logins()["email started"])
		return len(w.waitMails(started)) - before
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
	accepted := func() int { // of which each is mailed
		post := i.sites[0].post
		post.mu.Lock()
		defer post.mu.Unlock()
		return len(post.asked["sue@acme.test"])
	}
	others := len(w.waitMails(0))
	newest, had := w.now(), 0
	for range 179 { // an hour, of which all that was accepted is remembered
		flood()
		if all := accepted(); all > had {
			w.waitMails(others + all)
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
