package main

import "testing"

// TestBenchEvents measures a little with the real processes: this binary stands in for the command.
func TestBenchEvents(t *testing.T) {
	t.Parallel()
	f := benchFigures(t, "events", "-n", "200", "--for", "1s", "--contacts", "500")
	for key, want := range map[string]float64{"lost": 0, "doubled": 0, "events": 200, "contacts": 500, "rate": 100, "events_with_contacts": 200} {
		if got, ok := f[key]; !ok || got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"events_per_second", "p50_ms", "p99_ms", "commits_per_message", "peak_memory_mib", "ready_seconds_empty",
		"ready_seconds_with_contacts", "events_per_second_with_contacts", "commits_per_message_with_contacts", "store_mib_with_contacts", "disk_fsyncs_per_second", "sink_mails_per_second"} {
		if f[key] <= 0 {
			t.Errorf("%s: %v", key, f[key])
		}
	}
}
