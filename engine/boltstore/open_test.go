package boltstore_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

func put(t testing.TB, s engine.Store, key, value string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceRuns, []byte(key), []byte(value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reopened makes a store, fills each partition, closes it, lets change do something to it and opens it again.
func reopened(t *testing.T, made, opened int, change func(dir string) error) (*boltstore.Stores, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: made})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.All() {
		put(t, p, "k", "v")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
	}
	s, err = boltstore.Open(dir, boltstore.Options{Partitions: opened})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func TestReopen(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 4} {
		s, err := reopened(t, n, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range s.All() {
			if got := enginetest.Dump(t, p)[engine.SpaceRuns]["k"]; got != "v" {
				t.Errorf("partition %d of %d: %q after it was opened again", i, n, got)
			}
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ids []string
	for _, d := range []string{dir, dir, t.TempDir()} {
		s, err := boltstore.Open(d, boltstore.Options{Partitions: 2})
		if err != nil {
			t.Fatal(err)
		}
		id, err := s.ID()
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids[0]) != 32 || ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("ids %q: want the second to be the first's and the third another", ids)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		made, opened int
		change       func(dir string) error
		want         string
	}{
		"fewer partitions":    {made: 4, opened: 1, want: "was made with 4 partitions and cannot be opened with 1"},
		"more partitions":     {made: 1, opened: 4, want: "was made with 1 partitions and cannot be opened with 4"},
		"too many partitions": {made: 1, opened: 1000, want: "1000 partitions, 1 to 256 are possible"},
		"missing file": {made: 4, opened: 4, want: "p02.db is missing", change: func(dir string) error {
			return os.Remove(filepath.Join(dir, "p02.db"))
		}},
		"missing first file": {made: 4, opened: 4, want: "p00.db is missing", change: func(dir string) error {
			return os.Remove(filepath.Join(dir, "p00.db"))
		}},
		"swapped files": {made: 4, opened: 4, want: "belongs to another store or partition", change: func(dir string) error {
			a, b := filepath.Join(dir, "p01.db"), filepath.Join(dir, "p02.db")
			return errors.Join(os.Rename(a, a+"x"), os.Rename(b, a), os.Rename(a+"x", b))
		}},
		"text file": {made: 1, opened: 1, want: "is damaged or no store", change: func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "p00.db"), []byte(strings.Repeat("no store\n", 2000)), 0o600)
		}},
		"cut file": {made: 1, opened: 1, want: "is damaged or no store", change: func(dir string) error {
			return os.Truncate(filepath.Join(dir, "p00.db"), 3*4096)
		}},
		"another program's file": {made: 1, opened: 1, want: "is not of a Latchkey store", change: func(dir string) error {
			os.Remove(filepath.Join(dir, "p00.db"))
			db, err := bbolt.Open(filepath.Join(dir, "p00.db"), 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("theirs"))
				return err
			}), db.Close())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := reopened(t, c.made, c.opened, c.change)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestMakingCutShort opens a store whose making ended before its last step.
func TestMakingCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, name := range []string{"p00.db", "p01.db"} { // empty, as if they had just been created
		if err := os.Truncate(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	put(t, open(t, dir, boltstore.Options{Partitions: 4}).For(0xffff), "k", "v")
}

func TestModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "data")
	open(t, dir, boltstore.Options{Partitions: 2})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s, err := boltstore.Open(t.TempDir(), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Partition(0)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	never := func(engine.Tx) error { t.Error("a function was run in a closed store"); return nil }
	_, snapshot := p.Snapshot(io.Discard)
	for name, err := range map[string]error{
		"Update": p.Update(t.Context(), never), "View": p.View(t.Context(), never),
		"Apply": p.Apply(t.Context(), engine.Position{N: 1}, []byte{1}), "Snapshot": snapshot,
	} {
		if !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
