package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Mail scanners, chat previews and prefetching browsers come first, and often: nothing changes, and the link works.
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

func TestAttack09And10DeadPageIsOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	link := s.mint(s.ada, engine.LinkRequest{})
	gone := s.mint(s.bob, engine.LinkRequest{})
	tok, _ := linkgen.ParseToken(strings.TrimPrefix(gone, "/l/"))
	s.update(s.bob.Key, func(tx engine.Tx) error { return s.links.Revoke(tx, tok.Selector().ID(), "Sam", t0) })
	s.pass(time.Hour)
	in := s.browser() // being signed in makes no difference
	in.press(link)
	flip := func(link string, i int) string {
		c := byte('A')
		if link[i] == c {
			c = 'B'
		}
		return link[:i] + string(c) + link[i+1:]
	}
	want := s.browser().get("/l/x")
	for name, path := range map[string]string{
		"never minted": "/l/" + strings.Repeat("A", 36), "wrong secret of a live one": flip(link, 20), "wrong secret of a dead one": flip(gone, 20),
		"wrong selector": flip(link, 5), "other end": flip(link, 38), "cut short": link[:30], "10 KB": "/l/" + strings.Repeat("A", 10<<10), "upper case": "/l/" + strings.ToUpper(link[3:]),
		"padded": link + "==", "trailing dot": link + ".", "angle": link + "%3E", "nul": link + "%00", "path": link + "/../" + link[3:],
	} {
		for _, b := range []*browser{s.browser(), in} {
			s.pass(time.Minute) // so that it is not one guess too many
			get := b.get(path)
			if get.StatusCode != 410 || get.body != want.body || fmt.Sprint(headers(get)) != fmt.Sprint(headers(want)) {
				t.Errorf("%s: %d, %v\n%s", name, get.StatusCode, headers(get), get.body)
			}
			if len(path) < 1000 && !strings.Contains(path, "%") {
				if post := b.press(path); post.StatusCode != 410 || post.body != want.body || fmt.Sprint(headers(post)) != fmt.Sprint(headers(want)) {
					t.Errorf("%s: pressing: %d", name, post.StatusCode)
				}
			}
		}
	}
}

func headers(r reply) http.Header {
	h := r.Header.Clone()
	h.Del("Date")
	return h
}

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

func TestAttack15And16CrossOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.mint(s.bob, engine.LinkRequest{})
	form := url.Values{"t": {link[3:]}}.Encode()
	kind := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.test"}, {"Origin", "null"}} {
		b := s.browser()
		if r := b.do("POST", "/l", strings.NewReader(form), append(h, kind...)...); r.StatusCode != 403 || b.cookie() != "" {
			t.Errorf("%v: %d", h, r.StatusCode)
		}
	}
	b := s.browser() // lured to the page itself: it says whose it is, and waits
	b.wants(b.do("GET", link, nil, "Sec-Fetch-Site", "cross-site"), 200, "Sign in as", "b•••@u•••.edu")
	if b.cookie() != "" || len(s.redemptions()) != 0 {
		t.Error("someone came in without a press")
	}
}

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
	logs := s.logs.String()
	for _, secret := range []string{link[3:], link[15:], sid, "ada@example.com", "Lovelace"} {
		if strings.Contains(logs, secret) {
			t.Error("the log holds a secret")
		}
	}
	if !strings.Contains(logs, `"reason":"used up"`) || !strings.Contains(logs, "lnk_") {
		t.Errorf("the log does not say what happened:\n%s", logs)
	}
}
