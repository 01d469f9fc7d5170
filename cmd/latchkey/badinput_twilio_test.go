package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const smsFirst = `class: transactional
triggers: [offer_access_granted]
steps:
  - sms: 'Come in: <<login_url>>'
  - email: {subject: after the SMS, text: 'Come in: <<login_url>>'}
`

// answerText makes the look-alike of Twilio call say for each request; n counts from 1. If say returns false it takes
// the SMS.
func (w *world) answerText(say func(n int64, rw http.ResponseWriter, form url.Values) bool) *atomic.Int64 {
	n := new(atomic.Int64)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = func(rw http.ResponseWriter, form url.Values) bool { return say(n.Add(1), rw, form) }
	return n
}

func twilioError(rw http.ResponseWriter, status, code int, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `{"code": %d, "message": %q, "more_info": "https://www.twilio.com/docs/errors/%d", "status": %d}`, code, message, code, status)
}

func TestTwilioRefusesTheNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/sms.yaml": smsFirst})
	asked := w.answerText(func(_ int64, rw http.ResponseWriter, form url.Values) bool {
		twilioError(rw, http.StatusBadRequest, 21211, "Invalid 'To' Phone Number: "+form.Get("To"))
		return true
	})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	mail := w.waitMails(1)[0]
	letsIn(t, "the mail after the failed SMS", links(mail.text)[0], "Gold")
	w.pass(48 * time.Hour)
	w.send(nc, "offer_access_granted", "2", strings.ReplaceAll(adaGold, "gold", "silver"))
	w.waitMails(2)
	w.quiet(i, nc)
	failed := w.messages("?state=failed")
	if len(failed) != 2 || asked.Load() != 2 {
		t.Fatalf("%d failed, asked %d times", len(failed), asked.Load())
	}
	for _, m := range failed {
		if !strings.Contains(m.Error, "21211") || !strings.Contains(m.Error, "Invalid 'To' Phone Number") || strings.Contains(m.Error, "4155550123") || m.Attempts != 1 {
			t.Errorf("it says %q after %d attempts", m.Error, m.Attempts)
		}
	}
}

func TestTwilioSaysLater(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		say      func(rw http.ResponseWriter)
		says     string
		from, to time.Duration // how long it waits
	}{
		{"429 with Retry-After", func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "97")
			twilioError(rw, http.StatusTooManyRequests, 20429, "Too Many Requests")
		}, "20429", 97 * time.Second, 97 * time.Second},
		{"503 without JSON", func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(rw, "<html><body>upstream connect error</body></html>")
		}, "503", 4 * time.Second, 6 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/sms.yaml": smsFirst})
			asked := w.answerText(func(n int64, rw http.ResponseWriter, _ url.Values) bool {
				if n == 1 {
					c.say(rw)
				}
				return n == 1
			})
			i, _ := w.start()
			nc := w.connect()
			w.send(nc, "offer_access_granted", "1", adaGold)
			m := w.awaitFailure("sms", 1)
			if wait := m.Next.Sub(m.History[0].At); wait < c.from || wait > c.to {
				t.Errorf("it waits %v, want %v to %v", wait, c.from, c.to)
			}
			if !strings.Contains(m.Error, c.says) {
				t.Errorf("it says %q", m.Error)
			}
			w.pass(m.Next.Sub(w.now()) + time.Millisecond)
			text, mail := w.waitTexts(1)[0], w.waitMails(1)[0]
			w.quiet(i, nc)
			if asked.Load() != 2 || len(w.waitTexts(1)) != 1 || len(w.waitMails(1)) != 1 {
				t.Errorf("asked %d times; %d SMS and %d mails", asked.Load(), len(w.waitTexts(1)), len(w.waitMails(1)))
			}
			letsIn(t, "SMS", links(text.Get("Body"))[0], "Gold")
			letsIn(t, "mail", links(mail.text)[0], "Gold")
		})
	}
}

// TestTwilioSaysNothing has the request taken and never answered: the SMS may be on its way, so it is held and shown.
func TestTwilioSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/sms.yaml": smsFirst})
	over := make(chan struct{})
	asked := w.answerText(func(n int64, _ http.ResponseWriter, _ url.Values) bool {
		if n == 1 {
			<-over
		}
		return n == 1
	})
	t.Cleanup(func() { close(over) })
	_, stop := w.start(func(c *Config) { c.SMS.Twilio.Timeout = 300 * time.Millisecond })
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	mail := w.waitMails(1)[0]
	unknown := w.message("sms", "unknown")
	if unknown.Attempts != 1 || !strings.Contains(unknown.Error, "twilio: ") || len(unknown.Links) != 1 {
		t.Errorf("unknown: %+v", unknown)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ := w.start() // which has time for the other one
	nc = w.connect()
	w.pass(24 * time.Hour / 2)
	w.send(nc, "offer_access_granted", "2", strings.ReplaceAll(adaGold, "c-1", "c-2"))
	w.waitMails(2)
	w.quiet(i, nc)
	if ms := w.messages("?state=unknown"); len(ms) != 1 || ms[0].ID != unknown.ID || ms[0].Attempts != 1 {
		t.Errorf("unknown messages later: %+v", ms)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times for two SMS", n)
	}
	letsIn(t, "the mail after it", links(mail.text)[0], "Gold")
}
