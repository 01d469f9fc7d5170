package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenAnswers holds the records of what was kept of an answer.
func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	r, k := goldenRun(), goldenTask()
	r.Steps[0].Response = Custom{"id": int64(4711), "tier": "vip", "none": nil}
	k.Answer = &Answer{Fields: r.Steps[0].Response, Fault: "not saved: x"}
	tx := mapTx{}
	if err := errors.Join(SaveRun(tx, r), SaveTask(tx, k)); err != nil {
		t.Fatal(err)
	}
	gotR, err := DecodeRun(golden(t, "run-response.v1", tx.Get(SpaceActive, Key("academy", r.ID[:]))))
	if err != nil || !cmp.Equal(gotR, r) {
		t.Errorf("run: %v\n%s", err, cmp.Diff(r, gotR))
	}
	gotK, err := DecodeTask(golden(t, "task-answer.v1", tx.Get(SpaceDue, Key("academy", k.ID[:]))))
	if err != nil || !cmp.Equal(gotK, k) {
		t.Errorf("task: %v\n%s", err, cmp.Diff(k, gotK))
	}
}

// TestResponseInExpressions has later steps see what a step kept.
func TestResponseInExpressions(t *testing.T) {
	t.Parallel()
	r := goldenRun()
	r.Steps[0].Response = Custom{"id": int64(4711), "tier": "vip"}
	env := NewEnv(nil, goldenPerson(), &r.Event, r, day1)
	for src, want := range map[string]bool{
		`run.steps.hello.response.tier == "vip"`: true, `run.steps.hello.response.id > 4000`: true,
		`run.steps.hello.response.gone == nil`: true, `run.steps.other.response.tier == nil`: true,
		`run.steps["hello"].response.tier != "vip"`: false,
	} {
		e, _, err := CompileExpr(src)
		if err != nil {
			t.Fatal(src, err)
		}
		if got, fault := e.True(env); got != want || fault != "" {
			t.Errorf("%s: %v %s", src, got, fault)
		}
	}
}
