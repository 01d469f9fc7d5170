package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What can go wrong is tested here and in the other badinput_*_test.go, one file for each subject: each time there is a
// clear error, nothing is lost, and nothing is sent twice.

const alwaysWorkflow = `class: transactional
triggers: [offer_access_granted, offer_access_removed, new_sign_up]
reentry: always
steps:
  - email: {subject: '<<event.type>> <<event.id>>', text: hello}
`

// subjects returns the subjects of mails, sorted.
func subjects(mails []mailParts) []string {
	var out []string
	for _, m := range mails {
		out = append(out, m.subject)
	}
	slices.Sort(out)
	return out
}

func (w *world) wantSubjects(i *instance, nc *nats.Conn, want ...string) {
	w.t.Helper()
	w.quiet(i, nc)
	slices.Sort(want)
	if got := subjects(w.waitMails(0)); !slices.Equal(got, want) {
		w.t.Errorf("mails %q, want %q\n%s", got, want, w.logTail())
	}
}

func TestLargeEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/always.yaml": alwaysWorkflow})
	i, _ := w.start()
	nc := w.connect()
	event := func(size int) string {
		return fmt.Sprintf(`{"contact": {"id": "c-1", "email": "ada@example.com"}, "offer": {"id": "gold"}, "note": %q}`, strings.Repeat("x", size))
	}
	w.send(nc, "offer_access_granted", "900KiB", event(900<<10))
	w.send(nc, "offer_access_granted", "1.2MiB", event(1200<<10))
	w.send(nc, "offer_access_granted", "small", event(1))
	w.wantSubjects(i, nc, "offer_access_granted offer_access_granted:900KiB", "offer_access_granted offer_access_granted:small")
	letters := w.stream(nc, "COURSES_DEAD")
	if len(letters) != 1 || !strings.Contains(letters[0].header.Get("Latchkey-Reason"), "at most 1048576 are taken") {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestRepeatedIDCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/always.yaml": alwaysWorkflow})
	i, stop := w.start()
	nc := w.connect()
	data := eventData("ada", map[string]string{"offer": "gold"})
	// CloudEvents without a Nats-Msg-Id are all stored by the stream: that they are one is Latchkey's to know.
	for range 3 {
		w.put(nc, forms["structured"]("offer_access_granted", "42", data))
		w.put(nc, forms["binary"]("offer_access_granted", "42", data))
	}
	w.put(nc, forms["structured"]("offer_access_removed", "42", data))
	w.put(nc, forms["structured"]("new_sign_up", "42", data))
	want := []string{"offer_access_granted 42", "offer_access_removed 42", "new_sign_up 42"}
	w.wantSubjects(i, nc, want...)

	// With a Nats-Msg-Id the stream itself drops the second.
	w.send(nc, "new_sign_up", "43", string(data))
	w.send(nc, "new_sign_up", "43", string(data))
	want = append(want, "new_sign_up new_sign_up:43")
	w.wantSubjects(i, nc, want...)
	if n := len(w.stream(nc, "COURSES")); n != 9 {
		t.Errorf("the stream holds %d messages", n)
	}

	// It is one event after a restart, too.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	w.put(nc, forms["binary"]("offer_access_granted", "42", data))
	w.put(nc, forms["binary"]("offer_access_granted", "44", data))
	w.wantSubjects(i, nc, append(want, "offer_access_granted 44")...)
}

// TestRedelivery takes the durable consumer away, so that NATS forgets what was acknowledged.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/always.yaml": alwaysWorkflow})
	i, stop := w.start()
	nc := w.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	publish := func(ids ...string) {
		for _, id := range ids {
			w.put(nc, forms["structured"]("new_sign_up", id, eventData("c-"+id, nil)))
			want = append(want, "new_sign_up "+id)
		}
	}
	publish("1", "2", "3")
	w.wantSubjects(i, nc, want...)
	if err := js.DeleteConsumer(t.Context(), "COURSES", "latchkey"); err != nil {
		t.Fatal(err)
	}
	publish("4", "5")
	w.wantSubjects(i, nc, want...)

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	publish("6")
	w.wantSubjects(i, nc, want...)
}
