package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// school has twelve lessons in a course of Ada's, of which she did four, and one of Bob's.
func school(t *testing.T) *site {
	s := newSite(t, 1)
	for i := range 12 {
		category := "basics/Basics"
		if i >= 6 {
			category = "more/More"
		}
		s.happen(s.bob, "lesson_started", "product=p-c-17/Go 101", "category="+category, fmt.Sprintf("lesson=l%d/Lesson %d", i+1, i+1))
	}
	s.happen(s.bob, "product_access_removed", "product=p-c-17")
	for i := range 4 {
		s.pass(time.Minute)
		s.happen(s.ada, "lesson_completed", "product=p-c-17", fmt.Sprint("lesson=l", i+1))
	}
	s.happen(s.bob, "lesson_completed", "product=p-c-18", "lesson=borrow/Borrowing")
	return s
}

func (s *site) signedIn(p *engine.Person, req engine.LinkRequest) *browser {
	s.Helper()
	b := s.browser()
	if r := b.press(s.mint(p, req)); r.StatusCode != 303 {
		s.Fatalf("not signed in: %d", r.StatusCode)
	}
	return b
}

func TestHomeShowsProgress(t *testing.T) {
	t.Parallel()
	s := school(t)
	b := s.signedIn(s.ada, engine.LinkRequest{})
	b.wants(b.get("/"), 200, "Ada offer", "Go 101", "4 of 12 lessons", `<progress max="12" value="4">`, `<a class="main" href="/go/courses?in=p-c-17&amp;to=lesson%3Al5">Continue: Lesson 5</a>`,
		`<a href="/p/p-c-17">Go 101</a>`, "Part of Ada offer")
	s.happen(s.ada, "lesson_started", "product=p-c-17", "lesson=l9")
	b.wants(b.get("/"), 200, "Continue: Lesson 9")
	s.mu.Lock()
	s.set.Apps = nil
	s.mu.Unlock()
	b.wants(b.get("/"), 200, `<a class="main" href="/p/p-c-17/s/l9">Continue: Lesson 9</a>`)
	s.happen(s.ada, "product_completed", "product=p-c-17")
	home := b.get("/")
	b.wants(home, 200, "Completed")
	if strings.Contains(home.body, `class="main"`) {
		t.Error("a completed course is to be continued")
	}
	other := s.signedIn(s.bob, engine.LinkRequest{})
	// All lessons that are known are done. That is not the whole course, as far as anybody knows.
	page := other.get("/")
	other.wants(page, 200, "1 lesson done")
	if strings.Contains(page.body, "Go 101") || strings.Contains(page.body, "<progress") {
		t.Errorf("Bob's page:\n%s", page.body)
	}
}

func TestProgressInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b := s.signedIn(s.ada, engine.LinkRequest{})
	b.wants(b.get("/"), 200, "Not begun yet", `href="/go/courses?to=product%3Ap-c-17">Open the course</a>`)
	b.wants(b.get("/p/p-c-17"), 200, "Nothing to list here yet.")
	s.happen(s.ada, "product_started", "product=p-c-17")
	b.wants(b.get("/"), 200, "Begun")
	s.happen(s.bob, "lesson_started", "product=p-c-17", "lesson=l1/One")
	b.wants(b.get("/"), 200, "0 of 1 lesson<", "Start: One")
	s.happen(s.ada, "lesson_completed", "lesson=l1") // a site that does not name the product
	b.wants(b.get("/"), 200, "1 lesson done")
}

// A lesson that several products have is in that one where the learner did something last, as it is on the way to the course site.
func TestFindWhereTheLearnerIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.happen(s.ada, "product_access_granted", "product=zig")
	for _, product := range []string{"p-c-17", "zig"} {
		s.happen(s.bob, "lesson_started", "product="+product, "category=start", "lesson=intro")
	}
	b := s.signedIn(s.ada, engine.LinkRequest{})
	for _, last := range []string{"zig", "p-c-17"} {
		s.pass(time.Hour)
		s.happen(s.ada, "lesson_started", "product="+last, "lesson=other")
		for path, part := range map[string]string{"/s/intro": "/s/intro", "/c/start": "/c/start"} {
			if r := b.get(path); r.Header.Get("Location") != "/p/"+last+part {
				t.Errorf("%s leads to %q, want %q", path, r.Header.Get("Location"), "/p/"+last+part)
			}
		}
	}
}

// A link whose lesson is known to be in a product leads to it there, wherever its learner was last; only if they do not hold that
// product it is looked for.
func TestLinkLeadsToItsOwnCourse(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.happen(s.ada, "product_access_granted", "product=zig")
	for _, product := range []string{"p-c-17", "zig"} {
		s.happen(s.bob, "lesson_started", "product="+product, "category=start", "lesson=intro")
	}
	s.pass(time.Hour)
	s.happen(s.ada, "lesson_started", "product=zig", "lesson=other") // where she was last
	for _, c := range []struct{ to, in, want string }{
		{"lesson:intro", "p-c-17", "/p/p-c-17/s/intro"}, {"category:start", "p-c-17", "/p/p-c-17/c/start"}, {"lesson:intro", "zig", "/p/zig/s/intro"},
		{"lesson:intro", "", "/p/zig/s/intro"}, {"lesson:intro", "gone", "/p/zig/s/intro"}, {"product:p-c-17", "zig", "/p/p-c-17"}, {"", "zig", "/"},
	} {
		b := s.browser()
		land := b.press(s.mint(s.ada, engine.LinkRequest{To: c.to, In: c.in})).Header.Get("Location")
		if strings.HasPrefix(land, "/s/") || strings.HasPrefix(land, "/c/") {
			land = b.get(land).Header.Get("Location")
		}
		if land != c.want {
			t.Errorf("to %q in %q leads to %q, want %q", c.to, c.in, land, c.want)
		}
	}
	land := s.browser().press(s.mint(s.ada, engine.LinkRequest{App: "courses", To: "lesson:intro", In: "p-c-17"})).Header.Get("Location")
	if land != "/go/courses?hop=1&in=p-c-17&to=lesson%3Aintro" {
		t.Errorf("into the course site by %q", land)
	}
}

func TestCoursePages(t *testing.T) {
	t.Parallel()
	s := school(t)
	s.happen(s.ada, "category_completed", "product=p-c-17", "category=basics")
	s.pass(2 * time.Hour)
	b := s.signedIn(s.ada, engine.LinkRequest{})
	b.wants(b.get("/p/p-c-17"), 200, "<h1>Go 101</h1>", `<a href="/p/p-c-17/c/basics">Basics</a>`, "4 of 12 lessons", "Continue: Lesson 5", "Lesson 12",
		`<a href="/p/p-c-17/s/l12"><span>Lesson 12</span></a>`, `<span class="state yes">Done</span>`, "Completed")
	b.wants(b.get("/p/p-c-17/c/more"), 200, "<h1>More</h1>", "0 of 6 lessons", `<a href="/p/p-c-17">Go 101</a>`, `href="/go/courses?in=p-c-17&amp;to=category%3Amore"`)
	b.wants(b.get("/p/p-c-17/s/l4"), 200, "<h1>Lesson 4</h1>", "Completed 2 hours ago", "Sunday 22 November 2026, 09:04 UTC", `href="/go/courses?in=p-c-17&amp;to=lesson%3Al4">Open the lesson`,
		"Before: Lesson 3", "Next: Lesson 5", `<a href="/p/p-c-17/c/basics">Basics</a>`)
	b.wants(b.get("/p/p-c-17/s/l12"), 200, "Not begun yet")
	for path, want := range map[string]string{"/c/more": "/p/p-c-17/c/more", "/s/l7": "/p/p-c-17/s/l7", "/s/borrow": "/", "/s/none": "/", "/c/none": "/", "/s/a%2Fb": "/"} {
		if r := b.get(path); r.StatusCode != 303 || r.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, r.StatusCode, r.Header.Get("Location"), want)
		}
	}
	want := b.get("/p/nothing")
	b.wants(want, 404, "This is not among your courses", "Go to your courses")
	for _, path := range []string{"/p/p-c-18", "/p/p-c-18/s/borrow", "/p/p-c-18/c/x", "/p/p-c-17/s/none", "/p/p-c-17/c/none", "/p/p-c-17/x/l1", "/p/", "/p/p-c-17/", "/p/p-c-17/s", "/p/p-c-17/s/l1/x", "/s/", "/p/o-c-17"} {
		if r := b.get(path); r.StatusCode != 404 || r.body != want.body { // the same, whether or not there is such a thing
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	out := s.browser()
	for _, path := range []string{"/p/p-c-17", "/p/p-c-17/s/l1", "/s/l1", "/sessions"} {
		out.wants(out.get(path), 200, "You are not signed in")
	}
}

// A link that leads to a product, category or lesson opens its page, if the learner holds it.
func TestLinkLeadsThere(t *testing.T) {
	t.Parallel()
	s := school(t)
	odd := `a b/"c"<d>#%é?`
	s.happen(s.ada, "product_access_granted", "product=x")
	s.ada.Products[odd] = s.ada.Products["x"]
	s.ada.Products["gone"] = &engine.Grant{At: t0, Removed: true}
	s.save(s.ada)
	for to, want := range map[string]string{
		"product:p-c-17": "/p/p-c-17", "product:" + odd: "/p/" + url.PathEscape(odd), "product:gone": "/", "product:unknown": "/", "product:p-c-18": "/",
		"lesson:l7": "/p/p-c-17/s/l7", "category:more": "/p/p-c-17/c/more", "lesson:borrow": "/", "lesson:none": "/", "p-c-17": "/", "": "/",
	} {
		b, link := s.browser(), s.mint(s.ada, engine.LinkRequest{To: to})
		in := b.press(link)
		again := b.press(link) // by the browser that is in
		if again.Header.Get("Location") != in.Header.Get("Location") {
			t.Errorf("to %q: %q, then %q", to, in.Header.Get("Location"), again.Header.Get("Location"))
		}
		land := in.Header.Get("Location")
		if strings.HasPrefix(land, "/s/") || strings.HasPrefix(land, "/c/") {
			land = b.get(land).Header.Get("Location")
		}
		if in.StatusCode != 303 || land != want {
			t.Errorf("to %q: %d to %q, want %q", to, in.StatusCode, land, want)
		}
		b.wants(b.get(land), 200)
	}
}

func TestMenu(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	b := s.signedIn(s.ada, engine.LinkRequest{})
	if strings.Contains(b.get("/").body, "<nav") {
		t.Error("a menu of nothing")
	}
	s.mu.Lock()
	s.set.Menu = []MenuItem{{Label: "My <courses>", App: "courses"}, {Label: "Help", URL: "https://help.acme.test/?a=b&c"}}
	s.mu.Unlock()
	b.wants(b.get("/"), 200, `<nav aria-label="Menu">`, `<a href="/" aria-current="page">Courses</a>`, `<a href="/go/courses">My &lt;courses&gt;</a>`, `<a href="https://help.acme.test/?a=b&amp;c">Help</a>`)
	b.wants(b.get("/p/p-c-17"), 200, `<a href="/">Courses</a>`)
}

func TestSessionsPage(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		s := newSite(t, parts)
		laptop, phone, lost := s.signedIn(s.ada, engine.LinkRequest{}), s.signedIn(s.ada, engine.LinkRequest{}), s.signedIn(s.ada, engine.LinkRequest{})
		bobs := s.signedIn(s.bob, engine.LinkRequest{})
		s.pass(3 * time.Hour)
		page := laptop.get("/sessions")
		laptop.wants(page, 200, "<h1>Where you are signed in</h1>", "Last seen just now", "Last seen 3 hours ago", "This browser", "Signed in on 22 November 2026", "End all others")
		ids := idsIn(page.body)
		if len(ids) != 3 {
			t.Fatalf("sessions: %v", ids)
		}
		mine := idsIn(bobs.get("/sessions").body)
		if len(mine) != 1 {
			t.Fatalf("Bob's: %v", mine)
		}
		for _, bad := range []string{mine[0], "ses_0000000000000000", ""} { // another's, none, nothing
			laptop.wants(laptop.end(bad), 303)
		}
		bobs.wants(bobs.get("/"), 200, "Rust 201")
		var lostID string
		for _, id := range ids {
			if strings.Contains(lost.get("/sessions").body, "This browser") && isThis(lost.get("/sessions").body, id) {
				lostID = id
			}
		}
		laptop.wants(laptop.end(lostID), 303)
		lost.wants(lost.get("/"), 200, "You are not signed in")
		phone.wants(phone.get("/"), 200, "Go 101")
		laptop.wants(laptop.end("others"), 303)
		phone.wants(phone.get("/"), 200, "You are not signed in")
		page = laptop.get("/sessions")
		laptop.wants(page, 200, "This browser")
		if strings.Contains(page.body, "End all others") {
			t.Error("there are no others")
		}
		laptop.wants(laptop.end(idsIn(page.body)[0]), 303) // its own
		if laptop.cookie() != "" {
			t.Error("the cookie stays")
		}
		laptop.wants(laptop.get("/"), 200, "You are not signed in")
	}
}

// end presses a button of the list of sessions.
func (b *browser) end(id string) reply {
	b.Helper()
	return b.do("POST", "/sessions", strings.NewReader(url.Values{"end": {id}}.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

func idsIn(body string) (ids []string) {
	for _, part := range strings.Split(body, `name="end" value="ses_`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, "ses_"+id)
	}
	return ids
}

// isThis reports whether a list of sessions marks that one as the browser's own.
func isThis(body, id string) bool {
	before, _, _ := strings.Cut(body, id)
	return strings.Contains(before[strings.LastIndex(before, "<li"):], "This browser")
}

// Staff who view as a learner see that on every page, and end nothing of the learner's.
//
// Red when page leaves out the banner, or Viewed; when endSessions does not look at As, sessionLine not at Staff, and when stillStaff
// takes any staff (who != "") for those whose session it is.
func TestStaffOnlyLook(t *testing.T) {
	t.Parallel()
	s := school(t)
	ada := s.signedIn(s.ada, engine.LinkRequest{})
	staff := s.viewing(s.ada, "sam@acme.test")
	works := func(who string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.boss = who
	}
	works("sam@acme.test")
	for _, path := range []string{"/", "/p/p-c-17", "/p/p-c-17/c/more", "/p/p-c-17/s/l1", "/sessions"} {
		staff.wants(staff.get(path), 200, `class="banner"`, "sam@acme.test", "Ada Lovelace")
		if strings.Contains(ada.get(path).body, `class="banner"`) {
			t.Errorf("%s: the learner sees a banner", path)
		}
	}
	if strings.Contains(staff.get("/sessions").body, `action="/sessions"`) {
		t.Error("staff are offered to end sessions")
	}
	staff.wants(staff.end("others"), 403, "You only look")
	ada.wants(ada.get("/sessions"), 200, "Staff of Acme Academy, who see what you see")
	if strings.Contains(ada.get("/sessions").body, "sam@") {
		t.Error("the learner is told the address of staff")
	}
	for _, who := range []string{"", "kim@acme.test"} { // Sam signed out, or works here no more; another one signed in
		works(who)
		if answer := staff.get("/sessions"); strings.Contains(answer.body, "Ada") || !strings.Contains(answer.body, "You are not signed in") {
			t.Errorf("%q sees what Sam was shown", who)
		}
	}
	ada.wants(ada.get("/"), 200, "Ada")
}

// viewing returns the browser of staff who view as a learner.
func (s *site) viewing(p *engine.Person, as string) *browser {
	s.Helper()
	tok, err := linkgen.ParseToken(strings.TrimPrefix(s.mint(p, engine.LinkRequest{}), "/l/"))
	if err != nil {
		s.Fatal(err)
	}
	door, err := s.links.Look(s.Context(), s.stores, tok, s.now())
	if err != nil {
		s.Fatal(err)
	}
	sid := linkgen.NewSID(p.Key.Shard())
	s.update(p.Key, func(tx engine.Tx) error {
		_, err := s.links.Redeem(tx, linkgen.Visit{Token: tok, Door: door, Fresh: sid, Now: s.now(), As: as})
		return err
	})
	b := s.browser()
	u, _ := url.Parse(s.URL)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: sessionCookie, Value: sid.Reveal(), Path: "/"}})
	return b
}

// Pages that cannot know the courses say so, and nothing of the reason.
func TestCoursesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := school(t)
	b := s.signedIn(s.ada, engine.LinkRequest{})
	s.mu.Lock()
	s.fail = errors.New("odd")
	s.mu.Unlock()
	for _, path := range []string{"/", "/p/p-c-17", "/s/l1"} {
		if r := b.get(path); r.StatusCode != 500 || strings.Contains(r.body, "odd") {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
