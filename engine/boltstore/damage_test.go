package boltstore_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

// Whatever page of a file is damaged, and however: nothing may panic, crash or wait for ever, and what cannot be read is an
// error that names the file.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillPages(t, dir)
	file := filepath.Join(dir, "p00.db")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	last := len(whole)/size - 1
	for last > 0 && strings.Trim(string(whole[last*size:(last+1)*size]), "\x00") == "" {
		last--
	}
	random := rand.New(rand.NewPCG(1, 2))
	told := 0
	nth := 0
	for page := 2; page <= last; page++ {
		branch := binary.LittleEndian.Uint16(whole[page*size+8:]) == 1
		for i, damage := range []func(b []byte){
			func(b []byte) {
				for i := range b {
					b[i] = byte(random.Uint32())
				}
			},
			func(b []byte) { clear(b) },
			func(b []byte) { // its head says that it is in order
				for i := 16; i < len(b); i++ {
					b[i] = byte(random.Uint32())
				}
			},
			func(b []byte) { binary.LittleEndian.PutUint16(b[8:], 1<<(random.Uint32()%5)) },
			func(b []byte) { binary.LittleEndian.PutUint64(b[16+8:], 1<<40) }, // a page beyond the end
		} {
			if !branch && (page+i)%23 != 0 {
				continue // there are many like it
			}
			nth++
			b := append([]byte(nil), whole...)
			damage(b[page*size : (page+1)*size])
			path := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, "p00.db"), b, 0o600); err != nil {
				t.Fatal(err)
			}
			used := make(chan error, 1)
			go func() { used <- useAll(t, path) }()
			select {
			case err := <-used:
				if err != nil {
					told++
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("page %d, damage %d: somebody waits", page, i)
			}
		}
	}
	t.Logf("%d pages, %d damages, %d of them told", last-1, nth, told)
	if told == 0 {
		t.Errorf("no damage was told in %d pages", last)
	}
}

// fillPages makes a store of some levels and free pages.
func fillPages(t *testing.T, dir string) {
	t.Helper()
	s, err := boltstore.Open(dir, boltstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for _, space := range []engine.Space{engine.SpacePeople, engine.SpaceRuns} {
			err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
				for i := range 300 {
					key := fmt.Appendf(nil, "%d-%04d", round, i)
					tx.Put(space, key, make([]byte, 100))
				}
				if round == 2 {
					for i := range 290 {
						tx.Delete(space, fmt.Appendf(nil, "0-%04d", i))
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// useAll opens a store, reads and writes all over it, and closes it. It returns the first error that tells of damage.
func useAll(t *testing.T, dir string) (told error) {
	tell := func(err error) {
		if err != nil && told == nil {
			told = err
			if !strings.Contains(err.Error(), dir) && !strings.Contains(err.Error(), "panicked") {
				t.Errorf("it names no file: %v", err)
			}
		}
	}
	s, err := boltstore.Open(dir, boltstore.Options{NoSync: true})
	if err != nil {
		tell(err)
		return told
	}
	for _, space := range []engine.Space{engine.SpacePeople, engine.SpaceRuns} {
		tell(s.Global().View(t.Context(), func(tx engine.Tx) error {
			n := 0
			tx.Scan(space, nil, nil, func(k, v []byte) bool { n += len(k) + len(v); return n < 1<<20 })
			return nil
		}))
		for i := range 4 {
			tell(s.Global().Update(t.Context(), func(tx engine.Tx) error {
				for j := range 150 {
					tx.Put(space, fmt.Appendf(nil, "1-%04d", i*80+j), make([]byte, 300))
					tx.Delete(space, fmt.Appendf(nil, "2-%04d", i*80+j))
				}
				return nil
			}))
		}
	}
	tell(s.Close())
	return told
}

// A file that somebody cuts while it is mapped is read from addresses that are not there.
func TestCutWhileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillPages(t, dir)
	s, err := boltstore.Open(dir, boltstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "p00.db"), 2*int64(os.Getpagesize())); err != nil {
		t.Skip(err)
	}
	err = s.Global().View(t.Context(), func(tx engine.Tx) error {
		tx.Get(engine.SpaceRuns, []byte("1-0001"))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "p00.db") {
		t.Errorf("view: %v", err)
	}
	err = s.Global().Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceRuns, []byte("1-0001"), []byte("v"))
		return nil
	})
	if err == nil {
		t.Error("update went through")
	}
	_ = s.Close() // that it ends is enough
}
