package engine

import "testing"

// TestCancelWhy wants the error of an attempt that was made before kept beside the reason.
func TestCancelWhy(t *testing.T) {
	t.Parallel()
	c := &Cancel{Reason: "the run went on"}
	for failed, want := range map[string]string{"": "the run went on", "451": "the run went on; the attempt before: 451"} {
		if got := c.Why(&Task{Error: failed}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
