package triggers

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

const (
	turnWait = 10 * time.Second // how long a request waits for its turn
	sendWait = 10 * time.Second // how long its turn may take
)

// A post is the events of one request on their way to the stream.
type post struct {
	msgs     []*nats.Msg
	receipts []receipt
	done     chan struct{} // closed when receipts are there
}

var errBusy = errors.New("no turn came in time")

// submit has messages stored with what others submit meanwhile, and returns a receipt for each, or the
// first error of any.
func (w *Webhook) submit(ctx context.Context, msgs []*nats.Msg) ([]receipt, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, turnWait, errBusy)
	defer cancel()
	p := &post{msgs: msgs, done: make(chan struct{})}
	select {
	case w.posts <- p:
	case <-w.ended:
		return nil, engine.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	<-p.done // within sendWait
	for _, r := range p.receipts {
		if r.err != nil {
			return nil, r.err
		}
	}
	return p.receipts, nil
}

// Run stores what requests bring until ctx ends. It takes all that waits, up to a batch, and stores it with one flush of the
// disk; meanwhile more gathers. So a lone event waits for nobody, and many share the cost.
func (w *Webhook) Run(ctx context.Context) error {
	defer close(w.ended)
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-w.posts:
			w.store(context.WithoutCancel(ctx), w.gather(p)) // what was taken is answered
		}
	}
}

// gather returns first and what else waits.
func (w *Webhook) gather(first *post) []*post {
	posts := []*post{first}
	for n := len(first.msgs); n < maxAtomic; {
		select {
		case p := <-w.posts:
			posts, n = append(posts, p), n+len(p.msgs)
		default:
			return posts
		}
	}
	return posts
}

// store stores the messages of posts and answers each. An id that comes twice among them is sent once, since it
// would refuse the batch; the second is a duplicate, or shares the first one's failure.
func (w *Webhook) store(ctx context.Context, posts []*post) {
	ctx, cancel := context.WithTimeout(ctx, sendWait)
	defer cancel()
	var msgs []*nats.Msg
	at := map[string]int{} // Nats-Msg-Id -> index in msgs
	for _, p := range posts {
		for _, m := range p.msgs {
			id := m.Header[jetstream.MsgIDHeader][0]
			if _, twice := at[id]; !twice {
				at[id], msgs = len(msgs), append(msgs, m)
			}
		}
	}
	receipts := w.bus.sendEach(ctx, StreamCourses, msgs)
	for _, p := range posts {
		p.receipts = make([]receipt, len(p.msgs))
		for i, m := range p.msgs {
			r := &receipts[at[m.Header[jetstream.MsgIDHeader][0]]]
			p.receipts[i] = *r
			r.duplicate = true // for the next one with this id
		}
		close(p.done)
	}
}
