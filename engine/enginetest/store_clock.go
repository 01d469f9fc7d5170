package enginetest

import (
	"testing"
	"time"

	"latchkey/engine"
)

// testClock checks that the time of a store never goes back, within one function and over many.
func testClock(t *testing.T, s engine.Store) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ wall, want time.Duration }{
		{0, 0},
		{time.Second, time.Second},
		{-time.Hour, time.Second},
		{time.Second + 900*time.Microsecond, time.Second},
		{time.Second + time.Millisecond, time.Second + time.Millisecond},
		{0, time.Second + time.Millisecond},
		{2 * time.Hour, 2 * time.Hour},
	} {
		update(t, s, func(tx engine.Tx) {
			for range 2 {
				if got := engine.Tick(tx, noon.Add(c.wall)); !got.Equal(noon.Add(c.want)) || got.Location() != time.UTC {
					t.Errorf("the wall clock says noon %+v: got %v, want noon %+v", c.wall, got, c.want)
				}
			}
		})
	}
}
