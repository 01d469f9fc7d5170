package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTries(t *testing.T) {
	t.Parallel()
	var k Task
	at := func(n int) time.Time { return day1.Add(time.Duration(n) * time.Minute) }
	for n := range 4000 {
		k.Tried(Try{At: at(n), Result: TryDown, Error: "connection refused"})
	}
	if want := []Try{{At: at(3999), Result: TryDown, Error: "connection refused", Times: 4000}}; !cmp.Equal(k.Tries, want) {
		t.Errorf("a channel that was down for long is told as %+v", k.Tries)
	}
	for n := 1; n <= 100; n++ {
		k.Tried(Try{N: n, At: at(n), Result: TryTemporary, Error: strings.Repeat("é", 200)})
		k.Attempts = n
	}
	if n := len(k.Tries); n != triesFirst+triesLast || k.Tries[2].N != 2 || k.Tries[3].N != 91 || k.Tries[n-1].N != 100 {
		t.Errorf("%d tries: %+v", n, k.Tries)
	}
	if got := k.Tries[5].Error; got != strings.Repeat("é", 150) {
		t.Errorf("the error is cut to %q", got)
	}
	k.State = TaskDue
	if h := k.History(); len(h) != len(k.Tries) {
		t.Errorf("a due task has %d attempts in its history, of %d", len(h), len(k.Tries))
	}
	k.State, k.Attempts, k.Changed = TaskSent, 101, at(101)
	if h := k.History(); len(h) != len(k.Tries)+1 || h[len(h)-1] != (Try{N: 101, At: at(101), Result: "sent"}) {
		t.Errorf("it ends with %+v", h[len(h)-1])
	}
}

// TestGoldenTries has a record with tries, as it was first written.
func TestGoldenTries(t *testing.T) {
	t.Parallel()
	k := goldenTask()
	k.Tries = []Try{{At: day1, Result: TryDown, Error: "connection refused", Times: 7}, {N: 1, At: day1, Result: TryTemporary, Error: "451 later"}}
	b, err := encodeTask(k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTask(golden(t, "task-tries.v1", b))
	if err != nil || !cmp.Equal(got, k) {
		t.Errorf("%v\n%s", err, cmp.Diff(k, got))
	}
}
