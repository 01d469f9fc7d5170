package main

import "testing"

func TestBenchLinks(t *testing.T) {
	t.Parallel()
	for _, parts := range []string{"1", "4"} {
		f := benchFigures(t, "links", "-n", "3000", "--contacts", "500", "--minting", "500", "--redeeming", "200", "--for", "500ms", "--rounds", "6",
			"--partitions", parts)
		for _, key := range []string{"store_mib", "minted_per_second", "mints_per_commit", "redeemed_per_second", "p50_ms", "p99_ms", "disk_fsyncs_per_second"} {
			if f[key] <= 0 {
				t.Errorf("%s: %v", key, f[key])
			}
		}
		if f["links"] != 3000 || f["let_in_after_their_end"] != 0 || f["refused_before_their_end"] != 0 {
			t.Errorf("%v", f)
		}
	}
}
