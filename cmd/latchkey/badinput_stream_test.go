package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// remake deletes the stream of events, and makes it again as somebody else's tool would.
func remake(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "COURSES"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "COURSES", Subjects: []string{"courses.*.*"}}); err != nil {
		t.Fatal(err)
	}
}

// ownNATS starts a NATS server that outlives the instances.
func (w *world) ownNATS() string {
	w.t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: w.ports[2], JetStream: true, StoreDir: w.t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		w.t.Fatal(err)
	}
	s.Start()
	w.t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// TestStreamRemade deletes the stream of events and makes it again, while the instance runs and while it is stopped.
// The publisher then publishes again what it is not sure of.
func TestStreamRemade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/always.yaml": alwaysWorkflow})
	url := w.ownNATS()
	elsewhere := func(c *Config) { c.NATS.URL, c.NATS.Listen = url, "" }
	i, stop := w.start(elsewhere)
	nc := w.connect()
	var want []string
	publish := func(fresh bool, ids ...string) {
		t.Helper()
		for _, id := range ids {
			w.put(nc, forms["structured"]("new_sign_up", id, eventData("c-"+id, nil)))
			if fresh {
				want = append(want, "new_sign_up "+id)
			}
		}
	}
	publish(true, "1", "2", "3", "4")
	w.wantSubjects(i, nc, want...)

	remake(t, nc)
	publish(false, "2", "4")
	publish(true, "5")
	w.wantSubjects(i, nc, want...)

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	remake(t, nc)
	publish(false, "1", "5")
	publish(true, "6", "7", "8", "9") // as many as make the old offset look right
	publish(false, "3")
	i, stop = w.start(elsewhere)
	w.wantSubjects(i, nc, want...)

	// Deleted, and made by nobody: Latchkey makes it.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "COURSES"); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start(elsewhere)
	publish(false, "9")
	publish(true, "10")
	w.wantSubjects(i, nc, want...)
}

// TestUnfitStream finds a stream under whose settings events could be lost.
func TestUnfitStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/always.yaml": alwaysWorkflow})
	url := w.ownNATS()
	nc := w.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "COURSES", Subjects: []string{"courses.*.*"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	_, err = w.open(func(c *Config) { c.NATS.URL, c.NATS.Listen = url, "" })
	for _, says := range []string{"stream COURSES is there but unfit", "retention", "memory"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want an error with %q: %v", says, err)
		}
	}
}
