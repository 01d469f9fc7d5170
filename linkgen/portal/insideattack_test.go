package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Access that goes between a link's page and its button, or while somebody is signed in, is refused at once: on every page,
// for one product as for all.
//
// Red if inside does not ask HasAccess, if under does not ask whether the grant was removed, or if Links.recheck passes over NoAccess.
func TestAttack07AccessLost(t *testing.T) {
	t.Parallel()
	s := school(t)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	b.wants(b.get(link), 200)
	b.wants(b.press(link), 303)
	pages := []string{"/", "/p/p-c-17", "/p/p-c-17/c/basics", "/p/p-c-17/s/l1"}
	for _, path := range append(pages, "/sessions") {
		b.wants(b.get(path), 200)
	}
	held := b.cookie()
	s.happen(s.ada, "product_access_removed", "product=p-c-17")
	home := b.get("/")
	b.wants(home, 200, "Ada offer", "You have no course yet.")
	if strings.Contains(home.body, "Go 101") {
		t.Error("a product that was taken away is shown")
	}
	for _, path := range pages[1:] {
		if r := b.get(path); r.StatusCode != 404 || strings.Contains(r.body, "Go 101") || strings.Contains(r.body, "Lesson") {
			t.Errorf("%s of a product that was taken away: %d", path, r.StatusCode)
		}
	}
	if r := b.get("/s/l1"); r.Header.Get("Location") != "/" {
		t.Errorf("a lesson of it is found: %v", r.Header)
	}
	looked := s.browser()
	looked.wants(looked.get(link), 200, "Continue") // between here
	s.happen(s.ada, "offer_access_removed", "offer=o-c-17")
	looked.wants(looked.press(link), 410, "You have no course here yet") // and here
	if looked.cookie() != "" {
		t.Error("someone came in without access")
	}
	for _, path := range append(pages, "/s/l1", "/sessions") { // each in a session that nobody has ended yet
		again := s.browser()
		again.wants(again.do("GET", path, nil, "Cookie", sessionCookie+"="+held), 403, "Your access has ended", "help@acme.test")
		s.happen(s.ada, "offer_access_granted", "offer=o-c-17")
		again.wants(again.do("GET", path, nil, "Cookie", sessionCookie+"="+held), 200, "You are not signed in")
		held = s.signedIn(s.ada, engine.LinkRequest{}).cookie()
		s.happen(s.ada, "offer_access_removed", "offer=o-c-17")
	}
}

// What a browser held before it signs in is void afterwards, and it holds something else, that no script and no other site gets.
//
// Red if letIn does not end the presented session, if keep leaves out HttpOnly, Secure or SameSite, or if enter takes
// the presented sid for the fresh one.
func TestAttack13SessionFixation(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "https://learn.acme.test"} {
		s := newSite(t, 1)
		name, want := sessionCookie, "Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax"
		if base != "" {
			s.loc.BaseURL = base
			name, want = "__Host-"+sessionCookie, "Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"
		}
		sidOf := func(r reply) string {
			for _, c := range r.Cookies() {
				if c.Name == name {
					return c.Value
				}
			}
			return ""
		}
		link := s.mint(s.ada, engine.LinkRequest{})
		evil := sidOf(s.browser().press(s.mint(s.bob, engine.LinkRequest{})))
		own := sidOf(s.browser().press(link))
		for kind, planted := range map[string]string{"made up": linkgen.NewSID(s.ada.Key.Shard()).Reveal(), "the attacker's own": evil, "nonsense": "x", "of an older link": own} {
			cookie := []string{"Cookie", name + "=" + planted}
			b := s.browser()
			fields := url.Values{"t": {s.mint(s.ada, engine.LinkRequest{})[3:]}}
			r := b.post("/l", fields, cookie...)
			if r.StatusCode == http.StatusOK { // it asks before it switches
				_, over, _ := strings.Cut(r.body, `name="over" value="`)
				over, _, _ = strings.Cut(over, `"`)
				fields.Set("over", over)
				r = b.post("/l", fields, cookie...)
			}
			fresh := sidOf(r)
			if r.StatusCode != 303 || fresh == planted || fresh == "" {
				t.Fatalf("%s: %d, the browser holds what it held: %v", kind, r.StatusCode, fresh == planted)
			}
			set := r.Header["Set-Cookie"]
			if _, flags, _ := strings.Cut(set[0], "; "); len(set) != 1 || flags != want {
				t.Errorf("%s: %d cookies, flags %s", kind, len(set), flags)
			}
			b.wants(b.do("GET", "/", nil, cookie...), 200, "You are not signed in")
			b.wants(b.do("GET", "/", nil, "Cookie", name+"="+fresh), 200, "Go 101")
		}
	}
}

// hostile are names that somebody may give themselves, or a course.
var hostile = []string{`"><script>alert(1)</script>`, "<<login_url>>", "{{.Token}}", "{1}{2}", "\u202egnp.exe", "a\r\nSet-Cookie: x=y", "\x00\x1b[31m",
	strings.Repeat("A", 10<<10), strings.Repeat("\u0301", 500), "%s%s%d", "שלום", "\u2066\u2067", "javascript:alert(1)", "' onmouseover='x", "&lt;b&gt;"}

// Names and titles that others choose are shown as text: escaped, cut, without what turns the direction, never read as
// a template, never in a header.
//
// Red if shown keeps unicode.Cf or unicode.Cc, or cuts nothing; or if fill reads again what it puts in (it does not end then).
func TestAttack19HostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		s := newSite(t, 1)
		s.set.Menu = []MenuItem{{Label: name, URL: "https://help.acme.test"}}
		s.happen(s.ada, "lesson_started", "product=p-c-17", "category=c", "lesson=l")
		for _, id := range []string{"c", "l"} { // the titles come separately, as they may hold a slash
			ev := engine.Event{Type: "lesson_completed", Location: locID, Time: t0, Product: &engine.Noun{ID: "p-c-17", Title: name},
				Category: &engine.Noun{ID: "c", Title: name}, Lesson: &engine.Noun{ID: id, Title: name}}
			s.courses, _ = s.courses.After(&ev, t0)
		}
		s.ada.Contact.FirstName, s.ada.Contact.LastName, s.ada.Contact.Email = name, name, name+"@"+name+".com"
		s.ada.Offers["o-c-17"].Title, s.ada.Products["p-c-17"].Title = name, name
		s.save(s.ada)
		link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
		agent := regexp.MustCompile(`[^\x20-\x7e]`).ReplaceAllString(name, "")
		get := func(path string) reply { return b.do("GET", path, nil, "User-Agent", agent) }
		pages := []reply{get(link), b.press(link), get("/"), get("/p/p-c-17"), get("/p/p-c-17/c/c"), get("/p/p-c-17/s/l"), get("/sessions"), get("/p/none"),
			get(s.mint(s.bob, engine.LinkRequest{})), s.viewing(s.ada, name).get("/")}
		for i, r := range pages {
			if want := map[int]int{1: 303, 7: 404}[i]; r.StatusCode != want && (want != 0 || r.StatusCode != 200) {
				t.Errorf("%.20q: page %d: %d", name, i, r.StatusCode)
			}
			if len(r.body) > 12<<10 || len(r.Header) > 12 {
				t.Errorf("%.20q: page %d has %d bytes and %d headers: %v", name, i, len(r.body), len(r.Header), r.Header)
			}
			for _, bad := range []string{"<script", "\u202e", "\x00", "\x1b", "\u2066", "<<login", "%!", "' onmouseover", `href="javascript`, strings.Repeat("A", 130)} {
				if strings.Contains(r.text(), bad) {
					t.Errorf("%.20q: page %d has %q", name, i, bad)
				}
			}
		}
		b.wants(pages[2], 200, "Sign out")
		if name == "{{.Token}}" && !strings.Contains(pages[2].body, "Hello, {{.Token}}") || name == "{1}{2}" && !strings.Contains(pages[2].body, "Hello, {1}{2}") {
			t.Errorf("%q is read as a template:\n%s", name, pages[2].text())
		}
	}
}
