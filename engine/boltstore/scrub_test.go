package boltstore

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"go.etcd.io/bbolt"

	"latchkey/engine"
)

// TestScrub deletes records among others and looks for them in the file: they are there until the store is scrubbed.
func TestScrub(t *testing.T) {
	t.Parallel()
	for _, size := range []int{40, 900, 3000, 20_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := Open(dir, Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			secret := []byte("zebediah@example.com")
			value := func(i int) []byte {
				if i%3 == 0 {
					return append(bytes.Repeat([]byte("s"), size), secret...)
				}
				return bytes.Repeat([]byte{byte(i)}, size)
			}
			key := func(i int) []byte { return fmt.Appendf(nil, "academy\x00%06d", i) }
			update := func(fn func(tx engine.Tx)) {
				t.Helper()
				if err := s.Global().Update(t.Context(), func(tx engine.Tx) error { fn(tx); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 3000 * 40 / size {
				update(func(tx engine.Tx) {
					for j := range 20 {
						tx.Put(engine.SpaceRuns, key(20*i+j), value(20*i+j))
					}
				})
			}
			n := 20 * (3000 * 40 / size)
			for from := 0; from < n; from += 300 {
				update(func(tx engine.Tx) {
					for i := from; i < min(from+300, n); i += 3 {
						tx.Delete(engine.SpaceRuns, key(i))
					}
				})
			}
			if in(t, dir, secret) == 0 {
				t.Fatal("what was deleted is not in the file even before: the test shows nothing")
			}
			before, err := os.Stat(fileName(dir, 0))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Scrub(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := in(t, dir, secret); left != 0 {
				t.Errorf("%d copies are left", left)
			}
			if after, err := os.Stat(fileName(dir, 0)); err != nil || after.Size() > before.Size()+(2<<20) {
				t.Errorf("the file grew from %d to %d bytes, %v", before.Size(), after.Size(), err)
			}
			_ = s.Global().View(t.Context(), func(tx engine.Tx) error {
				for i := range n {
					if got := tx.Get(engine.SpaceRuns, key(i)); (i%3 == 0) != (got == nil) || got != nil && !bytes.Equal(got, value(i)) {
						t.Fatalf("record %d is %d bytes", i, len(got))
					}
				}
				return nil
			})
			err = s.parts[0].db.View(func(tx *bbolt.Tx) error {
				if tx.Bucket(scrubBucket) != nil {
					t.Error("the blanks are still there")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestScrubBesideOthers scrubs while others write and while a view is open, and after a scrub that was cut off.
func TestScrubBesideOthers(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Options{NoSync: true, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := s.Partition(0)
	var n uint64
	err = p.db.Update(func(tx *bbolt.Tx) error { return fillPages(tx, 50, 4096, &n) })
	if err != nil {
		t.Fatal(err)
	}
	snap, err := p.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	done := make(chan error, 1)
	go func() { done <- s.Scrub(t.Context()) }()
	for i := 0; ; i++ {
		err := p.Update(t.Context(), func(tx engine.Tx) error {
			tx.Put(engine.SpaceRuns, fmt.Appendf(nil, "k%d", i%50), bytes.Repeat([]byte("x"), 5000))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

func in(t *testing.T, dir string, text []byte) int {
	t.Helper()
	b, err := os.ReadFile(fileName(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, text)
}
