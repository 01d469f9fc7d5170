package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Mail scanners, chat previews and prefetching browsers come first, and often: nothing changes, and the link works.
//
// Red when door sets a cookie (p.setCookie(w, door.Link.Location, linkgen.NewSID(0))), and when it lets in (p.enter instead of
// p.learnerDoor).
func TestAttack01Scanners(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.mint(s.ada, engine.LinkRequest{Uses: 1})
	before := s.dump()
	scanners := [][]string{
		{"User-Agent", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36"},
		{"User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}, {"User-Agent", "WhatsApp/2.23"}, {"User-Agent", "BarracudaCentral"},
		{"User-Agent", "Mozilla/5.0", "Sec-Purpose", "prefetch;prerender"}, {"Sec-Purpose", "prefetch"}, {"Purpose", "prefetch"}, {"X-Moz", "prefetch"}, {"User-Agent", ""},
	}
	var first string
	for i := range 100 {
		b := s.browser()
		r := b.do("GET", link, nil, scanners[i%len(scanners)]...)
		head := b.do("HEAD", link, nil, scanners[i%len(scanners)]...)
		if first == "" {
			first = r.body
		}
		if r.StatusCode != 200 || head.StatusCode != 200 || head.body != "" || r.body != first {
			t.Fatalf("%v: %d, %d", scanners[i%len(scanners)], r.StatusCode, head.StatusCode)
		}
		if len(r.Cookies())+len(head.Cookies()) > 0 {
			t.Fatal("a scanner got a cookie")
		}
	}
	if s.dump() != before {
		t.Error("a scanner changed something")
	}
	b := s.browser()
	b.wants(b.press(link), 303)
}

// Red when Links.letIn does not count a use, and by `>` for `>=` of MaxUses in linkgen's state.
func TestAttack03TwoPressesOfASingleUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	for range 20 {
		link := s.mint(s.ada, engine.LinkRequest{Uses: 1})
		before := len(s.redemptions())
		var wg sync.WaitGroup
		got := make([]int, 2)
		for i := range got {
			wg.Go(func() { got[i] = s.browser().press(link).StatusCode })
		}
		wg.Wait()
		if got[0]+got[1] != 303+410 || len(s.redemptions()) != before+1 {
			t.Fatalf("answers %v, %d redemptions", got, len(s.redemptions())-before)
		}
	}
}

// flip changes one character of a link.
func flip(link string, i int) string {
	c := byte('A')
	if link[i] == c {
		c = 'B'
	}
	return link[:i] + string(c) + link[i+1:]
}

// deadPages wants each path to be answered as one that nobody ever made, asked for or pressed, byte for byte.
func (s *site) deadPages(paths map[string]string, browsers ...*browser) {
	s.Helper()
	want := s.browser().get("/l/x")
	for name, path := range paths {
		for _, b := range append(browsers, s.browser()) {
			s.pass(time.Minute) // so that it is not one guess too many
			get := b.get(path)
			if get.StatusCode != 410 || get.body != want.body || fmt.Sprint(headers(get)) != fmt.Sprint(headers(want)) {
				s.Errorf("%s: %d, %v\n%s", name, get.StatusCode, headers(get), get.text())
			}
			if len(path) < 1000 && !strings.Contains(path, "%") {
				if post := b.press(path); post.StatusCode != 410 || post.body != want.body || fmt.Sprint(headers(post)) != fmt.Sprint(headers(want)) {
					s.Errorf("%s: pressing: %d", name, post.StatusCode)
				}
			}
		}
	}
}

// Red when door takes a path with percent signs for what it stands for (without its check of RawPath).
func TestAttack09MalformedTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	link := s.mint(s.ada, engine.LinkRequest{})
	paths := map[string]string{
		"cut short": link[:30], "10 KB": "/l/" + strings.Repeat("A", 10<<10), "upper case": "/l/" + strings.ToUpper(link[3:]), "twice": link + link[3:], "empty": "/l/",
		"padded": link + "==", "trailing dot": link + ".", "angle": link + "%3E", "nul": link + "%00", "path": link + "/../" + link[3:], "escaped": link[:4] + "%" + hexOf(link[4]) + link[5:],
	}
	for i := 3; i < len(link); i++ {
		paths[fmt.Sprint("character ", i)] = flip(link, i)
	}
	s.deadPages(paths)
}

// Red when linkgen's genuine returns found, and when look answers a wrong secret with p.say(…, "not_found").
func TestAttack10DeadPageIsOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	link, gone, late := s.mint(s.ada, engine.LinkRequest{}), s.mint(s.bob, engine.LinkRequest{}), s.mint(s.bob, engine.LinkRequest{TTL: time.Minute})
	old := s.mint(s.ada, engine.LinkRequest{App: "courses"})
	s.mint(s.ada, engine.LinkRequest{App: "courses", ByHand: true})
	none := s.learner("c-20", "Nina", "nina@example.com", "Go 101")
	lost := s.mint(none, engine.LinkRequest{})
	none.Offers, none.Products = nil, nil
	s.save(none)
	tok, _ := linkgen.ParseToken(strings.TrimPrefix(gone, "/l/"))
	s.update(s.bob.Key, func(tx engine.Tx) error { return s.links.Revoke(tx, tok.Selector().ID(), "Sam", t0) })
	s.pass(time.Hour)
	in := s.browser() // being signed in makes no difference
	in.press(link)
	paths := map[string]string{"never minted": "/l/" + strings.Repeat("A", 36), "of a live one": flip(link, 20), "of a revoked one": flip(gone, 20), "of an expired one": flip(late, 20),
		"of a replaced one": flip(old, 20), "of one without access": flip(lost, 20), "of another selector": flip(link, 5)}
	s.deadPages(paths, in)

	// Nor does the time tell: the fastest of many, as the machine may be busy.
	fastest := map[string]time.Duration{}
	for range 300 {
		for name, path := range paths {
			r := httptest.NewRequest("GET", path, nil)
			s.pass(time.Minute)
			start := time.Now()
			s.portal.ServeHTTP(httptest.NewRecorder(), r)
			if took := time.Since(start); fastest[name] == 0 || took < fastest[name] {
				fastest[name] = took
			}
		}
	}
	for name, took := range fastest {
		if d := (took - fastest["never minted"]).Abs(); d > time.Millisecond {
			t.Errorf("%s takes %v longer or shorter", name, d)
		}
	}
}

func headers(r reply) http.Header {
	h := r.Header.Clone()
	h.Del("Date")
	return h
}

// Red when ServeHTTP takes the path from X-Original-URL.
func TestAttack11HostIsNeverRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	spoof := []string{"X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test;proto=https", "X-Forwarded-Proto", "https", "X-Original-URL", "/logout"}
	page := b.do("GET", link, nil, spoof...)
	if page.body != b.get(link).body || strings.Contains(page.body, "evil") {
		t.Error("a header changes the page")
	}
	form := url.Values{"t": {link[3:]}}.Encode()
	r := b.do("POST", "/l", strings.NewReader(form), append(spoof, "Content-Type", "application/x-www-form-urlencoded")...)
	if r.StatusCode != 303 || r.Header.Get("Location") != "/" || !strings.HasPrefix(r.Header.Get("Set-Cookie"), "latchkey=") {
		t.Errorf("%d %q", r.StatusCode, r.Header.Get("Location"))
	}
}

// Red when the site serves the portal without http.CrossOriginProtection, as the command would without sameOriginOr.
func TestAttack15CrossOriginPosts(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.mint(s.bob, engine.LinkRequest{})
	for path, form := range map[string]url.Values{"/l": {"t": {link[3:]}}, "/l/new": {"t": {link[3:]}}, "/login": {"address": {"ada@example.com"}}, "/logout": {}, "/l/staff": {"t": {link[3:]}}, "/staff/logout": {}} {
		for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.test"}, {"Origin", "null"}} {
			b := s.browser()
			r := b.do("POST", path, strings.NewReader(form.Encode()), append(h, "Content-Type", "application/x-www-form-urlencoded")...)
			if r.StatusCode != 403 || b.cookie() != "" || len(s.asked()) != 0 || len(s.redemptions()) != 0 {
				t.Errorf("%s, %v: %d", path, h, r.StatusCode)
			}
		}
	}
}

// A learner who is lured to another's link sees whose it is, and presses nothing.
//
// Red when door lets in (p.enter instead of p.learnerDoor), and when the page shows no Who.
func TestAttack16LuredToAnotherAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.bob, engine.LinkRequest{}), s.browser()
	b.wants(b.do("GET", link, nil, "Sec-Fetch-Site", "cross-site", "Referer", "https://evil.test/"), 200, "Sign in as", "b•••@u•••.edu")
	if b.cookie() != "" || len(s.redemptions()) != 0 {
		t.Error("someone came in without a press")
	}
	b.press(s.mint(s.ada, engine.LinkRequest{})) // nor does a press lure one who is in already
	b.wants(b.press(link), 200, "You are signed in as Ada Lovelace.", "b•••@u•••.edu")
	b.wants(b.get("/"), 200, "Go 101")
}

// Red when fail logs r.URL.Path as it is, when linkgen.Redact returns the path, and when enter logs a refused link by its text.
func TestAttack21LogsHoldNoToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{Uses: 1}), s.browser()
	b.get(link)
	b.press(link)
	sid := b.cookie()
	s.browser().press(link) // refused
	b.get("/")
	b.do("POST", link, nil)
	s.fail = fmt.Errorf("store: %w", engine.ErrFull)
	s.browser().press(s.mint(s.ada, engine.LinkRequest{}))
	b.do("POST", "/logout", nil)
	unread := s.mint(s.ada, engine.LinkRequest{}) // whose record cannot be read
	tok, err := linkgen.ParseToken(unread[3:])
	if err != nil {
		t.Fatal(err)
	}
	s.update(s.ada.Key, func(tx engine.Tx) error {
		selector := tok.Selector()
		tx.Put(engine.SpaceLinks, selector[:], []byte("odd"))
		return nil
	})
	b.wants(s.browser().get(unread), 500)
	logs := s.logs.String()
	for _, secret := range []string{link[3:], link[15:], unread[3:], unread[15:], sid, "ada@example.com", "Lovelace"} {
		if strings.Contains(logs, secret) {
			t.Error("the log holds a secret")
		}
	}
	if !strings.Contains(logs, `"reason":"used up"`) || !strings.Contains(logs, "lnk_") || !strings.Contains(logs, linkgen.Redact(unread)) {
		t.Errorf("the log does not say what happened:\n%s", logs)
	}
}
