package runner

import (
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// A hearing meter keeps what it is told of events.
type hearing struct{ heard []string }

func (h *hearing) Event(trigger, result string)          { h.heard = append(h.heard, trigger+" "+result) }
func (h *hearing) Run(engine.RunState)                   {}
func (h *hearing) Message(string, engine.TaskState, int) {}
func (h *hearing) Late(time.Duration)                    {}

// TestMeterHearsOfGathered tells an event that waits in a window from one that nothing has a use for.
func TestMeterHearsOfGathered(t *testing.T) {
	t.Parallel()
	h := &hearing{}
	w := newWorld(t, enginetest.NewStores(1))
	cfg := w.config()
	cfg.Meter = func(string) Meter { return h }
	w.startConfig(cfg, welcome())
	bought := purchase("c1", "")
	for _, ev := range []engine.Event{bought[0], login("c1", "")} {
		w.handle(ev)
	}
	w.stop()
	if got := strings.Join(h.heard, "; "); got != "new_sign_up pending; user_login matched nothing" {
		t.Error(got)
	}
}
