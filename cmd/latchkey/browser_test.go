package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium finds the browser; a test that needs it is skipped without one, unless LATCHKEY_NEED_BROWSER is set.
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

// browser starts a headless Chromium that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(chromium(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(60*time.Second))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A visitor is a browser without cookies, of its own size.
func visitor(t *testing.T, browser context.Context, width, height int64) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A sent is one line of the demo: a message, and the link beneath it.
type sent struct{ to, link string }

// runDemo runs the README's command and returns the messages with links that it prints before it points the way, the link
// that it prints then, which signs the owner in, and where its NATS server is.
func runDemo(t *testing.T) (all []sent, signIn, bus string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", "run", "./cmd/latchkey", "demo")
	c.Dir = root
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run does not pass signals on
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGINT)
		_ = c.Wait()
	})
	to := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if n := slices.Index(fields, "--nats"); n > 0 && n+1 < len(fields) {
			bus = fields[n+1]
		}
		switch {
		case len(fields) > 2 && fields[1] == "to":
			to = fields[2]
		case len(fields) == 1 && strings.Contains(fields[0], "/l/"):
			all = append(all, sent{to, fields[0]})
		case len(fields) == 1 && strings.Contains(fields[0], "/signin/"):
			go func() { // keep the pipe empty
				for lines.Scan() {
				}
			}()
			return all, fields[0], bus
		}
	}
	t.Fatalf("the demo ended: %v", c.Wait())
	return nil, "", ""
}

// The titles that the example's events grant, and to whom; Ben's course was taken away again.
var grantedTitles = map[string][]string{
	"ada@example.com": {"Gold Membership", "Go from the Ground Up", "Git Without Tears"},
	"ben@example.com": {"Silver Membership"},
	"eve@example.com": {"Design in Seven Evenings"},
}

func TestBrowserOpensEachDemoLink(t *testing.T) {
	chrome := browser(t)
	messages, _, _ := runDemo(t)
	if len(messages) != 5 {
		t.Fatalf("%d messages with links", len(messages))
	}
	for n, m := range messages {
		width := int64(1280)
		if n%2 == 1 {
			width = 390
		}
		ctx := visitor(t, chrome, width, 844)
		door, err := pageText(ctx, m.link)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(door, "Sign in as") || strings.Contains(door, m.to) {
			t.Errorf("the page for %s shows %q", m.to, door)
		}
		resp, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("form button")))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(resp.URL, "/go/courses") { // which goes on by itself
			if page, _ := waitFor(t, ctx, "/courses/go-101/lessons/intro"); !strings.Contains(page, "Signed in as Ada Lovelace") {
				t.Errorf("the course site says %q", page)
			}
			continue
		}
		inside, err := seen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		checkTitles(t, m.to, inside)
	}
}

func pageText(ctx context.Context, url string) (string, error) {
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		return "", err
	}
	return seen(ctx)
}

// seen is the text of the page that is open. It takes one step: a query may find a node that is of the page before.
func seen(ctx context.Context) (string, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
}

// checkTitles wants the titles that were granted to one learner, and none of the others'.
func checkTitles(t *testing.T, to, page string) {
	t.Helper()
	own := grantedTitles[to]
	if own == nil {
		t.Errorf("nobody expected a link for %s", to)
	}
	for _, titles := range grantedTitles {
		for _, title := range append(slices.Clone(titles), "SQL That Sings") {
			if want := slices.Contains(own, title); strings.Contains(page, title) != want {
				t.Errorf("%s sees %q: %v, want %v\n%s", to, title, !want, want, page)
			}
		}
	}
}
