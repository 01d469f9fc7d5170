package sso_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

const callback = "https://moodle.acme.test/admin/oauth2callback.php"

var moodleApp = sso.App{Name: "moodle", URL: "https://moodle.acme.test", SSO: sso.OIDC, Redirects: []string{callback, "http://127.0.0.1:9/cb"},
	Logout: []string{"https://moodle.acme.test/bye"}, Product: "/c/{product}", Secret: engine.NewSecret("client secret of moodle")}

// A relying is a site that signs people in by OpenID, with the libraries that such sites use.
type relying struct {
	oauth2.Config
	provider *oidc.Provider
	verifier string
	nonce    string
	state    string
}

func (s *site) relying() *relying {
	s.Helper()
	p, err := oidc.NewProvider(s.Context(), s.URL)
	if err != nil {
		s.Fatal(err)
	}
	return &relying{Config: oauth2.Config{ClientID: "academy.moodle", ClientSecret: moodleApp.Secret.Reveal(), RedirectURL: callback,
		Endpoint: p.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"}},
		provider: p, verifier: oauth2.GenerateVerifier(), nonce: "nonce-1", state: "state-1"}
}

// asks is where the site sends a browser.
func (p *relying) asks(more ...string) string {
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(p.verifier), oidc.Nonce(p.nonce)}
	for n := 0; n+1 < len(more); n += 2 {
		opts = append(opts, oauth2.SetAuthURLParam(more[n], more[n+1]))
	}
	return p.AuthCodeURL(p.state, opts...)
}

// changed is asks with parameters of its query changed; "" takes one away.
func (p *relying) changed(set ...string) string {
	u, _ := url.Parse(p.asks())
	q := u.Query()
	for n := 0; n+1 < len(set); n += 2 {
		if q.Set(set[n], set[n+1]); set[n+1] == "" {
			q.Del(set[n])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// code takes the code out of an answer, and wants the state with it.
func (p *relying) code(t testing.TB, r reply) string {
	t.Helper()
	if r.StatusCode != http.StatusFound || !strings.HasPrefix(r.to(), callback+"?") || r.query("code") == "" || r.query("state") != p.state {
		t.Fatalf("no code: %d %s\n%s", r.StatusCode, r.to(), r.body)
	}
	return r.query("code")
}

func (p *relying) exchange(ctx context.Context, code string) (*oauth2.Token, error) {
	return p.Exchange(ctx, code, oauth2.VerifierOption(p.verifier))
}

// claims verifies the id token and returns what it says.
func (p *relying) claims(t testing.TB, token *oauth2.Token) (*oidc.IDToken, map[string]any) {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := p.provider.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	if id.Nonce != p.nonce {
		t.Errorf("nonce %q", id.Nonce)
	}
	all := map[string]any{}
	if err := id.Claims(&all); err != nil {
		t.Fatal(err)
	}
	return id, all
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	began := s.now().Truncate(time.Second)
	b := s.signIn(s.ada, "ada@example.com")
	if r := b.get("/go/moodle?to=product:go-101"); r.to() != "https://moodle.acme.test/c/go-101" {
		t.Errorf("begins at %s", r.to())
	}
	token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	id, claims := p.claims(t, token)
	if id.Subject != s.ada.Key.String() || id.Issuer != s.URL || token.RefreshToken != "" {
		t.Errorf("sub %s, iss %s", id.Subject, id.Issuer)
	}
	if at := time.Unix(int64(claims["auth_time"].(float64)), 0); at.Before(began) || at.After(s.now()) {
		t.Errorf("auth_time %v", at)
	}
	info, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]any{}
	if err := info.Claims(&told); err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]any{claims, told} {
		for key, want := range map[string]any{"sub": s.ada.Key.String(), "email": "ada@example.com", "email_verified": true,
			"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "contact_id": "c-17"} {
			if m[key] != want {
				t.Errorf("%s is %v, want %v", key, m[key], want)
			}
		}
	}
	s.pass(6 * time.Minute)
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("a token is good for ever")
	}
}

// A request of somebody who is not signed in waits until they are, in their browser alone.
func TestOIDCWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.browser()
	if r := b.get(p.asks()); r.to() != "/login?app=moodle" {
		t.Fatalf("without a session: %d %s", r.StatusCode, r.to())
	}
	if r := s.browser().get(p.asks("prompt", "none")); r.query("error") != "login_required" || r.query("state") != p.state {
		t.Errorf("prompt=none: %s", r.to())
	}
	link := s.mint(s.ada, engine.LinkRequest{App: "moodle", Address: "ada@example.com"})
	r := b.press(link)
	if r.to() != "/go/moodle?hop=1" {
		t.Fatalf("the link leads to %s", r.to())
	}
	r = b.get("/go/moodle")
	if !strings.HasPrefix(r.to(), "/oidc/authorize?") {
		t.Fatalf("then to %s", r.to())
	}
	token, err := p.exchange(t.Context(), p.code(t, b.get(r.to())))
	if err != nil {
		t.Fatal(err)
	}
	p.claims(t, token)
	other := s.browser()
	other.press(link)
	if r := other.get("/go/moodle"); r.to() != "https://moodle.acme.test/" {
		t.Errorf("in another browser: %s", r.to())
	}
	if r := other.get(p.asks("prompt", "none")); p.code(t, r) == "" {
		t.Error("no code")
	}
	long := p.changed("state", strings.Repeat("x", 3000))
	if r := s.browser().get(long); r.query("error") != "invalid_request" {
		t.Errorf("a request that no cookie can hold: %d %s", r.StatusCode, r.to())
	}
}

// prompt=login and max_age want somebody who signed in lately; one who just did is not asked again.
func TestOIDCSignInAgain(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{{"prompt", "login"}, {"max_age", "60"}, {"max_age", "0"}} {
		s := newSite(t, moodleApp)
		p := s.relying()
		b := s.signIn(s.ada, "ada@example.com")
		s.pass(2 * time.Minute)
		if r := b.get(p.asks("max_age", "600")); p.code(t, r) == "" {
			t.Error("not lately enough")
		}
		if r := b.get(p.asks(append(more, "prompt", "none")...)); more[0] == "max_age" && r.query("error") != "login_required" {
			t.Errorf("%v and prompt=none: %s", more, r.to())
		}
		if r := b.get(p.asks(more...)); r.to() != "/login?app=moodle" {
			t.Fatalf("%v: %d %s", more, r.StatusCode, r.to())
		}
		if r := b.get("/go/moodle"); !strings.HasPrefix(r.to(), "/login") {
			t.Errorf("%v: signed in still", more)
		}
		s.pass(time.Minute)
		s.signIn(s.ada, "ada@example.com", b)
		if p.code(t, b.get(b.get("/go/moodle").to())) == "" {
			t.Errorf("%v: no code", more)
		}
	}
}

// end_session ends the portal session that an id token came of, and no other.
func TestOIDCEndSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b, phone := s.signIn(s.ada, "ada@example.com"), s.signIn(s.ada, "ada@example.com")
	token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	out := s.URL + "/oidc/end_session?"
	hint := token.Extra("id_token").(string)
	if r := b.get(out + url.Values{"post_logout_redirect_uri": {"https://evil.test/"}, "id_token_hint": {hint}}.Encode()); r.StatusCode != http.StatusBadRequest || r.to() != "" {
		t.Errorf("to another site: %d %s", r.StatusCode, r.to())
	}
	if r := b.get(out + url.Values{"client_id": {p.ClientID}, "post_logout_redirect_uri": {"https://moodle.acme.test/bye"}}.Encode()); r.to() != "/" {
		t.Errorf("without a hint: %s", r.to())
	}
	if r := b.get(out + url.Values{"id_token_hint": {hint[:len(hint)-9] + "AAAAAAAAA"}}.Encode()); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged hint: %d %s", r.StatusCode, r.to())
	}
	if r := b.get("/go/moodle"); strings.HasPrefix(r.to(), "/login") {
		t.Fatal("signed out by a request without a hint")
	}
	r := b.get(out + url.Values{"post_logout_redirect_uri": {"https://moodle.acme.test/bye"}, "id_token_hint": {hint}, "state": {"s"}}.Encode())
	if r.to() != "https://moodle.acme.test/bye?state=s" {
		t.Errorf("leads to %d %s %s", r.StatusCode, r.to(), r.body)
	}
	if r := b.get("/go/moodle"); !strings.HasPrefix(r.to(), "/login") {
		t.Errorf("signed in still: %s", r.to())
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token is good still")
	}
	if r := phone.get("/go/moodle"); strings.HasPrefix(r.to(), "/login") {
		t.Error("another session of the learner has ended too")
	}
}

// Codes survive a restart and are swept when they are over.
func TestOIDCSweep(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	code := p.code(t, b.get(p.asks()))
	count := func() (n int) {
		for _, st := range s.stores.All() {
			err := st.View(t.Context(), func(tx engine.Tx) error {
				tx.Scan(engine.SpaceSSO, nil, nil, func(_, _ []byte) bool { n++; return true })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if err := s.handler().Sweep(t.Context(), s.now()); err != nil || count() != 1 {
		t.Errorf("%d grants, %v", count(), err)
	}
	if _, err := p.exchange(t.Context(), code); err != nil {
		t.Error(err)
	}
	for range 600 {
		b.get(p.asks())
	}
	s.pass(20 * time.Minute)
	if err := s.handler().Sweep(t.Context(), s.now()); err != nil || count() != 0 {
		t.Errorf("%d grants are left, %v", count(), err)
	}
}
