package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"latchkey/engine/console"
)

// A crashWorld is a world in which the command runs as a process of its own, and is killed. The SMTP server and the
// Twilio look-alike are the test's, and outlive it.
type crashWorld struct {
	*world
	server string   // the NATS server
	env    []string // of the processes, beside the test's
	output *os.File
	probe  *probe
	spawns []time.Time
	kills  []time.Time // of each kill, the last moment before it
}

// newCrashWorld writes the project. With server it uses that NATS server, else one in its own process.
func newCrashWorld(t *testing.T, workflow, server string) *crashWorld {
	t.Helper()
	c := &crashWorld{world: newWorld(t, map[string]string{"workflows/hello.yaml": workflow}), server: server, probe: newProbe(t)}
	if server == "" {
		c.server = c.natsURL()
	} else {
		c.env = append(c.env, "LATCHKEY_NATS_URL="+server)
	}
	var err error
	if c.output, err = os.Create(filepath.Join(t.TempDir(), "output")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b, err := os.ReadFile(c.output.Name()); err == nil && t.Failed() {
			t.Logf("its output ends so:\n%s", tail(string(b), 3000))
		}
		c.output.Close()
	})
	return c
}

// A process is one life of the command.
type process struct {
	c    *crashWorld
	cmd  *exec.Cmd
	gone chan struct{}
	once sync.Once
}

// spawn starts the command.
func (c *crashWorld) spawn() *process { return c.spawnAs("latchkey") }

func (c *crashWorld) spawnAs(life string) *process {
	c.t.Helper()
	p := &process{c: c, cmd: exec.Command(os.Args[0], "run", "--log-level", "info", c.dir), gone: make(chan struct{})}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LATCHKEY_") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(append(p.cmd.Env, c.env...), asCommand+"="+life)
	p.cmd.Stdout, p.cmd.Stderr = c.output, c.output
	c.spawns = append(c.spawns, time.Now())
	if err := p.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { defer close(p.gone); _ = p.cmd.Wait() }()
	c.t.Cleanup(p.kill)
	return p
}

// kill ends the process as kill -9 does, and returns when it is gone.
func (p *process) kill() {
	p.once.Do(func() {
		at := time.Now()
		select {
		case <-p.gone: // it ended by itself
		default:
			p.c.mark(at)
			_ = p.cmd.Process.Kill()
		}
	})
	<-p.gone
}

func (c *crashWorld) mark(kill time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills = append(c.kills, kill)
}

// term asks the process to end, and returns its exit code and how long it took.
func (p *process) term() (code int, took time.Duration) {
	p.c.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.c.t.Fatal(err)
	}
	select {
	case <-p.gone:
	case <-time.After(patience):
		p.c.t.Fatal("SIGTERM does not end it")
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(began)
}

// awaitReady returns when the process takes events.
func (p *process) awaitReady() {
	p.c.t.Helper()
	p.c.await("a process that is ready", func() bool {
		select {
		case <-p.gone:
			p.c.t.Fatalf("it ended by itself: %v", p.cmd.ProcessState)
		default:
		}
		return isReady(p.c.admin("/readyz"))
	})
}

// A feed publishes n events of as many contacts, each until it is confirmed. It uses nats.go only.
type feed struct {
	n int

	mu        sync.Mutex
	limit     int // as yet
	next      int
	again     []int
	confirmed int
	refused   error // what the server said no to
}

// allow lets the feed publish up to limit events.
func (f *feed) allow(limit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = min(limit, f.n)
}

func (f *feed) take() (i int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := len(f.again) - 1; last >= 0 {
		i, f.again = f.again[last], f.again[:last]
		return i, true
	}
	if f.next >= f.limit {
		return 0, false
	}
	f.next++
	return f.next - 1, true
}

func (f *feed) giveBack(i int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.again = append(f.again, i)
	f.refused = err
}

func (f *feed) done() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.confirmed == f.n
}

// publish publishes what is allowed, some every pace, until ctx ends. It connects anew each time that it is called.
func (f *feed) publish(ctx context.Context, server string, pace time.Duration) {
	var nc *nats.Conn
	for nc == nil {
		var err error
		if nc, err = nats.Connect(server, nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})); err != nil {
			nc = nil
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	defer nc.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if i, ok := f.take(); ok {
					f.one(ctx, nc, i)
				}
				time.Sleep(pace)
			}
		})
	}
	wg.Wait()
}

// one publishes one event and waits for the stream's word.
func (f *feed) one(ctx context.Context, nc *nats.Conn, i int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m := nats.NewMsg("courses.academy.offer_access_granted")
	m.Header.Set("Nats-Msg-Id", fmt.Sprintf("offer_access_granted:%d", i))
	m.Data = fmt.Appendf(nil, `{"contact": {"id": "c-%d", "email": "%s", "phone": "%s"}, "offer": {"id": "gold", "title": "Gold"}}`, i, learner(i), learnerPhone(i))
	reply, err := nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		f.giveBack(i, err)
		return
	}
	var ack struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil || ack.Seq == 0 {
		f.giveBack(i, fmt.Errorf("%v: %s", err, reply.Data))
		return
	}
	f.mu.Lock()
	f.confirmed++
	f.mu.Unlock()
}

func learner(i int) string      { return fmt.Sprintf("c-%d@example.com", i) }
func learnerPhone(i int) string { return fmt.Sprintf("+1415%07d", 2000000+i) }

// awaitDone returns when every event was published and nothing is left to do.
func (c *crashWorld) awaitDone(f *feed) {
	c.t.Helper()
	for seen, since := 0, time.Now(); ; {
		if f.done() && c.idle(f.n) {
			return
		}
		if n, _ := c.smtp.Taken(); n > seen {
			seen, since = n, time.Now()
		}
		if time.Since(since) > patience {
			f.mu.Lock()
			defer f.mu.Unlock()
			c.t.Fatalf("not done in time: %d of %d events confirmed (%v), %d mails, %v\n%s", f.confirmed, f.n, f.refused, len(c.smtp.Counts()), c.status(), c.stuck(f))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stuck shows who got no mail, and where the stream and its consumer stand.
func (c *crashWorld) stuck(f *feed) string {
	var b strings.Builder
	counts := c.smtp.Counts()
	for i := range f.n {
		if counts[learner(i)] == 0 {
			fmt.Fprintf(&b, "%s got no mail\n", learner(i))
		}
	}
	nc, err := nats.Connect(c.server)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	for _, subject := range []string{"$JS.API.STREAM.INFO.COURSES", "$JS.API.CONSUMER.INFO.COURSES.latchkey"} {
		m, err := nc.Request(subject, nil, time.Second)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s\n", m.Data)
	}
	return b.String()
}

func (c *crashWorld) idle(n int) bool {
	s := c.status()
	return len(c.smtp.Counts()) >= n && s["due"]+s["later"]+s["sending"]+s["waiting"] == 0
}

// status returns the figures of GET /v1/status, which tells of files as well.
func (c *crashWorld) status() map[string]int {
	c.t.Helper()
	var all map[string]any
	c.ask(http.MethodGet, "/v1/status", "", &all)
	figures := map[string]int{}
	for name, v := range all {
		if n, ok := v.(float64); ok {
			figures[name] = int(n)
		}
	}
	return figures
}

// allMessages reads GET /v1/messages to its end.
func (c *crashWorld) allMessages() (all []console.Message) {
	c.t.Helper()
	query := "?limit=1000"
	for {
		part := c.messages(query)
		all = append(all, part...)
		if len(part) < 1000 {
			return all
		}
		query = "?limit=1000&before=" + part[len(part)-1].ID
	}
}

// opens reports whether a login link's page is one with a button.
func opens(link string) bool {
	res, err := http.Get(link)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// A death is what a kill left: what was accepted from the last moments before it to the next start may be sent again.
type death struct{ from, kill, to time.Time }

// deaths returns a window for each kill.
func (c *crashWorld) deaths() (all []death) {
	for _, k := range c.kills {
		wait := c.probe.worst(k.Add(-8*lost), k.Add(lost))
		if raced() {
			wait = time.Minute // its speed is not the command's
		}
		d := death{from: k.Add(-lost - 3*wait), kill: k, to: time.Now()}
		if i := slices.IndexFunc(c.spawns, func(s time.Time) bool { return s.After(k) }); i >= 0 {
			d.to = c.spawns[i]
		}
		all = append(all, d)
	}
	return all
}

// raced reports whether this binary has the race detector in it, and so the command.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
