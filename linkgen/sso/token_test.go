package sso_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"latchkey/engine"
)

// counts compares what was counted of each app.
func (s *site) counts(want map[string]int) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !maps.Equal(s.counted, want) {
		s.Errorf("counted %v, want %v", s.counted, want)
	}
}

// Each way into an app counts what became of it.
func TestHandOffsAreCounted(t *testing.T) {
	t.Parallel()
	plain := jwtApp
	plain.Name, plain.SSO = "menu", ""
	s := newSite(t, jwtApp, moodleApp, forumApp, plain)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	b.get("/go/courses")
	b.get("/go/menu")
	b.get("/go/none")
	b.get("/sso/discourse/forum?sso=x&sig=y")
	b.get(p.changed("redirect_uri", "https://evil.test"))
	code := p.code(t, b.get(p.asks()))
	for range 2 {
		_, _ = p.exchange(t.Context(), code)
	}
	s.ada.Products = map[string]*engine.Grant{}
	s.save(s.ada)
	b.get("/go/courses")
	b.get(p.asks())
	s.counts(map[string]int{"courses handed off": 1, "menu handed off": 1, "forum app mistake": 1, "moodle app mistake": 1, "moodle handed off": 1,
		"moodle exchanged": 1, "moodle exchange failed": 1, "courses no access": 1, "moodle access_denied": 1})
}

// Who only pretends to be a client is soon refused, and neither uses up what the client may do nor keeps it out; a client that comes
// for tokens without end waits, and another one does not.
func TestTokenLimit(t *testing.T) {
	t.Parallel()
	second := moodleApp
	second.Name = "second"
	s := newSite(t, moodleApp, second)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	form := func(client, secret string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "client_id": {client}, "client_secret": {secret}, "redirect_uri": {callback}}
	}
	until := func(want int, f url.Values) (tries int) {
		for status := 0; status != want; tries++ {
			if status = b.do("POST", "/oidc/token", f).StatusCode; tries == 5000 {
				t.Fatalf("no %d, but %d", want, status)
			}
		}
		return tries
	}
	for _, id := range []string{p.ClientID, "academy.none"} {
		if n := until(http.StatusTooManyRequests, form(id, "a guess")); n > 32 {
			t.Errorf("%d guesses as %s", n, id)
		}
	}
	if _, err := p.exchange(t.Context(), p.code(t, b.get(p.asks()))); err != nil {
		t.Errorf("the client is kept out by who pretends to be it: %v", err)
	}
	right := p.ClientSecret
	if n := until(http.StatusTooManyRequests, form(p.ClientID, right)); n < 900 {
		t.Errorf("a client may come %d times at once", n)
	}
	if r := b.do("POST", "/oidc/token", form("academy.second", right)); r.StatusCode != http.StatusBadRequest {
		t.Errorf("another client: %d", r.StatusCode)
	}
	s.pass(time.Second)
	if _, err := p.exchange(t.Context(), p.code(t, b.get(p.asks()))); err != nil {
		t.Errorf("a second later: %v", err)
	}
}
