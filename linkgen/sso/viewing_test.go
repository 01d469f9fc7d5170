package sso_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/linkgen"
	"latchkey/linkgen/sso"
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
	if got := told(t, b.get(asks("nonce", "n2", "return_sso_url", forumReturn, "prompt", "none"))); got.Get("failed") != "true" {
		t.Errorf("the forum, which asks nobody: %v", got)
	}
	if n := len(s.handOffs()); n != 0 {
		t.Errorf("%d hand-offs", n)
	}
	s.counts(map[string]int{"courses viewing": 2, "forum viewing": 2, "moodle viewing": 2, "moodle login_required": 1})
}

// What only looks (HEAD) or loads in advance uses up nothing, hands nobody over and signs nobody out.
func TestLookingUsesNothingUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp, forumApp, moodleApp)
	p := s.relying()
	b := s.signIn(s.ada, "ada@example.com")
	forum := asks("nonce", "n", "return_sso_url", forumReturn)
	for _, path := range []string{"/go/courses", forum, p.asks(), p.asks("prompt", "login"), "/oidc/end_session"} {
		if r := b.do("HEAD", path, nil); r.StatusCode != http.StatusOK || r.to() != "" {
			t.Errorf("HEAD %s: %d %s", path, r.StatusCode, r.to())
		}
		if r := b.get(path, "Sec-Purpose", "prefetch;prerender"); r.StatusCode != http.StatusServiceUnavailable || r.to() != "" {
			t.Errorf("%s in advance: %d %s", path, r.StatusCode, r.to())
		}
	}
	if n := len(s.handOffs()); n != 0 {
		t.Errorf("%d hand-offs", n)
	}
	if got := told(t, b.get(forum)); got.Get("email") != "ada@example.com" {
		t.Errorf("the forum is told %v", got)
	}
	if r := b.do("HEAD", "/.well-known/jwks.json", nil); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the keys: %d", r.StatusCode)
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

// Apps of one name belong to the location of whoever is signed in, or of the forum that signed.
func TestAppsOfLocations(t *testing.T) {
	t.Parallel()
	film := sso.App{Location: "studio", Name: "courses", URL: "https://film.studio.test"}
	stage := sso.App{Location: "studio", Name: "stage", URL: "https://stage.studio.test"}
	talk := sso.App{Location: "studio", Name: "forum", URL: "https://talk.studio.test", SSO: sso.Discourse, Secret: engine.NewSecret("the studio's own secret")}
	client := moodleApp
	client.Location = "studio"
	s := newSite(t, courses, film, stage, forumApp, talk, moodleApp, client)
	b := s.signIn(s.ada, "ada@example.com")
	if r := b.get("/go/courses"); r.to() != "https://learn.acme.test/school/" {
		t.Errorf("of the academy: %s", r.to())
	}
	b.wants(b.get("/go/stage"), http.StatusNotFound)
	if r := s.browser().get("/go/stage"); r.to() != "/login?app=stage&location=studio" {
		t.Errorf("to sign in: %s", r.to())
	}
	told(t, b.get(asks("nonce", "n1", "return_sso_url", forumReturn)))
	payload := base64.StdEncoding.EncodeToString([]byte("nonce=n2&return_sso_url=" + url.QueryEscape("https://talk.studio.test/session/sso_login")))
	r := b.get("/sso/discourse/forum?" + url.Values{"sso": {payload}, "sig": {sso.SignForum(talk.Secret, payload)}}.Encode())
	if r.to() != "/login?app=forum&location=studio" {
		t.Errorf("the studio's forum is told of a learner of the academy: %s", r.to())
	}
	p := s.relying()
	if p.code(t, b.get(p.asks())) == "" {
		t.Error("no code")
	}
	p.ClientID = "studio.moodle"
	if r := b.get(p.asks()); r.to() != "/login?app=moodle&location=studio" {
		t.Errorf("the studio's client is told of a learner of the academy: %s", r.to())
	}
	if r := b.get("/go/courses"); r.to() != "https://learn.acme.test/school/" {
		t.Errorf("the academy's session has ended: %s", r.to())
	}
}

// A request that waited and then was refused waits no more, so that the app can be entered.
func TestPendingIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	b := s.browser()
	b.get(p.asks("id_token_hint", ""))
	changed := moodleApp
	changed.Redirects = []string{"https://moodle.acme.test/other"}
	s.use(changed)
	s.signIn(s.ada, "ada@example.com", b)
	b.wants(b.get(b.get("/go/moodle").to()), http.StatusBadRequest)
	if r := b.get("/go/moodle"); r.to() != "https://moodle.acme.test/" {
		t.Errorf("it waits still: %s", r.to())
	}
}

// A learner whose contact was absorbed by another is that one, and can sign out still.
func TestOIDCAbsorbed(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	old := s.learner("", "Ada", "ada@example.com", "go-101")
	b := s.signIn(old, "ada@example.com")
	old.Absorbed = s.ada.Key
	s.save(old)
	s.ada.Took = append(s.ada.Took, old.Key)
	s.save(s.ada)
	token, err := p.exchange(t.Context(), p.code(t, b.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	id, claims := p.claims(t, token)
	if id.Subject != s.ada.Key.String() || claims["email"] != "ada@example.com" || claims["email_verified"] != true {
		t.Errorf("it is %v", claims)
	}
	b.get("/oidc/end_session?" + url.Values{"id_token_hint": {token.Extra("id_token").(string)}}.Encode())
	if r := b.get("/go/moodle"); !strings.HasPrefix(r.to(), "/login") {
		t.Errorf("signed in still: %s", r.to())
	}
}
