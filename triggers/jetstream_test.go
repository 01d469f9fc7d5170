package triggers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

const loginSubject = "courses.academy.user_login"

func TestEveryFormOfEachTriggerArrives(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	var want []string
	for _, k := range Kinds() {
		subject := "courses.academy." + k.Name
		put(t, js, subject, `{"specversion":"1.0","id":"s-`+k.Name+`","source":"/shop","type":"shop.`+k.Name+`","data":`+bareData+`}`, "Content-Type", "application/cloudevents+json")
		put(t, js, subject, bareData, "ce-specversion", "1.0", "ce-id", "b-"+k.Name, "ce-source", "/shop", "ce-type", k.Name, "Content-Type", "application/json")
		put(t, js, subject, "{", "Nats-Msg-Id", "malformed-"+k.Name)
		put(t, js, subject, bareData, "Nats-Msg-Id", "m-"+k.Name)
		want = append(want, "s-"+k.Name, "b-"+k.Name, "m-"+k.Name)
	}
	h.awaitEvents(t, len(want))
	if got := h.ids(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	dead, err := js.Stream(t.Context(), StreamDead)
	if err != nil || dead.CachedInfo().State.Msgs != 12 {
		t.Errorf("dead letters: %v, %v", dead.CachedInfo().State.Msgs, err)
	}
}

func TestHandlerThatFailsGetsTheSameAgain(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	failures := 0
	var seen []uint64
	h.fail = func(b engine.Batch) error {
		seen = append(seen, b.Offset.Seq)
		if failures++; failures < 4 {
			return errors.New("disk is full")
		}
		return nil
	}
	put(t, js, loginSubject, login("1"), "Nats-Msg-Id", "1")
	consume(t, b, h, nil)
	h.await(t, "a failure", func() bool { return failures > 0 })
	put(t, js, loginSubject, login("2"), "Nats-Msg-Id", "2")
	h.awaitEvents(t, 2)
	if got := h.ids(); !slices.Equal(got, []string{"1", "2"}) || !slices.Equal(seen[:4], []uint64{1, 1, 1, 1}) {
		t.Errorf("got %v after %v", got, seen)
	}
}

// TestEndBetweenCommitAndAcknowledgement ends the consumer after the handler stored a batch and before it was
// acknowledged; and before it was stored.
func TestEndBetweenCommitAndAcknowledgement(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{true, false} {
		t.Run(fmt.Sprintf("committed %v", committed), func(t *testing.T) {
			t.Parallel()
			b := openBus(t, nil)
			_, js := rawClient(t, b)
			h := newMemory()
			die := func(batch engine.Batch) error {
				cons, err := js.Consumer(context.Background(), StreamCourses, durableName)
				if err != nil || cons.CachedInfo().AckFloor.Stream >= batch.Offset.Seq {
					t.Errorf("acknowledged before the commit: %v", err)
				}
				return errors.New("killed")
			}
			if committed {
				h.after = die
			} else {
				h.fail = die
			}
			for i := range 50 {
				put(t, js, loginSubject, login(fmt.Sprint(i)), "Nats-Msg-Id", fmt.Sprint(i))
			}
			stop := consume(t, b, h, nil)
			h.await(t, "the first batch", func() bool { return h.batches > 0 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			h.mu.Lock()
			h.fail, h.after = nil, nil
			h.mu.Unlock()
			consume(t, b, h, nil)
			h.awaitEvents(t, 50)
			for i, id := range h.ids() {
				if id != fmt.Sprint(i) {
					t.Fatalf("event %d is %s: %v", i, id, h.ids())
				}
			}
		})
	}
}

func TestRestoredBackupReadsAgain(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	for i := range 10 {
		put(t, js, loginSubject, login(fmt.Sprint(i)), "Nats-Msg-Id", fmt.Sprint(i))
	}
	stop := consume(t, b, h, nil)
	h.awaitEvents(t, 10)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	h.events, h.offset.Seq = h.events[:4], 4 // as an older copy of the store has it
	consume(t, b, h, nil)
	h.awaitEvents(t, 10)
	if got := h.ids(); got[4] != "4" || len(got) != 10 {
		t.Errorf("got %v", got)
	}
}

func TestStreamMadeAnewWhileRunning(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	for i := range 5 {
		put(t, js, loginSubject, login("old"), "Nats-Msg-Id", fmt.Sprint("old-", i))
	}
	h.awaitEvents(t, 5)
	if err := js.DeleteStream(t.Context(), StreamCourses); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: StreamCourses, Subjects: []string{"courses.>"}}); err != nil {
		t.Fatal(err)
	}
	put(t, js, loginSubject, login("new"), "Nats-Msg-Id", "new-0")
	put(t, js, loginSubject, login("new"), "Nats-Msg-Id", "new-1")
	h.awaitEvents(t, 7)
	if got := h.ids()[5:]; !slices.Equal(got, []string{"new-0", "new-1"}) {
		t.Errorf("got %v", got)
	}
}

func TestOffsetBeyondTheEnd(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	s, err := js.Stream(t.Context(), StreamCourses)
	if err != nil {
		t.Fatal(err)
	}
	for name, off := range map[string]engine.Offset{
		"beyond":  {Stream: StreamCourses, Created: s.CachedInfo().Created, Seq: 99},
		"another": {Stream: StreamCourses, Created: time.Unix(1, 0), Seq: 1},
		"none":    {},
	} {
		c := &Consumer{log: b.log}
		info := *s.CachedInfo()
		info.State.LastSeq = 5
		if got := c.position(off, &info); got != 1 {
			t.Errorf("%s: from %d", name, got)
		}
	}
}

// TestConsumerLost deletes the durable under a running consumer, as an operator may by mistake.
func TestConsumerLost(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, login("1"), "Nats-Msg-Id", "1")
	h.awaitEvents(t, 1)
	if err := js.DeleteConsumer(t.Context(), StreamCourses, durableName); err != nil {
		t.Fatal(err)
	}
	put(t, js, loginSubject, login("2"), "Nats-Msg-Id", "2")
	h.awaitEvents(t, 2)
	if got := h.ids(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %v", got)
	}
}

func TestForeignDurableIsRefused(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	h := newMemory()
	_, js := rawClient(t, b)
	put(t, js, loginSubject, login("1"))
	stop := consume(t, b, h, nil)
	h.awaitEvents(t, 1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c, err := NewConsumer(b, ConsumerConfig{Handler: newMemory(), StoreID: "store-2", Logger: b.log})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(t.Context())
	if !engine.IsFinal(err) || !strings.Contains(err.Error(), "belongs to another store (store-1; this one is store-2)") {
		t.Errorf("got %v", err)
	}
	// The server ends with this process: its command cannot be the cure.
	if _, err := os.Stat(b.consumerFolder()); err != nil || strings.Contains(b.foreignConsumer(), "nats consumer rm") {
		t.Errorf("%v: %s", err, b.foreignConsumer())
	}
}

// TestDamagedConsumer spoils what the server in the process keeps of the durable consumer: the error says what to remove, and
// after that the events go on where the store left off.
func TestDamagedConsumer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *Bus { return openBus(t, func(c *Config) { c.Dir = dir }) }
	b, h := start(), newMemory()
	_, js := rawClient(t, b)
	put(t, js, loginSubject, login("1"), "Nats-Msg-Id", "1")
	stop := consume(t, b, h, nil)
	h.awaitEvents(t, 1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	folder := b.consumerFolder()
	b.Close()
	if err := os.WriteFile(filepath.Join(folder, "o.dat"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}

	b = start()
	c, err := NewConsumer(b, ConsumerConfig{Handler: h, StoreID: "store-1", Logger: b.log})
	if err != nil {
		t.Fatal(err)
	}
	if err = c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), folder) {
		t.Fatalf("got %v, want what to remove", err)
	}
	b.Close()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}

	b = start()
	_, js = rawClient(t, b)
	consume(t, b, h, nil)
	put(t, js, loginSubject, login("2"), "Nats-Msg-Id", "2")
	h.awaitEvents(t, 2)
	if got := h.ids(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %v", got)
	}
}

// TestLostDelivery takes a message away between server and consumer by reading it with a second subscription to the
// same durable. The acknowledgement of a later one must not cover it.
func TestLostDelivery(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, login("0"), "Nats-Msg-Id", "0")
	h.awaitEvents(t, 1)
	thief, err := js.Consumer(t.Context(), StreamCourses, durableName)
	if err != nil {
		t.Fatal(err)
	}
	stolen := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cc, err := thief.Consume(func(jetstream.Msg) { signal(stolen) }, jetstream.PullMaxMessages(5))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { cc.Stop(); <-cc.Closed() }()
	for i := 1; i <= 40 && ctx.Err() == nil; i++ {
		put(t, js, loginSubject, login("c"), "Nats-Msg-Id", fmt.Sprint(i))
	}
	h.awaitEvents(t, 41)
	for i, id := range h.ids() {
		if id != fmt.Sprint(i) {
			t.Fatalf("event %d is %s: %v", i, id, h.ids())
		}
	}
}

// TestStoreThatIsLostEndsIt: to hand the same over again would not help, and the process must not seem well.
func TestStoreThatIsLostEndsIt(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	put(t, js, loginSubject, login("1"))
	h := newMemory()
	h.fail = func(engine.Batch) error { return fmt.Errorf("commit: %w", engine.ErrLost) }
	c, err := NewConsumer(b, ConsumerConfig{Handler: h, StoreID: "s", Logger: b.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !engine.IsFinal(err) || !errors.Is(err, engine.ErrLost) {
		t.Errorf("got %v", err)
	}
}

func TestQueueBounds(t *testing.T) {
	t.Parallel()
	q := newQueue(2, 100)
	ctx, cancel := context.WithCancel(t.Context())
	if !q.put(ctx, item{size: 1000}) {
		t.Fatal("a large item must pass alone")
	}
	blocked := make(chan bool)
	go func() { blocked <- q.put(ctx, item{size: 1}) }()
	if items, err := q.take(ctx); len(items) != 1 || err != nil {
		t.Fatal(len(items), err)
	}
	if !<-blocked || !q.put(ctx, item{size: 1}) {
		t.Fatal("there was room")
	}
	go func() { blocked <- q.put(ctx, item{size: 1}) }()
	cancel()
	if <-blocked {
		t.Error("the third item passed a full queue")
	}
	q.fail(errors.New("over"))
	if items, err := q.take(t.Context()); len(items) != 2 || err != nil {
		t.Error(len(items), err)
	}
	if _, err := q.take(t.Context()); err == nil || err.Error() != "over" {
		t.Error(err)
	}
}

// The largest batch and the rate depend on the handler; this one stores nothing.
func BenchmarkConsume(b *testing.B) {
	bus := openBus(b, nil)
	const n = 5000
	events := make([]engine.Event, n)
	for i := range events {
		events[i] = fullEvent(OfferAccessGranted)
		events[i].ID = fmt.Sprint(i)
	}
	start := time.Now()
	if _, err := bus.PublishEvents(b.Context(), events); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(n/time.Since(start).Seconds(), "published/s")
	for b.Loop() {
		h := newMemory()
		h.offset = engine.Offset{}
		stop := consume(b, bus, h, nil)
		h.await(b, "all", func() bool { return len(h.events) == n })
		if err := stop(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/float64(h.batches), "events/batch")
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLatency is the way of a lone event from a publisher to the handler.
func BenchmarkLatency(b *testing.B) {
	bus := openBus(b, nil)
	h := newMemory()
	stop := consume(b, bus, h, nil)
	n := 0
	for b.Loop() {
		n++
		if _, err := bus.PublishEvents(b.Context(), []engine.Event{fullEventWithID(fmt.Sprint(n))}); err != nil {
			b.Fatal(err)
		}
		h.awaitEvents(b, n)
	}
	if err := stop(); err != nil {
		b.Fatal(err)
	}
}
