package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/runner"
	"latchkey/triggers"
)

// fullStart fills the store with contacts and times a start.
func (b *bench) fullStart(ctx context.Context) (err error) {
	if b.f.Contacts == 0 {
		return nil
	}
	b.instance.end()
	if err := b.storeContacts(ctx, b.f.Contacts); err != nil {
		return err
	}
	b.f.StoreMiB = folderMiB(filepath.Join(b.dir, "data", "store"))
	if b.f.ReadyFull, err = b.run(ctx); err != nil {
		return err
	}
	peak, mapped := memoryMiB(b.instance.cmd.Process.Pid)
	b.f.ReadyMiB = peak - mapped
	return b.control(ctx, http.MethodPost, "/reset", nil)
}

// loadedSpeed has events of contacts that the store knows come at full speed.
func (b *bench) loadedSpeed(ctx context.Context) error {
	if b.f.Contacts == 0 {
		return nil
	}
	b.f.FullEvents, b.known = min(b.f.Events, b.f.Contacts), b.f.Contacts
	v, err := b.atFullSpeed(ctx, b.f.FullEvents)
	b.f.FullPerSec, b.f.FullCPU, b.f.FullCommits = v.perSecond, v.cpu, v.commits
	b.f.FullPeakMiB, b.f.FullMapMiB = memoryMiB(b.instance.cmd.Process.Pid)
	return err
}

func (f *figures) fullRows(row func(k, format string, args ...any)) {
	row("", "%.2f s with %d contacts, %.0f MiB without mapped files; the store is %.0f MiB", f.ReadyFull, f.Contacts, f.ReadyMiB, f.StoreMiB)
	row("events/s then", "%.0f, %.0f %% of those with an empty store: %d events, each of a contact that is known", f.FullPerSec, 100*f.FullPerSec/f.PerSecond, f.FullEvents)
	row("", "%.3f commits a message, CPU %.2f s a 1,000 mails, peak memory %.0f MiB, %.0f of them mapped files", f.FullCommits, f.FullCPU, f.FullPeakMiB, f.FullMapMiB)
}

// knownEvent makes the n-th event of contacts that are known, each once, all over the store.
func (b *bench) knownEvent(n int) engine.Event {
	const stride = 7_368_787 // a prime, and no divisor of the number of contacts
	c := b.knownContact(n * stride % b.known)
	return engine.Event{
		ID: fmt.Sprintf("bench-%d", n), Type: triggers.ProductAccessGranted, Location: "bench", Time: time.Now().UTC(), Contact: c,
		Product: &engine.Noun{ID: "go-101", Title: "Go from the Ground Up"},
	}
}

func (b *bench) knownContact(i int) engine.Contact {
	id := fmt.Sprintf("known-%07d", i)
	return engine.Contact{ID: id, Email: id + "@bench.test", FirstName: "Ada", LastName: "Lovelace"}
}

// storeContacts imports contacts as an instance does, into the store of one that does not run. Nothing is flushed.
func (b *bench) storeContacts(ctx context.Context, n int) error {
	stores, err := boltstore.Open(filepath.Join(b.dir, "data", "store"), boltstore.Options{NoSync: true, Partitions: b.partitions})
	if err != nil {
		return err
	}
	not := errors.New("bench: contacts are only stored")
	r, err := runner.New(runner.Config{
		Stores: stores, Catalog: &engine.Catalog{}, Publisher: noPublisher{not},
		Compile: func(context.Context, string, string, []byte) (*engine.Workflow, error) { return nil, not },
		Dead:    func(context.Context, engine.Event, string) error { return not },
	})
	if err != nil {
		return errors.Join(err, stores.Close())
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	for from := 0; from < n && err == nil; from += importChunk {
		var part []runner.ImportedContact
		for i := from; i < min(from+importChunk, n); i++ {
			part = append(part, runner.ImportedContact{Contact: b.knownContact(i), Offers: []engine.Noun{{ID: "gold", Title: "Gold"}}})
		}
		_, err = r.Import(ctx, "bench", part)
	}
	stop()
	return errors.Join(err, <-ended, stores.Close())
}

// noPublisher publishes nothing.
type noPublisher struct{ err error }

func (p noPublisher) Publish(context.Context, []engine.Notice) error { return p.err }
