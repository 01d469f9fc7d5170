package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/actions/smtp/sink"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen/portal"
)

const routesConfig = staffed + `trusted_proxies: [127.0.0.0/8]
support: {email: help@acme.test}
login: {sms: {prefixes: ["+1415"]}}
events: {token: "events-token-0123456789"}
secrets: {crm: "crm-secret-0123456789"}
portal: {menu: [{label: Courses, app: courses}]}
links: {embed: {hosts: ["https://crm.acme.test"], keys: {crm: "embed-key-0123456789-0123456789-01"}}}
apps:
  courses: {url: "https://learn.acme.test", product: "/courses/{product}", sso: jwt}
  forum: {url: "https://forum.acme.test", sso: discourse, secret: "discourse-secret-0123456789"}
`

// secretsOf returns what is in the keys folder and the settings, and belongs nowhere else.
func (w *world) secretsOf() (needles []needle) {
	w.t.Helper()
	for _, s := range []string{"events-token-0123456789", "crm-secret-0123456789", "embed-key-0123456789-0123456789-01", "discourse-secret-0123456789", "sesamesesame0123456789"} {
		needles = append(needles, needle{"a secret of latchkey.yaml", s})
	}
	err := filepath.WalkDir(filepath.Join(w.dir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, word := range strings.Fields(string(b)) {
			if len(word) >= 32 {
				needles = append(needles, needle{"a key of " + filepath.Base(path), word})
			}
		}
		return err
	})
	if err != nil || len(needles) < 7 {
		w.t.Fatalf("%d secrets: %v", len(needles), err)
	}
	return needles
}

// searchSinks looks for needles in all that an instance writes: the log, the streams, the store, a backup, and the pages and answers of the
// admin listener, but for those pages that hold what they are asked for.
func (w *world) searchSinks(needles []needle) {
	t := w.t
	t.Helper()
	paths := []string{"/", "/workflows", "/runs", "/messages", "/contacts", "/links", "/dead", "/audit", "/metrics", "/readyz", "/v1/status",
		"/v1/messages?limit=1000", "/v1/runs?limit=1000", "/v1/events?limit=1000", "/v1/dead", "/v1/links", "/v1/audit", "/v1/contacts/ada", "/v1/backup",
		"/workflows/latchkey-login", "/workflows/hello", "/contacts/ada"}
	for _, m := range w.messages("?limit=1000") {
		paths = append(paths, "/v1/messages/"+m.ID, "/messages/"+m.ID, "/v1/runs/"+m.Run, "/runs/"+m.Run)
		for _, id := range m.Links {
			paths = append(paths, "/v1/links/"+id, "/links/"+id)
		}
	}
	owner := w.clerk()
	for _, path := range paths {
		status, _, body := owner.open(path, nil, header("Authorization", "Bearer "+w.apiKey()))
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		leaks(t, path, body, needles)
	}
	w.leaksElsewhere(t, needles)
	files := 0
	err := filepath.WalkDir(filepath.Join(w.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		leaks(t, strings.TrimPrefix(path, w.dir), string(b), needles)
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files of the store searched: %v", files, err)
	}
}

// cookie returns the session of a learner that the browser holds.
func (c *clerk) cookie(site string) string {
	u, err := url.Parse(site)
	if err != nil {
		c.w.t.Fatal(err)
	}
	for _, k := range c.jar.Cookies(u) {
		if k.Name == "latchkey" {
			return k.Value
		}
	}
	return ""
}

func (w *world) apiKey() string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "keys", "api.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// misspell has a browser ask for a link's token at every place where one may end up by a slip, or by somebody's curiosity.
func (c *clerk) misspell(site, link string) {
	c.w.t.Helper()
	token := link[strings.LastIndexByte(link, '/')+1:]
	for _, path := range []string{"/l/" + token, "//l/" + token, "/L/" + token, "/l/" + token + "/", "/l/" + token + "/x", "/l/" + token + "?x=" + token, "/l/new/" + token, "/l/staff/" + token, "/" + token,
		"/login?to=" + token, "/login?app=" + token, "/login?location=" + token, "/p/" + token, "/c/" + token, "/s/" + token, "/go/" + token, "/go/courses?to=" + token,
		"/go/courses?to=lesson:" + token, "/sessions?" + token, "/logout?" + token, "/staff?t=" + token, "/.well-known/" + token, "/.well-known/jwks.json?" + token, "/oidc/" + token,
		"/oidc/authorize?client_id=" + token, "/sso/discourse/forum?sso=" + token + "&sig=" + token, "/sso/discourse/" + token, "/u/" + token, "/signin/" + token, "/v1/events?" + token, "/?" + token, "/%6c/" + token} {
		c.open(site+path, nil, header("Referer", link), header("X-Forwarded-For", "192.0.2.77"))
	}
	for _, path := range []string{"/l", "/l/new", "/l/staff", "/login", "/logout", "/sessions", "/staff/logout", "/go/courses", "/sso/discourse/forum", "/oidc/token", "/oidc/userinfo", "/v1/events", "/v1/events/user_login", "/l/" + token, "/" + token} {
		form := url.Values{"t": {token + "x"}, "address": {token + "@example.com"}, "app": {token}, "to": {token}, "code": {token}, "id": {token}, "location": {token}}
		c.open(site+path, form, header("Referer", link), header("Authorization", "Bearer "+token))
	}
	for _, path := range []string{"/links?id=" + token, "/contacts?q=" + token, "/contacts/" + token, "/v1/links/" + token, "/v1/contacts/" + token, "/v1/messages/" + token, "/v1/runs?contact=" + token, "/v1/" + token, "/signin/" + token,
		"/workflows/" + token, "/outbox?" + token, "/v1/links/" + url.PathEscape(link)} {
		c.open(path, nil, header("Referer", link))
	}
	for _, path := range []string{"/v1/contacts/" + token + "/send", "/v1/links", "/signin", "/signin/mail", "/signin/key", "/v1/" + token} {
		c.open(path, url.Values{"t": {token}, "email": {token}, "key": {token}})
	}
}

// TestAttack21EveryRoute makes links in every way there is, has each used, misspelt and pasted everywhere, and has servers quote them in what they
// refuse. No token, session, key or secret is then in the log, the streams, the store, a backup, or on a page of the admin listener; nor after a
// restart.
//
// Red when routeOf (listen.go) returns r.URL.Path at its end, or path for that of a link instead of linkgen.Redact(path); and when the
// error of a mail keeps its links (actions/senders.go, text := err.Error()).
func TestAttack21EveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "workflows/lesson.yaml": mailWorkflow("lesson_completed"), "extra": routesConfig})
	config, err := os.ReadFile(filepath.Join(w.dir, "latchkey.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "latchkey.yaml"), []byte(strings.Replace(string(config), "auth_token: sesame", "auth_token: sesamesesame0123456789", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	i, stop := w.start()
	site := strings.TrimSuffix(portalURL(w), "/")
	nc := w.connect()
	needles := w.secretsOf()
	var used []string
	sessions, handOffs := 0, 0
	use := func(all ...string) { // each link as soon as it is there, and once
		t.Helper()
		for _, link := range all {
			if slices.Contains(used, link) {
				continue
			}
			used = append(used, link)
			needles = append(needles, needlesOf(t, link)...)
			c := w.clerk()
			c.open(link, nil)
			c.open(site+"/l", url.Values{"t": {link[strings.LastIndexByte(link, '/')+1:]}})
			if k := c.cookie(site); k != "" {
				needles, sessions = append(needles, needle{"a session", k}), sessions+1
			}
			for _, path := range []string{"/", "/sessions", "/p/go-101", "/go/courses?to=product:go-101", "/go/forum"} {
				if _, where, _ := c.open(site+path, nil); strings.Contains(where, "token=") { // the hand-off itself
					jwt, _, _ := strings.Cut(where[strings.Index(where, "token=")+6:], "&")
					needles, handOffs = append(needles, needle{"a hand-off", jwt}), handOffs+1
				}
			}
		}
	}
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	use(w.linksTo("ada")...)

	// Asked for, and sent by hand.
	i.asks(t, 1, portal.LoginRequest{Address: "ada@example.com", App: "courses", To: "product:go-101"})
	w.waitMails(2)
	use(w.linksTo("ada")...)
	for n, body := range []string{`{}`, `{"kind": "invite"}`, `{"channel": "sms"}`} {
		var mailed console.Mailed
		w.ask(http.MethodPost, "/v1/contacts/ada/send", body, &mailed)
		w.waitMails(min(3+n, 4))
	}
	w.waitTexts(2)
	use(w.linksTo("ada")...)

	// Made by hand, of each kind; and what a member of staff holds.
	for _, body := range []string{`{"contact": "ada"}`, `{"contact": "ada", "bind": "browser", "uses": 1}`, `{"kind": "app", "app": "courses"}`, `{"kind": "user"}`} {
		var made console.Link
		w.ask(http.MethodPost, "/v1/links", body, &made)
		use(made.URL)
	}
	olga := w.clerk()
	signIn, token := olga.mailedLink("olga@acme.test", 5)
	needles = append(needles, needlesOf(t, signIn)...)
	if status, _, _ := olga.open("/signin", url.Values{"t": {token}}); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	needles = append(needles, needle{"a session of staff", olga.held()})

	// A server that refuses a mail quotes what it does not like.
	quoted := make(chan string, 2)
	w.answerAt(sink.Dot, func(n int64, m sink.Mail) sink.Answer {
		text := readMail(t, m.Data).text
		found := append(links(text), signInPattern.FindString(text))
		if n > 2 || found[0] == "" {
			return sink.Answer{}
		}
		quoted <- found[0]
		return sink.Answer{Code: 554, Text: "5.7.1 we do not like " + found[0] + " here"}
	})
	if status, _, body := w.clerk().open("/signin/mail", url.Values{"email": {"otto@acme.test"}}); status != http.StatusOK {
		t.Fatal(status, body)
	}
	needles = append(needles, needlesOf(t, <-quoted)...)
	w.wait("the refusal in the log", func() bool { return strings.Contains(w.log.String(), "could not be mailed to a member of staff") })
	w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"lesson": "intro"})))
	use(<-quoted)
	w.quiet(i, nc)
	if m := w.message("email", "failed"); !strings.Contains(m.Error, "we do not like") {
		t.Errorf("the refusal is kept as %q", m.Error)
	}

	// Misspelt, pasted everywhere, and the dead ones asked to be renewed.
	for n, link := range append(used, signIn) {
		if n%4 == 0 || link == signIn {
			w.clerk().misspell(site, link)
			olga.misspell(site, link)
		}
		form := url.Values{"t": {link[strings.LastIndexByte(link, '/')+1:]}}
		w.clerk().open(site+"/l/new", form, header("X-Forwarded-For", netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}).String()))
		w.pass(2 * time.Minute)
	}
	if sessions < 5 || handOffs < 3 || len(used) < 11 {
		t.Errorf("%d links, %d sessions and %d hand-offs", len(used), sessions, handOffs)
	}
	w.quiet(i, nc)
	w.searchSinks(needles)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	_, stop = w.start()
	w.searchSinks(needles)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestAttack21Panics has a page fail in a panic that quotes a live link, and looks at what is left of other things that may. An action
// does so in the runner's TestOutcomes.
//
// Red when accessLog writes what was panicked with as it is, and when engine.WithoutTokens does.
func TestAttack21Panics(t *testing.T) {
	t.Parallel()
	const token = "AZ2o3kQAAAEBsecretsecretsecretsecret"
	var log strings.Builder
	h := accessLog("portal", zerolog.New(&log), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { panic("cannot open " + r.URL.Path) }))
	for _, path := range []string{"/l/" + token, "/signin/" + token, "/" + token} {
		rec := &answerRecorder{header: http.Header{}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.ServeHTTP(rec, req)
		if rec.status != http.StatusInternalServerError || strings.Contains(rec.body.String(), token) {
			t.Errorf("%s: %d %s", path, rec.status, rec.body.String())
		}
	}
	if said := log.String(); strings.Contains(said, "secret") || !strings.Contains(said, "cannot open") {
		t.Errorf("the log says %s", said)
	}
	for _, v := range []any{"https://go.acme.test/l/" + token, fmt.Errorf("token %s", token), []string{token}, engine.NewSecret(token)} {
		if text := engine.WithoutTokens(v); strings.Contains(text, "secret") {
			t.Errorf("%s", text)
		}
	}
}

type answerRecorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *answerRecorder) Header() http.Header         { return r.header }
func (r *answerRecorder) WriteHeader(status int)      { r.status = status }
func (r *answerRecorder) Write(b []byte) (int, error) { return r.body.Write(b) }
