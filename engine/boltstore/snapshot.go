package boltstore

import (
	"context"
	"fmt"
	"io"
	"sync"

	"go.etcd.io/bbolt"

	"latchkey/engine"
)

// A Snapshot is a partition's file as it is after some commit. It is a long view: pages freed meanwhile wait for Close.
type Snapshot struct {
	// Position is that of the commit; see Store.Position.
	Position engine.Position

	tx *bbolt.Tx
}

// Size returns how many bytes WriteTo writes.
func (s *Snapshot) Size() int64 { return s.tx.Size() }

// WriteTo writes what can be opened as a store's file.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	n, err := s.tx.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("write snapshot: %w", err)
	}
	return n, nil
}

// Close ends the view.
func (s *Snapshot) Close() { _ = s.tx.Rollback() } // fails only if it was closed before

// Snapshot writes the file as it is after some commit to w, and returns that commit's position.
func (s *Store) Snapshot(w io.Writer) (engine.Position, error) {
	snap, err := s.snapshot()
	if err != nil {
		return engine.Position{}, err
	}
	defer snap.Close()
	if _, err := snap.WriteTo(w); err != nil {
		return engine.Position{}, err
	}
	return snap.Position, nil
}

func (s *Store) snapshot() (_ *Snapshot, err error) {
	if err := s.ended(); err != nil {
		return nil, err
	}
	defer faultsPanic()()
	defer guard(s.db.Path(), s.log, &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, s.beginError(err)
	}
	v := view{buckets: newBuckets(tx)}
	pos, err := decodePosition(v.Get(engine.SpaceMeta, positionKey))
	if err != nil {
		tx.Rollback()
		return nil, err
	}
	return &Snapshot{Position: pos, tx: tx}, nil
}

// Snapshots returns every partition as all of them were at one moment, in order: a commit that was made because of one in
// another partition is never there without it. For that moment all writers stand still. The caller closes each. It
// returns the errors of Update.
func (s *Stores) Snapshots(ctx context.Context) (_ []*Snapshot, err error) {
	held, release := make(chan error, len(s.parts)), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(release)
	for _, p := range s.parts {
		wg.Go(func() {
			ran := false
			err := p.Update(ctx, func(engine.Tx) error {
				ran = true
				held <- nil
				<-release
				return nil
			})
			if !ran {
				held <- err
			}
		})
	}
	for range s.parts {
		if err := <-held; err != nil {
			return nil, err
		}
	}
	var snaps []*Snapshot
	for _, p := range s.parts {
		snap, err := p.snapshot()
		if err != nil {
			for _, s := range snaps {
				s.Close()
			}
			return nil, err
		}
		snaps = append(snaps, snap)
	}
	return snaps, nil
}
