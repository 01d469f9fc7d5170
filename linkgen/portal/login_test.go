package portal

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A login form keeps where it leads, and takes nothing that the location does not know.
func TestLoginFormKeepsItsDestination(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	for query, want := range map[string]LoginRequest{
		"":                                      {},
		"app=courses":                           {App: "courses"},
		"app=courses&to=lesson:intro":           {App: "courses", To: "lesson:intro"},
		"to=product:go-101":                     {To: "product:go-101"},
		"app=courses&to=lesson:intro&in=go-101": {App: "courses", To: "lesson:intro", In: "go-101"},
		"to=product:go-101&in=go-102":           {To: "product:go-101"},
		"to=lesson:intro&in=..%2Fevil":          {To: "lesson:intro"},
		"app=courses&in=go-101":                 {App: "courses"},
		"app=courses&to=//evil.test":            {App: "courses"},
		"app=evil&to=lesson:intro":              {},
		"app=//evil.test":                       {},
		"to=https://evil.test/":                 {},
		"to=lesson:a%0d%0aLocation:x":           {},
		"to=lesson:" + url.QueryEscape(strings.Repeat("x", 300)): {},
		"location=nowhere": {},
	} {
		b := s.browser()
		page := b.get("/login?" + query)
		b.wants(page, 200, "Sign in to Acme Academy", `action="/login"`, "Send me a login link")
		fields := url.Values{"address": {"ada@example.com"}}
		for _, name := range []string{"app", "to", "in", "location"} {
			if _, after, ok := strings.Cut(page.body, `name="`+name+`" value="`); ok {
				v, _, _ := strings.Cut(after, `"`)
				fields.Set(name, v)
			}
		}
		b.wants(b.post("/login", fields), 202, "Check your messages")
		want.Location, want.Address, want.Channel, want.Lang, want.Reason = locID, "ada@example.com", "email", "en", "form"
		got := s.asked()
		if len(got) != 1 {
			t.Fatalf("%s: asked %+v", query, got)
		}
		got[0].Client = want.Client
		if got[0] != want {
			t.Errorf("%s: asked %+v, want %+v", query, got[0], want)
		}
	}
}

// Red when login reads the destination as it comes, destination{f.get("app"), f.get("to"), f.get("in")}; and when leave asks for no known app.
func TestAttack12OpenRedirect(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	evil := []string{"//evil.test", `/\evil.test`, "https://evil.test", "https://site//evil.test", "/%2Fevil.test", "/%5Cevil.test", "\x00//evil", "#//evil.test",
		"javascript:alert(1)", "evil.test", "2130706433", "https://u:p@evil.test", "courses.evil.test", "course", "courses/../evil", "lesson://evil.test\x7f"}
	for _, v := range evil {
		b := s.browser()
		b.wants(b.post("/login", url.Values{"address": {"ada@example.com"}, "app": {v}, "to": {v}, "next": {v}, "redirect_to": {v}},
			"Referer", "https://evil.test/"), 202)
		if got := s.asked(); len(got) != 1 || got[0].App != "" || got[0].To != "" {
			t.Errorf("%q: asked %+v", v, got)
		}
		link := s.mint(s.ada, engine.LinkRequest{App: v, To: v})
		for _, path := range []string{link, link + "?next=" + url.QueryEscape(v) + "&redirect_to=" + url.QueryEscape(v)} {
			b.get(path)
			r := b.do("POST", "/l?next="+url.QueryEscape(v), strings.NewReader(url.Values{"t": {link[3:]}, "next": {v}, "to": {v}}.Encode()),
				"Content-Type", "application/x-www-form-urlencoded", "Referer", "https://evil.test/")
			at := r.Header.Get("Location")
			if u, err := url.Parse(at); r.StatusCode != 303 || err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(at, "//") || strings.ContainsAny(at, "\\\r\n") || strings.Contains(u.Path, "evil") {
				t.Errorf("%q: a login leads to %q", v, at)
			}
		}
		s.pass(time.Minute)
	}
}

// Red when login answers an address that is not on file with another status.
func TestAttack17Enumeration(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	before := s.dump()
	var first reply
	quickest := [2]time.Duration{time.Hour, time.Hour} // what a busy machine adds is not in it
	for n := range 200 {
		address := []string{"ada@example.com", "nobody@example.com"}[n%2]
		b := s.browser()
		start := time.Now()
		r := b.post("/login", url.Values{"address": {address}})
		quickest[n%2] = min(quickest[n%2], time.Since(start))
		if n == 0 {
			first = r
			b.wants(r, 202, "If Acme Academy knows that address")
		}
		if r.StatusCode != first.StatusCode || r.body != first.body || fmt.Sprint(headers(r)) != fmt.Sprint(headers(first)) {
			t.Fatalf("%s: %d, %v\n%s", address, r.StatusCode, headers(r), r.text())
		}
		s.pass(time.Minute)
	}
	if d := (quickest[0] - quickest[1]).Abs(); d > 2*time.Millisecond {
		t.Errorf("the answers differ by %v", d)
	}
	got := s.asked()
	if len(got) != 200 || got[0].Address != "ada@example.com" || got[1].Address != "nobody@example.com" || !got[0].Contact.IsZero() {
		t.Errorf("%d links were asked for: %+v", len(got), got[:min(2, len(got))])
	}
	if s.dump() != before {
		t.Error("asking changed something")
	}
	for err, want := range map[error]int{ErrTooOften: 429, ErrBusy: 503} { // which know nothing of the address
		s.sent = err
		b := s.browser()
		a, n := b.post("/login", url.Values{"address": {"ada@example.com"}}), b.post("/login", url.Values{"address": {"nobody@example.com"}})
		if a.StatusCode != want || a.body != n.body || a.StatusCode != n.StatusCode {
			t.Errorf("%v: %d and %d", err, a.StatusCode, n.StatusCode)
		}
	}
}

// addresses that are none, and what is taken of others.
var oddAddresses = map[string]string{
	"ada@example.com": "ada@example.com", "  ada@example.com\t": "ada@example.com", "Ada@Example.COM": "Ada@Example.COM",
	"o'hara+x_y@sub.example.co.uk": "o'hara+x_y@sub.example.co.uk", "jürgen@example.com": "jürgen@example.com", "ada@bücher.example": "ada@bücher.example",
	"ada@example.com,eve@evil.test": "", "ada@example.com;eve@evil.test": "", "ada@example.com eve@evil.test": "", "ada@example.com\neve@evil.test": "",
	`"ada@example.com"@evil.test`: "", `"ada"@example.com`: "", "Ada <ada@example.com>": "", "<ada@example.com>": "", "ada(x)@example.com": "",
	"ada＠example.com": "", "ada＠evil.test@example.com": "", "ada@example．com": "", "ada@example.com\r\nBcc: eve@evil.test": "", "ada\x00@example.com": "",
	"ada@example.com\x00": "", "a@b@c": "", "ada@[127.0.0.1]": "", "ada@127.0.0.1]": "", "ada@example.com> SIZE=1": "", "ada@localhost": "", "@example.com": "", "ada@": "",
	"": "", " ": "", ".ada@example.com": "", "ada..b@example.com": "", "ada@-example.com": "", "ada@example..com": "", "ada@exa_mple.com": "", "ada\u202e@example.com": "",
	"ada@exam\u00adple.com": "", "\u212aim@example.com": "", "ada@example.com%0d%0a": "", strings.Repeat("a", 65) + "@example.com": "", "a@" + strings.Repeat("b", 63) + "." + strings.Repeat("c.", 100) + "com": "",
	"ada@example.com\u200b": "", "ﬁ@example.com": "", "ada@xn--a.com": "", "\xff@example.com": "",
}

// Red when readAddress folds what is typed (s = norm.NFKC.String(s)) instead of refusing it, and when engine.NormalAddress lowers every letter.
func TestAttack18Addresses(t *testing.T) {
	t.Parallel()
	for typed, want := range oddAddresses {
		if got, ok := readAddress(typed); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", typed, got, ok, want)
		}
	}
	s := newSite(t, 1)
	for typed, want := range oddAddresses {
		b := s.browser()
		r := b.post("/login", url.Values{"address": {typed}, "app": {"courses"}})
		got := s.asked()
		if want != "" && (r.StatusCode != 202 || len(got) != 1 || got[0].Address != want) {
			t.Errorf("%q: %d, %+v", typed, r.StatusCode, got)
		}
		if want == "" {
			b.wants(r, 422, "That is no e-mail address.", `name="app" value="courses"`)
			if len(got) != 0 {
				t.Errorf("%q: asked %+v", typed, got)
			}
		}
		s.pass(time.Minute)
	}
	// The dotless i and the kelvin sign are letters of their own: who holds such an address is never somebody else.
	for _, pair := range [][2]string{{"\u0131da@example.com", "ida@example.com"}, {"\u0130da@example.com", "ida@example.com"}, {"\u212aim@example.com", "kim@example.com"}} {
		if engine.NormalAddress(pair[0]) == engine.NormalAddress(pair[1]) {
			t.Errorf("%q is %q", pair[0], pair[1])
		}
	}
	if engine.NormalAddress(" ADA@Example.COM ") != engine.NormalAddress("ada@example.com") {
		t.Error("case makes another address")
	}
}

// Red when door counts before it looks at the link, and when ClientBehind reads X-Forwarded-For from the left.
func TestAttack25RateLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.mint(s.ada, engine.LinkRequest{})
	guess := func(n int, from string) reply {
		return s.browser().do("GET", fmt.Sprintf("/l/%036d", n), nil, "X-Forwarded-For", from)
	}
	for n := range guessesAtOnce {
		if r := guess(n, fmt.Sprintf("198.51.100.%d, 203.0.113.9", n)); r.StatusCode != 410 { // the left one is the guesser's own
			t.Fatalf("guess %d: %d", n, r.StatusCode)
		}
	}
	b := s.browser()
	r := guess(99, "198.51.100.99, 203.0.113.9")
	b.wants(r, 429, "Too many wrong links")
	if r.Header.Get("Retry-After") == "" {
		t.Error("nobody says when to come again")
	}
	if r := guess(1, "203.0.113.10"); r.StatusCode != 410 {
		t.Errorf("another client: %d", r.StatusCode)
	}
	// The owner, behind the same address, is never kept out.
	b.wants(b.do("GET", link, nil, "X-Forwarded-For", "203.0.113.9"), 200, "Sign in as")
	b.wants(b.post("/l", url.Values{"t": {link[3:]}}, "X-Forwarded-For", "203.0.113.9"), 303)
	s.pass(time.Minute)
	if r := guess(2, "203.0.113.9"); r.StatusCode != 410 {
		t.Errorf("a minute later: %d", r.StatusCode)
	}
	for n := range formsAtOnce {
		path, fields := "/login", url.Values{"address": {"nobody@example.com"}}
		if n%2 == 0 {
			path, fields = "/l/new", url.Values{"t": {"x"}}
		}
		if r := b.post(path, fields, "X-Forwarded-For", "203.0.113.9"); r.StatusCode != 202 {
			t.Fatalf("form %d: %d", n, r.StatusCode)
		}
	}
	s.asked()
	for _, path := range []string{"/login", "/l/new"} {
		b.wants(b.post(path, url.Values{"address": {"ada@example.com"}, "t": {link[3:]}}, "X-Forwarded-For", "203.0.113.9"), 429, "asked for too often")
	}
	if len(s.asked()) != 0 {
		t.Error("a form too many is sent")
	}
	b.wants(b.post("/l", url.Values{"t": {link[3:]}}, "X-Forwarded-For", "203.0.113.9"), 303)
}

// Many clients cost no more memory than some, and one that goes on is not forgotten.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	now := t0
	l := newLimiter(0, 3, func() time.Time { return now })
	busy, refused := addr("203.0.113.9"), 0
	for n := range 5 * clientsMost {
		l.allow(addr(fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff)))
		if n%100 == 0 && !l.allow(busy) {
			refused++
		}
	}
	if len(l.young) > clientsMost || len(l.old) > clientsMost {
		t.Errorf("%d and %d clients are remembered", len(l.young), len(l.old))
	}
	if want := 5*clientsMost/100 + 1 - 3; refused != want {
		t.Errorf("%d refused, want %d", refused, want)
	}
	if !l.allow(addr("2001:db8:ffff:1::1")) || !l.allow(addr("2001:db8:ffff:1::2")) || !l.allow(addr("2001:db8:ffff:1::3")) || l.allow(addr("2001:db8:ffff:1::4")) {
		t.Error("addresses of one network are several clients")
	}
}

// Red when renew hands on the form's address, and when it answers a forged token otherwise than an old one.
func TestAttack26Resend(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	link := s.mint(s.ada, engine.LinkRequest{App: "courses", To: "lesson:intro", In: "go-101", Address: "ada@example.com"})
	s.pass(30 * time.Hour)
	b := s.browser()
	b.wants(b.get(link), 410, "This link has expired", `action="/l/new"`, `value="`+link[3:]+`"`, "a•••@e•••.com")
	before := s.dump()
	r := b.post("/l/new", url.Values{"t": {link[3:]}, "address": {"eve@evil.test"}, "email": {"eve@evil.test"}, "contact": {"c-18"}, "to": {"product:x"}})
	b.wants(r, 202, "Check your messages")
	got := s.asked()
	if len(got) != 1 || got[0].Contact != s.ada.Key || got[0].Address != "" || got[0].App != "courses" || got[0].To != "lesson:intro" || got[0].In != "go-101" || got[0].Reason != "expired" || got[0].Channel != "email" {
		t.Fatalf("asked %+v", got)
	}
	for _, shown := range []string{"/l/", link[3:], "ada@", "e•••"} {
		if strings.Contains(r.body, shown) {
			t.Errorf("the answer shows %q", shown)
		}
	}
	for name, tok := range map[string]string{"forged": link[3:20] + strings.Repeat("A", 19), "never minted": strings.Repeat("A", 36), "no token": "x", "empty": ""} {
		n := b.post("/l/new", url.Values{"t": {tok}})
		if n.StatusCode != 202 || n.body != r.body || fmt.Sprint(headers(n)) != fmt.Sprint(headers(r)) || len(s.asked()) != 0 {
			t.Errorf("%s: %d, or something was sent", name, n.StatusCode)
		}
	}
	if s.dump() != before {
		t.Error("asking for a new link changed something")
	}
	s.ada.Offers, s.ada.Products = nil, nil
	s.save(s.ada)
	s.set.Login = Login{} // the location wants no such links
	if page := b.get(link); strings.Contains(page.body, "/l/new") || strings.Contains(page.body, "/login") {
		t.Errorf("a link is offered that is not sent:\n%s", page.text())
	}
	b.wants(b.post("/l/new", url.Values{"t": {link[3:]}}), 202)
	b.wants(b.get("/login"), 200, "You need a link to sign in")
	b.wants(b.post("/login", url.Values{"address": {"ada@example.com"}}), 404)
	if got := s.asked(); len(got) != 0 {
		t.Errorf("asked %+v", got)
	}
}

// A link that came by SMS is renewed by SMS where that is allowed, and goes to the phone on file.
func TestRenewalByPhone(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.ada.Contact.Phone = "+447700900123"
	s.save(s.ada)
	link := s.mint(s.ada, engine.LinkRequest{Channel: "sms"})
	s.pass(30 * time.Hour)
	b := s.browser()
	for sms, want := range map[bool][2]string{false: {"email", "a•••@e•••.com"}, true: {"sms", "•••• ••23"}} {
		s.set.Login = Login{Email: true, SMS: sms}
		b.wants(b.get(link), 410, want[1])
		b.post("/l/new", url.Values{"t": {link[3:]}})
		if got := s.asked(); len(got) != 1 || got[0].Channel != want[0] {
			t.Errorf("sms %v: asked %+v", sms, got)
		}
	}
	s.set.Login.SMS = true
	b.wants(b.get("/login"), 200, "Send it to my phone")
	b.post("/login", url.Values{"address": {"ada@example.com"}, "by": {"sms"}})
	s.set.Login.SMS = false
	b.post("/login", url.Values{"address": {"ada@example.com"}, "by": {"sms"}})
	if got := s.asked(); len(got) != 2 || got[0].Channel != "sms" || got[1].Channel != "email" {
		t.Errorf("asked %+v", got)
	}
}

// Pages from which a learner can get on say where to ask for a link.
func TestPagesOfferTheForm(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b := s.browser()
	for path, status := range map[string]int{"/l/x": 410, "/": 200} {
		b.wants(b.get(path), status, `href="/login"`, "Send me a login link")
	}
	s.set.Login.Email = false
	for _, path := range []string{"/l/x", "/"} {
		if r := b.get(path); strings.Contains(r.body, "/login") {
			t.Errorf("%s offers a form that is not there", path)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for typed := range oddAddresses {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := readAddress(typed)
		if !ok {
			if got != "" {
				t.Errorf("%q: refused, and yet %q", typed, got)
			}
			return
		}
		if strings.Count(got, "@") != 1 || len(got) > maxAddress || strings.TrimSpace(typed) != got || strings.ContainsAny(got, " \t\r\n\x00\"<>()[],;:\\") {
			t.Errorf("%q gives %q", typed, got)
		}
		if again, ok := readAddress(got); !ok || again != got {
			t.Errorf("%q is read as %q the second time", got, again)
		}
		if i := slices.Index([]byte(engine.NormalAddress(got)), '@'); i < 0 || strings.Count(engine.NormalAddress(got), "@") != 1 {
			t.Errorf("%q is compared as %q", got, engine.NormalAddress(got))
		}
	})
}

// FuzzForms posts any body to each form: nobody comes in, nothing is asked for at an address that is none, no fault.
func FuzzForms(f *testing.F) {
	s := newSite(f, 1)
	for _, body := range []string{"", "t=", "t=x&t=y", "t=%zz", "address=ada@example.com", "address=a@b@c&app=courses&to=lesson:x", "address=ada%40example.com&by=sms", "=&&;", "t=" + strings.Repeat("A", 36)} {
		for _, path := range []string{"/l", "/l/new", "/login", "/logout"} {
			f.Add(path, body)
		}
	}
	f.Fuzz(func(t *testing.T, path, body string) {
		if !slices.Contains([]string{"/l", "/l/new", "/login", "/logout"}, path) {
			return
		}
		s.pass(time.Minute)
		r, w := httptest.NewRequest("POST", path, strings.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.portal.ServeHTTP(w, r)
		if w.Code >= 500 || w.Header().Get("Set-Cookie") != "" && path == "/l" {
			t.Errorf("%s %q: %d", path, body, w.Code)
		}
		for _, q := range s.asked() {
			_, _, leads := linkgen.ParseTo(q.To)
			if _, ok := readAddress(q.Address); !ok || q.App != "" && q.App != "courses" || q.To != "" && !leads {
				t.Errorf("%s %q: asked %+v", path, body, q)
			}
		}
		if len(s.redemptions()) != 0 {
			t.Errorf("%q lets someone in", body)
		}
	})
}
