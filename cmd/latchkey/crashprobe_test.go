package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A probe measures how long small writes to disk take, from when they were due: what the machine lets any process wait
// for just then, this test's own among them.
type probe struct {
	mu   sync.Mutex
	lags []lag
}

type lag struct {
	due  time.Time
	took time.Duration
}

const probeEvery = 5 * time.Millisecond

// newProbe measures until the test ends.
func newProbe(t *testing.T) *probe {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	p, stop, done := &probe{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for due := time.Now(); ; due = time.Now().Add(probeEvery) {
			select {
			case <-stop:
				return
			case <-time.After(time.Until(due)):
			}
			if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
				continue
			}
			_ = f.Sync()
			p.mu.Lock()
			p.lags = append(p.lags, lag{due, time.Since(due)})
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() { close(stop); <-done; f.Close() })
	return p
}

// worst returns the longest lag of the time between from and to.
func (p *probe) worst(from, to time.Time) (worst time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lags {
		if l.due.Before(to) && l.due.Add(l.took).After(from) {
			worst = max(worst, l.took)
		}
	}
	return worst
}
