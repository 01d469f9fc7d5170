package main

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// answerAt makes the SMTP server say what say returns, each time that it comes to a stage; n counts from 1.
func (w *world) answerAt(stage sink.Stage, say func(n int64, m sink.Mail) sink.Answer) *atomic.Int64 {
	n := new(atomic.Int64)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = func(at sink.Stage, m sink.Mail) sink.Answer {
		if at != stage {
			return sink.Answer{}
		}
		return say(n.Add(1), m)
	}
	return n
}

// awaitFailure returns a message of a channel as it stood after an attempt failed that will be made again. The next attempt
// may have begun when it returns: look at what it gives, not once more.
func (w *world) awaitFailure(channel string, attempts int) console.Message {
	w.t.Helper()
	return w.theMessage(channel+" that failed", func(m console.Message) bool {
		return m.Channel == channel && m.State == "due" && m.Attempts == attempts && m.Error != ""
	})
}

func TestRefusedRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	asked := w.answerAt(sink.Rcpt, func(int64, sink.Mail) sink.Answer {
		return sink.Answer{Code: 550, Text: "5.1.1 <ada@example.com>: no such user here"}
	})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	text := w.waitTexts(1)[0]
	w.quiet(i, nc)
	letsIn(t, "the SMS after the failed mail", links(text.Get("Body"))[0], "Gold")

	failed := w.message("email", "failed")
	if !strings.Contains(failed.Error, "recipient: 550") || !strings.Contains(failed.Error, "no such user here") || failed.Attempts != 1 {
		t.Errorf("the failed mail says %q after %d attempts", failed.Error, failed.Attempts)
	}
	if strings.Contains(failed.Error, "ada@example.com") {
		t.Errorf("the error holds the whole address: %q", failed.Error)
	}
	if ms := w.messages("?state=failed"); len(ms) != 1 || ms[0].ID != failed.ID {
		t.Errorf("failed messages: %+v", ms)
	}

	// It is final: no time and no restart brings it back.
	w.pass(48 * time.Hour)
	w.send(nc, "offer_access_granted", "2", strings.ReplaceAll(adaGold, "gold", "silver"))
	w.waitTexts(2)
	w.quiet(i, nc)
	if n := asked.Load(); n != 2 || len(w.waitMails(0)) != 0 {
		t.Errorf("the server was asked %d times for two mails, and took %d", n, len(w.waitMails(0)))
	}
}

// TestServerDownForAWhile has no SMTP server while events come, and then has one again.
func TestServerDownForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.smtpDown()
	_, stop := w.start()
	nc := w.connect()
	const n = 5
	publish := func(from, to int) {
		for k := from; k < to; k++ {
			w.send(nc, "offer_access_granted", fmt.Sprint(k), string(eventData(fmt.Sprintf("c-%d", k), map[string]string{"offer": "gold"})))
		}
	}
	publish(0, n)
	// It does not count as an attempt: the message could do nothing for it.
	if m := w.awaitFailure("email", 0); !strings.Contains(m.Error, "connecting") {
		t.Errorf("the message does not say what is wrong: %q", m.Error)
	}
	// A restart meanwhile changes nothing.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ := w.start()
	nc = w.connect()
	publish(n, 2*n)
	w.smtpUp()
	w.pass(time.Minute)
	w.waitMails(2 * n)
	w.waitTexts(2 * n)
	w.quiet(i, nc)
	for address, count := range w.smtp.Counts() {
		if count != 1 {
			t.Errorf("%s got %d mails", address, count)
		}
	}
	if mails, texts := w.waitMails(2*n), w.waitTexts(2*n); len(mails) != 2*n || len(texts) != 2*n {
		t.Errorf("%d mails and %d SMS for %d events", len(mails), len(texts), 2*n)
	}
	if left := w.messages("?state=due"); len(left) > 0 {
		t.Errorf("still due: %+v", left)
	}
}

// TestDownChannelIsTold asks what became of an event whose message waits for a channel that is down: the message itself was
// never tried, and only the channel knows why.
func TestDownChannelIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.smtpDown()
	i, _ := w.start()
	nc := w.connect()
	order := func(k int) {
		w.send(nc, "offer_access_granted", fmt.Sprintf("order-%d", k), string(eventData(fmt.Sprintf("c-%d", k), map[string]string{"offer": "gold"})))
	}
	order(0)
	w.until(t, "the channel is down", i, func(runner.Stats) bool {
		_, says := w.get("/readyz")
		return strings.Contains(says, "email: down since")
	})
	const all = 30 // one after the other tries the channel, at growing intervals: it takes minutes until the last one does
	for k := 1; k < all; k++ {
		order(k)
	}
	w.until(t, "all messages wait for the channel", i, func(runner.Stats) bool { return len(w.messages("?state=due")) == all })
	last := w.messages("?state=due")[0]
	if last.Attempts != 0 || len(last.History) != 0 {
		t.Fatalf("it was tried: %+v", last)
	}
	const why = "by the channel email, which is down: smtp: connecting: "
	if last.Held == nil || !strings.HasPrefix("by "+last.Held.By, why) || last.Held.Since.IsZero() {
		t.Errorf("held %+v", last.Held)
	}
	for _, args := range [][]string{{"messages", "list"}, {"messages", "show", last.ID}, {"runs", "show", last.Run}, {"explain", fmt.Sprint("offer_access_granted:order-", all-1)}} {
		if code, out, errs := w.command(append(args, "--server="+w.admin(""))...); code != exitOK || !strings.Contains(out, why) {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	w.smtpUp()
	w.waitMails(all)
	w.quiet(i, nc)
	if m := w.messages("?run=" + last.Run)[0]; m.State != "sent" || m.Held != nil {
		t.Errorf("sent later: %+v", m)
	}
}

// TestTemporaryRefusal answers 451 twice, at two stages, and then takes the mail.
func TestTemporaryRefusal(t *testing.T) {
	t.Parallel()
	for _, stage := range []sink.Stage{sink.Rcpt, sink.Dot} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
			w.answerAt(stage, func(n int64, _ sink.Mail) sink.Answer {
				if n <= 2 {
					return sink.Answer{Code: 451, Text: "4.7.1 Greylisted, come again"}
				}
				return sink.Answer{}
			})
			i, _ := w.start()
			nc := w.connect()
			w.send(nc, "offer_access_granted", "1", adaGold)
			for attempt := range 2 {
				m := w.awaitFailure("email", attempt+1)
				if wait := m.Next.Sub(m.History[attempt].At); wait < 4*time.Second<<attempt || wait > 6*time.Second<<attempt {
					t.Errorf("after attempt %d it waits %v", attempt+1, wait)
				}
				if len(w.waitTexts(0)) > 0 {
					t.Error("the run went on to its SMS before the mail was out")
				}
				w.pass(m.Next.Sub(w.now()))
			}
			mail := w.waitMails(1)[0]
			text := w.waitTexts(1)[0]
			w.quiet(i, nc)
			if m := w.message("email", "sent"); m.Attempts != 3 || len(w.waitMails(1)) != 1 || len(w.waitTexts(1)) != 1 {
				t.Errorf("sent at attempt %d; %d mails", m.Attempts, len(w.waitMails(1)))
			}
			letsIn(t, "mail", links(mail.text)[0], "Gold")
			letsIn(t, "SMS", links(text.Get("Body"))[0], "Gold")
		})
	}
}

// TestCutAfterTheFinalDot has the server take the mail and say nothing: nobody knows, so it is sent again, and is the same
// mail to whoever reads it.
func TestCutAfterTheFinalDot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.answerAt(sink.Dot, func(n int64, _ sink.Mail) sink.Answer { return sink.Answer{Cut: n == 1} })
	_, stop := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	first := w.waitMails(1)[0]
	if m := w.awaitFailure("email", 1); !strings.Contains(m.Error, "after the final dot") {
		t.Errorf("it says %q", m.Error)
	}
	letsIn(t, "the first copy before there is a second", links(first.text)[0], "Gold")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ := w.start()
	nc = w.connect()
	w.pass(time.Minute)
	w.waitMails(2)
	w.waitTexts(1)
	w.quiet(i, nc)
	mails := w.waitMails(2)
	if len(mails) != 2 || mails[0].id == "" || mails[0].id != mails[1].id {
		t.Fatalf("%d mails: %+v", len(mails), mails)
	}
	if slices.Equal(links(mails[0].text), links(mails[1].text)) {
		t.Error("both copies hold one link: its token was kept somewhere")
	}
	letsIn(t, "first copy", links(mails[0].text)[0], "Gold")
	letsIn(t, "second copy", links(mails[1].html)[0], "Gold")
	letsIn(t, "SMS", links(w.waitTexts(1)[0].Get("Body"))[0], "Gold")
}
