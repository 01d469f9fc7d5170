package triggers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

const (
	ownSource   = "latchkey" // CloudEvents source of all that is published here
	contentType = "application/cloudevents+json"
	maxPending  = 256     // single publishes under way at once
	maxAtomic   = 500     // messages of an atomic batch; the server takes 1,000
	minAtomic   = 16      // with fewer, flushing the disk for each is quicker: the server makes files for each batch
	atomicBytes = 4 << 20 // of an atomic batch
	batchID     = "Nats-Batch-Id"
	batchSeq    = "Nats-Batch-Sequence"
	batchCommit = "Nats-Batch-Commit"
)

// Publish publishes what Latchkey did, as CloudEvents: user_login into COURSES, everything else into LATCHKEY at
// latchkey.<location>.<type>. It returns nil when the streams hold all of it, in order. A notice that is
// published again within ten minutes is stored once.
func (b *Bus) Publish(ctx context.Context, notices []engine.Notice) error {
	var courses, out []*nats.Msg
	for _, n := range notices {
		ce := cloudEvent{ID: n.ID, Source: ownSource, Type: n.Type, Subject: n.Subject, Time: n.Time, Depth: n.Depth, Data: n.Data}
		prefix := "latchkey."
		if n.Type == UserLogin {
			prefix = subjectPrefix
		}
		m, err := ce.message(prefix, n.Location)
		if err != nil {
			return fmt.Errorf("publish %s: %w", n.Type, err)
		}
		if n.Type == UserLogin {
			courses = append(courses, m)
		} else {
			out = append(out, m)
		}
	}
	if _, err := b.send(ctx, StreamCourses, courses); err != nil {
		return err
	}
	_, err := b.send(ctx, StreamOut, out)
	return err
}

// PublishEvents publishes course events, in order, and returns how many of them the stream already held. Source is "latchkey"
// where it is empty. All events are checked first, as the consumer will, and none is published if one is bad.
// After an error some may have been stored; publishing all of them again within ten minutes stores each once.
func (b *Bus) PublishEvents(ctx context.Context, events []engine.Event) (duplicates int, err error) {
	msgs := make([]*nats.Msg, len(events))
	var dec Decoder
	for i, ev := range events {
		m, err := eventMessage(ev)
		if err == nil {
			_, err = dec.Decode(Message{Subject: m.Subject, Header: m.Header, Data: m.Data, Seq: 1, Time: ev.Time})
		}
		if err != nil {
			return 0, fmt.Errorf("event %q: %w", ev.ID, err)
		}
		msgs[i] = m
	}
	// The server says what we may not do apart from the answer, which never comes then.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.onRefusal.Store(&cancel)
	defer b.onRefusal.CompareAndSwap(&cancel, nil)
	duplicates, err = b.send(ctx, StreamCourses, msgs)
	if why := context.Cause(ctx); err != nil && errors.Is(why, nats.ErrPermissionViolation) {
		err = fmt.Errorf("stream %s: %w", StreamCourses, why)
	}
	return duplicates, err
}

// eventMessage encodes an event so that decoding it gives the same event.
func eventMessage(ev engine.Event) (*nats.Msg, error) {
	data := make(map[string]any, len(ev.Custom)+5)
	maps.Copy(data, ev.Custom)
	own := map[string]any{"contact": &ev.Contact}
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		if n := ev.Noun(kind); n != nil {
			own[kind] = n
		}
	}
	for name, v := range own {
		if _, twice := data[name]; twice {
			return nil, fmt.Errorf("custom member %q has the name of a noun", name)
		}
		data[name] = v
	}
	ce := cloudEvent{ID: ev.ID, Source: ev.Source, Type: ev.Type, Time: ev.Time, Depth: ev.Depth, Data: data}
	if ce.Source == "" {
		ce.Source = ownSource
	}
	return ce.message(subjectPrefix, ev.Location)
}

// A cloudEvent is an event in the CloudEvents 1.0 JSON format.
type cloudEvent struct {
	Version string    `json:"specversion"`
	ID      string    `json:"id"`
	Source  string    `json:"source"`
	Type    string    `json:"type"`
	Subject string    `json:"subject,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	Content string    `json:"datacontenttype"`
	Depth   int       `json:"latchkeydepth,omitempty"`
	Data    any       `json:"data"`
}

// message encodes the event for <prefix><location>.<type>. Its Nats-Msg-Id holds the location as well, since a stream
// forgets repeated ids whatever their subject.
func (ce cloudEvent) message(prefix, location string) (*nats.Msg, error) {
	if !isLocation(location) {
		return nil, fmt.Errorf("location %s: want [a-z0-9][a-z0-9-]*", quote(location))
	}
	if ce.ID == "" {
		return nil, errors.New("it has no id")
	}
	ce.Version, ce.Content = "1.0", "application/json"
	body, err := json.Marshal(ce)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: prefix + location + "." + ce.Type, Data: body, Header: nats.Header{
		"Content-Type":        {contentType},
		jetstream.MsgIDHeader: {location + "." + ce.Type + ":" + ce.ID},
	}}, nil
}

// send stores messages of one stream in order, many to a flush of the disk, and returns how many were there before.
func (b *Bus) send(ctx context.Context, stream string, msgs []*nats.Msg) (duplicates int, err error) {
	for _, r := range b.sendEach(ctx, stream, msgs) {
		if r.err != nil {
			return duplicates, r.err
		}
		if r.duplicate {
			duplicates++
		}
	}
	return duplicates, nil
}

// A receipt says what became of one message: the stream has it, has had it before, or may not have it.
type receipt struct {
	duplicate bool
	err       error
}

// sendEach is send with a receipt for each message. After an error nothing more is sent.
func (b *Bus) sendEach(ctx context.Context, stream string, msgs []*nats.Msg) []receipt {
	receipts := make([]receipt, len(msgs))
	done := 0
	for chunk := range chunks(msgs) {
		part := receipts[done : done+len(chunk)]
		done += len(chunk)
		if len(chunk) >= minAtomic && b.sendAtomic(ctx, stream, chunk) {
			continue
		}
		if err := b.sendSingly(ctx, stream, chunk, part); err != nil {
			fill(receipts[done:], err)
			return receipts
		}
	}
	return receipts
}

// chunks yields runs of messages that fit into an atomic batch.
func chunks(msgs []*nats.Msg) func(yield func([]*nats.Msg) bool) {
	return func(yield func([]*nats.Msg) bool) {
		for len(msgs) > 0 {
			n, size := 0, 0
			for n < len(msgs) && n < maxAtomic && (n == 0 || size+msgs[n].Size() <= atomicBytes) {
				size += msgs[n].Size()
				n++
			}
			if !yield(msgs[:n]) {
				return
			}
			msgs = msgs[n:]
		}
	}
}

// sendAtomic stores all of the messages in one atomic batch (ADR-50), with one flush of the disk, and reports whether the
// stream confirmed it. If not, for whatever reason (an id that was stored before refuses the whole batch, an older
// server knows no batches), the caller sends them singly: their ids keep any of them from being stored twice.
func (b *Bus) sendAtomic(ctx context.Context, stream string, msgs []*nats.Msg) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	id := rand.Text()
	for i, m := range msgs {
		h := maps.Clone(m.Header)
		h[batchID], h[batchSeq] = []string{id}, []string{strconv.Itoa(i + 1)}
		bm := &nats.Msg{Subject: m.Subject, Header: h, Data: m.Data}
		if i < len(msgs)-1 {
			if b.nc.PublishMsg(bm) != nil {
				return false
			}
			continue
		}
		h[batchCommit] = []string{"1"}
		reply, err := b.nc.RequestMsgWithContext(ctx, bm)
		if err != nil {
			return false
		}
		var ack struct {
			Stream string          `json:"stream"`
			Batch  string          `json:"batch"`
			Count  int             `json:"count"`
			Error  json.RawMessage `json:"error"`
		}
		return json.Unmarshal(reply.Data, &ack) == nil && ack.Error == nil && ack.Stream == stream && ack.Batch == id && ack.Count == len(msgs)
	}
	return false
}

// sendSingly sends messages one after another without waiting for each, and returns when all receipts are filled in, with
// the first error among them.
func (b *Bus) sendSingly(ctx context.Context, stream string, msgs []*nats.Msg, receipts []receipt) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	for done := 0; done < len(msgs); done += maxPending / 2 {
		end := min(done+maxPending/2, len(msgs))
		if err != nil {
			fill(receipts[done:end], err)
			continue
		}
		err = b.sendPart(ctx, stream, msgs[done:end], receipts[done:end])
	}
	return err
}

func fill(receipts []receipt, err error) {
	for i := range receipts {
		receipts[i].err = err
	}
}

// sendPart is sendSingly for as many messages as may be under way at once.
func (b *Bus) sendPart(ctx context.Context, stream string, msgs []*nats.Msg, receipts []receipt) (first error) {
	fail := func(i int, err error) {
		receipts[i].err = fmt.Errorf("stream %s: %w", stream, err)
		if first == nil {
			first = receipts[i].err
		}
	}
	futures := make([]jetstream.PubAckFuture, 0, len(msgs))
	for i, m := range msgs {
		f, err := b.js.PublishMsgAsync(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}, jetstream.WithStallWait(requestTimeout), jetstream.WithExpectStream(stream))
		if err != nil {
			fail(i, err)
			fill(receipts[i:], first)
			break
		}
		futures = append(futures, f)
	}
	for i, f := range futures {
		select {
		case ack := <-f.Ok():
			receipts[i].duplicate = ack.Duplicate
		case err := <-f.Err():
			fail(i, err)
		case <-ctx.Done():
			fail(i, ctx.Err())
		}
	}
	return first
}
