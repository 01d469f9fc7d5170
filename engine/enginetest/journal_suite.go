package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

// Journaled opens stores for TestJournal.
type Journaled struct {
	// Open returns an empty store that writes to j and is closed by t.Cleanup; a nil j means no journal.
	Open func(t testing.TB, j engine.Journal) JournaledStore
	// FailCommits lets the store's commits fail from now on, after its journal took them.
	FailCommits func(s JournaledStore, err error)
	// Restore returns a store that is opened on a snapshot.
	Restore func(t testing.TB, snapshot io.Reader) JournaledStore
}

var errDisk = errors.New("disk on fire")

// TestJournal checks what a store promises to its journal and to stores that follow it.
func TestJournal(t *testing.T, open Journaled) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Journaled)
	}{
		{"every commit is recorded once", testRecorded},
		{"failing functions are not recorded", testFailuresNotRecorded},
		{"same writes same bytes", testCanonical},
		{"apply", testApply},
		{"apply refuses what it cannot read", testApplyBadRecords},
		{"follow and take over", testTakeOver},
		{"snapshot", testSnapshot},
		{"failing commit", testFailingCommit},
		{"blocked append", testBlockedAppend},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.test(t, open) })
	}
	for n := uint64(1); n <= 3; n++ {
		for name, f := range appendFaults() {
			t.Run(fmt.Sprintf("%s at commit %d", name, n), func(t *testing.T) {
				t.Parallel()
				testAppendFault(t, open, n, f)
			})
		}
	}
	t.Run("store", func(t *testing.T) {
		TestStore(t, func(t testing.TB) engine.Store {
			j := &Journal{}
			fresh, s := open.Open(t, nil), open.Open(t, j)
			t.Cleanup(func() { j.Verify(t, s, fresh) })
			return s
		})
	})
}

func testRecorded(t *testing.T, open Journaled) {
	j := &Journal{}
	s := open.Open(t, j)
	if s.Position() != (engine.Position{}) {
		t.Errorf("a new store is at %v", s.Position())
	}
	for i := range 3 {
		put(t, s, spaceA, "a="+fmt.Sprint(i))
		if n := uint64(len(j.Records())); n != uint64(i)+1 || s.Position().N != n {
			t.Errorf("after commit %d the journal holds %d, the store is at %v", i+1, n, s.Position())
		}
	}
	update(t, s, func(tx engine.Tx) { tx.Get(spaceA, []byte("a")) })
	if n := len(j.Records()); n != 3 {
		t.Errorf("a function that wrote nothing made commit %d", n)
	}
	j.Verify(t, s, open.Open(t, nil))
}

func testFailuresNotRecorded(t *testing.T, open Journaled) {
	j := &Journal{}
	s := open.Open(t, j)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			s.Update(t.Context(), func(tx engine.Tx) error {
				tx.Put(spaceA, fmt.Appendf(nil, "%d", i), nil)
				if i%2 == 1 {
					tx.Delete(spaceA, nil)
					return errWanted
				}
				return nil
			})
		})
	}
	wg.Wait()
	if got := dump(t, s, spaceA); len(got) != 20 {
		t.Errorf("%d keys, want 20", len(got))
	}
	j.Verify(t, s, open.Open(t, nil))
}

func testCanonical(t *testing.T, open Journaled) {
	write := []func(engine.Tx){
		func(tx engine.Tx) { tx.Put(spaceA, []byte("a"), []byte("1")) },
		func(tx engine.Tx) { tx.Put(spaceB, []byte("b"), []byte("2")) },
		func(tx engine.Tx) { tx.Delete(spaceA, []byte("c")) },
	}
	var records [][]Record
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0, 1}} {
		j := &Journal{}
		update(t, open.Open(t, j), func(tx engine.Tx) {
			for _, i := range order {
				write[i](tx)
			}
		})
		records = append(records, j.Records())
	}
	for _, r := range records[1:] {
		if diff := cmp.Diff(records[0], r); diff != "" {
			t.Errorf("one function's writes in another order: %s", diff)
		}
	}
}

func testApply(t *testing.T, open Journaled) {
	j := &Journal{}
	s, follower := open.Open(t, j), open.Open(t, nil)
	put(t, s, spaceA, "a=1", "b=1")
	update(t, s, func(tx engine.Tx) { tx.Delete(spaceA, nil); tx.Put(spaceA, []byte("c"), nil) })
	put(t, s, spaceB, "a=3")
	r := j.Records()
	if err := follower.Apply(t.Context(), r[1].Position, r[1].Bytes); !errors.Is(err, engine.ErrHole) {
		t.Errorf("commit 2 before commit 1: %v", err)
	}
	j.Replay(t, follower)
	put(t, s, spaceA, "d=4")
	j.Verify(t, s, follower) // again from the first: those it holds are passed over
	last := j.Records()[3]
	last.Position.N += 2
	if err := follower.Apply(t.Context(), last.Position, last.Bytes); !errors.Is(err, engine.ErrHole) {
		t.Errorf("a commit after a hole: %v", err)
	}
	j.Verify(t, s, follower)
}

func testApplyBadRecords(t *testing.T, open Journaled) {
	j := &Journal{}
	put(t, open.Open(t, j), spaceA, "a=1", "b=2")
	good := j.Records()[0]
	s := open.Open(t, nil)
	bad := map[string][]byte{
		"empty":           {},
		"unknown version": append([]byte{0xfe}, good.Bytes[1:]...),
		"unknown kind":    append(append([]byte(nil), good.Bytes...), 0x7f, 1, 'x'),
	}
	for cut := 2; cut < len(good.Bytes); cut++ {
		bad[fmt.Sprintf("cut at %d", cut)] = good.Bytes[:cut]
	}
	for name, rec := range bad {
		err := s.Apply(t.Context(), good.Position, rec)
		if whole := err == nil && name != "unknown kind"; whole {
			// Cut between two operations it is another good record; take it only if nothing is half.
			if got := dump(t, s, spaceA); !cmp.Equal(got, []string{"a=1"}) {
				t.Errorf("%s: accepted, store holds %q", name, got)
			}
			s = open.Open(t, nil)
			continue
		}
		if !errors.Is(err, engine.ErrBadRecord) {
			t.Errorf("%s: %v", name, err)
		}
		if got := dump(t, s, spaceA); len(got) > 0 || s.Position().N != 0 {
			t.Errorf("%s: store holds %q at %v", name, got, s.Position())
		}
	}
}

// testTakeOver lets a follower write after it caught up; the old owner is fenced then.
func testTakeOver(t *testing.T, open Journaled) {
	j := &Journal{}
	old, standby := open.Open(t, j), open.Open(t, j)
	put(t, old, spaceA, "a=1")
	j.Replay(t, standby)
	put(t, standby, spaceA, "b=2")
	err := old.Update(t.Context(), func(tx engine.Tx) error { tx.Put(spaceA, []byte("c"), nil); return nil })
	if !errors.Is(err, engine.ErrLost) || !errors.Is(err, engine.ErrFenced) {
		t.Errorf("the deposed store got %v, want lost and fenced", err)
	}
	if got, want := dump(t, standby, spaceA), []string{"a=1", "b=2"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	j.Verify(t, standby, open.Open(t, nil))
}

func testSnapshot(t *testing.T, open Journaled) {
	j := &Journal{}
	s := open.Open(t, j)
	put(t, s, spaceA, "a=1")
	put(t, s, spaceB, "b=2")
	r, w := io.Pipe()
	var at engine.Position
	go func() {
		var err error
		at, err = s.Snapshot(w)
		w.CloseWithError(err)
	}()
	restored := open.Restore(t, r)
	if at != s.Position() || restored.Position() != at {
		t.Errorf("snapshot of %v is said to be of %v and opens at %v", s.Position(), at, restored.Position())
	}
	if diff := cmp.Diff(Dump(t, s), Dump(t, restored)); diff != "" {
		t.Errorf("the snapshot differs:\n%s", diff)
	}
	put(t, s, spaceA, "c=3")
	j.Verify(t, s, restored) // catches up with the rest
}

func testFailingCommit(t *testing.T, open Journaled) {
	j := &Journal{}
	s := open.Open(t, j)
	put(t, s, spaceA, "a=1")
	open.FailCommits(s, errDisk)
	err := s.Update(t.Context(), func(tx engine.Tx) error { tx.Put(spaceA, []byte("b"), []byte("2")); return nil })
	if !errors.Is(err, engine.ErrLost) || !errors.Is(err, errDisk) {
		t.Errorf("got %v, want lost because of the disk", err)
	}
	checkLost(t, s)
	// The journal has it, so the next owner has it.
	next := open.Open(t, nil)
	j.Replay(t, next)
	if got, want := dump(t, next, spaceA), []string{"a=1", "b=2"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// testBlockedAppend checks that callers wait for a slow journal and that no caller's context cancels it.
func testBlockedAppend(t *testing.T, open Journaled) {
	j := &Journal{}
	s := open.Open(t, j)
	blocked, release := make(chan struct{}), make(chan struct{})
	j.At(1, func(ctx context.Context, keep func() engine.Position) (engine.Position, error) {
		close(blocked)
		select {
		case <-release:
			return keep(), nil
		case <-ctx.Done():
			return engine.Position{}, ctx.Err()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(ctx, func(tx engine.Tx) error { tx.Put(spaceA, []byte("a"), []byte("1")); return nil })
	}()
	<-blocked
	cancel()
	if got := dump(t, s, spaceA); len(got) > 0 {
		t.Errorf("seen before the journal had it: %q", got)
	}
	select {
	case err := <-answer:
		t.Errorf("answered before the journal did: %v", err)
	default:
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("after the journal took it: %v", err)
	}
	j.Verify(t, s, open.Open(t, nil))
}

// appendFaults are what can go wrong in an Append that ends in an error.
func appendFaults() map[string]Fault {
	return map[string]Fault{
		"fenced": func(context.Context, func() engine.Position) (engine.Position, error) {
			return engine.Position{}, engine.ErrFenced
		},
		"refused": func(context.Context, func() engine.Position) (engine.Position, error) {
			return engine.Position{}, errWanted
		},
		"stored but the answer is lost": func(_ context.Context, keep func() engine.Position) (engine.Position, error) {
			keep()
			return engine.Position{}, errWanted
		},
		"an answer that does not follow": func(_ context.Context, keep func() engine.Position) (engine.Position, error) {
			pos := keep()
			pos.N++
			return pos, nil
		},
	}
}

func testAppendFault(t *testing.T, open Journaled, n uint64, f Fault) {
	j := &Journal{}
	s, fresh := open.Open(t, j), open.Open(t, nil)
	j.At(n, f)
	for i := uint64(1); i < n; i++ {
		put(t, s, spaceA, fmt.Sprintf("%d=", i))
	}
	before := Dump(t, s)
	err := s.Update(t.Context(), func(tx engine.Tx) error { tx.Put(spaceA, []byte("x"), nil); return nil })
	if !errors.Is(err, engine.ErrLost) {
		t.Fatalf("got %v, want lost", err)
	}
	checkLost(t, s)
	// Whatever the journal holds, the next owner can go on from it.
	j.Replay(t, fresh)
	if got, stored := Dump(t, fresh), uint64(len(j.Records())) == n; !stored {
		delete(got, engine.SpaceMeta)
		delete(before, engine.SpaceMeta)
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("after a commit that was not stored:\n%s", diff)
		}
	} else if _, ok := got[spaceA]["x"]; !ok {
		t.Errorf("the journal holds the commit but the next owner does not: %q", got)
	}
}

// checkLost checks that the store answers nothing but engine.ErrLost any more.
func checkLost(t *testing.T, s JournaledStore) {
	t.Helper()
	never := func(engine.Tx) error { t.Error("a function was run in a lost store"); return nil }
	calls := map[string]error{
		"Update": s.Update(t.Context(), never),
		"View":   s.View(t.Context(), never),
		"Apply":  s.Apply(t.Context(), engine.Position{N: s.Position().N + 1}, nil),
	}
	_, calls["Snapshot"] = s.Snapshot(io.Discard)
	for name, err := range calls {
		if !errors.Is(err, engine.ErrLost) {
			t.Errorf("%s of a lost store: %v", name, err)
		}
	}
}
