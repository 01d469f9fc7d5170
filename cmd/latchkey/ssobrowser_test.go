package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"latchkey/examples/coursesite"
)

const lessonWorkflow = `name: Next lesson
class: transactional
triggers: [lesson_completed]
steps:
  - email: {subject: Next, markdown: '[Go on](<<login_url app="courses" to=lesson>>)'}
`

// intoCourses is latchkey.yaml with the example course site as an app.
func intoCourses(site, how string) string {
	return fmt.Sprintf(`apps: {courses: {url: %q, product: "/courses/{product}", lesson: "/courses/{product}/lessons/{lesson}", %s}}`, site, how)
}

// A courseSite is the example course site at an address of its own.
func newCourseSite(t *testing.T) (s *httptest.Server, open func(latchkey, secret string)) {
	t.Helper()
	var site http.Handler
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	return s, func(latchkey, secret string) { site = coursesite.New(latchkey, s.URL, secret) }
}

// From a mail a learner comes into the course site, at the lesson, by one click: on a desktop and a phone, by a token and by
// OpenID.
func TestBrowserFromMailToCourseSite(t *testing.T) {
	chrome := browser(t)
	for _, how := range []struct{ name, sso, secret string }{
		{"token", "sso: jwt", ""},
		{"OpenID", `sso: oidc, secret: "the client's secret", redirects: [%s/callback]`, "the client's secret"},
	} {
		site, open := newCourseSite(t)
		sso := strings.ReplaceAll(how.sso, "%s", site.URL)
		w := newWorld(t, map[string]string{"workflows/next.yaml": lessonWorkflow, "extra": intoCourses(site.URL, sso)})
		i, _ := w.start()
		open(i.cfg.BaseURL, how.secret)
		w.send(w.connect(), "lesson_completed", "1", `{"contact":{"id":"c-17","email":"ada@example.com","first_name":"Ada","last_name":"Lovelace"},
			"product":{"id":"go-101"},"category":{"id":"basics"},"lesson":{"id":"intro"}}`)
		link := links(w.waitMails(1)[0].html)[0]
		for _, width := range []int64{1280, 390} {
			ctx := visitor(t, chrome, width, 844)
			where := fmt.Sprintf("%s, %d px", how.name, width)
			comeIn(t, ctx, link)
			page, at := waitFor(t, ctx, site.URL+"/courses/go-101/lessons/intro")
			if !strings.Contains(page, "Lesson intro") || !strings.Contains(page, "Signed in as Ada Lovelace (ada@example.com)") {
				t.Errorf("%s: the course site says %q", where, page)
			}
			if at != site.URL+"/courses/go-101/lessons/intro" {
				t.Errorf("%s: the address is %s", where, at)
			}
		}
		stranger := visitor(t, chrome, 1280, 844)
		if err := chromedp.Do(stranger, chromedp.Navigate(site.URL+"/courses/go-101/lessons/intro")); err != nil {
			t.Fatal(err)
		}
		if page, err := seen(stranger); err != nil || strings.Contains(page, "Ada") {
			t.Errorf("%s: a stranger sees %q, %v", how.name, page, err)
		}
	}
}

// comeIn opens a link and presses its button.
func comeIn(t *testing.T, ctx context.Context, link string) {
	t.Helper()
	if door, err := pageText(ctx, link); err != nil || !strings.Contains(door, "Sign in as") {
		t.Fatalf("the link's page says %q, %v", door, err)
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("form button"))); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until a browser is at a page, and returns what is there.
func waitFor(t *testing.T, ctx context.Context, path string) (page, at string) {
	t.Helper()
	if !comes(func() bool {
		var err error
		if at, err = chromedp.Run(ctx, chromedp.Location()); err != nil || !strings.HasSuffix(at, path) {
			return false
		}
		page, err = seen(ctx)
		return err == nil && page != "" // which it is while it begins to load
	}) {
		text, _ := seen(ctx)
		t.Fatalf("the browser is at %s, not at %s: %s", at, path, text)
	}
	return page, at
}

// Where a browser went is in the link's timeline, and no token is in the log.
func TestHandOffInTheTimeline(t *testing.T) {
	t.Parallel()
	site, open := newCourseSite(t)
	w := newWorld(t, map[string]string{"workflows/next.yaml": lessonWorkflow, "extra": intoCourses(site.URL, "sso: jwt")})
	i, _ := w.start()
	open(i.cfg.BaseURL, "")
	w.send(w.connect(), "lesson_completed", "1", `{"contact":{"id":"c-17","email":"ada@example.com"},"product":{"id":"go-101"},"lesson":{"id":"intro"}}`)
	link := links(w.waitMails(1)[0].html)[0]
	ada := newPerson(t)
	if status, text := ada.press(link); status != http.StatusOK || !strings.Contains(text, "One moment") {
		t.Fatalf("%d %s", status, text)
	}
	if status, page := ada.open("GET", i.cfg.BaseURL+"/go/courses?to=lesson:intro", nil); status != http.StatusOK || !strings.Contains(strings.Join(page.text, " "), "Lesson intro") {
		t.Fatalf("%d %v", status, page.text)
	}
	if err := i.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	made := w.tasks(i, "email")[0].Links
	entries, err := i.links.Timeline(t.Context(), i.stores, made[len(made)-1])
	if err != nil {
		t.Fatal(err)
	}
	if last := entries[len(entries)-1]; last.What != "handed_off" || last.Why != "courses" {
		t.Errorf("the timeline ends with %+v", last)
	}
	if log := w.logTail(); regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20}`).MatchString(log) || strings.Contains(log, "/go/courses?") || !strings.Contains(log, "GET /go/{app}") {
		t.Errorf("the log: %s", log)
	}
}

// A scanner opens each mail's link before the learner does, who then comes in on a phone and a laptop and lands in the course
// site, ten times in a row.
func TestInTenTimesPastAScanner(t *testing.T) {
	t.Parallel()
	site, open := newCourseSite(t)
	w := newWorld(t, map[string]string{"workflows/next.yaml": lessonWorkflow, "extra": intoCourses(site.URL, "sso: jwt")})
	i, _ := w.start()
	open(i.cfg.BaseURL, "")
	nc := w.connect()
	phone, laptop := newPerson(t), newPerson(t)
	for n := range 10 {
		lesson := fmt.Sprintf("l%d", n)
		w.send(nc, "lesson_completed", lesson, fmt.Sprintf(`{"contact":{"id":"c-17","email":"ada@example.com","first_name":"Ada"},
			"product":{"id":"go-101"},"lesson":{"id":%q}}`, lesson))
		link := links(w.waitMails(n + 1)[n].html)[0]
		scan(t, link)
		for name, p := range map[string]person{"phone": phone, "laptop": laptop} {
			if text := p.comeInto(link); !strings.Contains(text, "Lesson "+lesson) || !strings.Contains(text, "Signed in as Ada") {
				t.Fatalf("mail %d on the %s: %s", n+1, name, text)
			}
		}
	}
}

// scan does what mail scanners do with a link.
func scan(t *testing.T, link string) {
	t.Helper()
	scanner := newPerson(t)
	scanner.open("HEAD", link, nil)
	for range 2 {
		scanner.open("GET", link, nil)
	}
	u, err := url.Parse(link)
	if err != nil || len(scanner.Jar.Cookies(u)) != 0 {
		t.Fatalf("a scanner is signed in: %v", err)
	}
}

// comeInto presses the button of a link for an app, goes on as a browser does by itself, and returns the text of the page there.
func (p person) comeInto(link string) string {
	p.t.Helper()
	_, door := p.open("GET", link, nil)
	base := link[:strings.Index(link, "/l/")]
	res, err := p.PostForm(base+door.form.action, door.form.values)
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
	_, to, ok := strings.Cut(res.Header.Get("Refresh"), "url=")
	if !ok {
		return fmt.Sprintf("status %d, and nothing that goes on", res.StatusCode)
	}
	_, page := p.open("GET", base+to, nil)
	return strings.Join(page.text, " ")
}
