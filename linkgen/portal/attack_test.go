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

func TestAttack07AccessLostMidSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
	page := b.get(link)
	b.wants(page, 200)
	b.wants(b.press(link), 303)
	b.wants(b.get("/"), 200, "Go 101")
	held := b.cookie()
	for _, g := range s.ada.Products {
		g.Removed = true
	}
	s.save(s.ada)
	home := b.get("/")
	b.wants(home, 200, "Ada offer", "You have no course yet.")
	if strings.Contains(home.body, "Go 101") {
		t.Error("a product that was taken away is shown")
	}
	for _, g := range s.ada.Offers {
		g.Removed = true
	}
	s.save(s.ada)
	b.wants(b.get("/"), 403, "Your access has ended", "help@acme.test")
	b.wants(b.press(link), 410, "You have no course here yet")
	for _, g := range s.ada.Offers {
		g.Removed = false
	}
	s.save(s.ada)
	b.wants(b.do("GET", "/", nil, "Cookie", loopbackCookie+"="+held), 200, "You are not signed in")
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

func TestAttack13SessionFixation(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	evil := s.browser()
	evil.press(s.mint(s.bob, engine.LinkRequest{}))
	for name, planted := range map[string]string{"made up": linkgen.NewSID(s.ada.Key.Shard()).Reveal(), "the attacker's own": evil.cookie(), "nonsense": "x"} {
		b := s.browser()
		u, _ := url.Parse(s.URL)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: loopbackCookie, Value: planted, Path: "/"}})
		r := b.confirm(s.mint(s.ada, engine.LinkRequest{}))
		b.wants(r, 303)
		if b.cookie() == planted || b.cookie() == "" {
			t.Errorf("%s: the browser holds what it held", name)
		}
		_, flags, _ := strings.Cut(r.Header.Get("Set-Cookie"), "; ")
		if flags != "Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax" {
			t.Errorf("cookie flags: %s", flags)
		}
		other := s.browser()
		other.wants(other.do("GET", "/", nil, "Cookie", loopbackCookie+"="+planted), 200, "You are not signed in")
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

func TestAttack19HostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`"><script>alert(1)</script>`, "<<login_url>>", "{{.Token}}", "\u202egnp.exe", "a\r\nSet-Cookie: x=y", "\x00\x1b[31m",
		strings.Repeat("A", 10<<10), strings.Repeat("\u0301", 500), "%s%s%d", "שלום", "\u2066\u2067"} {
		s := newSite(t, 1)
		s.ada.Contact.FirstName, s.ada.Contact.LastName, s.ada.Contact.Email = name, name, name+"@"+name+".com"
		s.ada.Offers["o-c-17"].Title, s.ada.Products["p-c-17"].Title = name, name
		s.save(s.ada)
		link, b := s.mint(s.ada, engine.LinkRequest{}), s.browser()
		pages := []reply{b.get(link), b.press(link), b.get("/"), b.get(s.mint(s.bob, engine.LinkRequest{}))}
		for i, r := range pages {
			if r.StatusCode >= 400 || len(r.body) > 10<<10 || r.Header.Get("X") != "" {
				t.Errorf("%.20q: page %d: %d, %d bytes", name, i, r.StatusCode, len(r.body))
			}
			for _, bad := range []string{"<script", "\u202e", "\x00", "\x1b", "\u2066", "<<login", "%!"} {
				if strings.Contains(r.body, bad) {
					t.Errorf("%.20q: page %d has %q", name, i, bad)
				}
			}
		}
		b.wants(pages[2], 200, "Sign out")
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
