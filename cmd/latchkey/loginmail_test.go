package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen/portal"
)

// learners loads contacts with access to Gold; further is more of the contact's JSON.
func (w *world) learners(further string, ids ...string) {
	w.t.Helper()
	var rows []string
	for _, id := range ids {
		rows = append(rows, fmt.Sprintf(`{"contact": {"id": %q, "email": "%s@example.com", "phone": %q, "first_name": "Ada"%s}, "offers": [{"id": "gold", "title": "Gold"}]}`,
			id, id, phoneOf(id), further))
	}
	var out console.ImportResult
	w.ask(http.MethodPost, "/v1/contacts", "["+strings.Join(rows, ",")+"]", &out)
}

// asks has a login link asked for, from a network address of its own.
func (i *instance) asks(t *testing.T, n int, r portal.LoginRequest) {
	t.Helper()
	if r.Location == "" {
		r.Location = "academy"
	}
	r.Client = netip.AddrFrom4([4]byte{192, byte(n >> 16), byte(n >> 8), byte(n)})
	if err := i.logins.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// logins returns the figures of the metric, by channel and result.
func (w *world) logins() map[string]string {
	w.t.Helper()
	_, body := w.get("/metrics")
	out := map[string]string{}
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, `latchkey_login_requests_total{channel="`); ok {
			channel, rest, _ := strings.Cut(rest, `"`)
			_, rest, _ = strings.Cut(rest, `result="`)
			result, n, _ := strings.Cut(rest, `"} `)
			out[channel+" "+result] = strings.TrimSpace(n)
		}
	}
	return out
}

func (w *world) waitLogins(what, n string) {
	w.t.Helper()
	if !comes(func() bool { return w.logins()[what] == n }) {
		w.t.Fatalf("%s: %v, want %s\n%s", what, w.logins(), n, w.logTail())
	}
}

// waitServed returns when so many requests were done with, beside those that were refused at once.
func (w *world) waitServed(n int) {
	w.t.Helper()
	served := 0
	if !comes(func() bool {
		served = 0
		for what, count := range w.logins() {
			if !strings.HasSuffix(what, " busy") && !strings.HasSuffix(what, " client") {
				k, _ := strconv.Atoi(count)
				served += k
			}
		}
		return served == n
	}) {
		w.t.Fatalf("%d requests are done with, want %d: %v\n%s", served, n, w.logins(), w.logTail())
	}
}

// TestLoginMail mails a link that somebody asked for, to the address on file: a link for a moment and for one use, which keeps where it
// leads to, in the contact's language, with a history like any other message's.
func TestLoginMail(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			testLoginMail(t, "partitions: "+partitions)
		})
	}
}

func testLoginMail(t *testing.T, extra string) {
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow,
		"extra": extra + "\napps: {courses: {url: \"https://learn.acme.test\"}}\nlogin: {sms: {prefixes: [\"+1415\"]}}"})
	i, _ := w.start()
	w.learners("", "ada")
	w.learners(`, "locale": "de-AT"`, "hans")

	i.asks(t, 1, portal.LoginRequest{Address: " ADA@example.com ", App: "courses", To: "lesson:intro", In: "go-101", Reason: "form"})
	mail := w.waitMails(1)[0]
	if mail.to != "<ada@example.com>" || mail.subject != "Your login link for Acme Academy" || !strings.Contains(mail.text, "You did not ask for it?") ||
		!strings.Contains(mail.html, "someone, most likely you, asked for a login link") {
		t.Errorf("mail to %s: %q\n%s", mail.to, mail.subject, mail.text)
	}
	found := links(mail.text)
	if in := links(mail.html); len(found) != 1 || len(in) != 1 || found[0] != in[0] {
		t.Fatalf("links %d in the text, %d in the HTML", len(found), len(in))
	}
	m := w.message("email", "sent")
	if m.Workflow != loginFlow || m.Class != "transactional" || len(m.Links) != 1 || m.Run == "" {
		t.Errorf("%+v", m)
	}
	var link console.Link
	w.ask(http.MethodGet, "/v1/links/"+m.Links[0], "", &link)
	if link.App != "courses" || link.To != "lesson:intro" || link.In != "go-101" || link.MaxUses != 1 || link.Expires.Sub(link.Created) != 15*time.Minute || link.Run != m.Run {
		t.Errorf("%+v", link)
	}
	var run console.RunStory
	w.ask(http.MethodGet, "/v1/runs/"+m.Run, "", &run)
	story, _ := json.Marshal(run)
	if !strings.Contains(string(story), engine.EventLogin) || run.State != "finished" {
		t.Errorf("%s", story)
	}
	letsIn(t, "the link", found[0], "You are signed in") // on to the course site
	refuses(t, "the link, by another browser", found[0], "This link has been used")
	w.ask(http.MethodGet, "/v1/runs/"+m.Run, "", &run)
	if story, _ := json.Marshal(run); !strings.Contains(string(story), "redeemed") {
		t.Errorf("the run's story does not say that it was redeemed: %s", story)
	}

	i.asks(t, 2, portal.LoginRequest{Address: "hans@example.com"})
	mail = w.waitMails(2)[1]
	if mail.subject != "Ihr Login-Link für Acme Academy" || !strings.Contains(mail.html, `<html lang="de"`) || !strings.Contains(mail.text, "Sie erhalten diese E-Mail, weil jemand") {
		t.Errorf("%q\n%s", mail.subject, mail.text)
	}
	w.pass(2 * time.Minute)
	i.asks(t, 3, portal.LoginRequest{Address: "hans@example.com", Channel: "sms"})
	text := w.waitTexts(1)[0]
	if body := text.Get("Body"); text.Get("To") != phoneOf("hans") || !strings.HasPrefix(body, "Acme Academy: Ihr Login-Link, bitte nicht weitergeben: ") || len(links(body)) != 1 {
		t.Errorf("%s: %q", text.Get("To"), body)
	}
	letsIn(t, "the link of the SMS", links(text.Get("Body"))[0], "Gold")
}

// TestLoginMailOwnTemplate has a project's own template win, in each language that it has; and its link's own policy.
func TestLoginMailOwnTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow,
		"templates/login.md": "---\nsubject: Ours\n---\n[In](<<login_url ttl=\"2h\">>)\n",
		"extra":              "login: {ttl: 30m, uses: unlimited}"})
	i, _ := w.start()
	w.learners(`, "locale": "de"`, "hans")
	ttl := func(n int) time.Duration {
		t.Helper()
		var sent []console.Message
		if !comes(func() bool { sent = w.messages("?state=sent"); return len(sent) == n }) {
			t.Fatalf("%d messages are sent, want %d", len(sent), n)
		}
		var link console.Link
		w.ask(http.MethodGet, "/v1/links/"+sent[0].Links[0], "", &link)
		if link.MaxUses != 0 {
			t.Errorf("it works %d times", link.MaxUses)
		}
		return link.Expires.Sub(link.Created)
	}
	i.asks(t, 1, portal.LoginRequest{Address: "hans@example.com"})
	if mail := w.waitMails(1)[0]; mail.subject != "Ours" {
		t.Errorf("%q", mail.subject)
	}
	if d := ttl(1); d != 2*time.Hour {
		t.Errorf("it works for %s", d)
	}
	w.edit(t, i, map[string]string{"templates/login.de.md": "---\nsubject: Unsere\nlang: de\n---\n[Hinein](<<login_url>>)\n"})
	w.pass(2 * time.Minute)
	i.asks(t, 2, portal.LoginRequest{Address: "hans@example.com"})
	if mail := w.waitMails(2)[1]; mail.subject != "Unsere" {
		t.Errorf("%q", mail.subject)
	}
	if d := ttl(2); d != 30*time.Minute {
		t.Errorf("it works for %s", d)
	}
	w.edit(t, i, map[string]string{"templates/login.de.md": "", "templates/login.md": ""})
	w.pass(2 * time.Minute)
	i.asks(t, 3, portal.LoginRequest{Address: "hans@example.com"})
	if mail := w.waitMails(3)[2]; mail.subject != "Ihr Login-Link für Acme Academy" {
		t.Errorf("%q", mail.subject)
	}
}

// TestLoginMailNobody sends nothing to whom it must not, and says why in the metric and, of contacts, in the history.
func TestLoginMailNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "login: {sms: {prefixes: [\"+44\"]}}"})
	i, _ := w.start()
	w.learners("", "ada")
	w.learners(`, "consent": {"email": false}`, "quiet")
	var out console.ImportResult
	w.ask(http.MethodPost, "/v1/contacts", `[{"contact": {"id": "none", "email": "none@example.com"}},
		{"contact": {"id": "one", "email": "both@example.com"}, "offers": [{"id": "gold"}]}, {"contact": {"id": "two", "email": "both@example.com"}, "offers": [{"id": "gold"}]},
		{"contact": {"id": "mute", "phone": "+14155550199"}, "offers": [{"id": "gold"}]}]`, &out)
	n := 0
	for address := range map[string]bool{
		"nobody@example.com": true, "ada": true, i.runnerKey(t, "ada").String(): true, "": true, "none@example.com": true, "both@example.com": true,
	} {
		n++
		i.asks(t, n, portal.LoginRequest{Address: address})
	}
	for what, count := range map[string]string{"email unknown": "4", "email no_access": "1", "email ambiguous": "1"} {
		w.waitLogins(what, count)
	}
	i.asks(t, 10, portal.LoginRequest{Address: "ada@example.com", Channel: "sms"})
	w.waitLogins("sms prefix", "1")
	i.asks(t, 11, portal.LoginRequest{Address: "ada@example.com", Location: "elsewhere"})
	w.waitLogins("email off", "1")
	i.asks(t, 12, portal.LoginRequest{Address: "quiet@example.com"})
	if m := w.message("email", "suppressed"); m.Workflow != loginFlow || m.Error == "" {
		t.Errorf("%+v", m)
	}
	i.asks(t, 13, portal.LoginRequest{Contact: i.runnerKey(t, "mute")})
	if m := w.message("email", "failed"); !strings.Contains(m.Error, "no e-mail address") {
		t.Errorf("%+v", m)
	}
	if mails, texts := len(w.waitMails(0)), len(w.waitTexts(0)); mails+texts > 0 {
		t.Errorf("%d mails, %d SMS", mails, texts)
	}
	var events []console.Event
	w.ask(http.MethodGet, "/v1/events?contact=none", "", &events)
	if len(events) != 1 || !strings.HasPrefix(events[0].Decisions[0].Reason, "when does not hold: len(access.offers)") {
		t.Errorf("%+v", events)
	}
	for _, secret := range []string{"ada@example.com", "nobody@example.com", "both@example.com"} {
		if strings.Contains(w.logText(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

func (i *instance) runnerKey(t *testing.T, text string) engine.ID {
	t.Helper()
	keys, err := i.runner.Lookup(t.Context(), "academy", text)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %d contacts, %v", text, len(keys), err)
	}
	return keys[0]
}

// TestMailings sends login mails and invitations by hand.
func TestMailings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "apps: {courses: {url: \"https://learn.acme.test\"}}"})
	w.start()
	w.learners("", "ada")
	w.learners(`, "consent": {"sms": false}`, "quiet")
	var out console.ImportResult
	w.ask(http.MethodPost, "/v1/contacts", `[{"contact": {"id": "none", "email": "none@example.com"}}]`, &out)
	var mailed console.Mailed
	w.ask(http.MethodPost, "/v1/contacts/ada/send", `{"kind": "invite", "app": "courses", "to": "product:go-101"}`, &mailed)
	mail := w.waitMails(1)[0]
	if mail.subject != "Your courses at Acme Academy are open" || mail.to != "<ada@example.com>" || mailed.Says != "On its way to a***@example.com." {
		t.Errorf("%q to %s: %+v", mail.subject, mail.to, mailed)
	}
	var m console.Message
	w.ask(http.MethodGet, "/v1/messages/"+mailed.Message, "", &m)
	var link console.Link
	w.ask(http.MethodGet, "/v1/links/"+m.Links[0], "", &link)
	if m.Run != mailed.Run || m.Workflow != inviteFlow || link.Expires.Sub(link.Created) != 24*time.Hour || link.MaxUses != 0 || link.App != "courses" || link.To != "product:go-101" {
		t.Errorf("%+v\n%+v", m, link)
	}
	for range 4 { // no limit is for staff
		w.ask(http.MethodPost, "/v1/contacts/ada/send", `{"channel": "sms"}`, &mailed)
	}
	if text := w.waitTexts(4)[0].Get("Body"); !strings.HasPrefix(text, "Acme Academy: your login link") {
		t.Errorf("%q", text)
	}
	w.ask(http.MethodPost, "/v1/contacts/ada/send", `{}`, &mailed)
	if mail := w.waitMails(2)[1]; strings.Contains(mail.text, "did not ask") || !strings.Contains(mail.text, "Acme Academy sends you a login link") {
		t.Errorf("%s", mail.text)
	}
	w.ask(http.MethodPost, "/v1/contacts/ada/send", `{"ttl": "2h", "uses": 3, "bind": "browser"}`, &mailed)
	w.waitMails(3)
	w.ask(http.MethodGet, "/v1/messages/"+mailed.Message, "", &m)
	w.ask(http.MethodGet, "/v1/links/"+m.Links[0], "", &link)
	if link.Expires.Sub(link.Created) != 2*time.Hour || link.MaxUses != 3 || link.Bind != "browser" {
		t.Errorf("as staff chose: %+v", link)
	}
	for _, c := range []struct {
		contact, body, want string
		status              int
	}{
		{"ada", `{"ttl": "99w"}`, "longer than the longest allowed, 30d", 400},
		{"ada", `{"uses": -1}`, "uses is a number above zero", 400},
		{"nobody", `{}`, "not found", 404},
		{"none", `{}`, "no offer and no product", 409},
		{"none", `{"channel": "sms"}`, "no phone number", 409},
		{"quiet", `{"channel": "sms"}`, "does not want messages by sms", 409},
		{"ada", `{"channel": "fax"}`, `channel is email or sms, not "fax"`, 400},
		{"ada", `{"kind": "spam"}`, `kind is login or invite, not "spam"`, 400},
		{"ada", `{"app": "shop"}`, `no app "shop"`, 400},
		{"ada", `{"to": "https://evil.test"}`, "to is product:", 400},
	} {
		status, body := w.do(http.MethodPost, "/v1/contacts/"+c.contact+"/send", c.body)
		if status != c.status || !strings.Contains(problem(t, body), c.want) {
			t.Errorf("%s %s: %d %s", c.contact, c.body, status, body)
		}
	}
}
