package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/runner"
)

const onceWorkflow = `class: transactional
triggers: [offer_access_granted]
reentry: always
steps:
  - email: {subject: hello, text: 'Come in: <<login_url>>'}
  - wait: 1d
`

// TestBackupUnderLoad backs up while events come, restores into a fresh folder and starts: each event of before and after
// the backup has started one run, and the links of before let in.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			testBackup(t, partitions)
		})
	}
}

func testBackup(t *testing.T, partitions int) {
	const before, meanwhile, all = 40, 380, 400
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	url := w.ownNATS()
	elsewhere := func(c *Config) { c.NATS.URL, c.NATS.Listen, c.Partitions = url, "", partitions }
	i, stop := w.start(elsewhere)
	nc := w.connect()
	contact := func(n int) string { return fmt.Sprintf("c-%d", n) }
	for n := range before {
		w.grant(nc, contact(n), "gold")
	}
	w.waitMails(before)
	link := w.linksTo(contact(0))[0]

	var wg sync.WaitGroup
	wg.Go(func() {
		for n := before; n < meanwhile; n++ {
			w.grant(nc, contact(n), "gold")
		}
	})
	w.waitMails(before + 20)
	file := filepath.Join(t.TempDir(), "academy.tar")
	var out bytes.Buffer
	if code := latchkeyDo(t, &out, "backup", file, "--dir", w.dir); code != 0 {
		t.Fatalf("backup: %d\n%s", code, out.String())
	}
	wg.Wait()
	for n := meanwhile; n < all; n++ {
		w.grant(nc, contact(n), "gold")
	}
	w.waitMails(all)
	w.quiet(i, nc)
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	fresh := filepath.Join(t.TempDir(), "data")
	cfg := w.config(elsewhere, func(c *Config) { c.Data = fresh })
	m, aside, err := restore(t.Context(), cfg, file, false)
	if err != nil || aside != "" {
		t.Fatalf("restored, aside %q: %v", aside, err)
	}
	if partitions == 1 && m.Events.Sequence < before || m.Events.Sequence >= all || len(m.Parts) != partitions { // more store it late
		t.Fatalf("manifest: %+v", m)
	}
	i, _ = w.start(elsewhere, func(c *Config) { c.Data = fresh })
	w.until(t, "every run waits", i, func(s runner.Stats) bool { return s.Waiting >= all })
	nc = w.connect()
	w.grant(nc, "late", "gold") // what comes when all was read again
	w.until(t, "the late one waits", i, func(s runner.Stats) bool { return s.Waiting >= all+1 })
	runs, err := i.runner.Runs(t.Context(), runner.Filter{Limit: 2 * all})
	if err != nil {
		t.Fatal(err)
	}
	starts, contacts := map[string]int{}, map[engine.ID]bool{}
	for _, r := range runs {
		starts[r.Event.ID]++
		contacts[r.Contact] = true
	}
	if len(runs) != all+1 || len(starts) != all+1 || len(contacts) != all+1 {
		t.Errorf("%d runs of %d events and %d contacts, want %d of each", len(runs), len(starts), len(contacts), all+1)
	}
	letsIn(t, "a link of before the backup", link, "Title of gold")
}

// latchkeyDo runs one command line in this process.
func latchkeyDo(t *testing.T, out *bytes.Buffer, args ...string) int {
	t.Helper()
	a := &app{in: strings.NewReader(""), out: out, err: out}
	return a.run(t.Context(), append([]string{"latchkey"}, args...))
}

// TestRestoreRefuses gives restore what it must not put in place; the store that is there stays as it is.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	_, stop := w.start()
	file := filepath.Join(t.TempDir(), "academy.tar")
	var out bytes.Buffer
	if code := latchkeyDo(t, &out, "backup", file, "--dir", w.dir); code != 0 || !strings.Contains(out.String(), "keys folder is not in it") {
		t.Fatalf("backup: %d\n%s", code, out.String())
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(w.dir, "data")
	other := func(c *Config) { c.Data = filepath.Join(w.dir, "other") }
	flipped := slices.Clone(good)
	flipped[5000] ^= 1
	for _, c := range []struct {
		name  string
		file  []byte
		tune  func(*Config)
		force bool
		says  string
	}{
		{"a store is there", good, func(*Config) {}, false, "--force moves it aside"},
		{"it runs", good, func(*Config) {}, true, "another process holds it"},
		{"a bit", flipped, other, false, "store/p00.db is damaged"},
		{"cut in a part", good[:4000], other, false, "cut short"},
		{"cut before the manifest", good[:len(good)-4096], other, false, "cut short"},
		{"empty", nil, other, false, "cut short"},
		{"something else", []byte(strings.Repeat("hello ", 1000)), other, false, "no backup of Latchkey"},
		{"another location", good, func(c *Config) { other(c); c.Location = "college" }, false, "is of location academy"},
		{"partitions", good, func(c *Config) { other(c); c.Partitions = 4 }, false, "partitions: 1"},
	} {
		bad := filepath.Join(t.TempDir(), "bad.tar")
		if err := os.WriteFile(bad, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := w.config(c.tune)
		if _, _, err := restore(t.Context(), cfg, bad, c.force); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want an error with %q: %v", c.name, c.says, err)
		}
		if left, _ := filepath.Glob(filepath.Join(cfg.Data, "restore-*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", c.name, left)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.dir, "keys", "link.key")); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := latchkeyDo(t, &out, "restore", file, w.dir, "--force"); code != 0 {
		t.Fatalf("restore: %d\n%s", code, out.String())
	}
	for _, says := range []string{"The store that was there is in " + data, "has no link.key: no link that was sent will open", "are read again at the start",
		"ended or used up since the backup work again"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("does not say %q:\n%s", says, out.String())
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(data, "store.before-*", "p00.db")); len(kept) != 1 {
		t.Errorf("the store that was there is not kept: %v", kept)
	}
}

// TestRestoreKilled leaves what a restore that was killed leaves. A start without dropUnfinished turns it red.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	left := filepath.Join(w.config().Data, unfinished+"123")
	err := os.MkdirAll(left, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(left, "p00.db"), []byte("ada@example.com"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy of the store is still there: %v", err)
	}
}

// TestDataIsIgnored: a project is in git, and what is known of learners is not. A start without linkgen.Ignore turns it red.
func TestDataIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	for range 2 {
		_, stop := w.start()
		if b, err := os.ReadFile(filepath.Join(w.config().Data, ".gitignore")); err != nil || string(b) != "*\n" {
			t.Errorf("%q, %v", b, err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupBrokenOff ends the server's store in the middle: what came is not taken for a backup, and an older one stays.
func TestBackupBrokenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	i, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	defer i.close()
	h := accessLog("admin", i.log, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		i.backup(&stingy{ResponseWriter: rw, left: 20000}, r)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serveHTTP(ctx, i.adminListener, h, i.log) }()
	defer func() { cancel(); <-done }()
	file := filepath.Join(t.TempDir(), "academy.tar")
	if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	cl := &client{base: strings.TrimSuffix(w.admin("/"), "/"), http: &http.Client{Timeout: time.Minute}}
	if _, err := fetchBackup(t.Context(), cl, file); !errors.Is(err, errCut) {
		t.Errorf("want %v: %v", errCut, err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "older" {
		t.Errorf("the older backup is gone: %q, %v", b, err)
	}
}

// A stingy writer fails after so many bytes.
type stingy struct {
	http.ResponseWriter
	left int
}

func (s *stingy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *stingy) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, errors.New("no more")
	}
	return s.ResponseWriter.Write(b)
}
