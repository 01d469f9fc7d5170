package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/nats-io/nats.go"
)

// TestBrowserConsole does what a member of staff does on their first day: they sign in by the link that the demo prints, find a
// learner, generate a magic link and open it in another browser, which is that learner then.
func TestBrowserConsole(t *testing.T) {
	chrome := browser(t)
	_, signIn, bus := runDemo(t)
	sendUnreadable(t, bus)
	staff := visitor(t, chrome, 1280, 900)
	door, err := pageText(staff, signIn)
	if err != nil || !strings.Contains(door, "Sign in to the console") {
		t.Fatal(err, door)
	}
	shootLooks(t, staff, "signin-link")
	press(t, staff, "main form button")
	admin, _ := url.Parse(signIn)
	if at, _ := chromedp.Run(staff, chromedp.Location()); at != "http://"+admin.Host+"/" {
		t.Errorf("signed in at %s", strings.ReplaceAll(at, admin.Path, "[redacted]"))
	}
	again, err := pageText(visitor(t, chrome, 1280, 900), signIn)
	if err != nil || !strings.Contains(again, "no longer works") || strings.Contains(again, "Continue") {
		t.Errorf("the link a second time: %v %s", err, again)
	}
	at := func(path string) string { return "http://" + admin.Host + path }
	find, err := pageText(staff, at("/contacts?q=lovelace+ADA"))
	if err != nil || !strings.Contains(find, "ada@example.com") || strings.Contains(find, "ben@example.com") {
		t.Fatal(err, find)
	}
	press(t, staff, "tbody a")
	press(t, staff, ".actions a")
	press(t, staff, "details form button")
	made, err := chromedp.Run(staff, chromedp.Value(chromedp.CSS("#made")))
	if err != nil || !strings.Contains(made, "/l/") {
		t.Fatal("no link was made", err)
	}
	shootLooks(t, staff, "made")
	learner := visitor(t, chrome, 390, 844)
	if _, err := pageText(learner, made); err != nil {
		t.Fatal(err)
	}
	press(t, learner, "form button")
	inside, err := seen(learner)
	if err != nil {
		t.Fatal(err)
	}
	checkTitles(t, "ada@example.com", inside)

	press(t, staff, ".made .soft a")
	story, err := seen(staff)
	if err != nil || !strings.Contains(story, "This link works until") || !strings.Contains(story, "owner") {
		t.Errorf("the link's story: %v %s", err, story)
	}
	audit, err := pageText(staff, at("/audit"))
	if err != nil || !strings.Contains(audit, "made a link") || !strings.Contains(audit, "signed in") {
		t.Errorf("audit: %v %s", err, audit)
	}
	if strings.Contains(story+audit, made[strings.LastIndex(made, "/")+1:]) {
		t.Error("a page shows a token")
	}
	viewAsLearner(t, staff, at)
	shootConsole(t, staff, at)
	press(t, staff, ".who button")
	if out, err := pageText(staff, at("/contacts")); err != nil || !strings.Contains(out, "Mail me a sign-in link") {
		t.Errorf("signed out: %v %s", err, out)
	}
	shootLooks(t, staff, "signin")
	if err := chromedp.Do(staff, chromedp.SendKeys(chromedp.CSS("[type=email]"), "grace@example.com")); err != nil {
		t.Fatal(err)
	}
	press(t, staff, "main form button")
	shootLooks(t, staff, "asked")
}

// viewAsLearner sees what a learner sees by the button of their page, which asks first, and ends that again.
func viewAsLearner(t *testing.T, staff context.Context, at func(string) string) {
	t.Helper()
	contact, err := chromedp.Run(staff, hrefOf(at("/contacts?q=ada@example.com"), "tbody a"))
	if err != nil {
		t.Fatal(err)
	}
	view, err := chromedp.Run(staff, hrefOf(at(contact), ".actions [target=_blank]"))
	if err != nil {
		t.Fatal(err)
	}
	asks, err := pageText(staff, view)
	if err != nil || !strings.Contains(asks, "You are signed in as owner (staff)") || !strings.Contains(asks, "Ada Lovelace") {
		t.Fatal(err, asks)
	}
	press(t, staff, "form button")
	inside, err := chromedp.Run(staff, chromedp.Text(chromedp.CSS("body")))
	if err != nil || !strings.Contains(inside, "You, owner, see this page as Ada Lovelace sees it.") {
		t.Errorf("%v %s", err, inside)
	}
	checkTitles(t, "ada@example.com", inside)
	press(t, staff, ".banner button")
	if audit, err := pageText(staff, at("/audit")); err != nil || !strings.Contains(audit, "viewed as learner") {
		t.Errorf("audit: %v %s", err, audit)
	}
}

// sendUnreadable publishes what can only become dead letters, so that their page has some.
func sendUnreadable(t *testing.T, bus string) {
	t.Helper()
	nc, err := nats.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, e := range []struct{ trigger, id, data string }{
		{"new_sign_up", "d-36", `{"contact": {"id": "c-gus", "email": "gus@example.com"}, "offer":`},
		{"offer_access_removed", "d-37", `{"offer": {"id": "gold", "title": "Gold Membership"}}`},
	} {
		m := nats.NewMsg("courses.academy." + e.trigger)
		m.Header.Set("Nats-Msg-Id", e.trigger+":"+e.id)
		m.Data = []byte(e.data)
		if _, err := nc.RequestMsg(m, patience); err != nil {
			t.Fatal(err)
		}
	}
}

func press(t *testing.T, ctx context.Context, button string) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(button))); err != nil {
		t.Fatalf("press %s: %v", button, err)
	}
}

// shootConsole looks at each page.
func shootConsole(t *testing.T, ctx context.Context, at func(string) string) {
	t.Helper()
	contact, err := chromedp.Run(ctx, hrefOf(at("/contacts?q=ada@example.com"), "tbody a"))
	if err != nil {
		t.Fatal(err)
	}
	first := func(list, sel string) string {
		href, err := chromedp.Run(ctx, hrefOf(at(list), sel))
		if err != nil {
			t.Fatal(list, err)
		}
		return href
	}
	for _, p := range []struct{ name, path string }{
		{"overview", "/"}, {"workflows", "/workflows"}, {"workflow", "/workflows/welcome"},
		{"runs", "/runs"}, {"run", first("/runs", "tbody td:nth-child(2) a")},
		{"messages", "/messages"}, {"message", first("/messages", "tbody td:nth-child(2) a")},
		{"contacts", "/contacts"}, {"contact", contact},
		{"links", "/links"}, {"link", first("/links", "tbody td:nth-child(2) a")},
		{"portal", "/portal"}, {"dead", "/dead"}, {"letter", first("/dead", "tbody a")},
		{"audit", "/audit"}, {"staff", "/audit#now"}, {"nothing", "/nothing"},
	} {
		if err := chromedp.Do(ctx, chromedp.Navigate(at(p.path))); err != nil {
			t.Fatal(p.name, err)
		}
		shootLooks(t, ctx, p.name)
	}
}

// shootLooks looks at the page that is open on a desktop and a phone, light and dark: it is no wider than the window. With
// LATCHKEY_SCREENS it leaves the four pictures in that folder.
func shootLooks(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"phone", 390, 844}, {"desktop", 1280, 900}} {
		for _, scheme := range []string{"dark", "light"} {
			err := chromedp.Do(ctx, chromedp.EmulateViewport(size.width, size.height), colours(scheme))
			if err != nil {
				t.Fatal(name, err)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[int64](
				"document.querySelector(location.hash || 'body').scrollIntoView(), document.documentElement.scrollWidth"))
			if err != nil || wide > size.width {
				t.Errorf("%s on a %s: %d wide, %v", name, size.name, wide, err)
			}
			shoot(t, ctx, "console-"+name+"-"+size.name+"-"+scheme)
		}
	}
}

func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("LATCHKEY_SCREENS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// hrefOf returns where a link of a page leads.
func hrefOf(page, sel string) chromedp.Action[string] {
	return func(ctx context.Context, t *chromedp.Target) (string, error) {
		if _, err := chromedp.Navigate(page)(ctx, t); err != nil {
			return "", err
		}
		return chromedp.Evaluate[string](`document.querySelector("`+sel+`").getAttribute("href")`)(ctx, t)
	}
}

func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}
