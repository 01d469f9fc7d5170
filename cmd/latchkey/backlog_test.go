package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const patientWorkflow = `class: transactional
triggers: [product_access_granted]
steps:
  - id: began
    wait: {for: product_started, timeout: 1d}
  - if: run.steps.began.outcome == "met"
    then: [email: {subject: 'Well begun', text: 'Come in: <<login_url>>'}]
    else: [email: {subject: 'Where are you', text: 'Come in: <<login_url>>'}]
`

// TestBacklogBeforeTimers stops the instance for a week, in which learners begin their product: what they did counts, though
// the times of their waits and absences are long over when it starts again.
func TestBacklogBeforeTimers(t *testing.T) {
	t.Parallel()
	const learners = 60
	w := newWorld(t, map[string]string{"workflows/patient.yaml": patientWorkflow, "workflows/nudge.yaml": nudgeWorkflow})
	url := w.ownNATS()
	elsewhere := func(c *Config) { c.NATS.URL, c.NATS.Listen = url, "" }
	i, stop := w.start(elsewhere)
	nc := w.connect()
	publish := func(trigger string, n int) {
		w.put(nc, forms["bare"](trigger, fmt.Sprint(trigger, n), eventData(fmt.Sprint("l", n), map[string]string{"product": "go-101"})))
	}
	for n := range learners + 1 {
		publish("product_access_granted", n)
	}
	w.quiet(i, nc)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 * learners { // the first half is somebody else's, and read before
		publish("product_started", learners+1+n)
	}
	for n := range learners {
		publish("product_started", n)
	}
	w.pass(7 * 24 * time.Hour)
	w.start(elsewhere)
	var subjects []string
	for _, m := range w.waitMails(learners + 2) {
		subjects = append(subjects, m.subject)
	}
	slices.Sort(subjects)
	want := append([]string{"Begin Title of go-101"}, slices.Repeat([]string{"Well begun"}, learners)...)
	want = append(want, "Where are you")
	slices.Sort(want)
	if !slices.Equal(subjects, want) {
		t.Errorf("%q", slices.Compact(subjects))
	}
}
