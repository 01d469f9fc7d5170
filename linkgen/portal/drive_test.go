package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"latchkey/engine"
	"latchkey/linkgen"
)

// These tests drive the pages in headless Chromium. With LATCHKEY_SCREENS set to a folder they leave pictures of them there.

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("LATCHKEY_NEED_BROWSER") != "" {
		t.Fatal("no Chromium, and LATCHKEY_NEED_BROWSER is set")
	}
	t.Skip("no Chromium is installed")
	return ""
}

// A chrome is a headless Chromium that ends with the test.
type chrome struct {
	*testing.T
	ctx context.Context
}

func newChrome(t *testing.T, flags ...chromedp.ExecAllocatorOption) chrome {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(60 * time.Second)}, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return chrome{t, ctx}
}

// A tab is one person's browser: without cookies, of one size and one scheme of colours.
type tab struct {
	*testing.T
	ctx    context.Context
	look   string
	framed bool // it is within another page
}

// looks are those that a test goes through: all of them if pictures are wanted.
var looks = func() []string {
	if os.Getenv("LATCHKEY_SCREENS") == "" {
		return []string{"desktop-light", "phone-dark"}
	}
	return []string{"desktop-light", "desktop-dark", "phone-light", "phone-dark"}
}()

func (c chrome) tab(look string) tab {
	c.Helper()
	width, height := int64(1280), int64(800)
	switch {
	case strings.HasPrefix(look, "phone"):
		width, height = 390, 844
	case strings.HasPrefix(look, "narrow"):
		width, height = 320, 640
	}
	scheme := look[strings.IndexByte(look, '-')+1:]
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	c.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})); err != nil {
		c.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	c.Cleanup(cancel)
	return tab{c.T, ctx, look, false}
}

// opens goes to a page, which must say the texts.
func (b tab) opens(url, name string, texts ...string) {
	b.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.Fatal(err)
	}
	b.says(name, texts...)
}

// presses clicks and waits for the page that follows, which must say the texts.
func (b tab) presses(selector, name string, texts ...string) {
	b.Helper()
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	b.says(name, texts...)
}

// seen is the text of the page that is open. It takes one step: a query may find a node that is of the page before.
func seen(ctx context.Context) (string, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
}

// says checks the page, and takes its picture. The first text is the first sentence: the page's head.
func (b tab) says(name string, texts ...string) {
	b.Helper()
	body, err := seen(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			b.Errorf("%s, %s: the page does not say %q:\n%s", name, b.look, text, body)
		}
	}
	b.fits(name)
	b.pictured(name)
}

// unpictured are pages that another picture shows already.
var unpictured = map[string]bool{"in": true, "cancelled": true, "switched": true, "login-wrong": true, "frame-again": true, "frame-out": true}

// pictured takes a page's picture, if those are wanted.
func (b tab) pictured(name string) {
	b.Helper()
	if dir := os.Getenv("LATCHKEY_SCREENS"); dir != "" && !b.framed && !unpictured[name] && !strings.HasPrefix(b.look, "narrow") {
		if strings.HasPrefix(name, "frame-") { // the frame of another process is painted a little later
			time.Sleep(time.Second)
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+"-"+b.look+".png"), smaller(b, png), 0o644)
		}
		if err != nil {
			b.Error(err)
		}
	}
}

// fits wants nothing to stand out at the side, and whatever is pressed to be 44 pixels high.
func (b tab) fits(name string) {
	b.Helper()
	wrong, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll('a:not(.skip),button,input:not([type=hidden])')]
		.filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML).concat(
		document.documentElement.scrollWidth > innerWidth ? ['wider than the window'] : []).join(' ')`))
	if err != nil {
		b.Fatal(err)
	}
	if wrong != "" {
		b.Errorf("%s, %s: %s", name, b.look, wrong)
	}
}

func (b tab) types(selector, text string) {
	b.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text)); err != nil {
		b.Fatal(err)
	}
}

func TestDriveLinkPage(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	for _, look := range append(slices.Clone(looks), "narrow-light") {
		s := newSite(t, 1)
		b := c.tab(look)
		b.opens(s.URL+s.mint(s.ada, engine.LinkRequest{}), "link", "Sign in as", "a•••@e•••.com", "Continue", "Not you? Close this page.")
		high, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.documentElement.scrollHeight <= innerHeight`))
		if err != nil || !high {
			t.Errorf("%s: the page needs scrolling (%v)", look, err)
		}
		b.presses("form button", "in", "Hello, Ada", "Go 101")
		b.opens(s.URL+s.mint(s.bob, engine.LinkRequest{}), "switch", "You are signed in as Ada Lovelace.", "b•••@u•••.edu", "Switch and continue", "Cancel")
		b.presses(".ask", "cancelled", "Go 101")
		b.opens(s.URL+s.mint(s.bob, engine.LinkRequest{}), "switch")
		b.presses("form button", "switched", "Rust 201")
		s.boss = "sam@acme.test"
		b.opens(s.URL+s.mint(s.ada, engine.LinkRequest{Bind: true}), "staff", "You are signed in as sam@acme.test (staff)", "View as this learner")
		b.presses("form button", "viewed", "Go 101", "You, sam@acme.test, see this page as Ada Lovelace sees it.", "End this view")
		b.opens(s.URL+ViewPath(locID, s.bob.Key), "view", "You are signed in as sam@acme.test (staff)", "Bob Lovelace", "View as this learner", "Your view is noted")
		b.presses("form button", "in", "Rust 201", "You, sam@acme.test, see this page as Bob Lovelace sees it.")
		s.boss = ""
		c.tab(look).opens(s.URL+s.mint(s.ada, engine.LinkRequest{Bind: true}), "bound", "Continue", "in this browser only")
	}
}

// TestDriveOldBrowser gets in with a browser that sends no Sec-Fetch-Site, as Safari before 16.4: then the Origin of a form has to say
// that it is ours. Red when setHeaders says no-referrer alone, with which it is "null".
func TestDriveOldBrowser(t *testing.T) {
	t.Parallel()
	c, s := newChrome(t), newSite(t, 1)
	guarded := http.NewCrossOriginProtection().Handler(s.portal)
	referers := make(chan string, 100)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		referers <- r.Referer()
		guarded.ServeHTTP(w, r)
	}))
	t.Cleanup(old.Close)
	s.loc.BaseURL = old.URL
	b, link := c.tab(looks[0]), s.mint(s.ada, engine.LinkRequest{})
	b.opens(old.URL+link, "link", "Continue")
	b.presses("form button", "in", "Hello, Ada")
	old.CloseClientConnections()
	old.Close()
	close(referers)
	for from := range referers {
		if strings.Contains(from, "/l/") {
			t.Error("a request says by which link it came")
		}
	}
}

// TestDriveTenInARow has a mail scanner come first, and then a laptop and a phone: both get in, ten times in a row.
func TestDriveTenInARow(t *testing.T) {
	t.Parallel()
	c, s := newChrome(t), newSite(t, 1)
	robot, laptop, phone := c.tab("desktop-light"), c.tab("desktop-light"), c.tab("phone-light")
	for n := range 10 {
		link := s.mint(s.ada, engine.LinkRequest{Uses: 2})
		scanner := s.browser()
		scanner.do("HEAD", link, nil)
		for range 2 {
			scanner.do("GET", link, nil, "User-Agent", firefox)
			s.pass(134 * time.Millisecond)
		}
		scanner.do("GET", link, nil, "User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")
		scanner.do("GET", link, nil, "User-Agent", firefox, "Sec-Purpose", "prefetch")
		if err := chromedp.Do(robot.ctx, chromedp.Navigate(s.URL+link), chromedp.Sleep(200*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		for _, b := range []tab{laptop, phone} {
			b.opens(s.URL+link, "link", "Sign in as")
			b.presses("form button", "in", "Hello, Ada", "Go 101")
		}
		if got := len(s.redemptions()); got != 2*(n+1) {
			t.Fatalf("%d came in after %d links", got, n+1)
		}
	}
}

// deadLinks is each way in which a link lets nobody in, and the first sentence of its page.
var deadLinks = []struct {
	name, says string
	renew      bool
	do         func(s *site, link string)
}{
	{"expired", "This link has expired", true, func(s *site, _ string) { s.pass(26 * time.Hour) }},
	{"replaced", "A newer link has taken this one’s place", true, func(s *site, _ string) { s.mint(s.ada, engine.LinkRequest{ByHand: true}) }},
	{"revoked", "Acme Academy has ended this link", true, func(s *site, link string) {
		tok, _ := linkgen.ParseToken(strings.TrimPrefix(link, "/l/"))
		s.update(s.ada.Key, func(tx engine.Tx) error { return s.links.Revoke(tx, tok.Selector().ID(), "Sam", s.now()) })
	}},
	{"no access", "You have no course here yet", false, func(s *site, _ string) {
		s.ada.Products, s.ada.Offers = nil, nil
		s.save(s.ada)
	}},
	{"access over", "Your access has ended", false, func(s *site, _ string) {
		s.ada.Products, s.ada.Offers = nil, nil
		s.save(s.ada)
		s.update(s.ada.Key, func(tx engine.Tx) error { return s.links.RevokeContact(tx, locID, s.ada.Key, s.now()) })
	}},
	{"never minted", "This link is not one that we sent", false, nil},
	{"used up", "This link has been used up", true, func(s *site, link string) { s.browser().press(link) }},
	{"address changed", "This link was sent to an address that is no longer yours", true, func(s *site, _ string) {
		s.ada.Contact.Email = "ada@elsewhere.test"
		s.save(s.ada)
	}},
	{"other browser", "This link works only in the browser that it was first opened in", true, func(s *site, link string) { s.browser().press(link) }},
}

// The page of each link that lets nobody in names the cause in its first sentence.
func TestDeadLinksFirstSentence(t *testing.T) {
	t.Parallel()
	for _, c := range deadLinks {
		s := newSite(t, 1)
		link := s.dead(c.name, c.do)
		r := s.browser().get(link)
		_, head, _ := strings.Cut(r.body, "<h1>")
		head, _, _ = strings.Cut(head, "</h1>")
		if r.StatusCode != 410 || head != c.says || strings.Contains(r.body, `action="/l/new"`) != c.renew {
			t.Errorf("%s: %d, %q, want %q", c.name, r.StatusCode, head, c.says)
		}
	}
}

func (s *site) dead(name string, do func(s *site, link string)) string {
	req := engine.LinkRequest{Address: "ada@example.com", Bind: name == "other browser"}
	if name == "used up" {
		req.Uses = 1
	}
	link := s.mint(s.ada, req)
	if do == nil {
		return "/l/" + strings.Repeat("A", 36)
	}
	do(s, link)
	return link
}

func TestDriveDeadLinks(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	var tabs []tab
	for _, look := range append(slices.Clone(looks), "narrow-light") {
		tabs = append(tabs, c.tab(look))
	}
	for _, d := range deadLinks {
		s := newSite(t, 1)
		link := s.dead(d.name, d.do)
		for _, b := range tabs {
			file := strings.ReplaceAll(d.name, " ", "-")
			b.opens(s.URL+link, file, d.says)
			if d.renew {
				b.presses("form button", "renewed", "Check your messages", "a new one is on its way")
				if len(s.asked()) != 1 {
					t.Errorf("%s: nothing was sent", d.name)
				}
			}
		}
	}
}

func TestDriveLoginForm(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	for _, look := range append(slices.Clone(looks), "narrow-light") {
		s := newSite(t, 1)
		s.set.Login.SMS = strings.HasSuffix(look, "dark")
		b := c.tab(look)
		b.opens(s.URL+"/login?app=courses&to=lesson:intro", "login", "Sign in to Acme Academy", "Your e-mail address", "Send me a login link")
		b.types("#address", "ada@example")
		b.presses("form button", "login-wrong", "That is no e-mail address.")
		b.types("#address", "ada@example.com")
		b.presses("form button", "sent", "Check your messages", "If Acme Academy knows that address")
		if got := s.asked(); len(got) != 1 || got[0].Address != "ada@example.com" || got[0].App != "courses" || got[0].To != "lesson:intro" {
			t.Errorf("asked %+v", got)
		}
	}
}

// TestDriveMenuInFrame opens the user link within a page of another site, over https, as a sidebar does.
func TestDriveMenuInFrame(t *testing.T) {
	t.Parallel()
	c := newChrome(t, chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	s := newSite(t, 1)
	host := func(h http.Handler, name string) string {
		srv := httptest.NewTLSServer(h)
		t.Cleanup(srv.Close)
		return "https://" + name + srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	}
	link := s.userLink()
	s.loc.BaseURL = host(http.NewCrossOriginProtection().Handler(s.portal), "go.acme.test")
	var src string
	crm := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>CRM</title><body style="margin:0;display:flex"><nav style="width:160px;padding:16px">CRM<br>Courses</nav>`+
			`<iframe src="%s" style="border:0;flex:1;height:780px"></iframe>`, src)
	})
	allowed, other := host(crm, "app.crm.test"), host(crm, "app.evil.test")
	s.set.Embed.Hosts = []string{allowed}
	s.set.Menu = []MenuItem{{Label: "The library", App: "courses"}}
	s.happen(s.ada, "lesson_started", "product=p-c-17/Go 101", "lesson=intro/Introduction")
	s.happen(s.bob, "lesson_started", "product=p-c-18/Rust 201", "lesson=one/One")
	for _, look := range looks {
		src = s.loc.BaseURL + link + "?assertion=" + s.vouch(nil).hs256(t)
		b := c.tab(look)
		if err := chromedp.Do(b.ctx, chromedp.Navigate(allowed)); err != nil {
			t.Fatal(err)
		}
		b.fits("frame")
		inside := c.frame(b, s.loc.BaseURL)
		inside.says("frame-door", "Sign in as", "sam@acme.test")
		b.pictured("frame-door")
		inside.presses("form button", "frame-staff", "You see this as staff", "The library", "All courses")
		b.pictured("frame-staff")
		if err := chromedp.Do(b.ctx, chromedp.Navigate(allowed)); err != nil { // the cookie holds
			t.Fatal(err)
		}
		inside = c.frame(b, s.loc.BaseURL)
		inside.says("frame-again", "You see this as staff")
		inside.presses(`form button`, "frame-out", "You are not signed in here any more")
	}
	// Another site may not show it, whatever it says.
	src = s.loc.BaseURL + link + "?assertion=" + s.vouch(nil).hs256(t)
	b := c.tab(looks[0])
	if err := chromedp.Do(b.ctx, chromedp.Navigate(other)); err != nil {
		t.Fatal(err)
	}
	shown, err := seen(c.frame(b, "").ctx)
	if err != nil || strings.Contains(shown, "Acme") || strings.Contains(shown, "sam@") {
		t.Errorf("a foreign page shows %q, %v", shown, err)
	}
}

// frame returns what is inside the page's frame of another site.
func (c chrome) frame(b tab, site string) tab {
	c.Helper()
	own := chromedp.FromContext(b.ctx).BrowserContextID
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		infos, err := chromedp.Targets(b.ctx)
		if err != nil {
			c.Fatal(err)
		}
		for _, i := range infos {
			if i.Type == "iframe" && strings.HasPrefix(i.URL, site) && i.BrowserContextID == own {
				ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(i.TargetID))
				c.Cleanup(cancel)
				return tab{c.T, ctx, b.look, true}
			}
		}
	}
	c.Fatal("the page has no frame")
	return tab{}
}
