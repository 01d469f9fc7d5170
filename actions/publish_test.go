package actions_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// announce has the core carry out a workflow of one step, and returns its notice and the story's line.
func (b *bench) announce(t *testing.T, step string) (*engine.Notice, engine.StepResult) {
	t.Helper()
	loc := &engine.Location{ID: "academy", Name: "Acme Academy"}
	w, problems := flowfile.Load("workflows/w.yaml", "w", []byte("triggers: [lesson_completed]\nsteps:\n- "+step+"\n"), b.catalog(), loc)
	if w == nil {
		t.Fatal(problems)
	}
	run := engine.Run{ID: engine.NewID(at, 7, "run"), Location: "academy", Workflow: "w", Contact: b.person.Key, Event: b.event}
	run, _, cmds := engine.Advance(w, loc, run, b.person, engine.Input{Begin: true}, at)
	for _, c := range cmds {
		if c.Notice != nil && c.Notice.Type != "run.finished" {
			return c.Notice, run.Steps[0]
		}
	}
	return nil, run.Steps[0]
}

func TestPublish(t *testing.T) {
	t.Parallel()
	run := engine.NewID(at, 7, "run").String()
	ids := `"run":"` + run + `","step":"STEP","workflow":"w"}`
	tests := []struct{ name, step, typ, subject, data string }{
		{"by default only ids", "publish: lead.scored", "custom.lead.scored", "",
			`{"contact":{"id":"c-17"},"event":{"id":"e1","type":"lesson_completed"},"lesson":{"id":"intro"},` + strings.Replace(ids, "STEP", "publish-1", 1)},
		{"data", `publish: {type: lead, subject: "who/<<contact.id>>", data: {score: <<event.custom.score>>, list: [a, <<contact.first_name>>], n: 1}}`,
			"custom.lead", "who/c-17", `{"list":["a","Ada"],"n":1,"score":7}`},
		{"grant", "grant: {offer: gold, product: <<event.custom.gift>>}", "access.grant", "c-17",
			`{"contact":{"id":"c-17"},"offer":{"id":"gold"},"product":{"id":"go-101"},` + strings.Replace(ids, "STEP", "grant-1", 1)},
		{"revoke", "revoke: {product: go-101}", "access.revoke", "c-17", `{"contact":{"id":"c-17"},"product":{"id":"go-101"},` + strings.Replace(ids, "STEP", "revoke-1", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.event.Custom = engine.Custom{"score": int64(7), "gift": "go-101"}
			n, line := b.announce(t, tt.step)
			if n == nil {
				t.Fatal(line)
			}
			data, err := json.Marshal(n.Data)
			if n.Type != tt.typ || n.Subject != tt.subject || string(data) != tt.data || err != nil || line.Outcome != "published" {
				t.Errorf("%+v %s %v", n, data, err)
			}
		})
	}
}

func TestNotPublished(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"grant: {offer: <<event.custom.gone>>}":                        "event.custom.gone has no value",
		"grant: {offer: '<<event.custom.gone | default \" \">>'}":      "the id of the offer must be 1 to 256 bytes",
		"publish: {type: a, data: {x: [<<event.custom.gone>>]}}":       "workflows/w.yaml:3:",
		"publish: {type: a, subject: '<<event.custom.long>>'}":         "the subject is longer",
		"publish: {type: a, data: {x: {y: <<event.custom.gone.on>>}}}": "event.custom.gone.on has no value",
	} {
		b := newBench(t, nil)
		b.event.Custom = engine.Custom{"long": strings.Repeat("x", 300)}
		n, line := b.announce(t, step)
		if n != nil || line.Outcome != "failed" || !strings.Contains(line.Fault, want) {
			t.Errorf("%s: %+v", step, line)
		}
	}
	b := newBench(t, nil)
	b.person.Contact = engine.Contact{Email: "ada@example.com"}
	if n, _ := b.announce(t, "grant: {offer: gold}"); n == nil || !strings.Contains(string(n.Data.(json.RawMessage)), `"contact":{"email":"ada@example.com"}`) {
		t.Errorf("a contact without an id: %+v", n)
	}
	b.person.Contact = engine.Contact{}
	if n, line := b.announce(t, "grant: {offer: gold}"); n != nil || line.Outcome != "failed" {
		t.Errorf("a contact without anything: %+v", n)
	}
}

func TestPublishMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		step string
		want []string
	}{
		{"publish: {}", []string{"w.yaml:3:12: publish needs the type of the event; write `publish: {type: lead_scored}`"}},
		{"publish: Lead Scored", []string{`w.yaml:3:12: the type "Lead Scored" must be small letters, digits, - and _, in parts joined by dots, at most 64`}},
		{"publish: {type: a..b}", []string{`w.yaml:3:19: the type "a..b" must be small letters, digits, - and _, in parts joined by dots, at most 64`}},
		{"publish: {type: a, data: [1]}", []string{"w.yaml:3:28: data is keys and values, such as {score: <<event.custom.score>>}"}},
		{"publish: {type: a, subject: <<login_url>>, data: {u: {v: <<login_url>>}}}", []string{
			"w.yaml:3:31: login_url may not stand in what is published: whoever sees it could log in as the learner",
			"w.yaml:3:60: login_url may not stand in what is published: whoever sees it could log in as the learner"}},
		{"publish: {typ: a}", []string{`w.yaml:3:13: the step publish has no key "typ"; did you mean type? (its keys: type, subject, data)`}},
		{"grant: gold", []string{"w.yaml:3:10: say what it is: `grant: {offer: gold}` or `grant: {product: gold}`"}},
		{"revoke: {}", []string{"w.yaml:3:11: revoke needs an offer or a product; write `revoke: {offer: gold}`"}},
		{"grant: {ofer: gold}", []string{`w.yaml:3:11: the step grant has no key "ofer"; did you mean offer? (its keys: offer, product)`}},
		{"grant: {offer: gold}\n  on_error: stop", nil},
		{"revoke: {lesson: intro}", []string{`w.yaml:3:12: the step revoke has no key "lesson"; its keys are offer and product`}},
	} {
		b := newBench(t, nil)
		_, problems := flowfile.Load("w.yaml", "w", []byte("triggers: [lesson_completed]\nsteps:\n- "+tt.step+"\n"), b.catalog(), &engine.Location{ID: "academy"})
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.step, diff)
		}
	}
}
