package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestDataFolderIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.start()
	ports := testPorts(t, 3)
	_, err := w.open(func(c *Config) {
		c.Listen, c.Admin.Listen = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
		c.NATS.Listen = fmt.Sprintf("127.0.0.1:%d", ports[2])
	})
	if err == nil || !strings.Contains(err.Error(), w.dir) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second instance on the same data: %v", err)
	}
	// The first one is none the worse.
	w.send(w.connect(), "offer_access_granted", "1", adaGold)
	w.waitTexts(1)
}

func TestPortsTaken(t *testing.T) {
	t.Parallel()
	for n, key := range []string{"listen", "admin.listen", "nats.listen"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.ports[n]))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, err = w.open()
			want := []string{key + ": ", fmt.Sprint(w.ports[n]), "taken"}
			for _, s := range want {
				if err == nil || !strings.Contains(err.Error(), s) {
					t.Errorf("want an error with %q: %v", s, err)
				}
			}
			code, _, stderr := command(t, "run", w.dir)
			if code != exitFailed || !strings.Contains(stderr, "latchkey: "+key+": ") {
				t.Errorf("run: exit code %d\n%s", code, stderr)
			}
			l.Close()
			i, err := w.open() // what was opened before the error is closed
			if err != nil {
				t.Fatal(err)
			}
			i.close()
		})
	}
}

const waitWorkflow = `class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: at once, text: 'Come in: <<login_url>>'}
  - wait: 2h
  - email: {subject: after the wait, text: 'Come in: <<login_url>>'}
`

// newestLink returns the highest of all messages' link ids, as the bytes that they are in the store.
func (w *world) newestLink() string {
	w.t.Helper()
	newest := ""
	for _, m := range w.messages("") {
		for _, id := range m.Links {
			b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(id, "lnk_"))
			if err != nil {
				w.t.Fatal(err)
			}
			newest = max(newest, string(b))
		}
	}
	return newest
}

// TestClockSetBack sets the clock back by an hour while a run waits, while the instance runs and once more while it is
// stopped.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/wait.yaml": waitWorkflow})
	i, stop := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	w.waitMails(1)
	w.quiet(i, nc)
	newest := w.newestLink()
	ordered := func() {
		t.Helper()
		before := newest
		if newest = w.newestLink(); newest <= before {
			t.Error("a newer link's id does not come after that of an older one")
		}
	}

	w.pass(-time.Hour)
	w.send(nc, "offer_access_granted", "2", strings.ReplaceAll(adaGold, "gold", "silver"))
	second := w.waitMails(2)[1]
	w.quiet(i, nc)
	ordered()
	letsIn(t, "a link made after the clock went back", links(second.text)[0], "Gold")

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.pass(-time.Hour)
	i, _ = w.start()
	nc = w.connect()
	w.send(nc, "offer_access_granted", "3", strings.ReplaceAll(adaGold, "gold", "bronze"))
	third := w.waitMails(3)[2]
	w.quiet(i, nc)
	ordered()
	letsIn(t, "a link made after it went back twice", links(third.text)[0], "Gold")

	// The waits began at the time before: by the clock they end four hours from now, not two. They are neither early ...
	w.pass(4*time.Hour - time.Minute)
	w.send(nc, "offer_access_granted", "4", strings.ReplaceAll(adaGold, "gold", "lead"))
	w.waitMails(4)
	w.quiet(i, nc)
	if n := len(w.waitMails(4)); n != 4 {
		t.Errorf("%d mails a minute before the waits end", n)
	}
	// ... nor do they hang.
	w.pass(2 * time.Minute)
	w.waitMails(7)
	w.quiet(i, nc)
	mails := w.waitMails(7)
	if len(mails) != 7 {
		t.Errorf("%d mails when three waits are over", len(mails))
	}
	for _, m := range mails[4:] {
		if m.subject != "after the wait" {
			t.Errorf("mail %q", m.subject)
		}
	}
	ordered()
}
