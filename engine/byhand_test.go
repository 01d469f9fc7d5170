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

// TestReopenGathered has a run that events of two offers made go on: by re-entry it has ended for neither of them.
func TestReopenGathered(t *testing.T) {
	t.Parallel()
	w := &Workflow{ID: "w", Version: "v1", Steps: []Step{{ID: "a", Kind: "email", StopOnError: true}}}
	id, task := NewID(day1, 3, "run"), NewID(day1, 3, "task")
	r := Run{ID: id, State: RunStopped, Steps: []StepResult{{Path: []string{"a"}, Kind: "email", Task: task, Outcome: string(TaskFailed)}}}
	p := Person{Starts: map[string]Start{"w/offer:gold": {Run: id, Ended: true}, "w/offer:silver": {Run: id, Ended: true}, "w/offer:lead": {Run: task, Ended: true}}}
	next, changed, ok := Reopen(w, r, p)
	if !ok || next.State != RunSending || changed.Starts["w/offer:gold"].Ended || changed.Starts["w/offer:silver"].Ended || !changed.Starts["w/offer:lead"].Ended {
		t.Errorf("%v %s %+v", ok, next.State, changed.Starts)
	}
	if !p.Starts["w/offer:gold"].Ended {
		t.Error("the person given has changed")
	}
}
