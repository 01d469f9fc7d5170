package runner

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

// BenchmarkHandle measures batches of 100 events of different contacts, each looked at by N workflows of which one starts.
func BenchmarkHandle(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("workflows=%d", n), func(b *testing.B) {
			w := newWorld(b, openBolt(b, 1))
			var flows []*engine.Workflow
			for i := range n {
				f := flow(fmt.Sprint("w", i), "offer_access_granted", "wait 30d")
				f.Triggers[0].Filters = []engine.Filter{{Noun: "offer", AnyOf: []string{fmt.Sprint("offer", i)}}}
				flows = append(flows, f)
			}
			w.start(flows...)
			events := 0
			for b.Loop() {
				batch := make([]engine.Event, 100)
				for i := range batch {
					batch[i] = granted(fmt.Sprint("c", events), "offer0")
					events++
				}
				w.handle(batch...)
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkPipeline measures the way from a batch of events to the stored results of their messages, on disk, with an action
// that takes a millisecond and workflows that end after it.
func BenchmarkPipeline(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		b.Run(fmt.Sprintf("send=%s", delay), func(b *testing.B) {
			s, err := boltstore.Open(b.TempDir(), boltstore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			counted := newMortal(s, func(int64) (error, error) { return nil, nil })
			w := newWorld(b, counted)
			w.mail.perform = func(context.Context, message) error {
				time.Sleep(delay)
				return nil
			}
			cfg := w.config()
			cfg.Now, cfg.Poll = time.Now, time.Second
			w.startConfig(cfg, flow("welcome", "offer_access_granted", "email"))
			<-w.Ready()
			events, before := 0, counted.updates.Load()
			for b.Loop() {
				batch := make([]engine.Event, 200)
				for i := range batch {
					batch[i] = granted(fmt.Sprint("c", events), "gold")
					events++
				}
				w.handle(batch...)
			}
			w.idle()
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(counted.updates.Load()-before)/float64(events), "updates/message")
		})
	}
}

// BenchmarkLatency measures one event at a time, from Handle to Perform, on disk.
func BenchmarkLatency(b *testing.B) {
	s, err := boltstore.Open(b.TempDir(), boltstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	w := newWorld(b, s)
	var sent atomic.Int64
	done := make(chan struct{}, 1)
	w.mail.perform = func(context.Context, message) error {
		sent.Add(1)
		done <- struct{}{}
		return nil
	}
	cfg := w.config()
	cfg.Now, cfg.Poll = time.Now, time.Second
	w.startConfig(cfg, flow("welcome", "offer_access_granted", "email"))
	<-w.Ready()
	n := 0
	for b.Loop() {
		w.handle(granted(fmt.Sprint("c", n), "gold"))
		<-done
		n++
	}
}

// BenchmarkRecover measures the start over a store with 100,000 waiting runs.
func BenchmarkRecover(b *testing.B) {
	stores := enginetest.NewStores(1)
	w := newWorld(b, stores)
	nap := flow("nap", "offer_access_granted", "wait 30d")
	w.start(nap)
	for i := range 500 {
		batch := make([]engine.Event, 200)
		for j := range batch {
			batch[j] = granted(fmt.Sprint("c", i*200+j), "gold")
		}
		w.handle(batch...)
	}
	w.stop()
	for b.Loop() {
		w.start(nap)
		if n := w.Stats().Waiting; n != 100_000 {
			b.Fatal(n)
		}
		w.stop()
	}
}
