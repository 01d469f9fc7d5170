package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/triggers"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "seed of the crash tests; 0 is a new one each time")
	crashKills = flag.Int("crash.kills", 50, "how often TestKill kills")
)

// lost is how long before a kill a message may have been accepted whose result is lost: the promise. What the machine kept
// everybody waiting just then is added three times: a result waits for a processor, for the commit before, and for
// its own. As many mails as were accepted in that time may come twice, and none that was accepted tooOld before.
const (
	lost   = 25 * time.Millisecond
	tooOld = 10 * lost
)

const crashWorkflow = `name: Hello
class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: Hello, text: 'Come in: <<login_url>>'}
  - sms: 'Come in: <<login_url>>'
`

func seeded(t *testing.T) *rand.Rand {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crash.seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomly(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// TestKill kills the real process at random moments while events pass. Every contact gets its mail; mails come twice only
// if they were accepted in the last 25 ms before a kill; no SMS comes twice.
//
// What acknowledges an event here is its offset in the store, by which the next process finds its place: with the offset
// stored in a commit before that of the effects (runner.applyChunk), contacts get no mail and the test fails. An early
// acknowledgement to JetStream alone loses nothing, and the test passes, since the durable consumer is made anew where
// the store says.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := *crashKills
	if testing.Short() || raced() {
		kills = min(kills, 8)
	}
	// One after the other, as they judge times.
	t.Run("with its own NATS server", func(t *testing.T) { killed(t, kills, "") })
	t.Run("with another NATS server", func(t *testing.T) {
		bus, err := triggers.Open(t.Context(), triggers.Config{Listen: "127.0.0.1:0", Dir: t.TempDir(), Logger: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bus.Close)
		killed(t, max(1, kills/5), bus.URL())
	})
}

// killed kills a process so often while a hundred events for each kill pass through a NATS server.
func killed(t *testing.T, kills int, server string) {
	t.Helper()
	r := seeded(t)
	c, f := newCrashWorld(t, crashWorkflow, server), &feed{n: 100 * kills}
	c.killOften(r, f, kills)
	c.audit(f, c.end(f))
}

// killOften kills process after process, one in five of them while it still starts.
func (c *crashWorld) killOften(r *rand.Rand, f *feed, kills int) {
	c.t.Helper()
	for life := range kills {
		p := c.spawn()
		f.allow(100 * (life + 1))
		stop := c.feed(f, 10*time.Millisecond)
		if r.IntN(5) > 0 {
			p.awaitReady()
			time.Sleep(randomly(r, 20*time.Millisecond, 600*time.Millisecond))
		} else {
			time.Sleep(randomly(r, 20*time.Millisecond, 250*time.Millisecond))
		}
		p.kill()
		stop()
	}
}

// feed publishes until the returned func is called.
func (c *crashWorld) feed(f *feed, pace time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f.publish(ctx, c.server, pace) })
	return func() { cancel(); wg.Wait() }
}

// end lets a last process do what is left, ends it in order, looks into the store, and returns a process that has nothing
// to do.
func (c *crashWorld) end(f *feed) *process {
	c.t.Helper()
	p := c.spawn()
	f.allow(f.n)
	stop := c.feed(f, 0)
	p.awaitReady()
	c.awaitDone(f)
	stop()
	c.terminate(p)
	c.auditStore(f)
	mails, _ := c.smtp.Taken()
	p = c.spawn()
	p.awaitReady()
	if s := c.status(); s["due"]+s["later"]+s["sending"]+s["waiting"] > 0 {
		c.t.Errorf("the next start finds work: %v", s)
	}
	time.Sleep(100 * time.Millisecond)
	if again, _ := c.smtp.Taken(); again != mails {
		c.t.Errorf("the next start sent %d mails", again-mails)
	}
	return p
}

func (c *crashWorld) terminate(p *process) {
	c.t.Helper()
	if code, took := p.term(); code != exitOK || took > 5*time.Second && !raced() {
		c.t.Errorf("SIGTERM: exit code %d after %v", code, took.Round(time.Millisecond))
	}
}

// A tally is what came of the events.
type tally struct {
	doubled  int           // mails that came again
	bound    int           // mails accepted so shortly before a kill that they might have
	waits    int           // further ones, for what the machine kept everybody waiting
	oldest   time.Duration // the longest time from a doubled mail's acceptance to the kill
	twice    []string      // the links of mails that came more than once
	mailed   []string      // the links of all mails
	unknown  int           // SMS of which nobody knows whether they were sent
	inDoubt  int           // those of them that were
	requests int           // SMS that reached the look-alike
}

// audit checks what came of the events, and lets the process that shows it end.
func (c *crashWorld) audit(f *feed, p *process) tally {
	c.t.Helper()
	var sum tally
	c.auditMails(f, &sum)
	c.auditTexts(f, &sum)
	c.auditLinks(&sum)
	c.terminate(p)
	c.t.Logf("%d kills, %d events, %d mails: %d doubled, the oldest accepted %v before the kill; %d were accepted in the last %v before one, %d more while the machine kept everybody waiting",
		len(c.kills), f.n, len(c.mails), sum.doubled, sum.oldest.Round(time.Millisecond/10), sum.bound, lost, sum.waits)
	c.t.Logf("%d SMS, none twice; of %d nobody knows whether they were sent, and %d of these were", sum.requests, sum.unknown, sum.inDoubt)
	return sum
}

func (c *crashWorld) auditMails(f *feed, sum *tally) {
	c.t.Helper()
	type copies struct {
		id    string
		at    []time.Time
		links []string
	}
	byAddress := map[string]*copies{}
	deaths := c.deaths()
	for _, m := range c.mails {
		parts := readMail(c.t, m.Data)
		l := links(parts.text)
		if len(l) != 1 || parts.id == "" {
			c.t.Fatalf("mail %q to %s has %d links", parts.id, m.To, len(l))
		}
		sum.count(deaths, m.At)
		have := byAddress[m.To]
		if have == nil {
			have = &copies{id: parts.id}
			byAddress[m.To] = have
		}
		if parts.id != have.id {
			c.t.Errorf("%s got mails %s and %s", m.To, have.id, parts.id)
		}
		have.at, have.links = append(have.at, m.At), append(have.links, l[0])
		sum.mailed = append(sum.mailed, l[0])
	}
	for i := range f.n {
		have := byAddress[learner(i)]
		if have == nil {
			c.t.Errorf("%s got no mail", learner(i))
			continue
		}
		for n, at := range have.at[1:] {
			sum.doubled++
			d, ok := died(deaths, have.at[n], at)
			age := d.kill.Sub(have.at[n])
			if !ok || have.at[n].Before(d.from) && age > tooOld {
				c.t.Errorf("%s got its mail again, %v after the first, which was accepted %v before a kill", learner(i), at.Sub(have.at[n]), age)
			}
			sum.oldest = max(sum.oldest, age)
		}
		if len(have.at) > 1 {
			sum.twice = append(sum.twice, have.links...)
		}
	}
	if len(byAddress) != f.n || sum.doubled > sum.bound+sum.waits {
		c.t.Errorf("%d contacts got mails, %d of them doubled; want %d, and at most %d doubled", len(byAddress), sum.doubled, f.n, sum.bound+sum.waits)
	}
}

// count notes whether a mail that was accepted then might have come again.
func (sum *tally) count(deaths []death, at time.Time) {
	for _, d := range deaths {
		if at.After(d.from) && at.Before(d.to) {
			if at.After(d.kill.Add(-lost)) {
				sum.bound++
			} else {
				sum.waits++
			}
			return
		}
	}
}

// died returns the first kill between two copies of a mail.
func died(deaths []death, first, second time.Time) (d death, ok bool) {
	for _, d := range deaths {
		if first.Before(d.to) && second.After(d.to) {
			return d, true
		}
	}
	return d, false
}

func (c *crashWorld) auditTexts(f *feed, sum *tally) {
	c.t.Helper()
	got := map[string]int{}
	for _, form := range c.texts {
		got[form.Get("To")]++
		sum.requests++
	}
	state, runs := map[string]string{}, map[string]bool{}
	for _, m := range c.allMessages() {
		key := m.Channel + " " + m.To
		if state[key] != "" {
			c.t.Errorf("two messages: %s", key)
		}
		state[key] = m.State
		runs[m.Run] = true
	}
	for i := range f.n {
		s, n := state["sms "+learnerPhone(i)], got[learnerPhone(i)]
		if s == "unknown" {
			sum.unknown++
			sum.inDoubt += n
		}
		if n > 1 || n == 0 && s != "unknown" || s != "sent" && s != "unknown" {
			c.t.Errorf("%s got %d SMS, and their state is %q", learnerPhone(i), n, s)
		}
		if s := state["email "+learner(i)]; s != "sent" {
			c.t.Errorf("the mail to %s is %q", learner(i), s)
		}
	}
	if len(state) != 2*f.n || len(runs) != f.n {
		c.t.Errorf("%d messages of %d runs, want %d of %d", len(state), len(runs), 2*f.n, f.n)
	}
}

// auditLinks opens the link of every mail and SMS, and presses the button of those that came more than once and of some
// others.
func (c *crashWorld) auditLinks(sum *tally) {
	c.t.Helper()
	all := sum.mailed
	for _, form := range c.texts {
		all = append(all, links(form.Get("Body"))...)
	}
	next := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for link := range next {
				if !opens(link) {
					c.t.Error("a link does not open")
				}
			}
		})
	}
	for _, link := range all {
		next <- link
	}
	close(next)
	wg.Wait()
	for _, link := range slices.Concat(sum.twice[:min(100, len(sum.twice))], sum.mailed[:min(20, len(sum.mailed))]) {
		letsIn(c.t, "after the crashes", link, "Gold")
	}
}

// auditStore looks into the files that were left.
func (c *crashWorld) auditStore(f *feed) {
	c.t.Helper()
	stores, err := boltstore.Open(filepath.Join(c.dir, "data", "store"), boltstore.Options{Logger: zerolog.Nop()})
	if err != nil {
		c.t.Fatal(err)
	}
	defer stores.Close()
	people, events, count := 0, 0, map[engine.Space]int{}
	err = stores.Global().View(c.t.Context(), func(tx engine.Tx) error {
		for _, space := range engine.Spaces() {
			tx.Scan(space, nil, nil, func(k, _ []byte) bool {
				count[space]++
				if space == engine.SpacePeople {
					if len(k) == len(engine.Key("academy"))+17 {
						people++
					} else {
						events++
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	got := fmt.Sprintf("%d persons, %d events, %d runs over, %d going on, %d messages over, %d going on",
		people, events, count[engine.SpaceRuns], count[engine.SpaceActive], count[engine.SpaceTasks], count[engine.SpaceDue])
	if want := fmt.Sprintf("%d persons, %d events, %d runs over, 0 going on, %d messages over, 0 going on", f.n, f.n, f.n, 2*f.n); got != want {
		c.t.Errorf("the store holds %s; want %s", got, want)
	}
}
