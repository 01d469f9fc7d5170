package triggers

import (
	"context"
	"sync"
	"time"

	"latchkey/engine"
)

// An item is one decoded message on its way to the handler.
type item struct {
	event engine.Event
	err   error    // why it is a dead letter instead
	msg   *message // as it came
	size  int
}

// A message is what is kept of a message until it is settled.
type message struct {
	Message
	ack     func(context.Context) error
	pending uint64 // messages that the stream had behind it
}

// queue passes items from one producer to one consumer. It is what makes batches adapt: the consumer takes all that
// gathered while it was busy, so that a lone event waits for nobody and a flood comes in large batches. It is
// bounded by count and bytes, and the producer waits while it is full.
type queue struct {
	maxItems, maxBytes int

	mu     sync.Mutex
	items  []item
	bytes  int
	err    error
	filled chan struct{} // capacity 1
	room   chan struct{} // capacity 1
}

func newQueue(maxItems, maxBytes int) *queue {
	return &queue{maxItems: maxItems, maxBytes: maxBytes, filled: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room and reports whether the item was taken; it is not after fail or once ctx has ended.
// An item that is larger than the whole queue passes alone.
func (q *queue) put(ctx context.Context, it item) bool {
	for {
		q.mu.Lock()
		if q.err != nil {
			q.mu.Unlock()
			return false
		}
		if n := len(q.items); n == 0 || n < q.maxItems && q.bytes+it.size <= q.maxBytes {
			q.items = append(q.items, it)
			q.bytes += it.size
			q.mu.Unlock()
			signal(q.filled)
			return true
		}
		q.mu.Unlock()
		select {
		case <-q.room:
		case <-ctx.Done():
			return false
		}
	}
}

// fail ends the queue: take returns what is in it, and then err. The first error counts.
func (q *queue) fail(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.mu.Unlock()
	signal(q.filled)
	signal(q.room)
}

// take waits until there is something and returns all of it, or the error of fail or ctx.
func (q *queue) take(ctx context.Context) ([]item, error) {
	for {
		q.mu.Lock()
		items, err := q.items, q.err
		q.items, q.bytes = nil, 0
		q.mu.Unlock()
		if len(items) > 0 {
			signal(q.room)
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
