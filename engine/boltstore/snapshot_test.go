package boltstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

// TestSnapshots takes four partitions while one goroutine counts in each in turn, and wants no later partition to be
// ahead of an earlier one.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	const parts = 4
	s := open(t, t.TempDir(), boltstore.Options{Partitions: parts, NoSync: true})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := uint64(1); ctx.Err() == nil; n++ {
			for i := range parts {
				_ = s.Partition(i).Update(context.WithoutCancel(ctx), func(tx engine.Tx) error {
					tx.Put(engine.SpaceMeta, []byte("count"), binary.BigEndian.AppendUint64(nil, n))
					return nil
				})
			}
		}
	})
	for round := range 20 {
		counts := countsOf(t, s, parts)
		for i := 1; i < parts; i++ {
			if counts[i] > counts[i-1] || counts[i]+1 < counts[0] {
				t.Fatalf("round %d: partitions stand at %v", round, counts)
			}
		}
	}
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshots(t.Context()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

// countsOf takes a snapshot, opens it as a store and reads the counts.
func countsOf(t *testing.T, s *boltstore.Stores, parts int) []uint64 {
	t.Helper()
	snaps, err := s.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, snap := range snaps {
		f, err := os.Create(filepath.Join(dir, boltstore.FileName(i)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := snap.WriteTo(f)
		if err = errors.Join(err, f.Close()); err != nil || n != snap.Size() {
			t.Fatalf("wrote %d of %d: %v", n, snap.Size(), err)
		}
		snap.Close()
	}
	copied := open(t, dir, boltstore.Options{Partitions: parts, NoSync: true})
	defer copied.Close()
	counts := make([]uint64, parts)
	for i := range counts {
		err := copied.Partition(i).View(t.Context(), func(tx engine.Tx) error {
			if b := tx.Get(engine.SpaceMeta, []byte("count")); len(b) == 8 {
				counts[i] = binary.BigEndian.Uint64(b)
			}
			return nil
		})
		if err != nil {
			t.Fatal(fmt.Errorf("partition %d: %w", i, err))
		}
	}
	return counts
}
