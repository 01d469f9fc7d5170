package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A notice is what Latchkey published, as one who reads its streams sees it.
type notice struct {
	SpecVersion string
	ID, Type    string
	Data        struct {
		Task, Run, Workflow, Session, Link, Channel, State, Via string
		Links                                                   []string
		First                                                   bool
		Contact                                                 json.RawMessage
	}
	msgID, subject string
}

// notices reads those of a stream whose subject ends in one of kinds.
func (w *world) notices(t *testing.T, stream []stored, kinds ...string) (out []notice) {
	t.Helper()
	for _, m := range stream {
		n := notice{msgID: m.header.Get("Nats-Msg-Id"), subject: m.subject}
		if !slices.ContainsFunc(kinds, func(k string) bool { return strings.HasSuffix(m.subject, "."+k) }) {
			continue
		}
		if err := json.Unmarshal(m.data, &n); err != nil {
			t.Fatalf("%s: %v", m.subject, err)
		}
		out = append(out, n)
	}
	return out
}

// TestNotices follows two learners' devices through one run: what is published of it, once each, by ids that another
// instance would give too, and without a link.
func TestNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, stop := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	link := w.linksTo("ada")[0]
	desk, phone := newPerson(t), newPerson(t)
	desk.open(http.MethodGet, link, nil) // nothing, as a scanner
	for _, p := range []person{desk, desk, phone} {
		if status, _ := p.press(link); status != http.StatusOK {
			t.Fatalf("link: %d", status)
		}
	}
	check := func(when string) {
		t.Helper()
		w.quiet(i, nc)
		w.checkNotices(t, when, w.stream(nc, "LATCHKEY"), w.stream(nc, "COURSES"))
	}
	check("at first")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	check("after a restart")
}

func (w *world) checkNotices(t *testing.T, when string, own, courses []stored) {
	t.Helper()
	var want, got []string
	tasks := w.messages("")
	run := tasks[0].Run
	for _, m := range tasks {
		want = append(want, "message.sent:"+m.ID)
	}
	want = append(want, "run.finished:"+run)
	sessions, logins := map[string]bool{}, 0
	for _, n := range w.notices(t, own, "message.sent", "run.finished", "link.redeemed") {
		if n.Type == "link.redeemed" {
			if n.ID != "link.redeemed:"+n.Data.Session || n.Data.Link != tasks[1].Links[0] || n.Data.First != (len(sessions) == 0) {
				t.Errorf("%s: %+v", when, n)
			}
			sessions[n.Data.Session] = true
			want = append(want, n.ID)
		}
		if n.Data.Run != run || n.Data.Workflow != "hello" || n.SpecVersion != "1.0" || n.subject != "latchkey.academy."+n.Type ||
			n.msgID != "academy."+n.Type+":"+n.ID {
			t.Errorf("%s: %+v", when, n)
		}
		got = append(got, n.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(sessions) != 2 || len(own) != len(got) {
		t.Errorf("%s LATCHKEY holds %d: %v, want %v", when, len(own), got, want)
	}
	for _, n := range w.notices(t, courses, "user_login") {
		session := strings.TrimPrefix(n.ID, "user_login:")
		if !sessions[session] || n.Data.Via != "latchkey" || !strings.Contains(string(n.Data.Contact), `"ada"`) || n.msgID != "academy.user_login:"+n.ID {
			t.Errorf("%s: %+v of sessions %v", when, n, sessions)
		}
		delete(sessions, session)
		logins++
	}
	if logins != 2 || len(courses) != 3 {
		t.Errorf("%s: %d user_login among %d course events", when, logins, len(courses))
	}
	for _, l := range w.linksTo("ada") {
		token := l[strings.LastIndex(l, "/")+1:]
		for _, m := range slices.Concat(own, courses) {
			if bytes.Contains(m.data, []byte(token)) {
				t.Errorf("%s: %s holds a token", when, m.subject)
			}
		}
	}
}
