package main

import (
	"testing"
	"time"

	"latchkey/engine/simulate"
)

// TestThirtyDays has a workflow of thirty days with five waits, a wait for an event, a split and a goal run to its end within a
// second, with the project's real templates and links.
func TestThirtyDays(t *testing.T) {
	t.Parallel()
	cfg, problems := loadConfig("../../examples/steps", nil, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	b, err := newWorkbench(cfg.Sites[0])
	if err != nil {
		t.Fatal(err)
	}
	tests, problems := b.tests()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	world := b.world(b.project.workflows)
	longest := time.Duration(0)
	for i := range tests {
		if tests[i].Workflow != "thirty-days" {
			continue
		}
		res, err := simulate.Run(t.Context(), world, &tests[i])
		if err != nil || res.Failure != nil || res.Took > time.Second {
			t.Errorf("%s: %v, %+v, took %v", tests[i].Name, err, res.Failure, res.Took)
		}
		longest = max(longest, res.Span)
	}
	if longest != 30*24*time.Hour {
		t.Errorf("the longest test spans %v", longest)
	}
}
