package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/runner"
	"latchkey/linkgen"
	"latchkey/linkgen/portal"
)

// TestGoldenLogin holds the record of a request for a login link, as it was before addresses were sealed in it, too.
//
// Red when write has w.Text(2, a.Address); and when sealedFor leaves the key out.
func TestGoldenLogin(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	asked := &loginAsked{ID: engine.NewID(at, 0, "asked"), Owner: engine.NewID(at, 7, "owner"), LoginRequest: portal.LoginRequest{Location: "academy",
		Contact: engine.NewID(at, 7, "contact"), Address: "ada@example.com", App: "courses", To: "lesson:intro", Channel: "sms", Lang: "de", Reason: "expired"}}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "link.key"), []byte("d540863e pE2rkUaQq/9gEbGaJ3+J9qD2ZKeiYNzK1M7TxS0/xGo=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := linkgen.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &loginDesk{}
	if d.sealer, err = keys.Sealer(); err != nil {
		t.Fatal(err)
	}
	var want []byte
	for _, name := range []string{"login.v1", "login.v1.sealed"} {
		if want, err = os.ReadFile(filepath.Join("testdata", name)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.readRecord(asked.key(), want); err != nil || !reflect.DeepEqual(got, asked) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	today := d.write(asked)
	if got, err := d.readRecord(asked.key(), today); err != nil || !reflect.DeepEqual(got, asked) {
		t.Errorf("%+v, %v", got, err)
	}
	open := len(today) - 2 - 12 - len(asked.Address) - 16 // before the sealed address: tag, length, nonce, the text, and what proves it
	if len(today) != len(want) || !bytes.Equal(today[:open+2], want[:open+2]) || bytes.Contains(today, []byte("example.com")) {
		t.Errorf("today's encoding differs: %q", today)
	}
	if _, err := d.readRecord(loginKey("academy", asked.Owner), today); !errors.Is(err, engine.ErrRecord) {
		t.Errorf("a record at another's key: %v", err)
	}
	inside := *asked
	inside.In = "go-101"
	if got, err := d.readRecord(inside.key(), d.write(&inside)); err != nil || !reflect.DeepEqual(got, &inside) {
		t.Errorf("with a product: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "\x02", "\x01\x02\xff"} {
		if _, err := d.readRecord(asked.key(), []byte(bad)); !errors.Is(err, engine.ErrRecord) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := d.readRecord([]byte("academy"), want); !errors.Is(err, engine.ErrRecord) {
		t.Errorf("a key without an id: %v", err)
	}
}

// Programs that are killed between the answer to a login form and the end of what comes of it.
const (
	answersOnly    = "answers login forms and does nothing else"
	diesBeforeRun  = "dies before the run of a login mail"
	diesBehindRun  = "dies behind the commit of a login mail's run"
	fourPartitions = "LATCHKEY_PARTITIONS=4"
)

// runLoginMortal is latchkey run as one of these programs.
func runLoginMortal(life string) {
	err := func() error {
		ctx := context.Background()
		i, err := openMortal(ctx)
		if err != nil {
			return err
		}
		if life == answersOnly {
			return serveHTTP(ctx, i.portalListener, i.portalHandler(), i.log)
		}
		start := i.logins.startRun
		i.logins.startRun = func(ctx context.Context, h runner.HandStart) (out runner.HandStarted, err error) {
			if life == diesBehindRun {
				out, err = start(ctx, h)
			}
			if err == nil {
				err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			return out, err
		}
		return i.serve(ctx)
	}()
	fmt.Fprintln(os.Stderr, "ended by itself:", err)
}

// TestLoginKilled kills the process after a visitor was told that a link comes: the next one sends it, once, and takes one message
// out of the budget.
//
// Red when openLogins finds nothing (left = nil); and when spend does not store the request again.
func TestLoginKilled(t *testing.T) {
	t.Parallel()
	for _, st := range []struct{ life, env string }{
		{life: answersOnly}, {life: diesBeforeRun}, {life: diesBehindRun}, {life: diesBehindRun, env: fourPartitions}, {life: diesBeforeRun, env: fourPartitions},
	} {
		t.Run(st.life+st.env, func(t *testing.T) {
			t.Parallel()
			c := newCrashWorld(t, helloWorkflow, "")
			if st.env != "" {
				c.env = append(c.env, st.env)
			}
			p := c.spawn()
			p.awaitReady()
			c.learners("", "ada")
			c.terminate(p)

			p = c.spawnAs(st.life)
			p.awaitForm()
			c.askDying(p, st.life == answersOnly)
			p.kill()

			p = c.spawn()
			p.awaitReady()
			c.waitMails(1)
			c.wait("the request to be done with", func() bool { return strings.Contains(c.said(), `"message":"login link asked for"`) })
			if !comes(func() bool { s := c.status(); return s["due"]+s["later"]+s["sending"] == 0 }) {
				t.Fatalf("messages are not done with: %v", c.status())
			}
			c.terminate(p)
			c.checkOneLogin(t, st.life)
		})
	}
}

// awaitForm returns when the process serves the login form.
func (p *process) awaitForm() {
	p.c.t.Helper()
	if !comes(func() bool {
		res, err := http.Get(portalURL(p.c.world) + "login")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	}) {
		p.c.t.Fatal("no form")
	}
}

// askDying posts the form for Ada. One that dies of it need not answer.
func (c *crashWorld) askDying(p *process, answers bool) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, portalURL(c.world)+"login", strings.NewReader("address=ada@example.com"))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		res.Body.Close()
	}
	if !answers {
		<-p.gone
		return
	}
	if err != nil || res.StatusCode != http.StatusAccepted {
		c.t.Fatalf("%v, %v", res, err)
	}
	if n := len(c.waitMails(0)); n != 0 {
		c.t.Fatalf("%d mails before the kill", n)
	}
}

// said returns what the processes have written. The lock of the world is held.
func (c *crashWorld) said() string {
	b, _ := os.ReadFile(c.output.Name())
	return string(b)
}

// checkOneLogin looks into the files that were left, and at the mails.
func (c *crashWorld) checkOneLogin(t *testing.T, life string) {
	t.Helper()
	ids := map[string]bool{}
	mails := c.waitMails(1)
	for _, m := range mails {
		ids[m.id] = true
	}
	// The first process may have sent the mail of the run that it had begun; then its copy is the same message.
	if len(ids) != 1 || life != diesBehindRun && len(mails) != 1 {
		t.Errorf("%d mails, %d of them different", len(mails), len(ids))
	}
	stores, err := boltstore.Open(filepath.Join(c.dir, "data", "store"), boltstore.Options{Logger: zerolog.Nop(), Partitions: c.partitions()})
	if err != nil {
		t.Fatal(err)
	}
	defer stores.Close()
	count, spent := map[engine.Space]int{}, 0
	for _, s := range stores.All() {
		err := s.View(t.Context(), func(tx engine.Tx) error {
			for _, space := range []engine.Space{engine.SpaceLogins, engine.SpaceRuns, engine.SpaceTasks} {
				tx.Scan(space, nil, nil, func(_, _ []byte) bool { count[space]++; return true })
			}
			counts, err := readBudget(tx.Get(engine.SpaceBudgets, budgetKey("academy", "all")))
			for _, c := range counts {
				spent += c.n
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count[engine.SpaceLogins] != 0 || count[engine.SpaceRuns] != 1 || count[engine.SpaceTasks] != 1 || spent != 1 {
		t.Errorf("left are %v, and %d messages are taken out of the budget", count, spent)
	}
}

func (c *crashWorld) partitions() int {
	if len(c.env) > 0 && c.env[len(c.env)-1] == fourPartitions {
		return 4
	}
	return 1
}

// TestLoginsAreBounded has more links asked for than may wait, while nobody works them off: the rest are refused, and a restart, with
// other limits of a network address but with these, finds and serves all others.
//
// Red when Send does not look at waiting (it hangs); and when openLogins finds nothing (left = nil).
func TestLoginsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	flood := func(i *instance) (busy int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for part := range 50 {
			wg.Go(func() {
				for n := range 25 {
					err := i.logins.Send(t.Context(), portal.LoginRequest{Location: "academy", Address: fmt.Sprintf("%d.%d@%s.example", part, n, strings.Repeat("x", 60)),
						Reason: "form", Client: netip.AddrFrom4([4]byte{10, 0, byte(part), byte(n)})})
					mu.Lock()
					if errors.Is(err, portal.ErrBusy) {
						busy++
					} else if err != nil {
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return busy
	}
	stored := func(i *instance) int {
		t.Helper()
		keys, err := i.logins.pending(t.Context(), func(*loginAsked) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return len(keys)
	}
	if busy, n := flood(i), stored(i); busy != 250 || n != loginQueue {
		t.Errorf("%d are stored, %d refused", n, busy)
	}
	if err := i.logins.Send(t.Context(), portal.LoginRequest{To: strings.Repeat("x", loginRecord)}); err == nil {
		t.Error("a huge one is stored")
	}
	i.close()
	if i, err = w.open(); err != nil {
		t.Fatal(err)
	}
	if busy := flood(i); busy != 1250 {
		t.Errorf("after a restart %d are refused", busy)
	}
	i.close()
	i, _ = w.start()
	i.served(t)
	if n := stored(i); n != 0 {
		t.Errorf("%d are left", n)
	}
	if got := w.logins()["email unknown"]; got != fmt.Sprint(loginQueue) {
		t.Errorf("%v", w.logins())
	}
}

// TestLoginsOfAForgottenContact has nothing left of who is forgotten while requests of theirs wait; others are sent what they asked
// for, and what cannot be read is passed over.
//
// Red when carryOut does not call forget; when forget leaves out e.is, or contacts.
func TestLoginsOfAForgottenContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	_, stop := w.start()
	w.learners("", "ada", "zebediah")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	zebediah := i.runnerKey(t, "zebediah")
	i.asks(t, 1, portal.LoginRequest{Address: " Zebediah@example.com"})
	i.asks(t, 2, portal.LoginRequest{Contact: zebediah, Reason: "expired"})
	i.asks(t, 3, portal.LoginRequest{Address: "ada@example.com"})
	e := newForgotten(nil, "academy", w.now(), []engine.ID{zebediah}, engine.Offset{})
	e.add(whoEmail, "zebediah@example.com")
	if err := i.logins.forget(t.Context(), e, []engine.ID{zebediah}); err != nil {
		t.Fatal(err)
	}
	left, err := i.logins.pending(t.Context(), func(a *loginAsked) bool { return true })
	if err != nil || len(left) != 1 {
		t.Errorf("%d are left, %v", len(left), err)
	}
	i.asks(t, 4, portal.LoginRequest{Address: "zebediah@example.com"})
	if _, err := i.carryOut(t.Context(), e, false); err != nil {
		t.Fatal(err)
	}
	if left, err := i.logins.pending(t.Context(), func(*loginAsked) bool { return true }); err != nil || len(left) != 1 {
		t.Errorf("%d are left behind carryOut, %v", len(left), err)
	}
	if _, found := w.dataHolds([]needle{{"the address", "ebediah@example.com"}}); len(found) > 0 {
		t.Errorf("%v", found)
	}
	err = i.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceLogins, loginKey("academy", engine.NewID(w.now(), 0)), []byte{99})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	i.close()
	i, _ = w.start()
	i.served(t)
	if mails := w.waitMails(1); len(mails) != 1 || mails[0].to != "<ada@example.com>" {
		t.Errorf("%+v", mails)
	}
	if !strings.Contains(w.logText(), "a request for a login link is passed over") {
		t.Error("nobody is told of a record that cannot be read")
	}
}

// TestLoginLate has nobody sent a link that they asked for hours ago: nothing ran meanwhile, or the store is a backup's.
//
// Red when decide does not look at the time.
func TestLoginLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	_, stop := w.start()
	w.learners("", "ada", "bob")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	i.asks(t, 1, portal.LoginRequest{Address: "ada@example.com"})
	w.pass(time.Minute)
	i.asks(t, 2, portal.LoginRequest{Address: "bob@example.com"})
	i.close()
	w.pass(loginLate - 30*time.Second)
	i, _ = w.start()
	i.served(t)
	if mails := w.waitMails(1); len(mails) != 1 || mails[0].to != "<bob@example.com>" {
		t.Errorf("%+v", mails)
	}
	if got := w.logins(); got["email late"] != "1" || got["email started"] != "1" {
		t.Errorf("%v", got)
	}
}

// TestLoginRepeated has the store end just behind the commit of a login mail's run, so that the request is still there; when the next
// process comes to it the contact may long be sent another link. That run is the one that there was.
//
// Red when HandStart's ID is not the request's; and when waits forgets engine.ErrClosed (nothing is repeated).
func TestLoginRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	_, stop := w.start()
	w.learners("", "ada")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, err := w.open()
	if err != nil {
		t.Fatal(err)
	}
	start := i.logins.startRun
	i.logins.startRun = func(ctx context.Context, h runner.HandStart) (runner.HandStarted, error) {
		out, err := start(ctx, h)
		return out, errors.Join(err, engine.ErrClosed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.serve(ctx) }()
	i.asks(t, 1, portal.LoginRequest{Address: "ada@example.com"})
	w.waitMails(1)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	i.close()
	w.pass(2 * time.Minute)
	i, _ = w.start()
	i.served(t)
	if mails, got := w.waitMails(1), w.logins(); len(mails) != 1 || got["email repeated"] != "1" {
		t.Errorf("%d mails, %v", len(mails), got)
	}
}
