package boltstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

// together runs first and, in one group behind it, the others; their order is left to the scheduler.
func together(t *testing.T, s engine.Store, first func(engine.Tx) error, others ...func(engine.Tx) error) []error {
	t.Helper()
	answers := make([]error, 1+len(others))
	var wg sync.WaitGroup
	started, queued := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		answers[0] = s.Update(t.Context(), func(tx engine.Tx) error {
			close(started)
			<-queued
			return first(tx)
		})
	})
	<-started
	for i, fn := range others {
		wg.Go(func() { answers[1+i] = s.Update(t.Context(), fn) })
	}
	synctest.Wait()
	close(queued)
	wg.Wait()
	return answers
}

func putting(key string, value []byte) func(engine.Tx) error {
	return func(tx engine.Tx) error {
		tx.Put(engine.SpaceRuns, []byte(key), value)
		return nil
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), boltstore.Options{NoSync: true})
		var fns []func(engine.Tx) error
		for i := range 100 {
			fns = append(fns, putting(fmt.Sprint(i), []byte("v")))
		}
		errDuplicate := errors.New("duplicate")
		fns = append(fns, func(tx engine.Tx) error {
			if tx.Get(engine.SpaceRuns, []byte("first")) == nil {
				t.Error("a function does not see what the one before it wrote")
			}
			tx.Put(engine.SpaceRuns, []byte("never"), nil)
			return errDuplicate
		})
		answers := together(t, s.Global(), putting("first", nil), fns...)
		for i, err := range answers {
			if last := i == len(answers)-1; !last && err != nil || last && err != errDuplicate {
				t.Errorf("function %d: %v", i, err)
			}
		}
		if n := len(enginetest.Dump(t, s.Global())[engine.SpaceRuns]); n != 101 {
			t.Errorf("%d keys, want 101", n)
		}
		if got := s.Stats(); got.Commits != 1 || got.Functions != 102 || got.Bytes == 0 {
			t.Errorf("%+v, want 102 functions in one commit", got)
		}
	})
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		functions, size int
		commits         uint64
	}{
		"by bytes":     {20, 100 << 10, 4}, // six of them pass 512 KiB
		"by functions": {2000, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := open(t, t.TempDir(), boltstore.Options{NoSync: true})
				fns := make([]func(engine.Tx) error, c.functions-1)
				for i := range fns {
					fns[i] = putting(fmt.Sprint(i), bytes.Repeat([]byte("x"), c.size))
				}
				together(t, s.Global(), putting("first", bytes.Repeat([]byte("x"), c.size)), fns...)
				if got := s.Stats(); got.Commits != c.commits || got.Functions != uint64(c.functions) {
					t.Errorf("%+v, want %d commits", got, c.commits)
				}
			})
		})
	}
}

// TestGroupSharesFate checks that who read what a failed commit should have stored is not told that all is well.
func TestGroupSharesFate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), boltstore.Options{NoSync: true})
		s.Partition(0).FailCommits(syscall.ENOSPC)
		for i, err := range together(t, s.Global(), putting("k", nil),
			func(engine.Tx) error { return nil },
			func(engine.Tx) error { return errors.New("duplicate") },
		) {
			if !errors.Is(err, engine.ErrFull) {
				t.Errorf("function %d: %v", i, err)
			}
		}
	})
}

// TestApplyBesideUpdates lets commits from the journal and a function wait together: those that are applied share
// a commit, and none with the function, whose record follows them in the journal.
func TestApplyBesideUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &enginetest.Journal{}
		old := open(t, t.TempDir(), journaled(j)).Global()
		for i := range 3 {
			put(t, old, fmt.Sprint(i), "v")
		}
		stores := open(t, t.TempDir(), journaled(j))
		s := stores.Partition(0)
		var wg sync.WaitGroup
		held, release := make(chan struct{}), make(chan struct{})
		wg.Go(func() {
			s.Update(t.Context(), func(engine.Tx) error { close(held); <-release; return nil })
		})
		<-held
		records := j.Records()
		for _, r := range append(records, records[1]) { // one of them twice
			wg.Go(func() {
				if err := s.Apply(t.Context(), r.Position, r.Bytes); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // in order
		}
		wg.Go(func() { put(t, s, "new", "v") })
		synctest.Wait()
		close(release)
		wg.Wait()
		if got := s.Stats(); got.Commits != 2 || s.Position().N != 4 {
			t.Errorf("%d commits up to %v, want 2 up to 4", got.Commits, s.Position())
		}
		j.Verify(t, s, open(t, t.TempDir(), boltstore.Options{NoSync: true}).Partition(0))
	})
}

func journaled(j engine.Journal) boltstore.Options {
	return boltstore.Options{NoSync: true, Journal: func(int) engine.Journal { return j }}
}

// TestCloseWithBlockedJournal checks that a journal that never answers does not keep a store from closing.
func TestCloseWithBlockedJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &enginetest.Journal{}
		j.At(1, func(ctx context.Context, _ func() engine.Position) (engine.Position, error) {
			<-ctx.Done()
			return engine.Position{}, ctx.Err()
		})
		s, err := boltstore.Open(t.TempDir(), journaled(j))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Global().Update(t.Context(), putting("k", nil)); !errors.Is(err, engine.ErrLost) {
				t.Errorf("the caller got %v, want lost", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			// Not taken up any more, so it was not run.
			never := func(engine.Tx) error { t.Error("run while closing"); return nil }
			if err := s.Global().Update(t.Context(), never); err == nil {
				t.Error("no error while closing")
			}
		})
		synctest.Wait()
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < time.Second || took > time.Minute {
			t.Errorf("the journal was given %v", took)
		}
		wg.Wait()
	})
}

// TestCloseCommits checks that a function that was taken up is still committed.
func TestCloseCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := boltstore.Open(dir, boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		held, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
				close(held)
				<-release
				return putting("k", nil)(tx)
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-held
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
	})
	if _, ok := enginetest.Dump(t, open(t, dir, boltstore.Options{}).Global())[engine.SpaceRuns]["k"]; !ok {
		t.Error("what was taken up before Close is not there")
	}
}
