package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/engine/console"
)

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// problem reads a problem+json answer.
func problem(t *testing.T, body string) string {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Title == "" || p.Status == 0 {
		t.Errorf("no problem+json: %s", body)
	}
	return p.Detail
}

func TestAdminHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start(func(c *Config) { c.Admin.Hosts = []string{"ops.example.com"} })
	key := header("Authorization", "Bearer "+i.apiKey.Reveal()) // which admin.hosts makes needed: see TestProxiedAdminNeedsKey
	port := fmt.Sprint(w.ports[1])
	for name, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200,
		"ops.example.com": 200, "ops.example.com:" + port: 200,
		"evil.example.com": 421, "evil.example.com:" + port: 421, "127.0.0.1:1": 421, "localhost": 421, "ops.example.com.evil.com": 421,
	} {
		for _, path := range []string{"/v1/messages", "/", "/outbox", "/healthz"} {
			status, body := w.do(http.MethodGet, path, "", host(name), key)
			if status != want {
				t.Errorf("%s of Host %s: %d, want %d", path, name, status, want)
			}
			if want == 421 && !strings.Contains(problem(t, body), "admin.hosts") {
				t.Errorf("Host %s: %s", name, body)
			}
		}
	}
}

func TestAdminCrossOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	own := fmt.Sprintf("http://127.0.0.1:%d", w.ports[1])
	for _, c := range []struct {
		name string
		edit []func(*http.Request)
		want int
	}{
		{"a program", nil, 200},
		{"its own page", []func(*http.Request){header("Origin", own), header("Sec-Fetch-Site", "same-origin")}, 200},
		{"another site's page", []func(*http.Request){header("Origin", "https://evil.example.com"), header("Sec-Fetch-Site", "cross-site")}, 403},
		{"the learners' pages", []func(*http.Request){header("Origin", fmt.Sprintf("http://127.0.0.1:%d", w.ports[0])), header("Sec-Fetch-Site", "same-site")}, 403},
		{"an old browser's foreign page", []func(*http.Request){header("Origin", "https://evil.example.com")}, 403},
		{"a page of no origin", []func(*http.Request){header("Origin", "null")}, 403},
	} {
		status, body := w.do(http.MethodPost, "/v1/links", `{"contact": "ada"}`, c.edit...)
		if status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, status, c.want, body)
		}
		if c.want == 403 && !strings.Contains(problem(t, body), "another site") {
			t.Errorf("%s: %s", c.name, body)
		}
		if status, _ := w.do(http.MethodGet, "/v1/messages", "", c.edit...); status != 200 {
			t.Errorf("%s reads: %d", c.name, status)
		}
	}
}

func TestAdminKeyOffLoopback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.start(func(c *Config) { c.Admin.Listen = fmt.Sprintf("0.0.0.0:%d", w.ports[1]) })
	key, err := os.ReadFile(filepath.Join(w.dir, "keys", "api.key"))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(w.dir, "keys", "api.key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of api.key: %v %v", st.Mode(), err)
	}
	good := strings.TrimSpace(string(key))
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("", password) }
	}
	for _, path := range []string{"/v1/messages", "/v1/contacts/ada", "/outbox", "/metrics", "/v1/backup", "/v1/nothing"} {
		for name, edit := range map[string][]func(*http.Request){
			"no key": nil, "a wrong key": {header("Authorization", "Bearer "+good[1:])}, "an empty key": {header("Authorization", "Bearer ")},
			"a wrong password": {basic("sesame")}, "the key in the wrong place": {header("Authorization", good)},
		} {
			status, body := w.do(http.MethodGet, path, "", edit...)
			if status != http.StatusUnauthorized || !strings.Contains(problem(t, body), "keys/api.key") || strings.Contains(body, good) {
				t.Errorf("%s with %s: %d %s", path, name, status, body)
			}
		}
	}
	for name, edit := range map[string]func(*http.Request){"bearer": header("Authorization", "Bearer "+good), "basic": basic(good)} {
		if status, body := w.do(http.MethodGet, "/v1/messages", "", edit); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _ := w.get(path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := w.do(http.MethodPost, "/healthz", ""); status != http.StatusUnauthorized {
		t.Errorf("POST /healthz: %d", status)
	}
}

func TestMessagesAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	nc := w.connect()
	for _, contact := range []string{"ada", "bob", "eve"} {
		w.grant(nc, contact, "gold")
		w.quiet(i, nc)
	}
	all := w.messages("")
	if len(all) != 6 {
		t.Fatalf("%d messages", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b console.Message) int { return strings.Compare(b.ID, a.ID) }) {
		t.Error("the newest do not come first")
	}
	for _, m := range all {
		if m.ID == "" || m.At.IsZero() || m.Location != "academy" || m.Class != "transactional" || m.Contact == "" || m.To == "" ||
			m.Workflow != "hello" || m.Run == "" || m.Step == "" || m.State != "sent" || m.Attempts != 1 || m.Error != "" || len(m.Links) != 1 ||
			!slices.Contains([]string{"email", "sms"}, m.Channel) || m.Channel == "email" && m.Subject != "Hello Ada" {
			t.Errorf("message %+v", m)
		}
	}
	_, raw := w.get("/v1/messages?limit=1")
	for _, field := range []string{"id", "at", "location", "channel", "class", "contact", "to", "run", "step", "state", "attempts", "links"} {
		if !strings.Contains(raw, fmt.Sprintf("%q:", field)) {
			t.Errorf("no field %s in %s", field, raw)
		}
	}
	ids := func(ms []console.Message) (out []string) {
		for _, m := range ms {
			out = append(out, m.ID)
		}
		return out
	}
	bob := slices.DeleteFunc(slices.Clone(all), func(m console.Message) bool { return m.Contact != all[2].Contact })
	for query, want := range map[string][]console.Message{
		"?limit=2":                                    all[:2],
		"?limit=2&before=" + all[1].ID:                all[2:4],
		"?before=" + all[4].ID:                        all[5:],
		"?before=" + all[5].ID:                        nil,
		"?contact=bob":                                bob,
		"?contact=bob@example.com":                    bob,
		"?contact=BOB@example.com":                    bob,
		"?contact=" + all[2].Contact:                  bob,
		"?run=" + all[0].Run:                          all[:2],
		"?state=sent":                                 all,
		"?state=failed":                               nil,
		"?state=sent&limit=1&run=" + all[2].Run:       all[2:3],
		"?contact=bob&run=" + all[0].Run:              nil,
		"?contact=bob&limit=1&before=" + bob[0].ID:    bob[1:],
		"?state=sent&contact=bob&before=" + all[0].ID: bob,
	} {
		if got := w.messages(query); !slices.Equal(ids(got), ids(want)) {
			t.Errorf("%s: %v, want %v", query, ids(got), ids(want))
		}
	}
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"?limit=0": {400, "limit is a number from 1 to 1000"}, "?limit=1001": {400, "limit"}, "?limit=many": {400, "limit"},
		"?state=lost": {400, "there are due, sending, sent"}, "?before=yesterday": {400, "before"}, "?run=1": {400, "run"},
		"?contact=nobody": {404, "nobody"}, "?sate=sent": {400, `no parameter "sate"`},
	} {
		status, body := w.get("/v1/messages" + query)
		if status != want.status || !strings.Contains(problem(t, body), want.says) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// TestAPIRefuses has requests that are wrong, each with an answer that says what.
func TestAPIRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	for _, id := range []string{"x1", "x2"} {
		w.send(nc, "new_sign_up", id, fmt.Sprintf(`{"contact": {"id": %q, "email": "shared@example.com"}}`, id))
	}
	w.quiet(i, nc)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/v1/links", `{`, 400, "body"},
		{"POST", "/v1/links", `{"contact": "ada"} {}`, 400, "more than one"},
		{"POST", "/v1/links", `{"contact": "ada", "tll": "2h"}`, 400, "tll"},
		{"POST", "/v1/links", `{}`, 400, "contact is missing"},
		{"POST", "/v1/links", `{"contact": "nobody"}`, 404, "nobody"},
		{"POST", "/v1/links", `{"contact": "shared@example.com"}`, 400, "2 contacts"},
		{"POST", "/v1/links", `{"contact": "ada", "ttl": "soon"}`, 400, "ttl"},
		{"POST", "/v1/links", `{"contact": "ada", "ttl": "400d"}`, 400, "links.max_ttl"},
		{"POST", "/v1/links", `{"contact": "ada", "uses": -1}`, 400, "uses"},
		{"POST", "/v1/links", `{"contact": "ada", "app": "courses"}`, 400, `no app "courses"`},
		{"POST", "/v1/links", `{"contact": "ada", "to": "go-101"}`, 400, "to is product:, category: or lesson: and an id"},
		{"POST", "/v1/links", `{"contact": "ada", "to": "offer:gold"}`, 400, `not "offer:gold"`},
		{"POST", "/v1/links", `{"contact": "ada", "to": "product:"}`, 400, "to is product:"},
		{"POST", "/v1/links", `{"contact": "ada", "to": "lesson: intro"}`, 400, "to is product:"},
		{"POST", "/v1/links", `{"contact": "ada", "location": "elsewhere"}`, 404, "elsewhere"},
		{"POST", "/v1/links", `{"kind": "user"}`, 400, "links.embed in latchkey.yaml names no hosts"},
		{"GET", "/v1/links/lnk_AZ2o3kQAAAEB", "", 404, "never minted"},
		{"GET", "/v1/links/nonsense", "", 400, "lnk_"},
		{"POST", "/v1/links/lnk_AZ2o3kQAAAEB/revoke", "", 404, "never minted"},
		{"GET", "/v1/contacts/nobody", "", 404, "nobody"},
		{"GET", "/v1/contacts/nobody/links", "", 404, "nobody"},
		{"POST", "/v1/contacts", `[{"contact": {"first_name": "Ada"}}]`, 400, "row 1: needs contact.id or contact.email"},
		{"POST", "/v1/contacts", `[{"contact": {"id": "new"}}, {"contact": {"email": "shared@example.com"}}]`, 400, "contact 2"},
		{"POST", "/v1/contacts", `[{"contact": {"id": "new"}}, {"contact": {"id": "new", "email": "nowhere"}}]`, 400, "row 2: contact.email is not an e-mail address"},
		{"POST", "/v1/contacts", `{}`, 400, "body"},
		{"GET", "/v1/nothing", "", 404, "/v1/nothing"},
		{"DELETE", "/v1/messages", "", 404, "DELETE"},
	} {
		status, body := w.do(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(problem(t, body), c.says) {
			t.Errorf("%s %s %s: %d, want %d and %q: %s", c.method, c.path, c.body, status, c.status, c.says, body)
		}
	}
	letsIn(t, "the link that none of this ended", w.linksTo("ada")[0], "Title of gold")
}
