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

// benchFigures runs a benchmark with the real processes, this binary standing in for the command, and returns what it found.
func benchFigures(t *testing.T, args ...string) map[string]float64 {
	t.Helper()
	var out bytes.Buffer
	errs, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // a file, since several processes write to it
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a := &app{env: append(os.Environ(), asCommand+"=latchkey", "GORACE=atexit_sleep_ms=0"), in: strings.NewReader(""), out: &out, err: errs}
	if code := a.run(ctx, append([]string{"latchkey", "bench"}, append(args, "-o", "json")...)); code != exitOK {
		said, _ := os.ReadFile(errs.Name())
		t.Fatalf("exit code %d\n%s\n%s", code, out.String(), said)
	}
	var f map[string]float64
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return f
}

func TestBenchRuns(t *testing.T) {
	t.Parallel()
	f := benchFigures(t, "runs", "-n", "1500", "--ending", "400", "--after", "8s")
	if f["runs"] != 1500 || f["waits_ended"] != 400 {
		t.Errorf("%v", f)
	}
	for _, key := range []string{"stored_per_second", "store_mib", "ready_seconds", "peak_memory_mib", "waits_ended_per_second", "commits", "disk_fsyncs_per_second"} {
		if f[key] <= 0 {
			t.Errorf("%s: %v", key, f[key])
		}
	}
}

func TestBenchMatch(t *testing.T) {
	t.Parallel()
	f := benchFigures(t, "match", "--workflows", "24")
	for _, key := range []string{"workflows", "none_starts_ns", "one_starts_ns", "one_starts_allocations", "disk_fsyncs_per_second"} {
		if f[key] <= 0 {
			t.Errorf("%s: %v", key, f[key])
		}
	}
}
