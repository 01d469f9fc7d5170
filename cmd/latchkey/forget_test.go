package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"latchkey/actions/smtp"
	"latchkey/engine"
	"latchkey/engine/console"
)

// Zeb is the contact that the tests forget: nothing of that may be found afterwards.
var zeb = []needle{
	{"the address", "zebediah@example.com"}, {"the old address", "zeb.old@example.com"}, {"the id", "site-zeb-17"},
	{"the phone number", "+14155559876"}, {"the name", "Zebulon"},
}

const zebWorkflow = `class: transactional
triggers: [offer_access_granted]
steps:
  - id: hello
    email: {subject: 'Hello <<contact.first_name>>', text: 'Come in: <<login_url>>'}
  - publish: {type: lead, data: {who: '<<contact.first_name | default "nobody">>', reach: '<<contact.email | default "no">>'}}
  - id: text
    sms: 'Come in: <<login_url>>'
  - id: pause
    wait: 3d
  - id: again
    email: {subject: 'Still there, <<contact.first_name>>?', text: 'Come in: <<login_url>>'}
`

// zebAndBob lets both live: events in each form, an address that changed, one that absorbs another, dead letters, links opened.
func (w *world) zebAndBob(i *instance, nc *nats.Conn) {
	t := w.t
	t.Helper()
	w.send(nc, "offer_access_granted", "z1", `{"contact": {"email": "zeb.old@example.com", "first_name": "Zebulon"}, "offer": {"id": "tin"}}`)
	w.quiet(i, nc)
	full := `{"contact": {"id": "site-zeb-17", "email": %q, "phone": "+14155559876", "first_name": "Zebulon"}, "offer": {"id": %q}}`
	w.send(nc, "user_login", "z2", `{"contact": {"id": "site-zeb-17", "first_name": "Zebulon"}}`)
	w.send(nc, "offer_access_granted", "z3", fmt.Sprintf(full, "zeb.old@example.com", "gold"))
	w.put(nc, forms["structured"]("offer_access_granted", "z4 for zebediah@example.com", fmt.Appendf(nil, full, "zebediah@example.com", "silver")))
	w.put(nc, forms["binary"]("offer_access_granted", "z5", fmt.Appendf(nil, full, "zebediah@example.com", "lead")))
	w.send(nc, "user_login", "z6", `{"contact": {"email": "zebediah@example.com"}}`)
	w.send(nc, "offer_access_granted", "z7", `{"contact": {"id": "site-zeb-17", "email": "zebediah@example.com"}}`)             // names no offer
	w.send(nc, "user_login", "z8", `{"contact": {"email": "zebediah@example.com", "first_name": "Zebulon", this is no JSON`)    // neither
	w.send(nc, "offer_access_granted", "b1", `{"contact": {"id": "bob", "email": "bob@example.com"}, "offer": {"id": "gold"}}`) // stays
	w.send(nc, "user_login", "b2", `{"contact": {"id": "bob-2", "email": "bob@example.com"}}`)                                  // shares it
	w.send(nc, "user_login", "b3", `{"contact": {"id": "nobody", "email": "nobody@example.com"}}`)
	w.quiet(i, nc)
}

// dataHolds counts the files under data/ that hold each needle.
func (w *world) dataHolds(needles []needle) (files int, found []string) {
	w.t.Helper()
	for _, dir := range []string{"data", "keys"} {
		err := filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a running server's files come and go
			}
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			files++
			for _, n := range needles {
				if strings.Contains(string(b), n.text) {
					found = append(found, strings.TrimPrefix(path, w.dir)+" holds "+n.what)
				}
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return files, found
}

// withOutbox lets messages go to the outbox.
func withOutbox(c *Config) { c.Email.SMTP, c.SMS.Twilio.AccountSID = smtp.Config{}, "" }

// TestForget forgets a contact of whom there is something everywhere, and looks for them in every file and answer. The
// other contact stays as they are.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			testForget(t, newWorld(t, map[string]string{"workflows/hello.yaml": zebWorkflow, "extra": fmt.Sprint("partitions: ", partitions, "\n", forumApp)}))
		})
	}
}

func testForget(t *testing.T, w *world) {
	i, stop := w.start(withOutbox)
	nc := w.connect()
	w.zebAndBob(i, nc)
	var byHand, bobs console.Link
	w.ask(http.MethodPost, "/v1/links", `{"contact": "site-zeb-17"}`, &byHand)
	w.ask(http.MethodPost, "/v1/links", `{"contact": "bob"}`, &bobs)
	browser := newPerson(t)
	browser.press(byHand.URL)
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	browser.open(http.MethodGet, portalURL(w)+askForum, nil)
	if n := signIns(t, i); n != 1 {
		t.Fatalf("%d sign-ins of OpenID: nothing to forget", n)
	}
	if page := w.metricsPage(); !strings.Contains(page, `latchkey_handoffs_total{location="academy",result="handed_off",sso="oidc"} 1`) {
		t.Error("the metrics do not count the hand-off")
	}
	w.quiet(i, nc)
	server := "--server=" + w.admin("")
	code, dry, errs := w.command("contacts", "forget", "zebediah@example.com", "--dry-run", "-o", "json", server)
	if code != exitOK {
		t.Fatalf("dry run: %d %s", code, errs)
	}
	if _, found := w.dataHolds(zeb); len(found) < 5 {
		t.Fatalf("nothing to forget: %v", found)
	}
	code, out, errs := w.command("contacts", "forget", "site-zeb-17", server)
	if code != exitOK || !strings.Contains(out, "is forgotten. Removed were:") {
		t.Fatalf("forget: %d %s%s", code, out, errs)
	}
	t.Logf("%s%s", dry, out)
	leaks(t, "the command's output", dry+out, zeb)
	files, found := w.dataHolds(zeb)
	if len(found) > 0 || files < 5 {
		t.Errorf("of %d files:\n%s", files, strings.Join(found, "\n"))
	}
	checkForgotten(t, w, byHand.URL)
	if n := signIns(t, i); n != 0 {
		t.Errorf("%d sign-ins of OpenID are left", n)
	}
	letsIn(t, "the other contact's link", bobs.URL, "gold")
	if ms := w.messages("?contact=bob"); len(ms) != 2 {
		t.Errorf("the other contact has %d messages", len(ms))
	}
	// Time passes, the server starts anew: nobody remembers.
	w.pass(4 * 24 * time.Hour)
	w.quiet(i, nc)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start(withOutbox)
	w.quiet(i, nc)
	checkForgotten(t, w, byHand.URL)
	if ms := w.messages("?contact=bob"); len(ms) != 3 {
		t.Errorf("the other contact has %d messages after the wait", len(ms))
	}
	if code, _, errs := w.command("contacts", "forget", "site-zeb-17", server); code != exitFailed || !strings.Contains(errs, "not found") {
		t.Errorf("forget again: %d %s", code, errs)
	}
	// A later event makes them known anew, with nothing of before.
	w.send(nc, "offer_access_granted", "z3", `{"contact": {"id": "site-zeb-17", "email": "zebediah@example.com", "first_name": "Zebulon"}, "offer": {"id": "new"}}`)
	w.quiet(i, nc)
	var p engine.Person
	if w.ask("GET", "/v1/contacts/site-zeb-17", "", &p); len(p.Offers) != 1 || p.Contact.Phone != "" {
		t.Errorf("known anew: %+v", p)
	}
}

// forumApp is a site that signs learners in by OpenID, and askForum what it asks of their browsers.
const (
	forumApp = `apps: {forum: {url: "http://127.0.0.1:9", sso: oidc, secret: "the client's secret", redirects: ["http://127.0.0.1:9/cb"]}}`
	askForum = "oidc/authorize?client_id=academy.forum&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcb&response_type=code&scope=openid&state=s" +
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)

// signIns counts the codes and tokens of OpenID in a store.
func signIns(t *testing.T, i *instance) (n int) {
	t.Helper()
	for _, s := range i.stores.All() {
		err := s.View(t.Context(), func(tx engine.Tx) error {
			tx.Scan(engine.SpaceSSO, nil, nil, func(_, _ []byte) bool { n++; return true })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// checkForgotten asks everywhere for a contact that nobody knows.
func checkForgotten(t *testing.T, w *world, link string) {
	t.Helper()
	for _, path := range []string{"/v1/contacts/site-zeb-17", "/v1/contacts/zebediah@example.com", "/v1/contacts/zeb.old@example.com"} {
		if status, body := w.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/v1/messages?limit=1000", "/v1/runs?limit=1000", "/v1/events?limit=1000", "/v1/dead?limit=1000", "/outbox"} {
		status, body := w.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		leaks(t, path, body, zeb)
	}
	for _, name := range []string{"COURSES", "COURSES_DEAD", "LATCHKEY"} {
		for _, m := range w.stream(w.connect(), name) {
			leaks(t, name+" "+m.subject, string(m.data)+fmt.Sprint(m.header), zeb[:4])
		}
	}
	status, page := newPerson(t).open(http.MethodGet, link, nil)
	if status != http.StatusGone {
		t.Errorf("the link: %d %s", status, page.text)
	}
	leaks(t, "the log", w.logText(), zeb)
}

// TestForgetAgain restores a backup of before a contact was forgotten: the next start forgets them before it sends what the
// backup has to send.
func TestForgetAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": zebWorkflow})
	i, stop := w.start(withOutbox)
	nc := w.connect()
	w.zebAndBob(i, nc)
	file := filepath.Join(t.TempDir(), "academy.tar")
	if code, _, errs := w.command("backup", file, "--dir", w.dir); code != exitOK {
		t.Fatal(errs)
	}
	if code, _, errs := w.command("contacts", "forget", "site-zeb-17", "--dir", w.dir); code != exitOK {
		t.Fatal(errs)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := w.command("restore", file, w.dir, "--force")
	if code != exitOK || !strings.Contains(out, "names 1 whom it may know: the next start forgets them") {
		t.Fatalf("restore: %d %s%s", code, out, errs)
	}
	for _, old := range mustGlob(t, filepath.Join(w.dir, "data", "store.before-*")) {
		if err := os.RemoveAll(old); err != nil {
			t.Fatal(err)
		}
	}
	if _, found := w.dataHolds(zeb); len(found) == 0 {
		t.Fatal("the backup does not know them")
	}
	w.pass(4 * 24 * time.Hour) // what it waited for is due
	i, stop = w.start(withOutbox)
	w.quiet(i, nc)
	if files, found := w.dataHolds(zeb); len(found) > 0 || files < 5 {
		t.Errorf("of %d files:\n%s", files, strings.Join(found, "\n"))
	}
	if ms := w.messages("?contact=bob"); len(ms) != 3 {
		t.Errorf("the other contact has %d messages", len(ms))
	}
	if says := "forgotten before the start"; strings.Count(w.logText(), says) != 1 {
		t.Errorf("the log does not say once: %s", says)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	testForgetList(t, w, file)
}

// testForgetList restores into another project, with the list and without.
func testForgetList(t *testing.T, w *world, file string) {
	t.Helper()
	other := newWorld(t, map[string]string{"workflows/hello.yaml": zebWorkflow})
	if code, out, _ := w.command("restore", file, other.dir); code != exitOK || !strings.Contains(out, "whoever was forgotten since the backup is known again") {
		t.Errorf("restore without a list: %d %s", code, out)
	}
	list := filepath.Join(w.dir, "keys", "forgotten")
	if info, err := os.Stat(list); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if code, out, errs := w.command("restore", file, other.dir, "--force", "--forget", list); code != exitOK || !strings.Contains(out, "names 1 whom") {
		t.Errorf("restore with a list: %d %s%s", code, out, errs)
	}
	bad := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(bad, []byte("zeb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{bad: "list:1 is no entry of a forget list", bad + "x": "no such file"} {
		if code, _, errs := w.command("restore", file, other.dir, "--force", "--forget", name); code == exitOK || !strings.Contains(errs, says) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	other.start(withOutbox)
	if status, _ := other.get("/v1/contacts/site-zeb-17"); status != http.StatusNotFound {
		t.Errorf("in the other project: %d", status)
	}
	if status, _ := other.get("/v1/contacts/bob"); status != http.StatusOK {
		t.Errorf("bob in the other project: %d", status)
	}
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestForgetWhileSending forgets a contact while a message of theirs is being handed over.
func TestForgetWhileSending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": zebWorkflow})
	arrived, hold := make(chan struct{}, 10), make(chan struct{})
	w.answerText(func(_ int64, rw http.ResponseWriter, _ url.Values) bool {
		arrived <- struct{}{}
		<-hold
		return false
	})
	i, _ := w.start()
	nc := w.connect()
	w.zebAndBob2(nc)
	<-arrived
	done := make(chan console.Removed, 1)
	go func() {
		res, err := adminContacts{i.sites[0]}.Forget(context.Background(), "academy", "site-zeb-17", false)
		if err != nil {
			t.Error(err)
		}
		done <- res
	}()
	select {
	case res := <-done:
		t.Errorf("it did not wait: %+v", res)
	case <-time.After(300 * time.Millisecond):
	}
	close(hold)
	if res := <-done; res.Pending || res.Runs != 1 {
		t.Errorf("%+v", res)
	}
	w.quiet(i, nc)
	if _, found := w.dataHolds(zeb); len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
	if strings.Contains(w.logText(), `"level":"error"`) {
		t.Error(w.logTail())
	}
}

func (w *world) zebAndBob2(nc *nats.Conn) {
	w.send(nc, "offer_access_granted", "z1", `{"contact": {"id": "site-zeb-17", "email": "zebediah@example.com", "phone": "+14155559876", "first_name": "Zebulon"}, "offer": {"id": "gold"}}`)
}

// TestForgetListFile: an entry that was cut short is none, one that says nothing is a mistake, and nothing comes twice.
func TestForgetListFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "forgotten")
	first := newForgotten(nil, "academy", time.Unix(1e9, 0), []engine.ID{engine.NewID(time.Unix(1, 0), 1, "x")}, engine.Offset{Seq: 7})
	first.add(whoEmail, "Zebediah@Example.com")
	first.add(whoEmail, "zebediah@example.com")
	first.add(whoID, "zebediah-17")
	second := newForgotten([]forgotten{first}, "academy", time.Unix(1e9, 0), first.Contacts, engine.Offset{})
	if len(first.Who) != 2 || !first.is(whoEmail, "zebediah@example.com") || first.is(whoID, "zebediah@example.com") || first.is(whoID, "") || second.is(whoID, "zebediah-17") {
		t.Errorf("%+v", first)
	}
	if first.Key != second.Key || first.ID == second.ID {
		t.Error("keys or ids")
	}
	for _, want := range []int{2, 0} {
		if n, err := addForgotten(file, first, second); n != want || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id": "cut`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	list, err := readForgetList(file)
	if err != nil || len(list) != 2 || list[0].Events.Seq != 7 || !list[0].is(whoID, "zebediah-17") {
		t.Errorf("%+v, %v", list, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(strings.ToLower(string(text)), "zebediah") {
		t.Errorf("%s, %v", text, err)
	}
}
