package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/triggers"
)

// event makes the next event, of a contact of its own.
func (b *bench) event() engine.Event {
	n := b.published
	b.published++
	if b.known > 0 {
		return b.knownEvent(n)
	}
	return engine.Event{
		ID: fmt.Sprintf("bench-%d", n), Type: triggers.ProductAccessGranted, Location: "bench", Time: time.Now().UTC(),
		Contact: engine.Contact{ID: fmt.Sprintf("c-%d", n), Email: fmt.Sprintf("c-%d@bench.test", n), FirstName: "Ada", LastName: "Lovelace"},
		Product: &engine.Noun{ID: "go-101", Title: "Go from the Ground Up"},
	}
}

func (b *bench) connect(ctx context.Context) (*triggers.Bus, error) {
	return triggers.Open(ctx, triggers.Config{URL: b.nats, Logger: zerolog.Nop()})
}

// publish publishes n events as fast as the stream takes them.
func (b *bench) publish(ctx context.Context, n int) error {
	bus, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	for n > 0 {
		part := make([]engine.Event, min(n, 500))
		for i := range part {
			part[i] = b.event()
		}
		if _, err := bus.PublishEvents(ctx, part); err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}

// publishAt publishes n events at a steady rate and returns when each was published, by its contact's address.
func (b *bench) publishAt(ctx context.Context, n, rate int) (map[string]time.Time, error) {
	bus, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer bus.Close()
	sent := make(map[string]time.Time, n)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		ev := b.event()
		sent[ev.Contact.Email] = time.Now()
		if _, err := bus.PublishEvents(ctx, []engine.Event{ev}); err != nil {
			return nil, err
		}
	}
	return sent, nil
}
