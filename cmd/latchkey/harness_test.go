package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/actions/smtp/sink"
)

// A world is a project on disk with everything around it: an SMTP server, a Twilio look-alike, a log. Instances come
// and go in it (start, stop), and what they sent stays.
type world struct {
	t       *testing.T
	dir     string
	smtp    *sink.Sink // nil while it is down
	mailAt  string     // where it listens, also after it was down
	twilio  *httptest.Server
	ports   []int // portal, admin, NATS
	ahead   atomic.Int64
	hangUps <-chan os.Signal // of the instances to come

	mu    sync.Mutex
	mails []sink.Mail
	texts []url.Values
	log   strings.Builder
	// answer, if set, decides what the look-alike of Twilio says, and reports whether it said anything; refuse what the
	// SMTP server does.
	answer func(w http.ResponseWriter, form url.Values) bool
	refuse func(at sink.Stage, m sink.Mail) sink.Answer
}

const worldConfig = `location: academy
name: Acme Academy
base_url: http://127.0.0.1:%[1]d
listen: 127.0.0.1:%[1]d
admin: {listen: "127.0.0.1:%[2]d"}
nats: {listen: "127.0.0.1:%[3]d"}
email: {from: "Acme <hello@acme.test>", smtp: "smtp://%[4]s?tls=none"}
sms: {from: "+14155550100", twilio: {account_sid: ACtest, auth_token: sesame, base_url: "%[5]s"}}
log: {level: debug, format: json}
%[6]s`

// newWorld writes a project with the given files. The file "extra" is added to latchkey.yaml.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, ports: testPorts(t, 4)}
	w.mailAt = fmt.Sprintf("127.0.0.1:%d", w.ports[3])
	w.smtpUp()
	t.Cleanup(w.smtpDown)
	w.twilio = httptest.NewServer(http.HandlerFunc(w.takeText))
	t.Cleanup(w.twilio.Close)
	extra := files["extra"]
	delete(files, "extra")
	w.dir = writeProject(t, files)
	config := fmt.Sprintf(worldConfig, w.ports[0], w.ports[1], w.ports[2], w.mailAt, w.twilio.URL, extra)
	if err := os.WriteFile(filepath.Join(w.dir, "latchkey.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// smtpUp starts the SMTP server, at the address that it had before.
func (w *world) smtpUp() {
	w.t.Helper()
	var err error
	w.smtp, err = sink.Listen(w.mailAt, sink.Options{
		OnMail: func(m sink.Mail) { w.mu.Lock(); w.mails = append(w.mails, m); w.mu.Unlock() },
		Answer: func(at sink.Stage, m sink.Mail) sink.Answer {
			w.mu.Lock()
			refuse := w.refuse
			w.mu.Unlock()
			if refuse == nil {
				return sink.Answer{}
			}
			return refuse(at, m)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) smtpDown() {
	if w.smtp != nil {
		w.smtp.Close()
		w.smtp = nil
	}
}

// now is the clock of the world's instances; pass moves it.
func (w *world) now() time.Time       { return time.Now().Add(time.Duration(w.ahead.Load())) }
func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// nextPort counts through ports that no system hands out by itself, so that nobody takes one between its choice and
// its use.
var nextPort = sync.OnceValue(func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(int64(os.Getpid()) * 31)
	return n
})

func testPorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range 10000 {
		port := 30000 + int(nextPort().Add(1)%2700)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("no free ports")
	return nil
}

func (w *world) takeText(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	if answer != nil && answer(rw, r.PostForm) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, r.PostForm)
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusCreated)
	fmt.Fprintf(rw, `{"sid": "SM%032d", "status": "queued"}`, len(w.texts))
}

// Write takes the instance's log.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// config reads the project.
func (w *world) config(tune ...func(*Config)) *Config {
	w.t.Helper()
	cfg, problems := loadConfig(w.dir, nil, nil)
	if mistakes(problems) {
		w.t.Fatal(lines(problems))
	}
	cfg.Now, cfg.probe = w.now, 200*time.Millisecond
	for _, f := range tune {
		f(cfg)
	}
	return cfg
}

// open opens an instance without starting it.
func (w *world) open(tune ...func(*Config)) (*instance, error) {
	w.t.Helper()
	return open(w.t.Context(), w.config(tune...), zerolog.New(w).With().Timestamp().Logger())
}

// start opens an instance in this process and serves until stop is called, which returns what serve did.
func (w *world) start(tune ...func(*Config)) (_ *instance, stop func() error) {
	w.t.Helper()
	i, err := w.open(tune...)
	if err != nil {
		w.t.Fatal(err)
	}
	i.hangUps = w.hangUps
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- i.serve(ctx) }()
	select {
	case <-i.runner.Ready():
	case err := <-done:
		i.close()
		w.t.Fatalf("instance ended: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		i.close()
		return err
	})
	w.t.Cleanup(func() {
		if err := stop(); err != nil {
			w.t.Errorf("instance: %v", err)
		}
	})
	return i, stop
}

// patience is how long a test waits for what must come. Only one that fails waits so long, however busy the machine is.
const patience = time.Minute

// comes waits until ok, and reports whether that came.
func comes(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// wait returns when ok does, which may look at what the world keeps, and fails the test with what it waited for.
func (w *world) wait(what string, ok func() bool) {
	w.t.Helper()
	if comes(func() bool { w.mu.Lock(); defer w.mu.Unlock(); return ok() }) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Fatalf("waited too long for %s: %d mails, %d SMS\n%s", what, len(w.mails), len(w.texts), tail(w.log.String(), 4000))
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// waitMails returns the mails once there are n.
func (w *world) waitMails(n int) []mailParts {
	w.t.Helper()
	w.wait(fmt.Sprintf("%d mails", n), func() bool { return len(w.mails) >= n })
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []mailParts
	for _, m := range w.mails {
		out = append(out, readMail(w.t, m.Data))
	}
	return out
}

// waitTexts returns the SMS once there are n.
func (w *world) waitTexts(n int) []url.Values {
	w.t.Helper()
	w.wait(fmt.Sprintf("%d SMS", n), func() bool { return len(w.texts) >= n })
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]url.Values(nil), w.texts...)
}

func (w *world) logTail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tail(w.log.String(), 4000)
}
