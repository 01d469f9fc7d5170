package flowfile_test

import (
	"strings"
	"testing"
)

// TestIdleWindow warns of a window that none of the messages waits for.
func TestIdleWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class, also, steps string
		warns              bool
	}{
		{"transactional", "", "{email: {template: a}}", true},
		{"transactional", "", "{split: {a: [], b: [{email: {template: a}}]}}", true},
		{"transactional", ", also: transactional", "{email: {template: a}}", false},
		{"marketing", "", "{split: {a: [], b: [{email: {template: a}}]}}", false},
		{"transactional", "", "end", false},
	} {
		src := "triggers: [user_login]\nclass: " + c.class + "\nwindow: {days: mon" + c.also + "}\nsteps: [" + c.steps + "]\n"
		flow, problems := load("f.yaml", []byte(src))
		warned := len(problems) == 1 && problems[0].Warning && strings.HasPrefix(problems[0].String(), "f.yaml:3:9: warning: the window holds marketing messages only")
		if flow == nil || flow.Window == nil || warned != c.warns || !warned && len(problems) > 0 {
			t.Errorf("%s: %v", src, problems)
		}
	}
}
