package flowfile_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// TestStarts holds what is said of workflows that start one another.
func TestStarts(t *testing.T) {
	t.Parallel()
	const head, end = "triggers: [new_sign_up]\nsteps:\n", "steps: [end]\n"
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"well", map[string]string{"a": head + "- start: b\n- start: {workflow: c}\n", "b": "steps: [{start: c}]\n", "c": "triggers: []\n" + end}, nil},
		{"within", map[string]string{"a": head + "- if: 'true'\n  then: [{split: {x: [{start: b}], y: {weight: 2, steps: [{start: c}]}}}]\n  else: []\n", "b": end, "c": end}, nil},
		{"misspelt", map[string]string{"a": head + "- start: folow\n", "follow": "triggers: [new_sign_up]\n" + end}, []string{
			`workflows/a.yaml:3:10: no workflow "folow"; did you mean follow?`}},
		{"unknown", map[string]string{"a": head + "- start: {workflow: zzz}\n"}, []string{
			`workflows/a.yaml:3:21: no workflow "zzz"; it would be the file zzz.yaml beside this one`}},
		{"itself", map[string]string{"a": head + "- start: a\n"}, []string{"workflows/a.yaml:3:10: a starts a: that would never end"}},
		{"a cycle", map[string]string{"a": head + "- wait: 1d\n- start: b\n", "b": head + "- start: c\n", "c": head + "- start: a\n", "d": head + "- start: a\n"}, []string{
			"workflows/a.yaml:4:10: a starts b starts c starts a: that would never end",
			"workflows/b.yaml:3:10: b starts c starts a starts b: that would never end",
			"workflows/c.yaml:3:10: c starts a starts b starts c: that would never end"}},
		{"a cycle through aliases", map[string]string{"a": head + "- id: &other b\n  if: 'true'\n  then: []\n  else: [{start: *other}]\n", "b": head + "- start: a\n"}, []string{
			"workflows/a.yaml:3:7: a starts b starts a: that would never end",
			"workflows/b.yaml:3:10: b starts a starts b: that would never end"}},
		{"an absence that counts from itself", map[string]string{"a": "triggers: [&a {absent: {of: product_started, after: 1d, since: *a}}]\n" + end}, []string{
			"workflows/a.yaml:1:64: *a stands within what it repeats"}},
		{"nobody starts it", map[string]string{"a": end}, []string{"workflows/a.yaml:1:1: the workflow has no triggers: nothing would start it"}},
		{"shapes", map[string]string{"a": head + "- start: [b]\n- start: {}\n- start: {workflo: b}\n- start\n", "b": "triggers: [new_sign_up]\n" + end}, []string{
			"workflows/a.yaml:3:10: the workflow to start is one value, not a list",
			"workflows/a.yaml:4:3: start needs the workflow; write `start: follow-up`",
			"workflows/a.yaml:5:3: start needs the workflow; write `start: follow-up`",
			`workflows/a.yaml:5:11: start has no key "workflo"; did you mean workflow? (its keys: workflow)`,
			"workflows/a.yaml:6:3: the step start needs its settings, after a colon"}},
		{"re-entry by the starter's noun", map[string]string{"a": "triggers: [offer_access_granted]\nsteps: [{start: b}]\n", "b": "reentry: {key: offer, allow: never}\n" + end,
			"c": "triggers: [lesson_started]\nreentry: {key: offer, allow: never}\n" + end}, []string{
			"workflows/c.yaml:2:16: none of the triggers has an offer, so re-entry cannot count by it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{}
			for id, src := range tt.files {
				fsys["workflows/"+id+".yaml"] = &fstest.MapFile{Data: []byte(src)}
			}
			flows, problems := flowfile.LoadDir(fsys, "workflows", catalog(), &engine.Location{ID: "academy"})
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(tt.want) == 0 && len(flows) != len(tt.files) {
				t.Errorf("%d flows %s", len(flows), diff)
			}
		})
	}
}

// TestStartedTriggers has an action know of every trigger that its workflow may be started under, through others too.
func TestStartedTriggers(t *testing.T) {
	t.Parallel()
	cat := catalog()
	seen := map[string]int{}
	cat.Actions["email"] = watching{seen: seen}
	fsys := fstest.MapFS{
		"workflows/a.yaml": {Data: []byte("triggers: [user_login, {lesson_completed: {lesson: intro}}]\nsteps: [{start: b}]\n")},
		"workflows/b.yaml": {Data: []byte("steps: [{start: c}]\n")},
		"workflows/d.yaml": {Data: []byte("triggers: [{absent: {of: offer_access_granted, after: 1d, since: {product_started: {product: p}}}}]\nsteps: &s [{start: c}]\n")},
		"workflows/c.yaml": {Data: []byte("triggers: [new_sign_up]\nclass: transactional\nsteps: [{email: {template: x}}]\n")},
	}
	if _, problems := flowfile.LoadDir(fsys, "workflows", cat, &engine.Location{ID: "academy"}); len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(map[string]int{"user_login": 1, "lesson_completed": 1, "new_sign_up": 1, "product_started": 1}, seen); diff != "" {
		t.Error(diff)
	}
}

type watching struct {
	message
	seen map[string]int
}

func (w watching) Decode(n engine.Node, sc engine.StepContext) any {
	for _, k := range sc.Triggers {
		w.seen[k.Name]++
	}
	return w.message.Decode(n, sc)
}
