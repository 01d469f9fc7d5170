package triggers

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

// TestCaughtUp has the consumer say, once, that what the stream held at the start was handled: not before it was, and also
// if there was nothing, or nothing any more.
func TestCaughtUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		events int
		remove func(t *testing.T, s jetstream.Stream)
		want   int // events handled
	}{
		{"nothing was there", 0, nil, 0},
		{"some events", 7, nil, 7},
		{"the last one was removed", 3, func(t *testing.T, s jetstream.Stream) {
			if err := s.DeleteMsg(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"all were removed", 3, func(t *testing.T, s jetstream.Stream) {
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := openBus(t, nil)
			_, js := rawClient(t, b)
			for n := range tt.events {
				put(t, js, loginSubject, login(fmt.Sprint(n)), "Nats-Msg-Id", fmt.Sprint(n))
			}
			if tt.remove != nil {
				s, err := js.Stream(t.Context(), StreamCourses)
				if err != nil {
					t.Fatal(err)
				}
				tt.remove(t, s)
			}
			h, caught, early := newMemory(), make(chan struct{}), 0
			var open atomic.Bool
			h.fail = func(engine.Batch) error {
				select {
				case <-caught:
					early++
				default:
				}
				if !open.Swap(true) {
					return errors.New("not yet")
				}
				return nil
			}
			consume(t, b, h, func(c *ConsumerConfig) { c.CaughtUp = func() { close(caught) } }) // twice would panic
			select {
			case <-caught:
			case <-time.After(patience):
				t.Fatal("it never catches up")
			}
			if n := len(h.ids()); n != tt.want || early > 0 {
				t.Errorf("%d events handled, want %d; %d batches came after it was said", n, tt.want, early)
			}
			put(t, js, loginSubject, login("new"), "Nats-Msg-Id", "new")
			h.awaitEvents(t, tt.want+1)
		})
	}
}
