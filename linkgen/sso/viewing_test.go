package sso_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Staff who view as a learner enter no app as the learner.
func TestViewingEntersNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp, forumApp, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	real := s.visitor
	s.visitor = func(r *http.Request) (linkgen.Session, *engine.Person, error) {
		session, person, err := real(r)
		session.As = "sam@acme.test"
		return session, person, err
	}
	for _, path := range []string{"/go/courses", "/go/courses?hop=1", "/go/forum", "/go/moodle", asks("nonce", "n", "return_sso_url", forumReturn), p.asks()} {
		if r := b.get(path); r.StatusCode != http.StatusForbidden || r.to() != "" || !strings.Contains(r.body, "viewing as a learner") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.to())
		}
	}
	if r := b.get(p.asks("prompt", "none")); r.query("error") != "login_required" {
		t.Errorf("prompt=none: %s", r.to())
	}
	if n := len(s.handOffs()); n != 0 {
		t.Errorf("%d hand-offs", n)
	}
}

// What a request calls us changes nothing of what we say we are.
func TestIssuerIsConfigured(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp, jwtApp)
	for _, header := range []string{"X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "Origin", "Referer"} {
		r := s.browser().get("/.well-known/openid-configuration", header, "host=evil.test")
		if r.StatusCode != http.StatusOK || strings.Contains(r.body, "evil") {
			t.Errorf("%s: %s", header, r.body)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/.well-known/openid-configuration", nil)
	req.Host = "evil.test"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 4096)
	n, _ := resp.Body.Read(b)
	if text := string(b[:n]); strings.Contains(text, "evil") || !strings.Contains(text, `"issuer":"`+s.URL+`"`) {
		t.Errorf("Host: %s", text)
	}
}

// A site may post its request; the session comes along once the browser asks again by itself.
func TestOIDCPost(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	u, _ := url.Parse(p.asks())
	r := b.do("POST", "/oidc/authorize", u.Query())
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.to(), "/oidc/authorize?") {
		t.Fatalf("%d %s", r.StatusCode, r.to())
	}
	if p.code(t, b.get(r.to())) == "" {
		t.Error("no code")
	}
}
