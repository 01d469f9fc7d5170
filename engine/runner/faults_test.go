package runner

import (
	"context"
	"errors"
	"sync/atomic"

	"latchkey/engine"
)

var errDied = engine.ErrClosed

// A mortal wraps stores so that Updates fail as a test says. As all partitions share it, the count is that of the process.
type mortal struct {
	engine.Stores
	wrapped map[engine.Store]*mortalStore
	updates atomic.Int64
	dead    atomic.Bool
	// verdict is asked for each Update by its number, from 1: an error instead of it, and one after its commit.
	verdict func(n int64) (before, after error)
}

func newMortal(s engine.Stores, verdict func(n int64) (before, after error)) *mortal {
	m := &mortal{Stores: s, wrapped: map[engine.Store]*mortalStore{}, verdict: verdict}
	for _, p := range s.All() {
		m.wrapped[p] = &mortalStore{p, m}
	}
	return m
}

func (m *mortal) For(shard uint16) engine.Store { return m.wrapped[m.Stores.For(shard)] }
func (m *mortal) Global() engine.Store          { return m.wrapped[m.Stores.Global()] }
func (m *mortal) All() (all []engine.Store) {
	for _, s := range m.Stores.All() {
		all = append(all, m.wrapped[s])
	}
	return all
}

type mortalStore struct {
	engine.Store
	m *mortal
}

func (s *mortalStore) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if s.m.dead.Load() {
		return errDied
	}
	n := s.m.updates.Add(1)
	before, after := s.m.verdict(n)
	if before != nil {
		s.m.dead.Store(s.m.dead.Load() || errors.Is(before, errDied))
		return before
	}
	err := s.Store.Update(ctx, fn)
	if err == nil && after != nil {
		s.m.dead.Store(s.m.dead.Load() || errors.Is(after, errDied))
		err = after
	}
	return err
}

func (s *mortalStore) View(ctx context.Context, fn func(engine.Tx) error) error {
	if s.m.dead.Load() {
		return errDied
	}
	return s.Store.View(ctx, fn)
}
