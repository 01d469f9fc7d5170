package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBenchEvents measures a little with the real processes: this binary stands in for the command.
func TestBenchEvents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	errs, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // a file, since several processes write to it
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a := &app{env: append(os.Environ(), asCommand+"=latchkey", "GORACE=atexit_sleep_ms=0"), in: strings.NewReader(""), out: &out, err: errs}
	args := []string{"latchkey", "bench", "events", "-n", "200", "--for", "1s", "--contacts", "500", "-o", "json"}
	if code := a.run(ctx, args); code != exitOK {
		said, _ := os.ReadFile(errs.Name())
		t.Fatalf("exit code %d\n%s\n%s", code, out.String(), said)
	}
	var f map[string]float64
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for key, want := range map[string]float64{"lost": 0, "doubled": 0, "events": 200, "contacts": 500, "rate": 100} {
		if got, ok := f[key]; !ok || got != want {
			t.Errorf("%s: %v, want %v\n%s", key, got, want, out.String())
		}
	}
	for _, key := range []string{"events_per_second", "p50_ms", "p99_ms", "commits_per_message", "peak_memory_mib", "ready_seconds_empty",
		"ready_seconds_with_contacts", "disk_fsyncs_per_second", "sink_mails_per_second"} {
		if f[key] <= 0 {
			t.Errorf("%s: %v", key, f[key])
		}
	}
}
