package runner

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
)

func removed(id, offer string) engine.Event {
	ev := granted(id, offer)
	ev.Type = "offer_access_removed"
	return ev
}

// losses records the calls of Config.AccessLost, and that each is of the commit that it tells of.
type losses struct {
	mu   sync.Mutex
	keys []engine.ID
	fail error
}

func (l *losses) lost(tx engine.Tx, location string, contact engine.ID, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	tx.Put(engine.SpaceHeads, engine.Key(location, contact[:], []byte("lost")), []byte(now.Format(time.RFC3339)))
	l.keys = append(l.keys, contact)
	return nil
}

func (l *losses) take() []engine.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := l.keys
	l.keys = nil
	return keys
}

// TestAccessLost has the hook called for the last offer or product and for nothing before or after it.
func TestAccessLost(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w, l := newWorld(t, s), new(losses)
		cfg := w.config()
		cfg.AccessLost = l.lost
		w.startConfig(cfg)
		for _, step := range []struct {
			events []engine.Event
			lost   int
		}{
			{[]engine.Event{removed("c1", "never")}, 0},
			{[]engine.Event{granted("c1", "gold"), granted("c1", "silver")}, 0},
			{[]engine.Event{removed("c1", "gold")}, 0},
			{[]engine.Event{removed("c1", "silver")}, 1},
			{[]engine.Event{removed("c1", "silver"), login("c1", "")}, 0},
			{[]engine.Event{granted("c1", "gold")}, 0},
			{[]engine.Event{removed("c1", "gold"), granted("c1", "gold")}, 1}, // gone in between, though one commit holds it all
			{[]engine.Event{removed("c1", "gold")}, 1},
		} {
			w.clock.move(time.Second)
			w.handle(step.events...)
			got := l.take()
			if len(got) != step.lost {
				t.Errorf("%s %s: told %d times, want %d", step.events[0].Type, step.events[0].Offer.ID, len(got), step.lost)
			}
			for _, key := range got {
				if key != w.key("c1") {
					t.Errorf("told of %s", key)
				}
			}
		}
		w.handle(granted("c1", "gold"))
		l.fail = errors.New("no")
		b := w.batch(removed("c1", "gold"))
		if err := w.Handle(t.Context(), b); !errors.Is(err, l.fail) || !w.who("c1").HasAccess() {
			t.Errorf("the hook fails: %v, access %v", err, w.who("c1").HasAccess())
		}
		l.fail = nil
		if err := w.Handle(t.Context(), b); err != nil || w.who("c1").HasAccess() || len(l.take()) != 1 {
			t.Errorf("again: %v, access %v", err, w.who("c1").HasAccess())
		}
	})
}

// TestAccessLostByAbsorption joins a contact that holds an offer with one whose removal of it is later.
func TestAccessLostByAbsorption(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w, l := newWorld(t, s), new(losses)
		cfg := w.config()
		cfg.AccessLost = l.lost
		w.startConfig(cfg)
		for i := range 6 { // with four partitions some are in one, some in two
			id, email := fmt.Sprint("absorber", i), fmt.Sprintf("ada%d@example.com", i)
			w.handle(grantedTo("", email, "gold"))
			w.clock.move(time.Second)
			w.handle(removed(id, "gold"))
			if got := l.take(); len(got) != 0 {
				t.Fatalf("told of %v", got)
			}
			w.handle(login(id, email))
			if got := l.take(); !slices.Contains(got, w.key(id)) || w.who(id).HasAccess() {
				t.Errorf("told of %v, want %s", got, w.key(id))
			}
		}
	})
}
