package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"

// Red when staff are let in as the learner (As: "" in enter), and when redeem does not compare staff with the form.
func TestAttack14StaffOpensALearnersLink(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		s := newSite(t, parts)
		link, b := s.mint(s.ada, engine.LinkRequest{Uses: 1}), s.browser()
		s.boss = "sam@acme.test"
		page := b.get(link)
		b.wants(page, 200, "You are signed in as sam@acme.test (staff)", "a•••@e•••.com", "View as this learner", "Cancel")
		b.wants(b.press(link), 200, "(staff)") // a form from before they signed in
		if b.cookie() != "" || len(s.redemptions()) != 0 {
			t.Fatal("someone came in without being asked")
		}
		b.wants(b.confirm(link), 303)
		if red := s.redemptions(); len(red) != 1 || !red[0].Contact.IsZero() {
			t.Errorf("redemptions: %+v", red)
		}
		home := b.get("/")
		b.wants(home, 200, "Go 101")
		if strings.Contains(home.body, "Rust 201") {
			t.Error("staff see what the learner does not")
		}
		list, err := linkgen.AuditList(t.Context(), s.stores, locID, 10, "")
		if err != nil || len(list) != 1 || list[0].Who != "sam@acme.test" || list[0].Did != "viewed as learner" {
			t.Errorf("audit: %+v, %v", list, err)
		}
		// A form that says so is no staff.
		s.boss = ""
		other := s.browser()
		other.wants(other.post("/l", url.Values{"t": {link[3:]}, "as": {"sam@acme.test"}}), 200, "Sign in as")
		if other.cookie() != "" {
			t.Error("someone posed as staff")
		}
		other.wants(other.confirm(link), 303) // the link's one use is still there
		if red := s.redemptions(); len(red) != 2 || red[1].Contact != s.ada.Key {
			t.Errorf("redemptions: %+v", red)
		}
		s.pass(2 * time.Hour)
		b.wants(b.get("/"), 200, "You are not signed in") // the view is over
	}
}

// Red when any session counts for the one that the page named: v.other(door.Person) && f.get("over") == "" in redeem.
func TestAttack14OtherSessionMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	eve := s.learner("c-19", "Eve", "eve@example.com", "Zig 301")
	b, link := s.browser(), s.mint(s.bob, engine.LinkRequest{})
	b.press(s.mint(s.ada, engine.LinkRequest{}))
	form := formOf(b.get(link), "/l") // which names Ada's session
	b.confirm(s.mint(eve, engine.LinkRequest{}))
	b.wants(b.post("/l", form), 200, "You are signed in as Eve Lovelace.")
	b.wants(b.get("/"), 200, "Zig 301")
	b.wants(b.confirm(link), 303)
	b.wants(b.get("/"), 200, "Rust 201")
}

func TestLinkBoundToItsBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b, other := s.mint(s.ada, engine.LinkRequest{Bind: true}), s.browser(), s.browser()
	page := b.get(link)
	b.wants(page, 200, "From then on this link works in this browser only.")
	other.wants(other.get(link), 200, "Sign in as")
	if len(page.Cookies()) > 0 {
		t.Error("a page sets a cookie")
	}
	in := b.press(link)
	b.wants(in, 303)
	for _, c := range in.Cookies() {
		if c.Name == browserCookie && (!c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge < 30*24*3600) {
			t.Errorf("cookie %+v", c)
		}
	}
	b.wants(b.do("POST", "/logout", nil), 303)
	b.wants(b.get(link), 200, "Sign in as") // the browser is known without a session
	b.wants(b.press(link), 303)
	for _, r := range []reply{other.get(link), other.press(link)} {
		other.wants(r, 410, "This link works only in the browser that it was first opened in", "Send me a new one")
	}
	if other.cookie() != "" {
		t.Error("another browser came in")
	}
	s.boss = "sam@acme.test" // who may look all the same
	other.wants(other.confirm(link), 303)
}

// A link to an app carries no identity: it opens the session's app, or the form.
func TestAppLinkCarriesNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	var path, id string
	s.updateShard(0, func(tx engine.Tx) error {
		lid, u, err := s.links.MintApp(tx, linkgen.AppRequest{Now: t0, Location: locID, App: "courses", To: "lesson:intro", By: "Sam"})
		path, id = strings.TrimPrefix(u.Reveal(), s.loc.BaseURL), lid
		return err
	})
	b := s.browser()
	before := s.dump()
	r := b.get(path)
	if r.StatusCode != 303 || r.Header.Get("Location") != "/login?app=courses&to=lesson%3Aintro" || len(r.Cookies()) > 0 {
		t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	b.wants(b.press(path), 410) // it has no button
	if s.dump() != before || b.cookie() != "" {
		t.Error("a link to an app changed something")
	}
	b.press(s.mint(s.ada, engine.LinkRequest{}))
	if r := b.get(path); r.StatusCode != 303 || r.Header.Get("Location") != "/go/courses?to=lesson%3Aintro" {
		t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	s.set.Apps = map[string]App{"courses": {}} // without an address it is entered from the client portal alone
	if r := b.get(path); r.StatusCode != 303 || r.Header.Get("Location") != "/" {
		t.Errorf("an app without an address: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	s.updateShard(0, func(tx engine.Tx) error { return s.links.Revoke(tx, id, "Sam", t0) })
	b.wants(b.get(path), 410, "Acme Academy has ended this link", `href="/login"`)
}

// The links of a location that is gone from latchkey.yaml are nobody's: no other speaks for them.
func TestLocationGone(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	was := s.portal.Locations
	s.portal.Locations = func(id string) *engine.Location {
		if id == locID {
			return nil
		}
		return was(locID)
	}
	s.portal.Home = "studio"
	for _, r := range []reply{b.get(link), b.post("/l", url.Values{"t": {link[3:]}})} {
		b.wants(r, 410, "This link is not one that we sent")
	}
	if n := len(s.redemptions()); n != 0 {
		t.Errorf("%d redemptions", n)
	}
}

// A link that signs staff in to the console is nothing here.
//
// Red when look does not ask for the kind, or tells a reason of its own (door.Reason = linkgen.Revoked); of what its forms do, when look
// asks for GET alone and redeem or enterStaff not either.
func TestAttack08StaffLinkOpensNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	var path string
	s.updateShard(0, func(tx engine.Tx) error {
		_, u, err := s.links.MintStaff(tx, linkgen.StaffRequest{Now: t0, Location: locID, Email: "sam@acme.test", Base: "/l/"})
		path = u.Reveal()
		return err
	})
	b := s.browser()
	before, want := s.dump(), b.get("/l/x")
	for _, r := range []reply{b.get(path), b.press(path), b.post("/l/staff", url.Values{"t": {path[3:]}, "assertion": {"x"}})} {
		if r.StatusCode != 410 || r.body != want.body {
			t.Errorf("%d:\n%s", r.StatusCode, r.text())
		}
	}
	if r := b.post("/l/new", url.Values{"t": {path[3:]}}); r.StatusCode != 202 || len(s.asked()) != 0 {
		t.Errorf("a new one: %d", r.StatusCode)
	}
	if s.dump() != before {
		t.Error("something changed")
	}
}

// What a page's timeline says: who fetched it and why it looks like a scanner, that it was shown, that it let in or not.
func TestTimelineOfAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{Uses: 1}), s.browser()
	human := []string{"User-Agent", firefox, "Accept-Language", "en", "Sec-Fetch-Mode", "navigate"}
	b.do("HEAD", link, nil, human...)
	s.pass(time.Second)
	b.do("GET", link, nil, "User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")
	s.pass(time.Second)
	b.do("GET", link, nil, human...)
	s.pass(time.Second)
	b.post("/l", url.Values{"t": {link[3:]}}, human...)
	s.pass(time.Second)
	other := s.browser()
	other.do("GET", link, nil, human...)
	s.pass(time.Second)
	other.post("/l", url.Values{"t": {link[3:]}}, human...)
	want := "minted; fetched it asked for the headers only; fetched it calls itself Slack's preview; shown; redeemed; shown it said: used up; refused used up"
	if got := s.story(link); got != want {
		t.Errorf("the timeline is\n%s, want\n%s", got, want)
	}
}

// TestMailScanners plays what scans mails: no session is made, no link is used up, and the learner gets in.
func TestMailScanners(t *testing.T) {
	t.Parallel()
	edge := "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
	for name, scan := range map[string]func(s *site, b *browser, link string) []reply{
		"HEAD": func(s *site, b *browser, link string) []reply {
			return []reply{b.do("HEAD", link, nil, "User-Agent", edge)}
		},
		"two GETs 134 ms apart": func(s *site, b *browser, link string) []reply {
			one := b.do("GET", link, nil, "User-Agent", edge, "Accept-Language", "en")
			s.pass(134 * time.Millisecond)
			return []reply{one, b.do("GET", link, nil, "User-Agent", edge, "Accept-Language", "en")}
		},
		"Slackbot": func(s *site, b *browser, link string) []reply {
			return []reply{b.do("GET", link, nil, "User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Range", "bytes=0-32768")}
		},
		"prefetch": func(s *site, b *browser, link string) []reply {
			return []reply{b.do("GET", link, nil, "User-Agent", firefox, "Sec-Purpose", "prefetch;prerender", "Sec-Fetch-Mode", "navigate")}
		},
		"a rewriter's other spellings": func(s *site, b *browser, link string) []reply {
			return []reply{b.get(link + "?utm_source=x"), b.get(link + "?data=05%7C02")}
		},
		"every address in the page": func(s *site, b *browser, link string) []reply {
			return []reply{b.get(link), b.do("HEAD", "/", nil), b.do("GET", "/l", nil), b.do("HEAD", "/login", nil), b.do("GET", "/logout", nil)}
		},
		"OPTIONS": func(s *site, b *browser, link string) []reply { return []reply{b.do("OPTIONS", link, nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			link, b := s.mint(s.ada, engine.LinkRequest{Uses: 1, Bind: true}), s.browser()
			before := s.dump()
			for _, r := range scan(s, b, link) {
				if len(r.Cookies()) > 0 {
					t.Errorf("%s gave a cookie", r.Request.Method)
				}
			}
			if s.dump() != before || len(s.redemptions()) != 0 {
				t.Error("a scanner changed something")
			}
			learner := s.browser()
			learner.wants(learner.confirm(link), 303)
			learner.wants(learner.get("/"), 200, "Go 101")
		})
	}
}

// With legacy: true a link leads to the course library, and there are no pages of the portal but that of staff.
func TestLegacy(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.set.Legacy = true
	b := s.browser()
	for _, path := range []string{"/p/p-c-17", "/c/basics", "/s/intro", "/sessions", "/staff"} {
		b.wants(b.get(path), 404, "There is no such page")
	}
	b.wants(b.get("/"), 200, "You are not signed in")
	for to, want := range map[string]string{"": "/go/courses", "product:p-c-17": "/go/courses?to=product%3Ap-c-17"} {
		b.wants(b.get("/login"), 200)
		r := b.confirm(s.mint(s.ada, engine.LinkRequest{To: to}))
		if r.StatusCode != 303 || strings.ReplaceAll(strings.ReplaceAll(r.Header.Get("Location"), "hop=1&", ""), "?hop=1", "") != want {
			t.Errorf("to %q: %d to %q, want %q", to, r.StatusCode, r.Header.Get("Location"), want)
		}
		b.wants(b.get("/sessions"), 404, "There is no such page")
		if r := b.get("/"); r.StatusCode != 303 || r.Header.Get("Location") != "/go/courses" { // where Cancel and the like lead
			t.Errorf("/ leads to %d %q", r.StatusCode, r.Header.Get("Location"))
		}
	}
	s.pass(30 * time.Hour)
	b.wants(b.get(s.mint(s.ada, engine.LinkRequest{})), 200)
	b.confirm(s.mint(s.ada, engine.LinkRequest{}))
	s.ada.Offers, s.ada.Products = nil, nil // and nobody ended the session: /go/courses leads here
	s.save(s.ada)
	b.wants(b.get("/"), 403, "Your access has ended", "help@acme.test")
	b.wants(b.get("/"), 200, "You are not signed in")
	staff := s.browser()
	staff.wants(staff.enter(staff.frame(s.userLink()+"?assertion="+s.vouch(nil).hs256(t))), 303)
	staff.wants(staff.frame("/staff"), 200, "You see this as staff")
}

// Of several locations each has its own form, its own staff and its own settings; what nobody knows is of the first.
func TestSeveralLocations(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	studio := &engine.Location{ID: "studio", Name: "Film Studio", BaseURL: s.URL, Support: "help@studio.test"}
	cfg := s.portal.Config
	cfg.Locations = func(id string) *engine.Location {
		return map[string]*engine.Location{locID: s.loc, "studio": studio}[id]
	}
	cfg.Settings = func(id string) Settings {
		return map[string]Settings{locID: s.set, "studio": {Login: Login{Email: true}, Apps: map[string]App{"films": {URL: "https://films.test"}}}}[id]
	}
	p := New(cfg)
	ask := func(method, path, form string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(method, path, strings.NewReader(form)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p.ServeHTTP(w, r)
		return w
	}
	for path, says := range map[string][]string{
		"/login?location=studio&app=films": {"Sign in to Film Studio", `name="location" value="studio"`, `name="app" value="films"`},
		"/login?app=films":                 {"Sign in to Acme Academy"}, // which has no such app
		"/login?location=nowhere":          {"Sign in to Acme Academy"},
	} {
		w := ask("GET", path, "")
		for _, text := range says {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
		if path == "/login?app=films" && strings.Contains(w.Body.String(), "films") {
			t.Error("the form leads to another location's app")
		}
	}
	sent := ask("POST", "/login", "address=eve@example.com&location=studio&app=films")
	if got := s.asked(); len(got) != 1 || got[0].Location != "studio" || got[0].App != "films" || !strings.Contains(sent.Body.String(), "Film Studio") {
		t.Errorf("asked %+v", got)
	}
	var path string
	s.updateShard(0, func(tx engine.Tx) error {
		links := linkgen.New(s.keys, func(string) (linkgen.Settings, bool) { return linkgen.Settings{BaseURL: s.URL}, true })
		_, u, err := links.MintApp(tx, linkgen.AppRequest{Now: t0, Location: "studio", App: "films", By: "Sam"})
		path = strings.TrimPrefix(u.Reveal(), s.URL)
		return err
	})
	if at := ask("GET", path, "").Header().Get("Location"); at != "/login?app=films&location=studio" {
		t.Errorf("the studio's app link leads to %q", at)
	}
}
