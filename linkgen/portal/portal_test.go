package portal

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

func TestFromLinkToPortal(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		s := newSite(t, parts)
		link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
		page := b.get(link)
		b.wants(page, 200, "Acme Academy", "Sign in as", "a•••@e•••.com", `action="/l"`, `name="t" value="`+strings.TrimPrefix(link, "/l/")+`"`, "Continue", "Not you? Close this page.")
		if strings.Contains(page.body, "ada@") || strings.Contains(page.body, "Lovelace") {
			t.Error("the page tells who it is for")
		}
		if n := len(page.body); n > 10<<10 {
			t.Errorf("the link page has %d bytes", n)
		}
		in := b.press(link)
		if in.StatusCode != 303 || in.Header.Get("Location") != "/" || in.body != "" {
			t.Fatalf("pressing the button: %d to %q", in.StatusCode, in.Header.Get("Location"))
		}
		home := b.get("/")
		b.wants(home, 200, "Hello, Ada", "Ada Lovelace", "Ada offer", "Go 101", "Part of Ada offer", "Yours since 22 November 2026")
		if strings.Contains(home.body, "Rust 201") || strings.Contains(home.body, "Bob") {
			t.Error("the portal shows what belongs to another")
		}
		red := s.redemptions()
		if len(red) != 1 || red[0].Contact != s.ada.Key || !red[0].First || red[0].Location != locID || !strings.HasPrefix(red[0].Link, "lnk_") {
			t.Errorf("redemptions: %+v", red)
		}
		phone := s.browser() // another device
		phone.wants(phone.press(link), 303)
		phone.wants(phone.get("/"), 200, "Go 101")
		if red := s.redemptions(); len(red) != 2 || red[1].First || red[1].Session == red[0].Session {
			t.Errorf("redemptions: %+v", red)
		}
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b, link := s.browser(), s.mint(s.ada, engine.LinkRequest{})
	b.press(link)
	held := b.cookie()
	b.wants(b.do("POST", "/logout", nil), 303)
	if b.cookie() != "" {
		t.Error("the cookie stays")
	}
	b.wants(b.get("/"), 200, "You are not signed in", "newest message from Acme Academy", "mailto:help@acme.test")
	b.wants(b.do("GET", "/", nil, "Cookie", sessionCookie+"="+held), 200, "You are not signed in")
	b.wants(b.do("POST", "/logout", nil), 303) // again
}

func TestRepeatedPressIsNoUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b, link := s.browser(), s.mint(s.ada, engine.LinkRequest{Uses: 1})
	b.wants(b.press(link), 303)
	held := b.cookie()
	b.wants(b.get(link), 200, "Continue")
	b.wants(b.press(link), 303)
	if b.cookie() != held || len(s.redemptions()) != 1 {
		t.Errorf("a second session or redemption: %d", len(s.redemptions()))
	}
	other := s.browser()
	other.wants(other.get(link), 410, "This link has been used up", "It worked once")
	other.wants(other.press(link), 410, "This link has been used up")
}

func TestSwitchingAsksFirst(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 64} {
		s := newSite(t, parts)
		b := s.browser()
		b.press(s.mint(s.ada, engine.LinkRequest{}))
		held := b.cookie()
		bobs := s.mint(s.bob, engine.LinkRequest{})
		page := b.get(bobs)
		b.wants(page, 200, "You are signed in as Ada Lovelace.", "Continue as", "b•••@u•••.edu", "Switch and continue")
		if strings.Contains(page.body, "Bob") {
			t.Error("the page names who it is for")
		}
		b.wants(b.press(bobs), 200, "You are signed in as Ada Lovelace.") // a form from before, or of somebody else
		b.wants(b.get("/"), 200, "Go 101")                                // nothing happened yet
		b.wants(b.confirm(bobs), 303)
		home := b.get("/")
		b.wants(home, 200, "Rust 201")
		if strings.Contains(home.body, "Go 101") || strings.Contains(home.body, "Ada") {
			t.Error("two learners are mixed")
		}
		b.wants(s.browser().do("GET", "/", nil, "Cookie", sessionCookie+"="+held), 200, "You are not signed in")
	}
}

// Every way in which a link lets nobody in says so to who holds it.
func TestDeadLinksSayWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(s *site, link string)
		want []string
	}{
		"expired": {func(s *site, _ string) { s.pass(26 * time.Hour) },
			[]string{"This link has expired", "2 hours ago", "Monday 23 November 2026, 09:00 UTC", "Send me a new one", "a•••@e•••.com"}},
		"replaced": {func(s *site, _ string) { s.mint(s.ada, engine.LinkRequest{ByHand: true}) }, []string{"A newer link has taken", "Open the one in the newest message from Acme Academy."}},
		"revoked": {func(s *site, link string) {
			tok, _ := linkgen.ParseToken(strings.TrimPrefix(link, "/l/"))
			s.update(s.ada.Key, func(tx engine.Tx) error { return s.links.Revoke(tx, tok.Selector().ID(), "Sam", t0) })
		}, []string{"Acme Academy has ended this link", "lets nobody in"}},
		"moved": {func(s *site, _ string) {
			s.ada.Contact.Email = "ada@elsewhere.test"
			s.save(s.ada)
		}, []string{"This link was sent to an address that is no longer yours"}},
		"no access": {func(s *site, _ string) {
			s.ada.Products, s.ada.Offers = nil, nil
			s.save(s.ada)
		}, []string{"You have no course here yet", "it can take a minute"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			link, b := s.mint(s.ada, engine.LinkRequest{Address: "ada@example.com"}), s.browser()
			c.do(s, link)
			page := b.get(link)
			b.wants(page, 410, append(c.want, "help@acme.test")...)
			if post := b.press(link); post.StatusCode != 410 || post.body != page.body {
				t.Errorf("pressing says something else: %d", post.StatusCode)
			}
			if b.cookie() != "" || len(s.redemptions()) != 0 || strings.Contains(page.body, `action="/l"`) || strings.Contains(page.body, `action="/l/new"`) == (name == "no access") {
				t.Error("a dead link opened something")
			}
			held := s.browser()
			held.press(s.mint(s.bob, engine.LinkRequest{}))
			held.wants(held.get(link), 410, "You are still signed in.")
		})
	}
}

// A learner who loses all access is told so by the page that was open, and stays out when access comes back.
func TestSessionEndsWithAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.mint(s.ada, engine.LinkRequest{})
	open, shut := s.browser(), s.browser() // one looks while there is no access, one does not
	open.press(link)
	shut.press(link)
	held := s.ada.Offers
	s.ada.Products, s.ada.Offers = nil, nil
	s.save(s.ada)
	s.update(s.ada.Key, func(tx engine.Tx) error { return s.links.RevokeContact(tx, locID, s.ada.Key, s.now()) })
	open.wants(open.get("/"), 403, "Your access has ended")
	dead := open.get(link)
	open.wants(dead, 410, "Your access has ended", "this link ended with the last one")
	if strings.Contains(dead.body, "open the link in your message again") {
		t.Error("who has lost all access is told to wait and open the link again, which will never let them in")
	}
	s.ada.Offers = held
	s.save(s.ada)
	open.wants(open.get("/"), 200, "You are not signed in")
	shut.wants(shut.get("/"), 200, "You are not signed in")
	page := shut.get(link)
	shut.wants(page, 410, "Acme Academy has ended this link")
	if strings.Contains(page.body, "still signed in") {
		t.Error("the page says that the ended session goes on")
	}
	s.pass(time.Second)
	shut.wants(shut.press(s.mint(s.ada, engine.LinkRequest{})), 303)
	shut.wants(shut.get("/"), 200, "Ada offer")
}

func TestMethodsAndForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	form, tok := "application/x-www-form-urlencoded", strings.TrimPrefix(link, "/l/")
	for _, c := range []struct {
		method, path, kind, body string
		want                     int
		allow                    string
	}{
		{"POST", link, form, "t=" + tok, 405, "GET, HEAD"}, {"PUT", link, "", "", 405, "GET, HEAD"}, {"OPTIONS", link, "", "", 405, "GET, HEAD"},
		{"DELETE", "/", "", "", 405, "GET, HEAD"}, {"POST", "/", form, "t=" + tok, 405, "GET, HEAD"},
		{"GET", "/l", "", "", 405, "POST"}, {"GET", "/l?t=" + tok, "", "", 405, "POST"}, {"GET", "/logout", "", "", 405, "POST"},
		{"POST", "/l", form, "t=" + tok + "&x=" + strings.Repeat("x", 1024), 413, ""},
		{"POST", "/l", form, strings.Repeat("x", 1<<20), 413, ""},
		{"POST", "/l", "application/json", `{"t":"` + tok + `"}`, 415, ""}, {"POST", "/l", "", "t=" + tok, 415, ""},
		{"POST", "/l", "multipart/form-data; boundary=x", "t=" + tok, 415, ""},
		{"POST", "/l", form, "", 400, ""}, {"POST", "/l?t=" + tok, form, "", 400, ""}, {"POST", "/l", form, "t=%zz", 400, ""},
		{"POST", "/l", form, "t=" + tok + "&t=" + tok, 400, ""}, {"POST", "/l", form, "t=", 410, ""}, {"POST", "/l", form, "t=" + tok + "%20", 410, ""},
		{"GET", "/nowhere", "", "", 404, ""}, {"GET", "/l/", "", "", 410, ""}, {"GET", link + "/", "", "", 410, ""}, {"GET", "/L" + link[2:], "", "", 404, ""},
		{"GET", "/l/%" + hexOf(tok[0]) + tok[1:], "", "", 410, ""}, {"GET", link + "?utm_source=mail", "", "", 200, ""},
	} {
		r := b.do(c.method, c.path, strings.NewReader(c.body), "Content-Type", c.kind)
		if r.StatusCode != c.want || r.Header.Get("Allow") != c.allow || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s (%s): %d, allow %q, want %d, %q", c.method, linkgen.Redact(c.path), c.kind, r.StatusCode, r.Header.Get("Allow"), c.want, c.allow)
		}
		if c.want != 200 && strings.Contains(r.body, tok) {
			t.Errorf("%s: the page repeats the token", c.method)
		}
	}
	if len(s.redemptions()) != 0 {
		t.Error("someone came in")
	}
}

func TestStoreThatCannotAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	for err, want := range map[error]int{engine.ErrFull: 503, engine.ErrClosed: 503, engine.ErrLost: 503, errors.New("odd"): 500} {
		s.fail = err
		r := b.press(link)
		b.wants(r, want, "We cannot do that just now", "Your link still works.")
		if strings.Contains(r.body, err.Error()) || b.cookie() != "" || (r.Header.Get("Retry-After") != "") != (want == 503) {
			t.Errorf("%v: %v", err, r.Header)
		}
	}
	s.fail = nil
	b.wants(b.press(link), 303)
}

// Being seen is noted at most every ten minutes, and keeps a session alive.
func TestSessionStaysWhileSeen(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b := s.browser()
	b.press(s.mint(s.ada, engine.LinkRequest{}))
	before := s.dump()
	s.pass(9 * time.Minute)
	b.get("/")
	if s.dump() != before {
		t.Error("a page seen soon after is a write")
	}
	for range 30 {
		s.pass(11 * time.Hour)
		b.wants(b.get("/"), 200, "Go 101")
	}
	s.pass(12 * time.Hour)
	b.wants(b.get("/"), 200, "You are not signed in")
}

func TestNoCourseYet(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.ada.Products = nil
	s.save(s.ada)
	b := s.browser()
	b.press(s.mint(s.ada, engine.LinkRequest{}))
	b.wants(b.get("/"), 200, "Ada offer", "You have no course yet.", "it can take a minute", "help@acme.test")
}

func TestHTTPSCookieAndHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.loc.BaseURL = "https://learn.acme.test"
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	raw := b.press(link).Header["Set-Cookie"]
	if len(raw) != 1 || !strings.HasPrefix(raw[0], "__Host-latchkey=") {
		t.Fatal("no secure cookie")
	}
	_, flags, _ := strings.Cut(raw[0], "; ")
	if flags != "Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("cookie flags: %s", flags)
	}
	plain := strings.Replace(strings.Split(raw[0], ";")[0], "__Host-", "", 1)
	other := s.browser()
	other.wants(other.do("GET", "/", nil, "Cookie", plain), 200, "You are not signed in") // a subdomain could have set that one
	other.wants(other.do("GET", "/", nil, "Cookie", "__Host-"+plain), 200, "Go 101")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer, strict-origin", "X-Robots-Tag": "noindex, nofollow",
		"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
		"Strict-Transport-Security": "max-age=31536000",
	} {
		for _, path := range []string{link, "/", "/l/x", "/nowhere"} {
			if got := b.get(path).Header.Get(name); got != want {
				t.Errorf("%s of %s: %q", name, linkgen.Redact(path), got)
			}
		}
		if got := b.press(link).Header.Get(name); got != want {
			t.Errorf("%s of a redirect: %q", name, got)
		}
	}
}

func TestPortalHeadersAreExact(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b := s.browser()
	for _, path := range []string{s.mint(s.ada, engine.LinkRequest{}), "/", "/l/x"} {
		r := b.get(path)
		_, style, _ := strings.Cut(r.body, "<style>")
		style, _, _ = strings.Cut(style, "</style>")
		want := "default-src 'none'; style-src 'sha256-" + hashOf(style) + "'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
		if got := r.Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("policy\n%s, want\n%s", got, want)
		}
		for _, bad := range []string{"<script", "javascript:", " style=", "@import", "url(", "<img", "http://", "https://", "og:"} {
			if strings.Contains(strings.ReplaceAll(r.body, "http://www.w3.org", ""), bad) {
				t.Errorf("%s has %q", linkgen.Redact(path), bad)
			}
		}
		if r.Header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS over http")
		}
	}
	if len(squeeze(styleSheet(t))) > 12<<10 {
		t.Error("the style sheet is over 12 KB")
	}
}
