package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const backtestFlow = `class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: "Hello", text: "Come in: <<login_url>>"}
  - if: run.link_redeemed
    then: []
    else:
      - wait: 1d
      - sms: Come back
`

// TestBacktest replays a real stream through the files that are in force, and through others, and sends nothing by it.
func TestBacktest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": backtestFlow})
	w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	w.send(nc, "offer_access_granted", "2", strings.ReplaceAll(adaGold, "gold", "silver"))
	w.waitMails(2)

	code, out, stderr := command(t, "backtest", w.dir, "--since", "1d")
	for _, want := range []string{"academy since ", "2 events of 1 contact", "hello", "started 2, for 1 contact, 2 not over yet", "email: 2 sent", "Nothing was sent."} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s%s", code, want, out, stderr)
		}
	}

	other := t.TempDir()
	config, err := os.ReadFile(filepath.Join(w.dir, "latchkey.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"latchkey.yaml": string(config), "hello.yaml": strings.Replace(backtestFlow, "[offer_access_granted]", "[{offer_access_granted: {offer: gold}}]", 1)} {
		path := filepath.Join(other, "workflows", name)
		if name == "latchkey.yaml" {
			path = filepath.Join(other, name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, stderr = command(t, "backtest", other, "--against", w.dir, "-o", "json")
	var got struct {
		Events    int
		Workflows []backtested
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK {
		t.Fatalf("code %d, %v\n%s%s", code, err, out, stderr)
	}
	if r := got.Workflows; len(r) != 1 || r[0].Started != 1 || r[0].Against == nil || r[0].Against.Started != 2 || r[0].Against.Steps[0].States["sent"] != 2 {
		t.Errorf("%+v", r)
	}
	if code, _, stderr := command(t, "backtest", w.dir, "--since", "yesterday"); code != exitUsage || !strings.Contains(stderr, "--since") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if n := len(w.waitMails(2)); n != 2 {
		t.Errorf("%d mails", n)
	}
}
