package runner

import (
	"strings"
	"testing"

	"latchkey/engine"
)

// TestChunkBytes holds a commit to its size where events bring much of their own.
func TestChunkBytes(t *testing.T) {
	t.Parallel()
	large := engine.Custom{"note": strings.Repeat("x", chunkBytes/2)}
	for name, ev := range map[string]engine.Event{
		"of the event":   {Custom: large},
		"of the contact": {Contact: engine.Contact{Custom: large}},
		"nested":         {Custom: engine.Custom{"all": []any{map[string]any(large)}}},
	} {
		if n := chunk([]planned{{ev: &ev}, {ev: &ev}, {ev: &ev}}); n != 1 {
			t.Errorf("custom fields %s: %d events in a commit, want 1", name, n)
		}
	}
	if n := chunk(make([]planned, 0)); n != 0 {
		t.Errorf("%d of no events", n)
	}
}
