package engine

import (
	"strings"
	"testing"
)

// TestReduceCannotGrow has a text double in each round of reduce.
func TestReduceCannotGrow(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`reduce(1..30, #acc + #acc, "xxxx") != ""`:                "needs too much memory",
		`reduce(1..30, [#acc + #acc][0], "xxxx") != ""`:           "needs too much memory",
		`reduce(1..10, #acc + "x", "") == "xxxxxxxxxx"`:           "",
		`reduce(1..4, #acc + #, 0) == 10`:                         "",
		`reduce(["a", "b"], #acc + #) contains "b"`:               "",
		`reduce([true, true], #acc && #, true)`:                   "",
		`reduce(1..3, reduce(1..2, #acc + #, 0) + #acc, 0) >= 9`:  "",
		`len(reduce(1..3, concat(#acc, [#]), [0])) == 4 and true`: "",
	} {
		e, _, err := CompileExpr(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		ok, fault := e.True(testEnv())
		if ok != (want == "") || (fault == "") != (want == "") || !strings.Contains(fault, want) {
			t.Errorf("%s: %v, %q", src, ok, fault)
		}
	}
}
