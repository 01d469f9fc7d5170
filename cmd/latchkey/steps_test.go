package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples checks every example as its users would.
func TestExamples(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		code, stdout, stderr := command(t, "check", filepath.Join("../../examples", e.Name()))
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "no mistake") {
			t.Errorf("%s: code %d\n%s%s", e.Name(), code, stdout, stderr)
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
