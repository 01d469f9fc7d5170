package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
)

// TestSignIn goes through the door: by a link's page and its button, by a key, and out again.
func TestSignIn(t *testing.T) {
	t.Parallel()
	o := newOffice()
	page := text(o.as("", "GET", "/signin/token-sue", nil))
	if !strings.Contains(page, `name="t" value="token-sue"`) || strings.Contains(page, "<nav") {
		t.Error(page)
	}
	res := o.as("", "POST", "/signin", url.Values{"t": {"token-sue"}})
	c := res.Cookies()
	if res.StatusCode != 303 || res.Header.Get("Location") != "/" || len(c) != 1 || c[0].Value != "sue" {
		t.Fatal(res.StatusCode, res.Header)
	}
	for _, form := range []url.Values{{"t": {"token-nobody"}}, {"t": {""}}, {}} {
		if res := o.as("", "POST", "/signin", form); res.StatusCode != 403 || len(res.Cookies()) != 0 {
			t.Errorf("%v: %d %v", form, res.StatusCode, res.Header)
		}
	}
	if res := o.as("", "POST", "/signin/key", url.Values{"key": {" olga\n"}, "next": {"/links?kind=app"}}); res.StatusCode != 303 || res.Header.Get("Location") != "/links?kind=app" {
		t.Error(res.StatusCode, res.Header)
	}
	if res := o.as("", "POST", "/signin/key", url.Values{"key": {"guess"}}); res.StatusCode != 403 || !strings.Contains(text(res), "That key is not known here") {
		t.Error(res.StatusCode)
	}
	if res := o.as("sue", "GET", "/signin", nil); res.Header.Get("Location") != "/" {
		t.Error("who is signed in is asked to sign in")
	}
	res = o.as("sue", "POST", "/signout", url.Values{"x": {"1"}})
	if res.StatusCode != 303 || len(res.Cookies()) != 1 || res.Cookies()[0].MaxAge != -1 {
		t.Error(res.StatusCode, res.Header)
	}
	if res := o.as("sue", "GET", "/", nil); res.StatusCode != 303 {
		t.Error("signed out, and still in")
	}
}

// The cookie of staff is for the server alone, one host, one location; over https under a name that nothing else can set. Setting
// HttpOnly to false in enter turns this red.
func TestAttack13ConsoleCookie(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		o := newOffice()
		h := console.Handler(console.Config{Staff: o, Secure: secure, Location: &engine.Location{ID: "academy"}, Name: func() string { return "A" }})
		r := httptest.NewRequest("POST", "/signin/key", strings.NewReader("key=olga"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Result().Cookies()
		if len(got) != 1 {
			t.Fatal(w.Code, got)
		}
		want := &http.Cookie{Name: "latchkey_staff_academy", Value: "olga", Path: "/", MaxAge: int(console.SessionLife / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure}
		if secure {
			want.Name = "__Host-latchkey_staff_academy"
		}
		if got[0].String() != want.String() {
			t.Errorf("%s, want %s", got[0], want)
		}
	}
}

// Where the browser goes after signing in is one of the console's own pages, whatever an address says. Returning next instead of
// "" at the end of safeNext turns this red.
func TestAttack12ConsoleNext(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/%2f/evil.example", "/links//evil.example",
		"javascript:alert(1)", "/links\r\nSet-Cookie: a=b", "/links/../../x", "http:/links", "links", "/signout", "/v1/backup", "/outbox", "@evil.example",
		"/links@evil.example", "/contacts/..", "?x=1", "/links\t", " /links",
	} {
		res := newOffice().as("", "POST", "/signin/key", url.Values{"key": {"olga"}, "next": {bad}})
		if got := res.Header.Get("Location"); res.StatusCode != 303 || got != "/" {
			t.Errorf("%q leads to %q", bad, got)
		}
	}
	for _, good := range []string{"/links", "/contacts/k", "/messages?state=failed&workflow=w", "/audit?who=olga%40acme.test"} {
		res := newOffice().as("", "POST", "/signin/key", url.Values{"key": {"olga"}, "next": {good}})
		if got := res.Header.Get("Location"); got != good {
			t.Errorf("%q leads to %q", good, got)
		}
		if got := newOffice().as("", "GET", good, nil).Header.Get("Location"); got != "/signin?next="+url.QueryEscape(good) {
			t.Errorf("%q asks to sign in at %q", good, got)
		}
	}
}

// Asking for a sign-in link says the same to everybody. A signinMail that refuses what has no @, or answers some addresses with another
// status, turns this red, as does one that shows again what was typed.
func TestAttack17ConsoleEnumeration(t *testing.T) {
	t.Parallel()
	answer := func(address string) (int, string, string) {
		o := newOffice()
		res := o.as("", "POST", "/signin/mail", url.Values{"email": {address}})
		if len(o.mailed) != 1 || o.mailed[0] != strings.TrimSpace(address) {
			t.Errorf("%q: asked for %q", address, o.mailed)
		}
		return res.StatusCode, text(res), res.Header.Get("Content-Length") + res.Header.Get("Set-Cookie")
	}
	code, body, header := answer("olga@acme.test")
	for _, other := range []string{"nobody@acme.test", "", "olga@acme.test,evil@example.com", "x\r\nBcc: y@z.example", strings.Repeat("a", 3000)} {
		c, b, h := answer(other)
		if c != code || b != body || h != header {
			t.Errorf("%q is answered otherwise: %d %s", other, c, b)
		}
	}
}

// TestSeveralLocations: where there are several, every address of a page names its own.
func TestSeveralLocations(t *testing.T) {
	t.Parallel()
	for _, path := range everyPage {
		o := newOffice()
		o.others = []console.Place{{ID: "film", Name: "Film"}}
		body := text(o.as("olga", "GET", path, nil))
		for rest := body; ; {
			_, after, ok := strings.Cut(rest, `href="/`)
			if !ok {
				break
			}
			href, _, _ := strings.Cut(after, `"`)
			rest = after
			if !strings.Contains(href, "location=academy") && !strings.HasPrefix(href, "console-") && href != "places" && href != "outbox" {
				t.Errorf("%s leads to /%s", path, href)
			}
		}
		for rest := body; ; {
			_, after, ok := strings.Cut(rest, `method="post" action="`)
			if !ok {
				break
			}
			action, _, _ := strings.Cut(after, `"`)
			rest = after
			if !strings.Contains(action, "location=academy") {
				t.Errorf("%s posts to %s", path, action)
			}
		}
	}
}

// TestGenerate: a link made by hand is shown once, in a field; wrong ones give the form again, as it was filled in.
func TestGenerate(t *testing.T) {
	t.Parallel()
	o := newOffice()
	res := o.as("sue", "POST", "/portal", url.Values{"kind": {"learner"}, "contact": {" ada@example.com "}, "app": {"courses"}, "ttl": {"2h"}, "uses": {"3"}, "bind": {"browser"}})
	body := text(res)
	if res.StatusCode != 200 || strings.Count(body, "https://learn.acme.test/l/SECRET") != 1 || !strings.Contains(body, `readonly value="https://learn.acme.test/l/SECRET"`) ||
		res.Header.Get("Cache-Control") != "no-store" {
		t.Error(res.StatusCode, body)
	}
	want := "new {Location:academy Kind:learner Contact:ada@example.com App:courses To: TTL:2h Uses:3 Bind:browser}"
	if !contains(o.asked, want) {
		t.Errorf("asked for %q", o.asked)
	}
	if n := o.notes; len(n) != 1 || n[0].Contact != "k" || n[0].On != "lnk_9" || strings.Contains(n[0].Detail+n[0].On+n[0].Did, "SECRET") {
		t.Errorf("noted %+v", n)
	}
	for _, c := range []struct {
		form url.Values
		says string
	}{
		{url.Values{"kind": {"learner"}, "contact": {""}, "ttl": {"2h"}}, "Contact is missing"},
		{url.Values{"kind": {"app"}, "app": {""}}, "App is missing"},
		{url.Values{"kind": {"staff"}, "contact": {"x"}}, "no kind"},
	} {
		o := newOffice()
		res := o.as("olga", "POST", "/portal", c.form)
		if body := text(res); res.StatusCode != 400 || !strings.Contains(strings.ToLower(body), strings.ToLower(c.says)) || strings.Contains(body, "SECRET") {
			t.Errorf("%v: %d %s", c.form, res.StatusCode, body)
		}
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}
