package boltstore_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		os.Exit(writeUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens the store in dir and closes it with the test.
func open(t testing.TB, dir string, opt boltstore.Options) *boltstore.Stores {
	t.Helper()
	s, err := boltstore.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestStores(t *testing.T) {
	t.Parallel()
	enginetest.TestStores(t, func(t testing.TB, partitions int) engine.Stores {
		return open(t, t.TempDir(), boltstore.Options{Partitions: partitions, NoSync: true})
	})
}

func TestJournal(t *testing.T) {
	t.Parallel()
	enginetest.TestJournal(t, enginetest.Journaled{
		Open: func(t testing.TB, j engine.Journal) enginetest.JournaledStore {
			opt := boltstore.Options{NoSync: true, Logger: zerolog.New(zerolog.NewTestWriter(t))}
			if j != nil {
				opt.Journal = func(int) engine.Journal { return j }
			}
			return open(t, t.TempDir(), opt).Partition(0)
		},
		FailCommits: func(s enginetest.JournaledStore, err error) { s.(*boltstore.Store).FailCommits(err) },
		Restore: func(t testing.TB, snapshot io.Reader) enginetest.JournaledStore {
			dir := t.TempDir()
			b, err := io.ReadAll(snapshot)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "p00.db"), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			return open(t, dir, boltstore.Options{NoSync: true}).Partition(0)
		},
	})
}
