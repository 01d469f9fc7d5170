package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/engine/console"
)

// TestExampleLogin does what the login example says of itself: learners are loaded, ask by the form, and get in, each in their language;
// who has no course gets nothing.
func TestExampleLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	own, err := os.ReadFile(filepath.Join(w.dir, "latchkey.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.dir = t.TempDir()
	if err := os.CopyFS(w.dir, os.DirFS("../../examples/login")); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(w.dir, "latchkey.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	said := string(config)
	for line := range strings.Lines(string(own)) { // where the world's servers are
		for _, key := range []string{"base_url:", "listen:", "admin:", "nats:", "sms:"} {
			if strings.HasPrefix(line, key) {
				said += line
			}
		}
	}
	said = strings.Replace(said, "email:\n", fmt.Sprintf("email:\n  smtp: smtp://%s?tls=none\n", w.mailAt), 1)
	if err := os.WriteFile(filepath.Join(w.dir, "latchkey.yaml"), []byte(said), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	if code, _, stderr := command(t, "contacts", "import", filepath.Join(w.dir, "learners.csv"), "--server", w.admin("")); code != exitOK {
		t.Fatalf("import: %d %s", code, stderr)
	}
	subjects := map[string]string{"ada": "Your way in to Riverside Choir School", "hans": "Ihr Schlüssel zu Riverside Choir School"}
	for n, who := range []string{"ada", "left", "hans"} {
		if a := ask(t, strings.TrimSuffix(portalURL(w), "/"), "", who+"@example.com"); a.status != http.StatusAccepted {
			t.Fatalf("%d: %d\n%s", n, a.status, a.body)
		}
	}
	for n, mail := range w.waitMails(2) {
		who, _, _ := strings.Cut(strings.Trim(mail.to, "<>"), "@")
		found := links(mail.html)
		if mail.subject != subjects[who] || len(found) != 1 {
			t.Fatalf("%d: to %s: %q, %d links", n, mail.to, mail.subject, len(found))
		}
		letsIn(t, "the link of "+who, found[0], "Riverside Choir School")
	}
	var link console.Link
	w.ask(http.MethodGet, "/v1/links/"+w.message("email", "sent").Links[0], "", &link)
	if link.Expires.Sub(link.Created) != 30*time.Minute || link.MaxUses != 1 {
		t.Errorf("%+v", link)
	}
	if code, stdout, stderr := command(t, "explain", "left@example.com", "--server", w.admin("")); code != exitOK || !strings.Contains(stdout, "when does not hold: len(access.offers)") {
		t.Errorf("explain: %d\n%s%s", code, stdout, stderr)
	}
}
