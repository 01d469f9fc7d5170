package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples checks every example as its users would.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/latchkey.yaml") // those that are projects
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		code, stdout, stderr := command(t, "check", dir)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "no mistake") {
			t.Errorf("%s: code %d\n%s%s", dir, code, stdout, stderr)
		}
	}
}

const branchingWorkflow = `class: transactional
triggers: [offer_access_granted]
steps:
  - wait: {until: event.custom.begins}
  - tag: [vip, early]
  - tag: {remove: early}
  - set: {cohort: 2026-11, score: 5}
  - split:
      a: [{email: {template: branch, subject: Branch}}]
      b: [{email: {template: branch, subject: Branch}}]
`

const afterwardsWorkflow = `class: transactional
triggers: [product_started]
when: '"vip" in contact.tags and contact.custom.score == 5'
steps:
  - email: {subject: Started, text: 'Tags: <<contact.tags | join ", ">>; cohort <<contact.custom.cohort | default "none">>.'}
`

// TestStepsKeepWhatTheyWrite has one workflow tag and set, and another, of a later event, see it.
func TestStepsKeepWhatTheyWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/branching.yaml": branchingWorkflow, "workflows/afterwards.yaml": afterwardsWorkflow,
		"templates/branch.md": "---\nsubject: x\n---\n<<if contact.tags has \"vip\">>You are special<<else>>You are not<<end>>\n",
	})
	w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", strings.Replace(adaGold, `"offer":`, `"begins": "2020-01-01", "offer":`, 1))
	if mail := w.waitMails(1)[0]; mail.subject != "Branch" || !strings.Contains(mail.text, "You are special") {
		t.Errorf("%q: %s", mail.subject, mail.text)
	}
	w.send(nc, "product_started", "2", `{"contact": {"id": "c-1"}, "product": {"id": "go-101"}}`)
	if mail := w.waitMails(2)[1]; mail.subject != "Started" || !strings.Contains(mail.text, "Tags: vip; cohort 2026-11.") {
		t.Errorf("%q: %s", mail.subject, mail.text)
	}
}
