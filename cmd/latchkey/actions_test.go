package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
)

// A hookServer takes webhooks and keeps them.
type hookServer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
	body []string
}

func newHookServer(t *testing.T, answer func(n int, w http.ResponseWriter)) *hookServer {
	t.Helper()
	s := &hookServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen, s.body = append(s.seen, r.Header.Clone()), append(s.body, string(body))
		n := len(s.seen)
		s.mu.Unlock()
		answer(n, w)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestWebhookDecides has a webhook answered at the second attempt, and a later step follow what the answer says.
func TestWebhookDecides(t *testing.T) {
	t.Parallel()
	srv := newHookServer(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"lead": {"id": 4711, "tier": "vip"}}`)
	})
	w := newWorld(t, map[string]string{
		"extra": "secrets: {crm: sesame-open-up}\n",
		"workflows/lead.yaml": `class: transactional
triggers: [offer_access_granted]
steps:
  - id: crm
    webhook:
      url: ` + srv.URL + `/leads/<<contact.id>>
      secret: crm
      headers: {Authorization: {secret: crm, prefix: "Bearer "}}
      body: {who: <<contact.id>>, offer: <<offer.id>>}
      save: {id: lead.id, tier: lead.tier}
  - if: run.steps.crm.response.tier == "vip" and run.steps.crm.response.id > 4000
    then:
      - email: {subject: Welcome, text: 'Lead <<run.steps.crm.response.id>> of tier <<run.steps.crm.response.tier>>.'}
    else:
      - email: {subject: Wrong, text: Wrong}
`})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	if mail := w.waitMails(1)[0]; mail.subject != "Welcome" || !strings.Contains(mail.text, "Lead 4711 of tier vip.") {
		t.Errorf("%q: %s", mail.subject, mail.text)
	}
	w.quiet(i, nc)
	if len(srv.seen) != 2 || srv.seen[0].Get("Idempotency-Key") != srv.seen[1].Get("Idempotency-Key") || srv.body[0] != `{"offer":"gold","who":"c-1"}` ||
		srv.seen[1].Get("Webhook-Signature") == "" || srv.seen[1].Get("Authorization") != "Bearer sesame-open-up" {
		t.Errorf("%v %v", srv.seen, srv.body)
	}
	if m := w.message("webhook", "sent"); m.Attempts != 2 || !strings.HasPrefix(srv.URL, "http://"+m.To) {
		t.Errorf("%+v", m)
	}
	if strings.Contains(w.wholeLog(), "sesame-open-up") {
		t.Error("the log holds the secret")
	}
}

const giftWorkflow = `triggers: [offer_access_granted]
reentry: always
steps:
  - publish: {type: lead.scored, subject: <<contact.id>>, data: {offer: <<offer.id>>, score: 7}}
  - grant: {product: bonus-1}
  - revoke: {offer: trial}
`

// TestPublishedSteps reads what steps publish as a program of the course site would, and answers the way it does.
func TestPublishedSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/gift.yaml": giftWorkflow})
	i, stop := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	w.quiet(i, nc)
	check := func(when string) {
		t.Helper()
		stream := w.stream(nc, "LATCHKEY")
		got := map[string]string{}
		for _, m := range stream {
			var ce struct {
				ID, Type, Subject string
				Depth             int `json:"latchkeydepth"`
				Data              json.RawMessage
			}
			if err := json.Unmarshal(m.data, &ce); err != nil {
				t.Fatal(err)
			}
			data := strings.ReplaceAll(string(ce.Data), w.messageRun(ce.ID), "RUN")
			got[m.subject] += fmt.Sprintf("%s %s %d %s", strings.ReplaceAll(ce.ID, w.messageRun(ce.ID), "RUN"), ce.Subject, ce.Depth, data)
		}
		delete(got, "latchkey.academy.run.finished")
		want := map[string]string{
			"latchkey.academy.custom.lead.scored": `custom.lead.scored:RUN/publish-1 c-1 1 {"offer":"gold","score":7}`,
			"latchkey.academy.access.grant":       `access.grant:RUN/grant-1 c-1 1 {"contact":{"id":"c-1"},"product":{"id":"bonus-1"},"run":"RUN","step":"grant-1","workflow":"gift"}`,
			"latchkey.academy.access.revoke":      `access.revoke:RUN/revoke-1 c-1 1 {"contact":{"id":"c-1"},"offer":{"id":"trial"},"run":"RUN","step":"revoke-1","workflow":"gift"}`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	check("at first")
	var known struct{ Offers, Products map[string]any }
	w.ask(http.MethodGet, "/v1/contacts/c-1", "", &known)
	if len(known.Offers) != 1 || len(known.Products) != 0 {
		t.Errorf("the contact holds %+v; what the course site has not granted is not theirs", known)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ = w.start()
	nc = w.connect()
	w.quiet(i, nc)
	check("after a restart")
}

// messageRun returns the run in the id of a step's notice.
func (w *world) messageRun(id string) string {
	_, rest, _ := strings.Cut(id, ":")
	run, _, _ := strings.Cut(rest, "/")
	return run
}

// TestLoopEnds has a course site answer each grant with the event that causes it, over NATS or over HTTP: each is one deeper, and the
// eighth is a dead letter. A batch that it comes in is taken whole.
//
// Red when decodeTyped refuses what Decode does.
func TestLoopEnds(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]func(w *world, nc *nats.Conn, id, event string){
		"NATS": func(w *world, nc *nats.Conn, id, event string) {
			w.put(nc, &nats.Msg{Subject: "courses.academy.offer_access_granted", Data: []byte(event),
				Header: nats.Header{"Content-Type": {"application/cloudevents+json"}, "Nats-Msg-Id": {id}}})
		},
		"HTTP": func(w *world, _ *nats.Conn, id, event string) {
			other := fmt.Sprintf(`{"specversion":"1.0","id":"beside-%s","source":"site","type":"user_login","data":{"contact":{"id":"bob"}}}`, id)
			status, answer := w.do(http.MethodPost, "/v1/events", "["+event+","+other+"]", func(r *http.Request) { r.Header.Set("Content-Type", "application/cloudevents-batch+json") })
			if status != http.StatusAccepted {
				w.t.Errorf("%s: %d %s", id, status, answer)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLoopEnds(t, publish)
		})
	}
}

func testLoopEnds(t *testing.T, publish func(w *world, nc *nats.Conn, id, event string)) {
	w := newWorld(t, map[string]string{"workflows/loop.yaml": `triggers: [offer_access_granted]
reentry: always
steps:
  - grant: {offer: gold}
`})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	for n := 1; n <= 20; n++ {
		w.quiet(i, nc)
		var last struct {
			ID    string
			Depth int `json:"latchkeydepth"`
		}
		grants := 0
		for _, m := range w.stream(nc, "LATCHKEY") {
			if strings.HasSuffix(m.subject, "access.grant") {
				grants++
				if err := json.Unmarshal(m.data, &last); err != nil {
					t.Fatal(err)
				}
			}
		}
		if grants < n {
			if grants != 8 || last.Depth != 8 {
				t.Errorf("%d grants, the last of depth %d", grants, last.Depth)
			}
			break
		}
		publish(w, nc, fmt.Sprintf("back-%d", n),
			fmt.Sprintf(`{"specversion":"1.0","id":"back-%d","source":"site","type":"offer_access_granted","latchkeydepth":%d,"data":%s}`, n, last.Depth, adaGold))
	}
	dead := w.stream(nc, "COURSES_DEAD")
	if len(dead) != 1 || !strings.Contains(fmt.Sprint(dead[0].header), "loop: 8 runs") {
		t.Errorf("%d dead letters: %v", len(dead), dead)
	}
}

// TestStartAndNotify has one workflow start another, which mails the staff; both stories say so.
func TestStartAndNotify(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"extra":                "support: {email: help@acme.test}\n",
		"workflows/buy.yaml":   "triggers: [offer_access_granted]\nsteps:\n  - start: staff\n  - start: staff\n",
		"workflows/staff.yaml": "steps:\n  - notify: 'Call <<contact.id>> about <<offer.id>>'\n",
	})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	if mail := w.waitMails(1)[0]; mail.subject != "Acme Academy: staff" || !strings.Contains(mail.text, "Call c-1 about gold") || !strings.Contains(mail.to, "help@acme.test") {
		t.Errorf("%+v", mail)
	}
	w.quiet(i, nc)
	if m := w.message("notify", "sent"); m.To != "help@acme.test" || m.Class != "" {
		t.Errorf("%+v", m)
	}
	var runs []struct{ ID, Workflow string }
	w.ask(http.MethodGet, "/v1/runs", "", &runs)
	if len(runs) != 2 {
		t.Fatalf("%+v", runs)
	}
	var stories string
	runOf := map[string]string{}
	for _, r := range runs {
		_, body := w.get("/v1/runs/" + r.ID)
		stories += body
		runOf[r.Workflow] = r.ID
	}
	for _, want := range []string{"workflow staff started, by a step of run " + runOf["buy"], "start-1: started run " + runOf["staff"] + " of staff", "start-2: not_started (staff: re-entry: it started for offer"} {
		if !strings.Contains(stories, want) {
			t.Errorf("the stories do not tell %s:\n%s", want, stories)
		}
	}
	code, _, stderr := w.command("check", w.dir)
	if code != exitOK {
		t.Error(stderr)
	}
}
