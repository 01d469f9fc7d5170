package runner

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
)

// TestClockAheadIsTold starts on a store that has seen a time which the clock does not reach: somebody must hear of it.
func TestClockAheadIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration
		told  bool
	}{{-time.Hour, false}, {aheadBy / 2, false}, {10 * 365 * 24 * time.Hour, true}} {
		w := newWorld(t, openBolt(t, 1))
		err := w.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
			engine.Tick(tx, w.clock.now().Add(c.ahead))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		cfg := w.config()
		cfg.Logger = zerolog.New(&log)
		w.startConfig(cfg)
		<-w.Ready()
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(log.String(), "clock is behind"); told != c.told {
			t.Errorf("ahead by %v: %s", c.ahead, log.String())
		}
	}
}
