package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
	"latchkey/engine"
	"latchkey/engine/runner"
	"latchkey/triggers"
)

// TestTermUnderLoad ends the process by SIGTERM while events pass: within seconds, and nothing is lost or comes twice.
func TestTermUnderLoad(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	const ends = 5
	c, f := newCrashWorld(t, crashWorkflow, ""), &feed{n: 150 * ends}
	for life := range ends {
		p := c.spawn()
		f.allow(150 * (life + 1))
		stop := c.feed(f, 2*time.Millisecond)
		p.awaitReady()
		time.Sleep(randomly(r, 10*time.Millisecond, 200*time.Millisecond))
		c.terminate(p)
		stop()
	}
	if sum := c.audit(f, c.end(f)); sum.doubled+sum.unknown > 0 {
		t.Errorf("%d mails doubled and %d SMS in doubt; want none", sum.doubled, sum.unknown)
	}
}

// TestKillAtStage kills the process at one point of an event's way, and lets another one go on.
func TestKillAtStage(t *testing.T) {
	t.Parallel()
	stages := []struct {
		name    string
		program string
		arm     func(*crashWorld, *process) // kills it in time
		doubled int                         // mails that come twice
		unknown int                         // SMS in doubt
	}{
		{name: "an event has come and nothing is committed", program: diesBefore},
		{name: "the event is committed and not acknowledged", program: diesAfter},
		{name: "the SMTP server has the mail and has not answered", program: "latchkey", arm: (*crashWorld).killAtDot, doubled: 1},
		{name: "Twilio has the SMS and has not answered", program: "latchkey", arm: (*crashWorld).killAtText, unknown: 1},
	}
	for _, st := range stages {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			c, f := newCrashWorld(t, crashWorkflow, ""), &feed{n: 1}
			p := c.spawnAs(st.program)
			p.awaitReady()
			if st.arm != nil {
				st.arm(c, p)
			}
			f.allow(1)
			stop := c.feed(f, 0)
			select {
			case <-p.gone:
			case <-time.After(patience):
				t.Fatal("it lives on")
			}
			stop()
			if st.arm == nil {
				c.mark(time.Now())
			}
			sum := c.audit(f, c.end(f))
			if st.arm != nil && sum.doubled != st.doubled || sum.unknown != st.unknown {
				t.Errorf("%d mails doubled, %d SMS in doubt; want %d and %d", sum.doubled, sum.unknown, st.doubled, st.unknown)
			}
		})
	}
}

// killAtDot kills p when the SMTP server has its first mail, before the server says so.
func (c *crashWorld) killAtDot(p *process) {
	var once sync.Once
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = func(at sink.Stage, _ sink.Mail) sink.Answer {
		if at == sink.Dot {
			once.Do(p.kill)
		}
		return sink.Answer{}
	}
}

// killAtText kills p when the look-alike of Twilio has its first SMS, before it says so.
func (c *crashWorld) killAtText(p *process) {
	var once sync.Once
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = func(http.ResponseWriter, url.Values) bool {
		once.Do(p.kill)
		return false
	}
}

// Programs that kill themselves when they are handed the first events: before these are handled, after, or, as no program
// may be made, when their offset is stored and their effects are not.
const (
	diesBefore  = "dies before the commit"
	diesAfter   = "dies before the acknowledgement"
	diesBetween = "acknowledges before the commit"
)

// A mortal is a triggers.Handler that the process does not outlive.
type mortal struct {
	*runner.Runner
	dies string
}

func (m mortal) Handle(ctx context.Context, b engine.Batch) error {
	if m.dies == diesBetween {
		b.Events = nil
	}
	if m.dies != diesBefore {
		if err := m.Runner.Handle(ctx, b); err != nil {
			return err
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	select {}
}

// openMortal opens the project that the command line names.
func openMortal(ctx context.Context) (*instance, error) {
	a := &app{env: os.Environ(), out: os.Stdout, err: os.Stderr}
	cfg, err := a.config(os.Args[len(os.Args)-1], nil)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, newLogger(cfg.Log, os.Stderr))
}

// runMortal is latchkey run with a mortal.
func runMortal(dies string) {
	err := func() error {
		ctx := context.Background()
		i, err := openMortal(ctx)
		if err != nil {
			return err
		}
		id, err := i.stores.ID()
		if err != nil {
			return err
		}
		i.consumer, err = triggers.NewConsumer(i.bus, triggers.ConsumerConfig{
			Handler: mortal{i.runner, dies}, StoreID: id, Logger: i.log, Known: func(string) bool { return true },
		})
		if err != nil {
			return err
		}
		return i.serve(ctx)
	}()
	fmt.Fprintln(os.Stderr, "ended by itself:", err)
}
