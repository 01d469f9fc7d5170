package triggers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"latchkey/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must come; only a failing test waits that long.
const patience = time.Minute

// openBus starts a server in the process with its streams, for this process only unless listen says otherwise.
func openBus(t testing.TB, change func(*Config)) *Bus {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), Logger: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)}
	if change != nil {
		change(&cfg)
	}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// rawClient connects to a bus as any other program would, by nats.go alone.
func rawClient(t testing.TB, b *Bus) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	opt := nats.InProcessServer(b.srv)
	nc, err := nats.Connect("", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func put(t testing.TB, js jetstream.JetStream, subject, data string, header ...string) uint64 {
	t.Helper()
	m := &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{}}
	for i := 0; i < len(header); i += 2 {
		m.Header[header[i]] = []string{header[i+1]}
	}
	ack, err := js.PublishMsg(t.Context(), m)
	if err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
	return ack.Sequence
}

// memory is a Handler that stores in memory what it is given, as the engine's store does: events and offset at once.
type memory struct {
	mu      sync.Mutex
	offset  engine.Offset
	events  []engine.Event
	batches int
	fail    func(engine.Batch) error // before storing
	after   func(engine.Batch) error // after storing
	changed chan struct{}
}

func newMemory() *memory { return &memory{changed: make(chan struct{}, 1)} }

func (m *memory) Handle(_ context.Context, b engine.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer signal(m.changed)
	m.batches++
	if m.fail != nil {
		if err := m.fail(b); err != nil {
			return err
		}
	}
	if m.offset.Created.Equal(b.Offset.Created) && b.Offset.Seq <= m.offset.Seq {
		return fmt.Errorf("offset went from %d to %d", m.offset.Seq, b.Offset.Seq)
	}
	m.events, m.offset = append(m.events, b.Events...), b.Offset
	if m.after != nil {
		return m.after(b)
	}
	return nil
}

func (m *memory) Offsets(context.Context, string) (engine.Offset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offset, nil
}

// await waits until ok holds of what was stored.
func (m *memory) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		m.mu.Lock()
		done := ok()
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-m.changed:
		case <-deadline:
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("waited in vain for %s: %d events, offset %d", what, len(m.events), m.offset.Seq)
		}
	}
}

func (m *memory) awaitEvents(t testing.TB, n int) {
	t.Helper()
	m.await(t, fmt.Sprintf("%d events", n), func() bool { return len(m.events) >= n })
}

func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, e := range m.events {
		ids = append(ids, e.ID)
	}
	return ids
}

// consume runs a consumer until the returned function is called, which returns Run's error.
func consume(t testing.TB, b *Bus, h Handler, change func(*ConsumerConfig)) (stop func() error) {
	t.Helper()
	cfg := ConsumerConfig{Handler: h, StoreID: "store-1", Known: func(l string) bool { return l == "academy" }, Logger: b.log}
	if change != nil {
		change(&cfg)
	}
	c, err := NewConsumer(b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() {
			cancel()
			select {
			case err = <-done:
			case <-time.After(patience):
				err = errors.New("Run does not end")
			}
		})
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

func login(id string) string { return `{"contact":{"id":"` + id + `"}}` }
