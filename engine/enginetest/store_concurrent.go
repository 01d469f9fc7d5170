package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

func testWaitingContext(t *testing.T, s engine.Store) {
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, func(tx engine.Tx) error {
			cancel() // too late for this one
			close(running)
			<-release
			tx.Put(spaceA, []byte("first"), nil)
			return nil
		})
		if err != nil {
			t.Errorf("a function that was taken up got %v", err)
		}
	})
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		err := s.Update(ctx, func(tx engine.Tx) error { t.Error("the waiting function was run"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting function got %v", err)
		}
		close(release)
	})
	cancel()
	wg.Wait()
	if got, want := dump(t, s, spaceA), []string{"first="}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// testConcurrent lets many count on one key, half of them failing, beside views that must never see half a write.
func testConcurrent(t *testing.T, s engine.Store) {
	const callers, rounds = 16, 20
	count := func(tx engine.Tx, add uint64) {
		for _, space := range []engine.Space{spaceA, spaceB} {
			var n uint64
			if v := tx.Get(space, []byte("n")); v != nil {
				n = binary.BigEndian.Uint64(v)
			}
			tx.Put(space, []byte("n"), binary.BigEndian.AppendUint64(nil, n+add))
		}
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range rounds {
				update(t, s, func(tx engine.Tx) { count(tx, 1) })
				err := s.Update(t.Context(), func(tx engine.Tx) error { count(tx, 1000); return errWanted })
				if !errors.Is(err, errWanted) {
					t.Errorf("got %v", err)
				}
				view(t, s, func(tx engine.Tx) {
					if a, b := tx.Get(spaceA, []byte("n")), tx.Get(spaceB, []byte("n")); !bytes.Equal(a, b) {
						t.Errorf("a view saw %x and %x", a, b)
					}
				})
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx engine.Tx) {
		if n := binary.BigEndian.Uint64(tx.Get(spaceA, []byte("n"))); n != callers*rounds {
			t.Errorf("counted %d, want %d", n, callers*rounds)
		}
	})
}
