package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenByHand has a record of a message that operators had tried again and copied, as it was first written.
func TestGoldenByHand(t *testing.T) {
	t.Parallel()
	k := goldenTask()
	k.Retried, k.Before, k.Of = 2, 5, NewID(day1, 0x1234, "first")
	k.Copies = []ID{NewID(day1, 0x1234, "copy"), NewID(day1, 0x1234, "another")}
	b, err := encodeTask(k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTask(golden(t, "task-byhand.v1", b))
	if err != nil || !cmp.Equal(got, k) {
		t.Errorf("%v\n%s", err, cmp.Diff(k, got))
	}
}
