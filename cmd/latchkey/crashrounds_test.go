package main

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
)

var crashRounds = flag.Int("crash.rounds", 20, "how often TestCrashRounds kills")

// roundsWorkflow has a timer between its two messages.
const roundsWorkflow = `name: Hello
class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: Hello, text: 'Come in: <<login_url>>'}
  - wait: 1s
  - sms: 'Come in: <<login_url>>'
`

const roundEvents = 20 // new contacts of each round

// TestCrashRounds kills process after process over one data folder, each at the next stage of an event's way, while events
// pass and the timers of earlier rounds run. .ci/soak does a thousand rounds.
func TestCrashRounds(t *testing.T) {
	t.Parallel()
	stages := []struct {
		name    string
		program string
		arm     func(*crashWorld, *process, *rand.Rand) // has it killed, by what comes next
		strike  func(*crashWorld, *process, *rand.Rand) // kills it, while events pass
	}{
		{name: "before the commit", program: diesBefore},
		{name: "after the commit, before the acknowledgement", program: diesAfter},
		{name: "before a send", program: "latchkey", arm: (*crashWorld).killAtSender},
		{name: "after the server's 250, before the result's commit", program: "latchkey", arm: (*crashWorld).killAfterDot},
		{name: "mid-timer", program: "latchkey", strike: (*crashWorld).killMidTimer},
	}
	r, rounds := seeded(t), *crashRounds
	c, f := newCrashWorld(t, roundsWorkflow, ""), &feed{n: roundEvents * rounds}
	for round := range rounds {
		st := stages[round%len(stages)]
		p := c.spawnAs(st.program)
		if st.arm != nil {
			p.awaitReady()
			st.arm(c, p, r)
		}
		f.allow(roundEvents * (round + 1))
		stop := c.feed(f, 2*time.Millisecond)
		if st.strike != nil {
			p.awaitReady()
			st.strike(c, p, r)
		}
		select {
		case <-p.gone:
		case <-time.After(patience):
			t.Fatalf("round %d, %s: it lives on", round, st.name)
		}
		if st.program != "latchkey" { // it killed itself
			c.mark(time.Now())
		}
		c.disarm()
		stop()
		if (round+1)%100 == 0 {
			t.Logf("%d rounds", round+1)
		}
	}
	c.audit(f, c.end(f))
}

// refuseWith has the SMTP server ask fn at each point of its conversations.
func (c *crashWorld) refuseWith(fn func(sink.Stage)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = func(at sink.Stage, _ sink.Mail) sink.Answer {
		fn(at)
		return sink.Answer{}
	}
}

func (c *crashWorld) disarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse, c.answer = nil, nil
}

// killAtSender kills p when its first mail begins: the attempt is committed, and nothing was handed over.
func (c *crashWorld) killAtSender(p *process, _ *rand.Rand) {
	var once sync.Once
	c.refuseWith(func(at sink.Stage) {
		if at == sink.Sender {
			once.Do(p.kill)
		}
	})
}

// killAfterDot kills p some milliseconds after its first mail was taken, within the time that a result waits for its commit.
func (c *crashWorld) killAfterDot(p *process, r *rand.Rand) {
	var once sync.Once
	after := randomly(r, 500*time.Microsecond, 12*time.Millisecond)
	c.refuseWith(func(at sink.Stage) {
		if at == sink.Dot {
			once.Do(func() { time.AfterFunc(after, p.kill) })
		}
	})
}

// killMidTimer kills p at any moment from the start of a wait to just after its end.
func (c *crashWorld) killMidTimer(p *process, r *rand.Rand) {
	c.await("a run that waits", func() bool { return c.status()["waiting"] > 0 })
	time.Sleep(randomly(r, 0, 1200*time.Millisecond))
	p.kill()
}

// TestEarlyAcknowledgementLoses shows that the crash tests see what they are for: where an event is acknowledged, which here
// means that its offset is stored, before the commit of its effects, a kill between the two loses it.
func TestEarlyAcknowledgementLoses(t *testing.T) {
	t.Parallel()
	c, f := newCrashWorld(t, crashWorkflow, ""), &feed{n: 1}
	p := c.spawnAs(diesBetween)
	f.allow(1)
	stop := c.feed(f, 0)
	select {
	case <-p.gone:
	case <-time.After(patience):
		t.Fatal("it lives on")
	}
	stop()
	p = c.spawn()
	p.awaitReady()
	stop = c.feed(f, 0)
	defer stop()
	c.publishSecond()
	c.await("the mail of the event after it", func() bool { return c.smtp.Counts()[learner(1)] > 0 })
	if n := c.smtp.Counts()[learner(0)]; n != 0 {
		t.Errorf("the event that was acknowledged too early got %d mails; the crash tests would not see a loss", n)
	}
	c.terminate(p)
}

// publishSecond publishes the event of learner 1, who shows that the process has passed learner 0.
func (c *crashWorld) publishSecond() {
	c.t.Helper()
	f := &feed{n: 2, next: 1}
	f.allow(2)
	stop := c.feed(f, 0)
	defer stop()
	c.await("the second event to be taken", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.confirmed > 0 })
}
