package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"latchkey/engine"
)

// TestKillWhileForgetting kills the real process at random moments of a removal. If the intent is on disk, the next process
// finishes it before anything else; if not, nothing was removed. Whoever was answered is gone.
func TestKillWhileForgetting(t *testing.T) {
	t.Parallel()
	rounds := 12
	if testing.Short() || raced() {
		rounds = 3
	}
	r := seeded(t)
	c := newCrashWorld(t, zebWorkflow, "")
	begun, answered := 0, 0
	within := 150 * time.Millisecond
	for n := 0; n < rounds || begun == 0; n++ {
		p := c.spawn()
		p.awaitReady()
		nc := c.connect()
		c.zebAgain(nc, "1", "2", "3")
		c.await("the contact", func() bool { status, _ := c.get("/v1/contacts/site-zeb-17"); return status == http.StatusOK })
		before := c.entries()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool, 1)
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.admin("/v1/contacts/site-zeb-17/forget"), nil)
			if err != nil {
				t.Error(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				res.Body.Close()
			}
			done <- err == nil && res.StatusCode == http.StatusOK
		}()
		time.Sleep(randomly(r, 0, within))
		p.kill()
		nc.Close()
		ok := <-done
		cancel()
		if ok {
			answered++
		}
		if c.entries() == before {
			if ok {
				t.Fatal("it was answered, and the forget list does not know")
			}
			within += within / 4 // else a slow machine would begin none
			continue
		}
		begun++
		p = c.spawn()
		p.awaitReady()
		if status, body := c.get("/v1/contacts/site-zeb-17"); status != http.StatusNotFound {
			t.Fatalf("after the next start: %d %s", status, body)
		}
		if files, found := c.dataHolds(zeb); len(found) > 0 || files < 5 {
			t.Fatalf("of %d files:\n%s", files, strings.Join(found, "\n"))
		}
		p.kill()
	}
	t.Logf("%d removals were begun and %d answered", begun, answered)
}

// zebAgain makes the contact known, each time by events that never were.
func (c *crashWorld) zebAgain(nc *nats.Conn, ids ...string) {
	for _, id := range ids {
		c.send(nc, "offer_access_granted", id+time.Now().String(),
			`{"contact": {"id": "site-zeb-17", "email": "zebediah@example.com", "first_name": "Zebulon"}, "offer": {"id": "gold`+id+`"}}`)
	}
	c.send(nc, "user_login", time.Now().String(), `{"contact": {"email": "zebediah@example.com", broken`)
}

func (c *crashWorld) await(what string, ok func() bool) {
	c.t.Helper()
	if !comes(ok) {
		c.t.Fatalf("waited too long for %s", what)
	}
}

// entries counts those of the forget list.
func (c *crashWorld) entries() int {
	b, err := os.ReadFile(filepath.Join(c.dir, "keys", "forgotten"))
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

// TestForgetBrokenOff has a removal end when the store has forgotten the contact's runs and the streams still hold what they
// published, which names the contact by a run's id alone. Whoever takes the removal up finds it. It is red when carryOut
// leaves noteRuns out.
func TestForgetBrokenOff(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": zebWorkflow, "extra": "partitions: " + partitions})
			i, _ := w.start(withOutbox)
			nc := w.connect()
			w.send(nc, "offer_access_granted", "z1", `{"contact": {"id": "site-zeb-17", "email": "zebediah@example.com", "first_name": "Zebulon"}, "offer": {"id": "gold"}}`)
			w.quiet(i, nc)
			p, err := i.sites[0].person(t.Context(), "site-zeb-17")
			if err != nil {
				t.Fatal(err)
			}
			s, err := i.runner.Survey(t.Context(), "academy", []engine.ID{p.Key}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			e, err := i.intend(t.Context(), s)
			if err == nil {
				err = i.noteRuns(t.Context(), e, s)
			}
			if err == nil {
				_, err = i.runner.Forget(t.Context(), s, i.cfg.Now(), func(tx engine.Tx, key engine.ID) error { return i.links.Forget(tx, "academy", key) })
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, found := w.dataHolds(zeb); len(found) == 0 {
				t.Fatal("nothing is left to be forgotten: the test shows nothing")
			}
			if _, err := i.carryOut(t.Context(), e, true); err != nil {
				t.Fatal(err)
			}
			if files, found := w.dataHolds(zeb); len(found) > 0 || files < 5 {
				t.Errorf("of %d files:\n%s", files, strings.Join(found, "\n"))
			}
		})
	}
}
