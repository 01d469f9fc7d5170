package boltstore_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

// These variables make the test binary a writer process, and say how its keys begin.
const (
	writerDir   = "BOLTSTORE_TEST_WRITER"
	writerRound = "BOLTSTORE_TEST_ROUND"
)

const writers = 8

// writeUntilKilled writes numbers from several goroutines, in two spaces at once, and prints each one after
// Update returned.
func writeUntilKilled(dir string) int {
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: 2})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			store := s.All()[w%2]
			for n := uint64(1); ; n++ {
				key := numberKey(os.Getenv(writerRound), w, n)
				err := store.Update(context.Background(), func(tx engine.Tx) error {
					tx.Put(engine.SpaceRuns, key, key)
					tx.Put(engine.SpacePeople, []byte{byte(w)}, key)
					return nil
				})
				out.Lock()
				if err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Println(w, n)
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return 0
}

func numberKey(round string, writer int, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(round), byte(writer)), n)
}

// startWriter starts a writer process and returns what it prints.
func startWriter(t *testing.T, dir, round string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir, writerRound+"="+round)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a writer process again and again: what it was told is stored must be there, whole.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 5 {
		acked := make([]uint64, writers)
		cmd, lines := startWriter(t, dir, strconv.Itoa(round))
		for n := 0; lines.Scan(); n++ {
			w, number, ok := strings.Cut(lines.Text(), " ")
			i, err1 := strconv.Atoi(w)
			v, err2 := strconv.ParseUint(number, 10, 64)
			if !ok || err1 != nil || err2 != nil {
				t.Fatalf("the writer said %q", lines.Text())
			}
			acked[i] = v
			if n == 200+97*round { // somewhere inside a commit
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		checkAcked(t, dir, strconv.Itoa(round), acked)
	}
}

func checkAcked(t *testing.T, dir, round string, acked []uint64) {
	t.Helper()
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	total := uint64(0)
	for w, last := range acked {
		err := s.All()[w%2].View(t.Context(), func(tx engine.Tx) error {
			for n := uint64(1); n <= last; n++ {
				key := numberKey(round, w, n)
				if string(tx.Get(engine.SpaceRuns, key)) != string(key) {
					t.Errorf("writer %d: number %d of %d is lost", w, n, last)
				}
			}
			newest := tx.Get(engine.SpacePeople, []byte{byte(w)})
			if last > 0 && tx.Get(engine.SpaceRuns, newest) == nil {
				t.Errorf("writer %d: half of number %x", w, newest)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		total += last
	}
	if total < 200 {
		t.Errorf("only %d updates were acknowledged", total)
	}
}

// TestInUse lets another process hold the store.
func TestInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, lines := startWriter(t, dir, "0")
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines.Scan() // its first update is done
	start := time.Now()
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: 2})
	if err == nil {
		s.Close()
		t.Fatal("two processes hold the store")
	}
	if !errors.Is(err, boltstore.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "p00.db") {
		t.Errorf("the error does not say what is wrong: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v to notice", took)
	}
}
