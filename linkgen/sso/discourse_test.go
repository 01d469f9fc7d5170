package sso_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

var forumApp = sso.App{Name: "forum", URL: "https://forum.acme.test/talk", SSO: sso.Discourse,
	Product: "/c/{product}", Secret: engine.NewSecret("much secret, very wow")}

const forumReturn = "https://forum.acme.test/talk/session/sso_login"

// asks is what a forum sends a browser here with.
func asks(fields ...string) string {
	q := url.Values{}
	for n := 0; n+1 < len(fields); n += 2 {
		q.Set(fields[n], fields[n+1])
	}
	return signed(base64.StdEncoding.EncodeToString([]byte(q.Encode())))
}

func signed(payload string) string {
	return "/sso/discourse/forum?" + url.Values{"sso": {payload}, "sig": {sso.SignForum(forumApp.Secret, payload)}}.Encode()
}

// told is what an answer tells the forum, which checks it as Discourse does.
func told(t testing.TB, r reply) url.Values {
	t.Helper()
	payload, sig := r.query("sso"), r.query("sig")
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.to(), forumReturn+"?") {
		t.Fatalf("no answer to the forum: %d %s", r.StatusCode, r.to())
	}
	if sig != sso.SignForum(forumApp.Secret, payload) {
		t.Fatal("the answer's signature does not fit")
	}
	text, err := base64.StdEncoding.Strict().DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	q, err := url.ParseQuery(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// The vector of npm discourse-sso, whose payload and signature come of other hands than ours.
func TestDiscourseGoldenVector(t *testing.T) {
	t.Parallel()
	const payload, want = "bm9uY2U9dmVyeV93b3dfbXVjaF9iYXNlNjRfc29fcXVlcnk=", "6648376284f212b08cc66f18fc8a8f188bcf16072944add79be71939a3c8b218"
	if got := sso.SignForum(engine.NewSecret("much secret, very wow"), payload); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDiscourse(t *testing.T) {
	t.Parallel()
	s := newSite(t, forumApp)
	b := s.signIn(s.ada, "ada@example.com")
	if r := b.get("/go/forum?to=product:go-101"); r.to() != "https://forum.acme.test/talk/session/sso?return_path=%2Fc%2Fgo-101" {
		t.Errorf("begins at %s", r.to())
	}
	got := told(t, b.get(asks("nonce", "n1", "return_sso_url", forumReturn)))
	want := url.Values{"nonce": {"n1"}, "external_id": {s.ada.Key.String()}, "email": {"ada@example.com"}, "name": {"Ada Lovelace"}}
	if got.Encode() != want.Encode() {
		t.Errorf("told %v, want %v", got, want)
	}

	sms := s.signIn(s.ada, "+14155550123")
	if got := told(t, sms.get(asks("nonce", "n2", "return_sso_url", forumReturn))); got.Get("require_activation") != "true" {
		t.Errorf("an address that is not proven: %v", got)
	}
	nobody := s.learner("c-20", "Bob", "", "go-101")
	sms.wants(s.signIn(nobody, "+14155550123").get(asks("nonce", "n3", "return_sso_url", forumReturn)), http.StatusForbidden, "no e-mail address")
	if got := told(t, s.browser().get(asks("nonce", "n4", "return_sso_url", forumReturn, "prompt", "none"))); got.Get("failed") != "true" || got.Get("email") != "" {
		t.Errorf("prompt=none without a session: %v", got)
	}
}

// The forum's request waits in the browser while the learner fetches a link, and in no other one.
func TestDiscourseWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, forumApp)
	b := s.browser()
	if r := b.get(asks("nonce", "n1", "return_sso_url", forumReturn)); r.to() != "/login?app=forum" {
		t.Fatalf("without a session: %s", r.to())
	}
	elsewhere := s.browser()
	link := s.mint(s.ada, engine.LinkRequest{App: "forum", Address: "ada@example.com"})
	elsewhere.press(link)
	if r := elsewhere.get("/go/forum"); !strings.Contains(r.to(), "/session/sso?") {
		t.Errorf("in another browser: %s", r.to())
	}
	b.press(link)
	r := b.get("/go/forum")
	if !strings.HasPrefix(r.to(), "/sso/discourse/forum?") {
		t.Fatalf("in the same browser: %s", r.to())
	}
	if got := told(t, b.get(r.to())); got.Get("nonce") != "n1" || got.Get("email") != "ada@example.com" {
		t.Errorf("told %v", got)
	}
	if r := b.get("/go/forum"); !strings.Contains(r.to(), "/session/sso?") {
		t.Errorf("it waits still: %s", r.to())
	}

	late := s.browser()
	late.get(asks("nonce", "n2", "return_sso_url", forumReturn))
	s.pass(31 * time.Minute)
	late.press(link)
	if r := late.get("/go/forum"); !strings.Contains(r.to(), "/session/sso?") {
		t.Errorf("after half an hour: %s", r.to())
	}
}

// TestAttack32Discourse: nobody is introduced for a request that is not the forum's own, that was answered, or whose answer
// would go elsewhere.
//
// Red when readForum does not compare signatures, when introduce ignores fresh, when within returns true, or when
// reserved returns false.
func TestAttack32Discourse(t *testing.T) {
	t.Parallel()
	s := newSite(t, forumApp, sso.App{Name: "other", URL: "https://other.acme.test", SSO: sso.Discourse, Secret: engine.NewSecret("another secret, so wow")})
	b := s.signIn(s.ada, "ada@example.com")
	refused := func(what, path string) {
		t.Helper()
		r := b.get(path)
		if r.StatusCode != http.StatusBadRequest || r.to() != "" || strings.Contains(r.body, "ada@example.com") {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.to())
		}
		payload, _ := url.Parse(path)
		if sig := sso.SignForum(forumApp.Secret, payload.Query().Get("sso")); strings.Contains(r.body, sig) {
			t.Errorf("%s: the page tells the signature", what)
		}
	}
	good := asks("nonce", "n1", "return_sso_url", forumReturn)
	u, _ := url.Parse(good)
	sig := u.Query().Get("sig")
	for _, bad := range []string{"", "00", sig[:62], sig[:63] + "g", strings.Repeat("0", 64), sig + "00"} {
		q := u.Query()
		q.Set("sig", bad)
		refused("signature "+bad, "/sso/discourse/forum?"+q.Encode())
	}
	q := u.Query()
	q.Set("sso", base64.StdEncoding.EncodeToString([]byte("nonce=n9&return_sso_url="+url.QueryEscape(forumReturn))))
	refused("the signature of another payload", "/sso/discourse/forum?"+q.Encode())
	refused("another app's forum", "/sso/discourse/other?"+u.RawQuery)
	refused("no forum", "/sso/discourse/courses?"+u.RawQuery)
	refused("no base64", signed("!!!"))
	refused("no nonce", asks("return_sso_url", forumReturn))
	refused("no return", asks("nonce", "n2"))
	for _, away := range []string{
		"https://evil.test/talk/session/sso_login", "http://forum.acme.test/talk/session/sso_login", "//forum.acme.test/talk/x",
		"https://forum.acme.test.evil.test/talk/x", "https://forum.acme.test@evil.test/talk/x", "https://forum.acme.test:444/talk/x",
		"https://forum.acme.test/talk/../evil", "https://forum.acme.test/talkative/x", "https://forum.acme.test\\@evil.test/talk/x",
		"https://forum.acme.test/x", "javascript:alert(1)", "/talk/session/sso_login", "https://forum.acme.test/talk/%2e%2e/evil",
		"https://forum.acme.test/talk/x#y", " https://forum.acme.test/talk/x", "https://forum.acme.test/talk/x\r\nSet-Cookie: a=b",
	} {
		refused("return_sso_url "+away, asks("nonce", "n3", "return_sso_url", away))
	}
	told(t, b.get(good))
	refused("the same nonce again", good)
	refused("the same nonce, other parameters", asks("nonce", "n1", "return_sso_url", forumReturn+"?x=y"))
	bob := s.signIn(s.learner("c-18", "Bob", "bob@example.com", "go-101"), "bob@example.com")
	if r := bob.get(good); r.StatusCode != http.StatusBadRequest {
		t.Errorf("another learner has the nonce that ada used: %d %s", r.StatusCode, r.to())
	}
	for _, id := range []string{"none", "nil", "blank", "null", "empty", "", "NULL", " None "} {
		if !sso.Reserved(id) {
			t.Errorf("external_id %q is not refused", id)
		}
	}
	if sso.Reserved(s.ada.Key.String()) {
		t.Error("a contact's id is refused")
	}
	if logs := s.logs.String(); strings.Contains(logs, sig) || strings.Contains(logs, "ada@example.com") {
		t.Error("the log tells too much")
	}
}
