package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"latchkey/actions/smtp/sink"
	"latchkey/engine/console"
	"latchkey/linkgen/portal"
)

const replaced = "A newer link has taken this one’s place"

// mailWorkflow mails one link when the trigger comes.
func mailWorkflow(trigger string) string {
	return fmt.Sprintf("class: transactional\ntriggers: [%s]\nreentry: always\nsteps:\n  - email: {subject: 'by %s', text: 'Come in: <<login_url>>'}\n", trigger, trigger)
}

// linksTo returns the login links of the mails to an address, and of the SMS to its number, in their order.
func (w *world) linksTo(contact string) []string {
	w.t.Helper()
	var out []string
	for _, m := range w.waitMails(0) {
		if m.to == "<"+contact+"@example.com>" {
			out = append(out, links(m.text)...)
		}
	}
	for _, s := range w.waitTexts(0) {
		if s.Get("To") == phoneOf(contact) {
			out = append(out, links(s.Get("Body"))...)
		}
	}
	return out
}

// grant publishes an offer_access_granted.
func (w *world) grant(nc *nats.Conn, contact, offer string) {
	w.t.Helper()
	w.put(nc, forms["bare"]("offer_access_granted", contact+" "+offer, eventData(contact, map[string]string{"offer": offer})))
}

// TestLinksOfOneEventLiveTogether has two messages of one run and another workflow of the same event. A later
// event's link ends them once its message is accepted, and not before; and a restart changes nothing.
func TestLinksOfOneEventLiveTogether(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			testLinksOfOneEvent(t, "partitions: "+partitions)
		})
	}
}

func testLinksOfOneEvent(t *testing.T, extra string) {
	w := newWorld(t, map[string]string{
		"workflows/hello.yaml":  helloWorkflow,
		"workflows/second.yaml": mailWorkflow("offer_access_granted"),
		"workflows/lesson.yaml": mailWorkflow("lesson_completed"),
		"extra":                 extra,
	})
	i, stop := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	old := w.linksTo("ada")
	if len(old) != 3 {
		t.Fatalf("%d links", len(old))
	}
	restart := func() {
		t.Helper()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		i, stop = w.start()
		nc = w.connect()
	}
	all := func(check func(what, link string), when string) {
		t.Helper()
		for n, link := range old {
			check(fmt.Sprintf("link %d, %s", n, when), link)
		}
	}
	lets := func(what, link string) { t.Helper(); letsIn(t, what, link, "Title of gold") }
	over := func(what, link string) { t.Helper(); refuses(t, what, link, replaced) }
	all(lets, "all messages out")
	restart()
	all(lets, "after a restart")

	held, release := make(chan struct{}), make(chan struct{})
	w.answerAt(sink.Dot, func(n int64, _ sink.Mail) sink.Answer {
		if n == 1 {
			close(held)
			<-release
		}
		return sink.Answer{}
	})
	w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"product": "go-101", "lesson": "intro"})))
	<-held
	all(lets, "while the newer mail is not accepted")
	close(release)
	w.quiet(i, nc)
	newest := w.linksTo("ada")
	all(over, "when the newer mail is accepted")
	lets("the newer link", newest[len(newest)-2]) // the SMS stands last
	restart()
	all(over, "after another restart")
	lets("the newer link after a restart", newest[len(newest)-2])
}

// TestRefusedMailEndsNoLink has a later event whose mail is refused: the learner has only the older one.
func TestRefusedMailEndsNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/offer.yaml": mailWorkflow("offer_access_granted"), "workflows/lesson.yaml": mailWorkflow("lesson_completed"),
	})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	w.answerAt(sink.Rcpt, func(int64, sink.Mail) sink.Answer { return sink.Answer{Code: 550, Text: "5.2.2 mailbox full"} })
	w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"lesson": "intro"})))
	w.quiet(i, nc)
	w.message("email", "failed")
	letsIn(t, "the older link", w.linksTo("ada")[0], "Title of gold")
}

// at publishes an event that says when it happened.
func (w *world) at(nc *nats.Conn, when time.Time, trigger, contact string, nouns map[string]string) {
	w.t.Helper()
	m := forms["binary"](trigger, rand.Text(), eventData(contact, nouns))
	m.Header.Set("ce-time", when.Format(time.RFC3339))
	w.put(nc, m)
}

// TestFirstPurchase has the three events of a first purchase in each order that they may come in.
func TestFirstPurchase(t *testing.T) {
	t.Parallel()
	files := map[string]string{"workflows/lesson.yaml": mailWorkflow("lesson_completed")}
	purchase := []string{"new_sign_up", "offer_access_granted", "product_access_granted"}
	for _, trigger := range purchase {
		files["workflows/"+trigger+".yaml"] = mailWorkflow(trigger)
	}
	w := newWorld(t, files)
	i, _ := w.start()
	nc := w.connect()
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	contact := func(n int) string { return fmt.Sprintf("c-%d", n) }
	nouns := map[string]string{"offer": "gold", "product": "go-101"}
	began := time.Now()
	for step := range purchase {
		for n, order := range orders {
			w.at(nc, began.Add(time.Duration(step)*50*time.Second), purchase[order[step]], contact(n), nouns)
		}
	}
	w.quiet(i, nc)
	for n, order := range orders {
		found := w.linksTo(contact(n))
		if len(found) != 3 {
			t.Errorf("order %v: %d links", order, len(found))
		}
		for k, link := range found {
			letsIn(t, fmt.Sprintf("order %v, mail %d", order, k), link, "Title of gold")
			letsIn(t, fmt.Sprintf("order %v, mail %d", order, k), link, "Title of go-101")
		}
	}
	// What comes later is another issue, even of a grant.
	w.at(nc, began.Add(5*time.Minute), "offer_access_granted", contact(0), map[string]string{"offer": "silver"})
	w.at(nc, began.Add(time.Second), "lesson_completed", contact(1), map[string]string{"lesson": "intro"})
	w.quiet(i, nc)
	for n := range 2 {
		found := w.linksTo(contact(n))
		for _, link := range found[:3] {
			refuses(t, contact(n), link, replaced)
		}
		letsIn(t, contact(n), found[3], "Title of gold")
	}
}

// TestKeep has families live as long as links.keep and links.supersede say.
func TestKeep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		extra string
		live  int // of four links, the last ones
	}{
		{"links: {keep: 1}", 1}, {"links: {keep: 2}", 2}, {"links: {keep: all}", 4}, {"links: {supersede: on_mint}", 1},
	} {
		t.Run(c.extra, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/lesson.yaml": mailWorkflow("lesson_completed"), "extra": c.extra})
			i, _ := w.start()
			nc := w.connect()
			for n := range 4 {
				w.put(nc, forms["bare"]("lesson_completed", fmt.Sprint(n), eventData("ada", map[string]string{"product": "go-101", "lesson": "intro"})))
				w.quiet(i, nc)
			}
			found := w.linksTo("ada")
			for n, link := range found {
				if n < len(found)-c.live {
					refuses(t, fmt.Sprintf("link %d", n), link, replaced)
				} else {
					letsIn(t, fmt.Sprintf("link %d", n), link, "Title of go-101")
				}
			}
		})
	}
}

// TestLinkByHand has `link new` end the older links at once, and no session.
func TestLinkByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	older := w.linksTo("ada")
	inside := newPerson(t)
	if status, _ := inside.press(older[0]); status != http.StatusOK {
		t.Fatalf("older link: %d", status)
	}
	var made, again console.Link
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada@example.com", "ttl": "2h"}`, &made)
	for n, link := range older {
		refuses(t, fmt.Sprintf("older link %d", n), link, replaced)
	}
	letsIn(t, "the new link", made.URL, "Title of gold")
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada"}`, &again)
	refuses(t, "the first one by hand", made.URL, replaced)
	letsIn(t, "the second one by hand", again.URL, "Title of gold")
	if status, pg := inside.open(http.MethodGet, portalURL(w), nil); status != http.StatusOK || !strings.Contains(strings.Join(pg.text, "\n"), "Title of gold") {
		t.Errorf("the session of an older link: %d %q", status, pg.text)
	}

	// Revoking ends link and session.
	if status, _ := inside.press(again.URL); status != http.StatusOK {
		t.Fatalf("link: %d", status)
	}
	w.ask(http.MethodPost, "/v1/links/"+again.ID+"/revoke", "", &made)
	refuses(t, "the revoked link", again.URL, "has ended this link")
	if _, pg := inside.open(http.MethodGet, portalURL(w), nil); strings.Contains(strings.Join(pg.text, "\n"), "Title of gold") {
		t.Errorf("the session of a revoked link: %q", pg.text)
	}
	w.pass(3 * time.Hour)
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada", "ttl": "1h"}`, &again)
	letsIn(t, "a link for an hour", again.URL, "Title of gold")
	w.pass(61 * time.Minute)
	refuses(t, "a link for an hour, after it", again.URL, "This link has expired")
}

func portalURL(w *world) string { return fmt.Sprintf("http://127.0.0.1:%d/", w.ports[0]) }

// TestAccessRemoved ends links and sessions with the last access, and not before. They do not come back when access
// does; links that were made in between work then.
func TestAccessRemoved(t *testing.T) {
	t.Parallel()
	for _, extra := range []string{"links: {keep: all}", "links: {keep: all}\npartitions: 4"} {
		t.Run(extra, func(t *testing.T) {
			t.Parallel()
			testAccessRemoved(t, extra)
		})
	}
}

func testAccessRemoved(t *testing.T, extra string) {
	w := newWorld(t, map[string]string{
		"workflows/hello.yaml": helloWorkflow, "workflows/gone.yaml": mailWorkflow("offer_access_removed"), "extra": extra,
	})
	i, stop := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.grant(nc, "ada", "silver")
	w.quiet(i, nc)
	found := w.linksTo("ada")
	inside := newPerson(t)
	if status, _ := inside.press(found[0]); status != http.StatusOK {
		t.Fatalf("link: %d", status)
	}
	remove := func(offer string) string {
		t.Helper()
		w.put(nc, forms["bare"]("offer_access_removed", offer, eventData("ada", map[string]string{"offer": offer})))
		w.quiet(i, nc)
		_, pg := inside.open(http.MethodGet, portalURL(w), nil)
		return strings.Join(pg.text, "\n")
	}
	if text := remove("gold"); strings.Contains(text, "Title of gold") || !strings.Contains(text, "Title of silver") {
		t.Errorf("the portal with one offer left:\n%s", text)
	}
	letsIn(t, "a link with one offer left", found[0], "Title of silver")
	if text := remove("silver"); !strings.Contains(text, "Your access has ended") || strings.Contains(text, "Title of") {
		t.Errorf("the portal with nothing left:\n%s", text)
	}
	for n, link := range found {
		refuses(t, fmt.Sprintf("link %d with nothing left", n), link, "Your access has ended")
	}
	between := w.linksTo("ada")[3] // the mails come before the SMS: two of grants, two of removals
	refuses(t, "the link that was made with nothing left", between, "You have no course here yet")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	refuses(t, "after a restart", found[0], "Your access has ended")

	w.grant(nc, "ada", "lead")
	w.quiet(i, nc)
	for n, link := range found {
		refuses(t, fmt.Sprintf("link %d after another grant", n), link, "Acme Academy has ended this link")
	}
	if _, pg := inside.open(http.MethodGet, portalURL(w), nil); strings.Contains(strings.Join(pg.text, "\n"), "Title of") {
		t.Errorf("the old session after another grant: %q", pg.text)
	}
	now := w.linksTo("ada")
	letsIn(t, "the link that was made with nothing left", between, "Title of lead")
	letsIn(t, "the new mail's link", now[4], "Title of lead")
	letsIn(t, "the new SMS's link", now[len(now)-1], "Title of lead")
}

// TestAddressChanges ends the links that were sent to an address that is the contact's no longer.
func TestAddressChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "links: {keep: all}"})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	byMail, bySMS := w.linksTo("ada")[0], w.linksTo("ada")[1]
	w.send(nc, "offer_access_granted", "2", fmt.Sprintf(`{"contact": {"id": "ada", "email": "ada@elsewhere.example.com", "phone": %q}, "offer": {"id": "silver", "title": "Silver"}}`, phoneOf("ada")))
	w.quiet(i, nc)
	refuses(t, "sent to the old address", byMail, "This link was sent to an address that is no longer yours")
	letsIn(t, "sent to the same number", bySMS, "Silver")
	newMail := w.waitMails(2)[1]
	letsIn(t, "sent to the new address", links(newMail.text)[0], "Silver")

	w.send(nc, "offer_access_granted", "3", `{"contact": {"id": "ada", "phone": "+14155559999"}, "offer": {"id": "lead", "title": "Lead"}}`)
	w.quiet(i, nc)
	refuses(t, "sent to the old number", bySMS, "This link was sent to an address that is no longer yours")
	letsIn(t, "still the same address", links(newMail.text)[0], "Lead")
}

// TestSentByHand has staff send a login mail: its link ends the older ones, also those of the newest event of all. The copies of
// one message share a generation.
func TestSentByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/hello.yaml": mailWorkflow("offer_access_granted"), "workflows/lesson.yaml": mailWorkflow("lesson_completed"),
	})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	var sent console.Mailed
	for n := range 3 {
		w.ask(http.MethodPost, "/v1/contacts/ada/send", fmt.Sprintf(`{"kind": %q}`, []string{"login", "invite", "login"}[n]), &sent)
		w.waitMails(n + 2)
		w.quiet(i, nc)
		all := w.linksTo("ada")
		refuses(t, fmt.Sprintf("link %d", n), all[n], replaced)
		letsIn(t, fmt.Sprintf("link %d, sent by hand", n+1), all[n+1], "Title of gold")
	}
	w.ask(http.MethodPost, "/v1/messages/"+sent.Message+"/resend", "{}", new(json.RawMessage))
	w.waitMails(5)
	w.quiet(i, nc)
	letsIn(t, "the message", w.linksTo("ada")[3], "Title of gold")
	letsIn(t, "its copy", w.linksTo("ada")[4], "Title of gold")
	w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"product": "go", "lesson": "intro"})))
	w.quiet(i, nc)
	refuses(t, "the copy, after a later event", w.linksTo("ada")[4], replaced)
}

// TestAskedLinkEndsNone has somebody ask for a link at the form, which anybody can in a learner's name: those that the learner
// was sent go on working, beside the new one. A later event's link ends them all.
func TestAskedLinkEndsNone(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{
				"workflows/hello.yaml":  mailWorkflow("offer_access_granted"),
				"workflows/lesson.yaml": mailWorkflow("lesson_completed"),
				"extra":                 "partitions: " + partitions,
			})
			i, _ := w.start()
			nc := w.connect()
			w.grant(nc, "ada", "gold")
			w.grant(nc, "bob", "gold") // newer than what ada was mailed for
			w.quiet(i, nc)
			i.asks(t, 1, portal.LoginRequest{Address: "ada@example.com", Reason: "form"})
			w.waitMails(3)
			w.quiet(i, nc)
			for n, link := range w.linksTo("ada") {
				letsIn(t, fmt.Sprintf("link %d", n), link, "Title of gold")
			}
			w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"product": "go", "lesson": "intro"})))
			w.quiet(i, nc)
			all := w.linksTo("ada")
			refuses(t, "the first mail's link", all[0], replaced)
			refuses(t, "the link that was asked for", all[1], replaced)
			letsIn(t, "the newest link", all[2], "Title of gold")
		})
	}
}
