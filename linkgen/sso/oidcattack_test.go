package sso_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

// TestAttack31OIDC: a code is good once, for the client and redirect URI that it was given for, with the verifier that belongs
// to it; a token that we did not sign convinces nobody; an address is called proven only if it is.
//
// Red when CreateAccessToken does not look at Used (`twice = false`), when acceptable does not ask for S256,
// when requested does not compare redirect_uri, when grant drops the nonce, or when describe says that every address is proven.
func TestAttack31OIDC(t *testing.T) {
	t.Parallel()
	second := moodleApp
	second.Name, second.Secret = "second", engine.NewSecret("client secret of second")
	s := newSite(t, moodleApp, second)
	b := s.signIn(s.ada, "ada@example.com")
	t.Run("code", func(t *testing.T) { checkCodes(t, s, b) })
	t.Run("replay", func(t *testing.T) { checkReplay(t, s, b) })
	t.Run("redirect_uri", func(t *testing.T) { checkRedirects(t, s, b) })
	t.Run("request", func(t *testing.T) { checkRequests(t, s, b) })
	t.Run("token", func(t *testing.T) { checkTokens(t, s, b) })
	t.Run("unproven", func(t *testing.T) { checkUnproven(t, s) })
	t.Run("key", func(t *testing.T) { checkRotation(t) })
	for _, secret := range []string{"client secret of moodle", "eyJ", "ada@example.com"} {
		if strings.Contains(s.logs.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// checkCodes exchanges codes as somebody would who has found one.
func checkCodes(t *testing.T, s *site, b *browser) {
	for what, change := range map[string]func(p *relying, code *string){
		"another verifier": func(p *relying, _ *string) { p.verifier = oauth2.GenerateVerifier() },
		"another secret":   func(p *relying, _ *string) { p.ClientSecret = "client secret of somebody" },
		"no secret":        func(p *relying, _ *string) { p.ClientSecret = "" },
		"another client":   func(p *relying, _ *string) { p.ClientID, p.ClientSecret = "academy.second", "client secret of second" },
		"no such client":   func(p *relying, _ *string) { p.ClientID = "academy.third" },
		"another redirect": func(p *relying, _ *string) { p.RedirectURL = "http://127.0.0.1:9/cb" },
		"no redirect":      func(p *relying, _ *string) { p.RedirectURL = "" },
		"a flipped bit":    func(_ *relying, c *string) { *c = string((*c)[0]^1) + (*c)[1:] },
		"cut short":        func(_ *relying, c *string) { *c = (*c)[:len(*c)-4] },
		"no code":          func(_ *relying, c *string) { *c = "" },
		"too late":         func(*relying, *string) { s.pass(61 * time.Second) },
	} {
		p := s.relying()
		code := p.code(t, b.get(p.asks()))
		honest, given := *p, code
		change(p, &given)
		if _, err := p.exchange(t.Context(), given); err == nil {
			t.Errorf("%s: a token is given", what)
		}
		if what == "too late" {
			continue
		}
		if _, err := honest.exchange(t.Context(), code); err != nil { // nobody burns a code who may not use it
			t.Errorf("%s: and then the site gets none: %v", what, err)
		}
	}
	p := s.relying()
	code := p.code(t, b.get(p.asks()))
	if _, err := p.Exchange(t.Context(), code); err == nil {
		t.Error("no verifier: a token is given")
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {p.ClientID}, "client_secret": {p.ClientSecret},
		"redirect_uri": {callback}, "code_verifier": {p.verifier}}
	if r := b.do("POST", "/oidc/token?"+form.Encode(), url.Values{}); r.StatusCode != http.StatusBadRequest {
		t.Errorf("secrets in an address: %d", r.StatusCode)
	}
	for _, grant := range []string{"refresh_token", "client_credentials", "password", "urn:ietf:params:oauth:grant-type:jwt-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:device_code", ""} {
		form.Set("grant_type", grant)
		if r := b.do("POST", "/oidc/token", form); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, "unsupported_grant_type") {
			t.Errorf("grant_type %q: %d %s", grant, r.StatusCode, r.body)
		}
	}
}

// checkReplay exchanges one code several times, after another and at once: one token is given, and it dies with the second try.
func checkReplay(t *testing.T, s *site, b *browser) {
	p := s.relying()
	code := p.code(t, b.get(p.asks()))
	token, err := p.exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.exchange(t.Context(), code); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code is good twice: %v", err)
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token of a code that came twice is good still")
	}
	checkOverlap(t, s, p.code(t, b.get(p.asks())))
	code = p.code(t, b.get(p.asks()))
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 8 {
		wg.Go(func() {
			if _, err := p.exchange(t.Context(), code); err == nil {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 1 {
		t.Errorf("%d of 8 at once got a token", got)
	}
}

// checkOverlap has two exchanges of a code both find it unused before either uses it up.
func checkOverlap(t *testing.T, s *site, code string) {
	st := s.handler().Storage()
	one, err1 := st.AuthRequestByCode(t.Context(), code)
	two, err2 := st.AuthRequestByCode(t.Context(), code)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if _, _, err := st.CreateAccessToken(t.Context(), one); err != nil {
		t.Error(err)
	}
	if _, _, err := st.CreateAccessToken(t.Context(), two); err == nil {
		t.Error("two exchanges at once both give a token")
	}
}

// checkRedirects asks for answers elsewhere. None may be sent anywhere, not even an error.
func checkRedirects(t *testing.T, s *site, b *browser) {
	p := s.relying()
	for _, away := range []string{
		"https://evil.test/admin/oauth2callback.php", callback + "/", callback + "?x=y", callback + "#", callback + "/../x", callback + "%00",
		strings.ToUpper(callback), strings.Replace(callback, "https", "http", 1), strings.Replace(callback, ".test", ".test.evil.test", 1),
		strings.Replace(callback, "https://", "https://evil.test@", 1), strings.Replace(callback, ".test", ".test:443", 1),
		"https%3A%2F%2Fmoodle.acme.test%2Fadmin%2Foauth2callback.php", strings.Replace(callback, "/admin", "%2Fadmin", 1),
		"http://127.0.0.1:10/cb", "http://localhost:9/cb", "http://[::1]:9/cb", "//moodle.acme.test/admin/oauth2callback.php",
		"javascript:alert(1)", " " + callback, callback + " ", callback + "\n", "https://moodle.acme.test/", "",
	} {
		for _, prompt := range []string{"", "none"} {
			r := b.get(p.changed("redirect_uri", away, "prompt", prompt))
			if r.StatusCode != http.StatusBadRequest || r.to() != "" {
				t.Errorf("redirect_uri %q: %d %s", away, r.StatusCode, r.to())
			}
		}
	}
	if r := b.get(p.asks() + "&redirect_uri=https%3A%2F%2Fevil.test"); r.StatusCode != http.StatusBadRequest || r.to() != "" {
		t.Errorf("two redirect URIs: %d %s", r.StatusCode, r.to())
	}
	if r := b.get(p.changed("client_id", "academy.nobody")); r.StatusCode != http.StatusBadRequest || r.to() != "" {
		t.Errorf("no such client: %d %s", r.StatusCode, r.to())
	}
	p.RedirectURL = "http://127.0.0.1:9/cb"
	if r := b.get(p.asks()); !strings.HasPrefix(r.to(), "http://127.0.0.1:9/cb?code=") {
		t.Errorf("the other one that is configured: %s", r.to())
	}
}

// checkRequests asks for what is not offered; the site is told so, with its state.
func checkRequests(t *testing.T, s *site, b *browser) {
	p := s.relying()
	for what, set := range map[string][]string{
		"plain PKCE":       {"code_challenge_method", "plain"},
		"PKCE of no kind":  {"code_challenge_method", ""},
		"no PKCE":          {"code_challenge", "", "code_challenge_method", ""},
		"no challenge":     {"code_challenge", ""},
		"short challenge":  {"code_challenge", "abc"},
		"implicit":         {"response_type", "id_token"},
		"hybrid":           {"response_type", "code id_token"},
		"token":            {"response_type", "token"},
		"no response type": {"response_type", ""},
		"fragment":         {"response_mode", "fragment"},
		"form_post":        {"response_mode", "form_post"},
		"no openid":        {"scope", "profile email"},
		"no scope":         {"scope", ""},
		"none and login":   {"prompt", "none login"},
		"a request object": {"request", "eyJhbGciOiJub25lIn0.e30."},
		"a request_uri":    {"request_uri", "https://evil.test/r"},
		"a forged hint":    {"id_token_hint", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
		"a long nonce":     {"nonce", strings.Repeat("x", 513)},
	} {
		r := b.get(p.changed(set...))
		if !strings.HasPrefix(r.to(), callback+"?") || r.query("error") == "" || r.query("code") != "" || r.query("state") != p.state {
			t.Errorf("%s: %d %s %s", what, r.StatusCode, r.to(), r.body)
		}
	}
	for _, state := range []string{"", "a&b=c", "<script>", "ü", strings.Repeat("s", 1000)} {
		if r := b.get(p.changed("state", state)); r.query("state") != state || r.query("code") == "" {
			t.Errorf("state %q comes back as %q", state, r.query("state"))
		}
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(b.get("/.well-known/openid-configuration").body), &d); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"response_types_supported": "code", "grant_types_supported": "authorization_code",
		"code_challenge_methods_supported": "S256", "id_token_signing_alg_values_supported": "RS256"} {
		if list, _ := d[key].([]any); len(list) != 1 || list[0] != want {
			t.Errorf("%s is %v", key, d[key])
		}
	}
	for _, path := range []string{"/oidc/authorize/callback?id=x", "/oidc/introspect", "/oidc/revoke", "/oidc/device_authorization", "/authorize", "/oauth/token", "/oidc/keys"} {
		if r := b.get(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s is served: %d", path, r.StatusCode)
		}
	}
}

// checkTokens shows tokens that we did not sign, to the site and to ourselves.
func checkTokens(t *testing.T, s *site, b *browser) {
	p := s.relying()
	token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	raw := token.Extra("id_token").(string)
	p.claims(t, token)
	parts := strings.Split(raw, ".")
	header := func(h string) string { return base64.RawURLEncoding.EncodeToString([]byte(h)) }
	forged := map[string]string{"alg none": header(`{"alg":"none"}`) + "." + parts[1] + "."}
	for _, k := range s.jwks().Keys { // HMAC with what everybody can read
		pub, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: pub}, (&jose.SignerOptions{}).WithHeader("kid", k.KeyID))
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		forged["HS256 with the public key "+k.Algorithm] = text
	}
	for what, f := range forged {
		if _, err := p.provider.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(t.Context(), f); err == nil {
			t.Errorf("%s convinces the site", what)
		}
		if r := b.get("/oidc/end_session?" + url.Values{"id_token_hint": {f}}.Encode()); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s convinces us: %d", what, r.StatusCode)
		}
	}
	if _, err := p.provider.Verifier(&oidc.Config{ClientID: "academy.second"}).Verify(t.Context(), raw); err == nil {
		t.Error("one client's token is good for another")
	}
	code := p.code(t, b.get(p.asks()))
	for what, bearer := range map[string]string{"an id token": raw, "a code": code, "nothing": "", "none": forged["alg none"], "a flipped bit": "A" + token.AccessToken[1:]} {
		if r := b.get("/oidc/userinfo", "Authorization", "Bearer "+bearer); r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusForbidden || strings.Contains(r.body, "ada@") {
			t.Errorf("userinfo for %s: %d %s", what, r.StatusCode, r.body)
		}
	}
}

func checkUnproven(t *testing.T, s *site) {
	p := s.relying()
	for address, want := range map[string]bool{"ada@example.com": true, "+14155550123": false, "": false} {
		b := s.signIn(s.ada, address)
		token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
		if err != nil {
			t.Fatal(err)
		}
		_, claims := p.claims(t, token)
		info, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := claims["email_verified"].(bool); !ok || got != want || info.EmailVerified != want {
			t.Errorf("a link sent to %q: email_verified %v, userinfo %v", address, claims["email_verified"], info.EmailVerified)
		}
	}
}

// checkRotation takes away the key that a token was signed with: its kid is known no more.
func checkRotation(t *testing.T) {
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.keys, "oidc.key")); err != nil {
		t.Fatal(err)
	}
	s.restart()
	fresh := s.relying()
	if _, err := fresh.provider.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(t.Context(), token.Extra("id_token").(string)); err == nil {
		t.Error("a token of a key that is gone convinces the site")
	}
	if _, err := fresh.exchange(t.Context(), fresh.code(t, b.get(fresh.asks()))); err != nil {
		t.Errorf("with the new key: %v", err)
	}
}

// A site that cannot do PKCE is served if latchkey.yaml says so.
func TestOIDCWithoutPKCE(t *testing.T) {
	t.Parallel()
	app := moodleApp
	app.NoPKCE = true
	s := newSite(t, app)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	code := p.code(t, b.get(p.changed("code_challenge", "", "code_challenge_method", "")))
	if _, err := p.exchange(t.Context(), code); err == nil {
		t.Error("a verifier for no challenge is taken")
	}
	if _, err := p.Exchange(t.Context(), code); err != nil {
		t.Error(err)
	}
	if r := b.get(p.changed("code_challenge_method", "plain")); r.query("error") != "invalid_request" {
		t.Errorf("plain: %s", r.to())
	}
}

// A code is worth nothing once the session that it came of, or all access, is over.
func TestOIDCFollowsAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	code := p.code(t, b.get(p.asks()))
	b.do("POST", "/logout", url.Values{})
	if _, err := p.exchange(t.Context(), code); err == nil {
		t.Error("after signing out")
	}
	s.signIn(s.ada, "ada@example.com", b)
	code = p.code(t, b.get(p.asks()))
	s.ada.Products["go-101"].Removed = true
	s.save(s.ada)
	if _, err := p.exchange(t.Context(), code); err == nil {
		t.Error("without access")
	}
	if r := b.get(p.asks()); r.query("error") != "access_denied" {
		t.Errorf("without access: %s", r.to())
	}
	s.use(sso.App{Name: "courses", URL: "https://learn.acme.test"})
	if r := b.get("/.well-known/openid-configuration"); r.StatusCode != http.StatusNotFound {
		t.Errorf("without a client there is no provider: %d", r.StatusCode)
	}
}
