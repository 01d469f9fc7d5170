package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// settingsOf is what a workflow file may say, by what it stands in. Words that mean the same as saying nothing are not here.
var settingsOf = map[string]string{
	"workflow":  "name status class triggers when coalesce reentry goal window limit hold_limit steps",
	"status":    "draft paused",
	"absent":    "of after since by",
	"filter":    "any_of none_of",
	"reentry":   "key allow always after_end after",
	"goal":      "event when",
	"window":    "days from to zone also",
	"limit":     "messages in",
	"step":      "id name when retry timeout on_error on_unknown",
	"retry":     "never for attempts",
	"email":     "template subject markdown html text preheader from reply_to class",
	"sms":       "template body class max_segments",
	"wait":      "until for timeout",
	"if":        "then else",
	"split":     "weight steps",
	"tag":       "add remove",
	"goal step": "event else timeout wait end",
	"webhook":   "url method headers body secret save",
	"publish":   "type subject data",
	"grant":     "offer product",
	"revoke":    "offer product",
	"notify":    "to subject text",
	"kinds":     "email sms wait if split tag set webhook publish grant revoke start notify goal end",
}

// TestExamplesUseEverything demands an example of each step and each setting of workflows, and that the reference names it.
func TestExamplesUseEverything(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/workflows/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	used := uses{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.yaml") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Load(src, &doc); err != nil {
			t.Fatal(err)
		}
		used.workflow(doc.Content[0])
	}
	page, err := os.ReadFile("reference/workflow.md")
	if err != nil {
		t.Fatal(err)
	}
	for in, words := range settingsOf {
		for word := range strings.FieldsSeq(words) {
			if !used[in+": "+word] {
				t.Errorf("no example has %s of %s", word, in)
			}
			if !regexp.MustCompile(`\b` + word + `\b`).Match(page) {
				t.Errorf("latchkey help workflow does not say %s of %s", word, in)
			}
		}
	}
}

// uses are the words that workflows have, behind what they stand in.
type uses map[string]bool

// keys notes the keys of a mapping, and those of its values that are single words.
func (u uses) keys(in string, n *yaml.Node) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		u[in+": "+n.Value] = true
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		u[in+": "+n.Content[i].Value] = true
		if v := n.Content[i+1]; v.Kind == yaml.ScalarNode {
			u[in+": "+v.Value] = true
		}
	}
}

func (u uses) workflow(n *yaml.Node) {
	u.keys("workflow", n)
	for _, key := range []string{"status", "reentry", "goal", "window", "limit"} {
		u.keys(key, valueOf(n, key))
	}
	if re := valueOf(n, "reentry"); re != nil {
		u.keys("reentry", valueOf(re, "allow"))
	}
	if triggers := valueOf(n, "triggers"); triggers != nil {
		for _, item := range triggers.Content {
			u.keys("absent", valueOf(item, "absent"))
			u.filters(item)
		}
	}
	u.steps(valueOf(n, "steps"))
}

// filters notes any_of and none_of, wherever they stand.
func (u uses) filters(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			u["filter: "+c.Value] = true
		}
		u.filters(c)
	}
}

func (u uses) steps(list *yaml.Node) {
	if list == nil {
		return
	}
	for _, step := range list.Content {
		u.keys("kinds", step)
		u.keys("step", step)
		u.keys("if", step)
		u.keys("retry", valueOf(step, "retry"))
		u.steps(valueOf(step, "then"))
		u.steps(valueOf(step, "else"))
		for kind := range strings.FieldsSeq(settingsOf["kinds"]) {
			if in := valueOf(step, kind); in != nil {
				u.settings(kind, in)
			}
		}
	}
}

func (u uses) settings(kind string, n *yaml.Node) {
	if kind == "goal" {
		kind = "goal step"
	}
	u.keys(kind, n)
	if kind != "split" {
		u.filters(n)
		return
	}
	for i := 1; i < len(n.Content); i += 2 {
		branch := n.Content[i]
		u.keys("split", branch)
		if in := valueOf(branch, "steps"); in != nil {
			branch = in
		}
		u.steps(branch)
	}
}
