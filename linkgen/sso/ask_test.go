package sso_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

// A minter is an app's server that is asked for addresses.
type minter struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Value // of http.HandlerFunc
}

func newMinter(t testing.TB) *minter {
	m := &minter{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		m.answer.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *minter) says(h http.HandlerFunc) { m.answer.Store(h) }

func jsonSays(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
}

func TestMoodle(t *testing.T) {
	t.Parallel()
	m := newMinter(t)
	s := newSite(t, sso.App{Name: "moodle", URL: m.URL, SSO: sso.Moodle, Product: "/course/view.php?idnumber={product}", Secret: engine.NewSecret("web service token")})
	m.says(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/webservice/rest/server.php" || r.URL.RawQuery != "" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		for name, want := range map[string]string{"wstoken": "web service token", "wsfunction": "auth_userkey_request_login_url",
			"moodlewsrestformat": "json", "user[email]": "ada@example.com", "user[firstname]": "Ada", "user[lastname]": "Lovelace"} {
			if got := r.PostFormValue(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
		jsonSays(`{"loginurl": "`+m.URL+`/auth/userkey/login.php?key=k1"}`)(w, r)
	})
	b := s.signIn(s.ada, "ada@example.com")
	want := m.URL + "/auth/userkey/login.php?key=k1&wantsurl=" + url.QueryEscape(m.URL+"/course/view.php?idnumber=go-101")
	if r := b.get("/go/moodle?to=product:go-101"); r.to() != want {
		t.Errorf("leads to %s, want %s", r.to(), want)
	}
}

func TestMinted(t *testing.T) {
	t.Parallel()
	m := newMinter(t)
	s := newSite(t, sso.App{Name: "school", URL: m.URL, SSO: sso.Minted, Mint: m.URL + "/api/sso", Product: "/c/{product}", Secret: engine.NewSecret("sesame sesame sesame")})
	m.says(func(w http.ResponseWriter, r *http.Request) {
		var got map[string]string
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Authorization") != "Bearer sesame sesame sesame" {
			t.Errorf("asked with %v, %v", got, err)
		}
		if got["email"] != "ada@example.com" || got["contact_id"] != "c-17" || got["sub"] != s.ada.Key.String() || got["to"] != m.URL+"/c/go-101" {
			t.Errorf("asked with %v", got)
		}
		jsonSays(`{"url": "`+m.URL+`/enter?k=1"}`)(w, r)
	})
	b := s.signIn(s.ada, "ada@example.com")
	if r := b.get("/go/school?to=product:go-101"); r.to() != m.URL+"/enter?k=1" {
		t.Errorf("leads to %s", r.to())
	}
}

// TestAttack34MintedURL: whatever an app's server answers, a learner is sent to its own host or told that it cannot be
// entered, soon; and a server that fails again and again is left alone.
//
// Red when try does not call sameHost, asks without a timeout (context.WithCancel) or does not look at the status, when newAsker
// follows redirects, or when may returns true.
func TestAttack34MintedURL(t *testing.T) {
	t.Parallel()
	m := newMinter(t)
	evil := newMinter(t)
	evil.says(jsonSays(`{"url": "` + m.URL + `/x"}`))
	app := sso.App{Name: "school", URL: m.URL, SSO: sso.Minted, Mint: m.URL + "/api", Secret: engine.NewSecret("sesame sesame sesame")}
	for what, answer := range map[string]http.HandlerFunc{
		"another host":       jsonSays(`{"url": "https://evil.test/"}`),
		"another port":       jsonSays(`{"url": "` + evil.URL + `/"}`),
		"another scheme":     jsonSays(`{"url": "` + strings.Replace(m.URL, "http", "https", 1) + `/"}`),
		"a user":             jsonSays(`{"url": "http://` + strings.TrimPrefix(m.URL, "http://") + `@evil.test/"}`),
		"a host in the user": jsonSays(`{"url": "http://evil.test@` + strings.TrimPrefix(m.URL, "http://") + `/"}`),
		"javascript":         jsonSays(`{"url": "javascript:alert(1)"}`),
		"a path":             jsonSays(`{"url": "/enter"}`),
		"no address":         jsonSays(`{}`),
		"a header":           jsonSays(`{"url": "` + m.URL + `/\r\nSet-Cookie: a=b"}`),
		"HTML":               jsonSays(`<html><a href="` + m.URL + `/x">in</a></html>`),
		"an array":           jsonSays(`["` + m.URL + `/x"]`),
		"half":               jsonSays(`{"url": "` + m.URL),
		"status 500": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			fmt.Fprint(w, `{"url": "`+m.URL+`/x"}`)
		},
		"status 404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, http.StatusFound) },
		"a redirect kept": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, evil.URL, http.StatusTemporaryRedirect)
		},
		"too much":         jsonSays(`{"pad": "` + strings.Repeat("x", 1<<20) + `", "url": "` + m.URL + `/x"}`),
		"nothing, hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s := newSite(t, app)
		b := s.signIn(s.ada, "ada@example.com")
		m.says(answer)
		r := b.get("/go/school")
		if r.StatusCode != http.StatusServiceUnavailable || r.to() != "" || !strings.Contains(r.body, "does not answer") {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.to())
		}
		if logs := s.logs.String(); strings.Contains(logs, "sesame") || strings.Contains(logs, "evil.test") || strings.Contains(logs, "ada@") {
			t.Errorf("%s: the log tells too much: %s", what, logs)
		}
	}
	if evil.asked.Load() != 0 {
		t.Error("a redirect was followed")
	}
	checkSlow(t, m, app)
	checkBreaker(t, m, app)
}

// checkSlow wants a learner to be told within two seconds and a little.
func checkSlow(t *testing.T, m *minter, app sso.App) {
	t.Helper()
	done := make(chan struct{})
	defer close(done)
	m.says(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select { // headers at once, a body never
		case <-done:
		case <-r.Context().Done():
		}
	})
	s := newSite(t, app)
	b := s.signIn(s.ada, "ada@example.com")
	start := time.Now()
	b.wants(b.get("/go/school"), http.StatusServiceUnavailable)
	if took := time.Since(start); took < 1900*time.Millisecond || took > 8*time.Second {
		t.Errorf("a slow server holds a learner for %v", took)
	}
}

func checkBreaker(t *testing.T, m *minter, app sso.App) {
	t.Helper()
	s := newSite(t, app)
	b := s.signIn(s.ada, "ada@example.com")
	m.says(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	m.asked.Store(0)
	for range 20 {
		b.wants(b.get("/go/school"), http.StatusServiceUnavailable)
	}
	if n := m.asked.Load(); n != 5 {
		t.Errorf("a server that is down was asked %d times", n)
	}
	s.pass(31 * time.Second)
	for range 3 {
		b.get("/go/school")
	}
	if n := m.asked.Load(); n != 6 {
		t.Errorf("half a minute later it was asked %d times", n-5)
	}
	m.says(jsonSays(`{"url": "` + m.URL + `/enter"}`))
	b.wants(b.get("/go/school"), http.StatusServiceUnavailable) // not yet
	s.pass(31 * time.Second)
	for range 3 {
		if r := b.get("/go/school"); r.to() != m.URL+"/enter" {
			t.Errorf("it is up again: %d", r.StatusCode)
		}
	}
}

// One learner whom an app's server does not take keeps out nobody else: such a server is not down.
func TestRefusedLearnerKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	m := newMinter(t)
	s := newSite(t, sso.App{Name: "moodle", URL: m.URL, SSO: sso.Moodle, Secret: engine.NewSecret("web service token")})
	m.says(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("user[email]") != "ada@example.com" {
			jsonSays(`{"errorcode": "invaliduser"}`)(w, r)
			return
		}
		jsonSays(`{"loginurl": "`+m.URL+`/auth/userkey/login.php?key=k1"}`)(w, r)
	})
	ada := s.signIn(s.ada, "ada@example.com")
	eve := s.signIn(s.learner("c-2", "Eve", "eve@example.com", "go-101"), "eve@example.com")
	for range 10 {
		eve.wants(eve.get("/go/moodle"), http.StatusServiceUnavailable)
	}
	if r := ada.get("/go/moodle"); !strings.Contains(r.to(), "key=k1") {
		t.Errorf("another learner was kept out: %d %s", r.StatusCode, r.body)
	}
}

// A learner without an e-mail address is told that it is needed, where it is, and the app's server is not asked.
func TestAddressNeeded(t *testing.T) {
	t.Parallel()
	m := newMinter(t)
	m.says(jsonSays(`{}`))
	secret := engine.NewSecret("a secret of some thirty-two bytes, or more")
	s := newSite(t, sso.App{Name: "moodle", URL: m.URL, SSO: sso.Moodle, Secret: secret}, sso.App{Name: "school", URL: m.URL, SSO: sso.Thinkific, Secret: secret})
	b := s.signIn(s.learner("c-3", "Noa", "", "go-101"), "")
	for _, path := range []string{"/go/moodle", "/go/school"} {
		b.wants(b.get(path), http.StatusForbidden, "no e-mail address")
	}
	if n := m.asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}
