package sso_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

var courses = sso.App{
	Name: "courses", URL: "https://learn.acme.test/school", Product: "/courses/{product}",
	Category: "/courses/{product}?part={category}", Lesson: "/courses/{product}/lessons/{lesson}",
}

func TestEnterWithoutSSO(t *testing.T) {
	t.Parallel()
	s := newSite(t, courses, sso.App{Name: "plain", URL: "https://plain.acme.test"})
	b := s.signIn(s.ada, "ada@example.com")
	for to, want := range map[string]string{
		"":                  "https://learn.acme.test/school/",
		"product:go-101":    "https://learn.acme.test/school/courses/go-101",
		"product:rust-201":  "https://learn.acme.test/school/", // not granted
		"category:ba sics":  "https://learn.acme.test/school/courses/go-101?part=ba%20sics",
		"lesson:intro":      "https://learn.acme.test/school/courses/go-101/lessons/intro",
		"lesson:a/b?c#":     "https://learn.acme.test/school/courses/go-101/lessons/a%2Fb%3Fc%23",
		"lesson:a/../../b":  "https://learn.acme.test/school/",
		"lesson:..\\b":      "https://learn.acme.test/school/",
		"lesson:..":         "https://learn.acme.test/school/",
		"lesson:":           "https://learn.acme.test/school/",
		"//evil.test":       "https://learn.acme.test/school/",
		"https://evil.test": "https://learn.acme.test/school/",
		"offer:gold":        "https://learn.acme.test/school/",
	} {
		r := b.get("/go/courses?to=" + url.QueryEscape(to))
		b.wants(r, http.StatusSeeOther)
		if r.to() != want {
			t.Errorf("to=%q leads to %s, want %s", to, r.to(), want)
		}
	}
	if r := b.get("/go/plain?to=lesson:intro"); r.to() != "https://plain.acme.test/" {
		t.Errorf("an app without patterns: %s", r.to())
	}
	b.wants(b.get("/go/nowhere"), http.StatusNotFound, "There is no such page")
	if n := len(s.handOffs()); n != 14 {
		t.Errorf("%d hand-offs are noted", n)
	}
}

func TestEnterWithoutSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, courses)
	for path, want := range map[string]string{
		"/go/courses":                        "/login?app=courses",
		"/go/courses?to=lesson:intro":        "/login?app=courses&to=lesson%3Aintro",
		"/go/courses?to=lesson:intro&in=go":  "/login?app=courses&to=lesson%3Aintro&in=go",
		"/go/courses?to=https://evil/&in=go": "/login?app=courses",
		"/go/a%2Fb?to=product:x":             "/login?app=a%2Fb&to=product%3Ax",
		"/go/courses?hop=1&to=product:x":     "/login?app=courses&to=product%3Ax",
	} {
		if r := s.browser().get(path); r.StatusCode != http.StatusSeeOther || r.to() != want {
			t.Errorf("%s: %d %s, want %s", path, r.StatusCode, r.to(), want)
		}
	}
}

// A session that is over, or whose access is gone, leads nowhere: it is asked anew each time.
func TestEnterAsksEachTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, courses)
	b := s.signIn(s.ada, "ada@example.com")
	if r := b.get("/go/courses"); !strings.HasPrefix(r.to(), "https://learn.acme.test/") {
		t.Fatal(r.to())
	}
	s.ada.Products["go-101"].Removed = true
	s.save(s.ada)
	if r := b.get("/go/courses"); r.to() != "/" {
		t.Errorf("without access: %s", r.to())
	}
	s.ada.Products["go-101"].Removed = false
	s.save(s.ada)
	s.pass(15 * 24 * time.Hour)
	if r := b.get("/go/courses"); !strings.HasPrefix(r.to(), "/login") {
		t.Errorf("without session: %s", r.to())
	}
}

// What is not a learner who goes there signs nobody in.
func TestEnterIgnoresLookers(t *testing.T) {
	t.Parallel()
	s := newSite(t, courses)
	b := s.signIn(s.ada, "ada@example.com")
	b.wants(b.do("HEAD", "/go/courses", nil), http.StatusOK)
	b.wants(b.get("/go/courses", "Sec-Purpose", "prefetch;prerender"), http.StatusServiceUnavailable)
	b.wants(b.do("POST", "/go/courses", url.Values{}), http.StatusNotFound)
	if n := len(s.handOffs()); n != 0 {
		t.Errorf("%d hand-offs", n)
	}
}

// A link for an app leads through a page that ends the form's submission, into the app.
func TestLinkForAnApp(t *testing.T) {
	t.Parallel()
	s := newSite(t, courses)
	b := s.browser()
	r := b.press(s.mint(s.ada, engine.LinkRequest{App: "courses", To: "lesson:intro"}))
	if r.to() != "/go/courses?hop=1&to=lesson%3Aintro" {
		t.Fatalf("the link leads to %s", r.to())
	}
	page := b.get(r.to())
	b.wants(page, http.StatusOK, "One moment", `href="/go/courses?to=lesson%3Aintro"`)
	if got := page.Header.Get("Refresh"); got != "0; url=/go/courses?to=lesson%3Aintro" {
		t.Fatalf("Refresh: %s", got)
	}
	if r := b.get("/go/courses?to=lesson%3Aintro"); r.to() != "https://learn.acme.test/school/courses/go-101/lessons/intro" {
		t.Errorf("into the app: %s", r.to())
	}
	if r := s.browser().press(s.mint(s.ada, engine.LinkRequest{App: "gone", To: "product:go-101"})); r.to() != "/p/go-101" {
		t.Errorf("an app that is no more: %s", r.to())
	}
}
