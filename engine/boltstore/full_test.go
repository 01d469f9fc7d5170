package boltstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

// TestFullDisk fills a small file system, makes room again, and goes on, three times.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small file system (TestNoRoom checks the same without one): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	data := filepath.Join(disk, "data")
	stored := map[string]string{}
	s, err := boltstore.Open(data, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	for round := range 3 {
		if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		err := fill(t, s.Global(), round, stored)
		if !errors.Is(err, engine.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("a full disk gives %v", err)
		}
		checkStored(t, s, stored)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%d after", round)
		put(t, s.Global(), key, "v")
		stored[key] = "v"
		checkStored(t, s, stored)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = boltstore.Open(data, boltstore.Options{}); err != nil {
			t.Fatal(err)
		}
		checkStored(t, s, stored)
	}
}

// fill writes until the store refuses, a few callers at a time, and notes what was acknowledged.
func fill(t *testing.T, s engine.Store, round int, stored map[string]string) error {
	t.Helper()
	var mu sync.Mutex
	var failed error
	for i := 0; failed == nil && i < 1000; i++ {
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				key := fmt.Sprintf("%d %03d %d", round, i, w)
				value := strings.Repeat(key, 100)
				err := s.Update(t.Context(), func(tx engine.Tx) error {
					tx.Put(engine.SpaceRuns, []byte(key), []byte(value))
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					stored[key] = value
				} else {
					failed = err
				}
			})
		}
		wg.Wait()
	}
	return failed
}

func checkStored(t *testing.T, s *boltstore.Stores, stored map[string]string) {
	t.Helper()
	got := enginetest.Dump(t, s.Global())[engine.SpaceRuns]
	for k, v := range stored {
		if got[k] != v {
			t.Errorf("%q was acknowledged and is not there", k)
		}
	}
	if len(got) != len(stored) {
		t.Errorf("%d keys are there, %d were acknowledged", len(got), len(stored))
	}
}

// TestNoRoom tells apart what the store survives from what closes it.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"no room":                    {&os.PathError{Op: "write", Path: "p00.db", Err: syscall.ENOSPC}, engine.ErrFull},
		"quota":                      {syscall.EDQUOT, engine.ErrFull},
		"no room, as bbolt tells it": {errors.New("file resize error: truncate p00.db: no space left on device"), engine.ErrFull},
		"input/output error":         {syscall.EIO, engine.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := boltstore.Open(dir, boltstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			put(t, s.Global(), "before", "v")
			s.Partition(0).FailCommits(c.err)
			fn := func(tx engine.Tx) error {
				tx.Put(engine.SpaceRuns, []byte("during"), nil)
				return nil
			}
			if err := s.Global().Update(t.Context(), fn); !errors.Is(err, c.want) || !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v and its cause", err, c.want)
			}
			s.Partition(0).FailCommits(nil)
			err = s.Global().Update(t.Context(), func(tx engine.Tx) error {
				tx.Put(engine.SpaceRuns, []byte("after"), nil)
				return nil
			})
			want := 2
			if c.want == engine.ErrLost {
				want = 1
			}
			if recovered := c.want == engine.ErrFull; recovered != (err == nil) || err != nil && !errors.Is(err, engine.ErrLost) {
				t.Errorf("the next update: %v", err)
			}
			s.Close()
			if got := enginetest.Dump(t, open(t, dir, boltstore.Options{}).Global())[engine.SpaceRuns]; len(got) != want {
				t.Errorf("opened again it holds %q, want %d keys", got, want)
			}
		})
	}
}

// TestUncertainCommit fails a commit after its pages are current: it cannot be called "not stored".
func TestUncertainCommit(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), boltstore.Options{})
	s.Partition(0).FailAfterCommit(syscall.ENOSPC)
	err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceRuns, []byte("k"), nil)
		return nil
	})
	if !errors.Is(err, engine.ErrLost) {
		t.Errorf("got %v, want lost", err)
	}
}

// TestGoexit ends the writer's goroutine from inside a function, as t.FailNow does: nobody may wait for ever.
func TestGoexit(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), boltstore.Options{})
	for range 2 {
		err := s.Global().Update(t.Context(), func(tx engine.Tx) error { runtime.Goexit(); return nil })
		if !errors.Is(err, engine.ErrLost) {
			t.Errorf("got %v, want lost", err)
		}
	}
}
