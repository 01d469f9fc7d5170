package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"latchkey/actions"
	"latchkey/actions/smtp"
)

// A bench is one run of bench events: its processes and its figures.
type bench struct {
	app         *app
	dir         string
	f           *figures
	sink        *child
	sinkSMTP    string
	sinkControl string
	instance    *child
	api         *client
	nats        string
	published   int
	known       int // contacts that the store holds; events are of theirs
	partitions  int // of the store; 0 is 1
}

func (b *bench) close() {
	b.instance.end()
	b.sink.end()
}

func (b *bench) startSink(ctx context.Context) (err error) {
	cmd, err := b.app.self(ctx, "bench", "sink")
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if b.sink, err = startChild(cmd); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("sink did not start: %w", err)
	}
	var at struct{ SMTP, Control string }
	if err := json.Unmarshal(line, &at); err != nil {
		return err
	}
	b.sinkSMTP, b.sinkControl = at.SMTP, at.Control
	return nil
}

const ceilingTo = "ceiling@bench.test"

// measureSink sends mails of the size that the benchmark's have, with nothing else going on.
func (b *bench) measureSink(ctx context.Context) error {
	cfg, err := smtp.ParseURL("smtp://" + b.sinkSMTP + "?tls=none")
	if err != nil {
		return err
	}
	m, err := smtp.New(cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	body := strings.Repeat("<p>Everything you bought is unlocked. This button lets you in.</p>\n", 75)
	start := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				mail := actions.Mail{MessageID: fmt.Sprintf("ceiling-%d-%d@bench.test", w, i), From: "bench@bench.test", To: ceilingTo,
					Subject: "Ceiling", HTML: body, Text: "Everything you bought is unlocked.", Date: start}
				if _, err := m.Send(ctx, mail); err == nil {
					mu.Lock()
					n++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	b.f.SinkCeiling = float64(n) / time.Since(start).Seconds()
	return nil
}

const benchConfig = `location: bench
name: Bench
listen: 127.0.0.1:%d
admin: {listen: "127.0.0.1:%d"}
nats: {listen: "127.0.0.1:%d"}
email: {from: "Bench <bench@bench.test>", smtp: "smtp://%s?tls=none"}
log: {level: warn, format: json}
`

const benchWorkflow = `name: Bench
class: transactional
triggers: [product_access_granted]
steps:
  - email:
      subject: Welcome, <<contact.first_name | default "friend">>
      markdown: |
        # You're in, <<contact.first_name | default "friend">>

        **<<product.title | default "It">>** is yours. There is no password to remember; this button lets you in:

        [Open my courses](<<login_url>>)

        If anything is in your way, just answer this mail: a person reads it.
`

func (b *bench) startInstance(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	files := map[string]string{
		"latchkey.yaml":        fmt.Sprintf(benchConfig, ports[0], ports[1], ports[2], b.sinkSMTP),
		"workflows/bench.yaml": benchWorkflow,
	}
	if err := b.writeProject(files); err != nil {
		return err
	}
	b.nats = fmt.Sprintf("nats://127.0.0.1:%d", ports[2])
	b.api = &client{base: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), http: &http.Client{Timeout: time.Minute}}
	b.f.ReadyEmpty, err = b.run(ctx)
	return err
}

// run starts the instance and returns how long it took to be ready, in seconds.
func (b *bench) run(ctx context.Context) (float64, error) {
	c, err := b.app.self(ctx, "run", b.dir)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if b.instance, err = startChild(c); err != nil {
		return 0, err
	}
	for {
		res, err := b.api.http.Get(b.api.base + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(start).Seconds(), nil
			}
		}
		select {
		case <-b.instance.gone:
			return 0, errors.New("the instance ended")
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(start) > 30*time.Second {
			return 0, errors.New("the instance did not get ready")
		}
	}
}

func (b *bench) commits(ctx context.Context) (float64, error) {
	var s struct{ Commits float64 }
	err := b.api.do(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s.Commits, err
}

// fullSpeed is for an empty store what loadedSpeed is for a full one.
func (b *bench) fullSpeed(ctx context.Context) error {
	v, err := b.atFullSpeed(ctx, b.f.Events)
	b.f.PerSecond, b.f.CPU, b.f.Commits = v.perSecond, v.cpu, v.commits
	b.f.PeakMiB, b.f.MappedMiB = memoryMiB(b.instance.cmd.Process.Pid)
	return err
}

// A speed is what atFullSpeed found.
type speed struct {
	perSecond float64
	cpu       float64 // seconds for 1,000 mails
	commits   float64 // for one mail
}

// atFullSpeed publishes n events as fast as the stream takes them, and counts their mails.
func (b *bench) atFullSpeed(ctx context.Context, n int) (v speed, err error) {
	commits, err := b.commits(ctx)
	if err != nil {
		return v, err
	}
	pid := b.instance.cmd.Process.Pid
	cpu := cpuSeconds(pid)
	start := time.Now()
	if err := b.publish(ctx, n); err != nil {
		return v, err
	}
	if err := b.waitMails(ctx, n); err != nil {
		return v, err
	}
	mails, err := b.mails(ctx)
	if err != nil {
		return v, err
	}
	seen, last := map[string]bool{}, start
	for _, m := range mails {
		seen[m.To] = true
		if m.At.After(last) {
			last = m.At
		}
	}
	b.f.Lost += n - len(seen)
	b.f.Doubled += len(mails) - len(seen)
	after, err := b.commits(ctx)
	return speed{
		perSecond: float64(len(mails)) / last.Sub(start).Seconds(),
		cpu:       (cpuSeconds(pid) - cpu) / float64(n) * 1000,
		commits:   (after - commits) / float64(n),
	}, err
}

// latency publishes at a steady rate and compares each publishing with its mail's arrival.
func (b *bench) latency(ctx context.Context, d time.Duration) error {
	n := int(d.Seconds() * float64(b.f.Rate))
	if n == 0 {
		return nil
	}
	if err := b.control(ctx, http.MethodPost, "/reset", nil); err != nil {
		return err
	}
	sent, err := b.publishAt(ctx, n, b.f.Rate)
	if err != nil {
		return err
	}
	if err := b.waitMails(ctx, n); err != nil {
		return err
	}
	mails, err := b.mails(ctx)
	if err != nil {
		return err
	}
	var ds []time.Duration
	for _, m := range mails {
		if at, ok := sent[m.To]; ok {
			ds = append(ds, m.At.Sub(at))
		}
	}
	b.f.Lost += n - len(ds)
	b.f.P50, b.f.P99 = quantile(ds, 0.5), quantile(ds, 0.99)
	return nil
}

// cpuSeconds reads what a process has used so far; 0 where there is no /proc.
func cpuSeconds(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	sys, _ := strconv.ParseFloat(f[12], 64)
	return (user + sys) / 100 // clock ticks; 100 a second on every Linux
}

// memoryMiB reads the most memory that a process has held, and how much of what it holds now is pages of mapped files (the
// store, the program itself), which the system takes back when it needs them; 0 where there is no /proc.
func memoryMiB(pid int) (peak, mapped float64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(b), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		if name != "VmHWM" && name != "RssFile" {
			continue
		}
		kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if name == "VmHWM" {
			peak = kb / 1024
		} else {
			mapped = kb / 1024
		}
	}
	return peak, mapped
}
