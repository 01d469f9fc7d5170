package linkgen

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

func TestTimeline(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	trail := NewTrail(b.stores)
	run := &engine.Run{ID: engine.NewID(t0, b.ada.Shard(), "run"), Location: loc, Workflow: "welcome", Contact: b.ada, State: engine.RunFinished,
		Event: engine.Event{ID: "ev-1", Type: "offer_access_granted"}}
	b.update(b.ada, func(tx engine.Tx) error { return engine.SaveRun(tx, run) })
	tok := b.mint(engine.LinkRequest{Run: run.ID, Workflow: "welcome", Step: "email1", Channel: "email"})
	id := tok.selector.ID()
	later := func() time.Time { b.now = b.now.Add(time.Minute); return b.now }
	b.update(b.ada, func(tx engine.Tx) error { return NoteTx(tx, id, TrailEntry{At: later(), What: Sent}) })
	for range 2 {
		trail.Note(id, TrailEntry{At: later(), What: Fetched, Why: "it calls itself headless Chrome"})
	}
	trail.Note(id, TrailEntry{At: later(), What: Shown, Device: "Safari on an iPhone"})
	trail.Note("lnk_AAAAAAAAAAAA", TrailEntry{What: Shown}) // of no link
	if err := trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	later()
	sid, _, err := b.redeem(tok, engine.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	b.update(b.ada, func(tx engine.Tx) error { engine.Tick(tx, later()); return b.links.EndSession(tx, sid) })
	b.update(b.ada, func(tx engine.Tx) error { return b.links.Revoke(tx, id, "sam", later()) })
	line, err := b.links.Timeline(t.Context(), b.stores, id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range line {
		got = append(got, strings.TrimSpace(fmt.Sprint(e.What, " ", e.Why, " ", e.Device, e.By, " ", e.Times)))
	}
	want := []string{
		"minted workflow welcome, step email1, by email, for event offer_access_granted ev-1  0", "sent   0",
		"fetched it calls itself headless Chrome  2", "shown  Safari on an iPhone 0", "redeemed   0", "session_ended signed out  0", "revoked  sam 0"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	for _, e := range line {
		if e.At.Before(t0) || e.At.After(b.now) {
			t.Errorf("%+v", e)
		}
	}
}

// However much happens to a link, its timeline stays small, and what waits to be written does too.
func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	trail := NewTrail(b.stores)
	tok := b.mint(engine.LinkRequest{})
	id := tok.selector.ID()
	for i := range 10 * notesMost {
		trail.Note(id, TrailEntry{At: b.now.Add(time.Duration(i) * time.Second), What: Fetched, Why: strings.Repeat("ä", 200), Device: fmt.Sprint(i)})
	}
	if len(trail.waiting) != 1 || len(trail.waiting[tok.selector].Entries) != trailMost || trail.n != trailMost {
		t.Errorf("%d entries wait", trail.n)
	}
	for range 2 {
		if err := trail.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	line, err := b.links.Timeline(t.Context(), b.stores, id)
	if err != nil || len(line) != trailMost+2 || line[trailFirst+1].Why != fmt.Sprint(10*notesMost-trailMost, " more") || line[1].Device != "0" ||
		line[len(line)-1].Device != fmt.Sprint(10*notesMost-1) {
		t.Errorf("%d entries, %v", len(line), err)
	}
	if len(line[1].Why) > trailText+len("…") || !strings.HasSuffix(line[1].Why, "ä…") {
		t.Errorf("%q", line[1].Why)
	}
	var s Selector
	for i := range notesMost + 5 {
		s[0], s[1] = byte(i), byte(i>>8)
		trail.Note(s.ID(), TrailEntry{What: Shown})
	}
	if trail.Lost() != 5 {
		t.Errorf("%d dropped", trail.Lost())
	}
}

func TestTrailRunWritesTheRest(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	trail := NewTrail(b.stores)
	id := b.mint(engine.LinkRequest{}).selector.ID()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- trail.Run(ctx) }()
	trail.Note(id, TrailEntry{At: b.now, What: Shown})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if line, err := b.links.Timeline(t.Context(), b.stores, id); err != nil || len(line) != 2 {
		t.Errorf("%+v, %v", line, err)
	}
}

func TestScannersAndDevices(t *testing.T) {
	t.Parallel()
	const (
		iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
		firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
		edge    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
		pixel   = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
		mac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
		head    = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36"
		slack   = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"
	)
	for _, c := range []struct {
		method, agent string
		header        string // name: value
		why, device   string
	}{
		{"GET", iphone, "Accept-Language: en", "", "Safari on an iPhone"},
		{"GET", firefox, "Accept-Language: de", "", "Firefox on Windows"},
		{"GET", edge, "Sec-Fetch-Mode: navigate", "", "Edge on Windows"},
		{"GET", pixel, "Accept-Language: en", "", "Chrome on Android"},
		{"GET", mac, "Accept-Language: en", "", "Chrome on a Mac"},
		{"HEAD", firefox, "Accept-Language: de", "it asked for the headers only", "Firefox on Windows"},
		{"GET", firefox, "Sec-Purpose: prefetch", "a browser loaded it in advance", "Firefox on Windows"},
		{"GET", firefox, "Sec-Purpose: prefetch;prerender", "a browser loaded it in advance, to show it at once", "Firefox on Windows"},
		{"GET", iphone, "X-Purpose: preview", "a preview", "Safari on an iPhone"},
		{"GET", head, "Accept-Language: en", "it calls itself headless Chrome", "headless Chrome"},
		{"GET", slack, "", "it calls itself Slack's preview", "Slack's preview"},
		{"GET", "python-requests/2.32", "", "it calls itself a Python program", "a Python program"},
		{"GET", "Mozilla/5.0 (compatible; SomeBot; +http://bot.test)", "", "it calls itself a robot", "a robot"},
		{"GET", "", "", "it does not say what it is", ""},
		{"GET", "MailGate", "", "it does not call itself a browser", "an unknown browser"},
		{"GET", firefox, "", "it speaks no language, as browsers do", "Firefox on Windows"},
	} {
		h := http.Header{"User-Agent": {c.agent}}
		if k, v, ok := strings.Cut(c.header, ": "); ok {
			h.Set(k, v)
		}
		why, is := LooksLikeScanner(c.method, h.Get)
		if why != c.why || is != (c.why != "") || Device(c.agent) != c.device {
			t.Errorf("%s %q %s: %q %v, %q", c.method, c.agent, c.header, why, is, Device(c.agent))
		}
	}
	for in, want := range map[string]string{"192.0.2.17": "192.0.2.0/24", "::ffff:192.0.2.17": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48",
		"fe80::1%eth0": "fe80::/48"} {
		if got := CoarseAddress(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	if CoarseAddress(netip.Addr{}) != "" {
		t.Error("no address")
	}
}
