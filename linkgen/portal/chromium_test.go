package portal

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// A browser that runs scripts and waits makes no session, asks for nothing but the page, and finds nothing that its
// policy forbids.
//
// Red when the page has a script that submits its form, with the policy that lets it run or without.
func TestAttack02HeadlessBrowser(t *testing.T) {
	t.Parallel()
	path := chromium(t)
	s := newSite(t, 1)
	link := s.mint(s.ada, engine.LinkRequest{Uses: 1})
	before := s.dump()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", s.URL+link)
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second
	dom, err := cmd.Output()
	if err != nil {
		t.Fatal(err, errs.String())
	}
	if !strings.Contains(string(dom), "a•••@e•••.com") {
		t.Errorf("the browser shows\n%s", dom)
	}
	if got := s.requests(); got != "GET /l/[redacted]" {
		t.Errorf("requests: %s", got)
	}
	if strings.Contains(errs.String(), "Content Security Policy") {
		t.Errorf("the page breaks its own policy:\n%s", errs.String())
	}
	if s.dump() != before || len(s.redemptions()) != 0 {
		t.Error("looking at the page changed something")
	}
	b := s.browser()
	b.wants(b.press(link), 303)
}
