package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/rs/zerolog"

	"latchkey/actions/outbox"
	"latchkey/engine"
)

const daysWorkflow = `class: transactional
triggers: [new_sign_up]
steps:
  - email: {subject: Welcome, text: 'Come in: <<login_url>>'}
  - wait: {until: "09:00"}
  - email: {subject: Good morning, text: 'Begin with <<product.title>>'}
  - id: began
    wait: {for: lesson_completed, timeout: 1d}
  - if: run.steps.began.outcome == "met"
    then: [email: {subject: Well begun, text: 'On you go.'}]
    else: [email: {subject: Where are you, text: 'Come in: <<login_url>>'}]
`

// TestDaysPass lets more than a day pass on a virtual clock, for the NATS server too: from the stream to the outbox, through the store's
// files. What listens on a port is left out, since a clock stands still while a socket is waited for.
func TestDaysPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/days.yaml": daysWorkflow})
	ats.Register() // else a ticker of the server's belongs to no bubble, and its clock never moves
	defer ats.Unregister()
	synctest.Test(t, func(t *testing.T) {
		cfg := w.config(func(c *Config) {
			c.Now, c.NATS.Listen = time.Now, ""
			c.Email.SMTP.Host, c.SMS.Twilio.AccountSID = "", ""
		})
		i := &instance{cfg: cfg, log: zerolog.New(w), metrics: newMetrics(), caughtUp: make(chan struct{})}
		defer i.close()
		ctx, cancel := context.WithCancel(context.Background())
		for _, part := range []func(context.Context) error{i.openKeys, i.openStores, i.openBus, i.openSites, i.openRunner, i.openConsumer} {
			if err := part(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for _, run := range []func(context.Context) error{i.runner.Run, i.consumer.Run} {
			wg.Go(func() {
				if err := run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		defer wg.Wait()
		defer cancel()
		var mu sync.Mutex
		var sent []string
		unsubscribe := i.outbox.Subscribe(func(m outbox.Message) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Now().UTC().Format("Jan 2 15:04 ")+m.To+" "+m.Subject)
		})
		defer unsubscribe()

		time.Sleep(time.Hour) // a bubble begins at midnight, 1 January 2000
		for _, who := range []string{"ada", "bob"} {
			publishIn(t, ctx, i, "new_sign_up", who)
		}
		time.Sleep(16 * time.Hour)
		publishIn(t, ctx, i, "lesson_completed", "ada")
		time.Sleep(17 * time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			"Jan 1 01:00 ada@example.com Welcome", "Jan 1 01:00 bob@example.com Welcome",
			"Jan 1 09:00 ada@example.com Good morning", "Jan 1 09:00 bob@example.com Good morning",
			"Jan 1 17:00 ada@example.com Well begun", "Jan 2 09:00 bob@example.com Where are you",
		}
		if got := strings.Join(slices.Sorted(slices.Values(sent)), "\n"); got != strings.Join(want, "\n") {
			t.Errorf("sent:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// publishIn publishes one event to the instance's own server.
func publishIn(t *testing.T, ctx context.Context, i *instance, trigger, who string) {
	t.Helper()
	ev := engine.Event{
		ID: trigger + "-" + who, Type: trigger, Location: "academy", Time: time.Now(),
		Contact: engine.Contact{ID: who, Email: who + "@example.com"},
		Product: &engine.Noun{ID: "go-101", Title: "Go 101"}, Offer: &engine.Noun{ID: "gold"}, Lesson: &engine.Noun{ID: "intro"},
	}
	if _, err := i.bus.PublishEvents(ctx, []engine.Event{ev}); err != nil {
		t.Fatal(err)
	}
}
