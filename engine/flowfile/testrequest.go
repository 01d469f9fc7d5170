package flowfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// webhook is the kind of step whose requests a test answers.
const webhook = "webhook"

const answerExample = "`{crm: {status: 200, body: {id: 17}}}`"

// requestKeys say more of what is sent to a server than messageKeys do.
var requestKeys = []string{"type", "url", "headers", "body", "data", "response"}

// sends reports whether a kind of step makes what a test expects as a message.
func (r *testReader) sends(kind string) bool {
	_, action := r.cat.Actions[kind]
	_, notice := r.cat.Notices[kind]
	return action || notice
}

// messageKinds returns the kinds of which sends is true.
func (r *testReader) messageKinds() []string {
	kinds := slices.Collect(maps.Keys(r.cat.Actions))
	return slices.Sorted(slices.Values(slices.AppendSeq(kinds, maps.Keys(r.cat.Notices))))
}

// answer reads {STEP: status}, or {STEP: {status, body}}.
func (r *testReader) answer(n *yaml.Node) *engine.TestAnswer {
	a := &engine.TestAnswer{Status: 200, Body: []byte("{}")}
	entries, ok := r.mapping(n, "answer", answerExample)
	if !ok || len(entries) != 1 {
		if ok {
			r.fail(n, "answer is one step and what its server says, such as %s", answerExample)
		}
		return a
	}
	a.Step = r.webhookID(entries[0].key)
	what := entries[0].value
	if what.Kind != yaml.MappingNode {
		a.Status = r.status(what)
		return a
	}
	said, _ := r.mapping(what, "the answer", answerExample)
	for _, e := range said {
		switch e.name {
		case "status":
			a.Status = r.status(e.value)
		case "body":
			a.Body = r.body(e.value)
		default:
			r.unknownKey(e.key, "the answer", []string{"status", "body"})
		}
	}
	return a
}

func (r *testReader) webhookID(n *yaml.Node) string {
	id, _ := r.text(n, "answer")
	var ids []string
	r.eachStep("", func(_ string, s *engine.Step) {
		if s.Kind == webhook {
			ids = append(ids, s.ID)
		}
	})
	switch {
	case len(ids) == 0:
		r.fail(n, "no workflow has a webhook, whose server could answer")
	case !slices.Contains(ids, id):
		r.fail(n, "no webhook %q%s", id, orList(id, slices.Compact(slices.Sorted(slices.Values(ids))), "the webhooks"))
	}
	return id
}

func (r *testReader) status(n *yaml.Node) int {
	s, ok := r.text(n, "status")
	code, err := strconv.Atoi(s)
	if ok && (err != nil || code < 200 || code > 599) {
		r.fail(n, "%q is no status of HTTP; write 200, 404 or 503", s)
	}
	return code
}

// body reads JSON as keys and values or a list, or a text that is sent as it is.
func (r *testReader) body(n *yaml.Node) []byte {
	if n.Kind == yaml.ScalarNode {
		s, _ := r.text(n, "body")
		return []byte(s)
	}
	b, err := json.Marshal(r.literal(n, "body"))
	if err != nil {
		r.fail(n, "the body cannot be written as JSON: %v", err)
	}
	return b
}

// messageOf reads which message of a kind is expected: its step or template, or the nouns of what is granted or revoked.
func (r *testReader) messageOf(e entry, x *engine.Expectation) {
	if e.value.Kind != yaml.MappingNode {
		x.Message.Name = r.messageName(e.value, e.name, e.name, r.scopeOf(x))
		return
	}
	if _, notice := r.cat.Notices[e.name]; !notice {
		r.fail(e.value, "%s is the id of a step or the name of a template; write what is expected of it beside it, as `%s: NAME, text: …`", e.name, e.name)
		return
	}
	x.Message.Data = r.data(e.value, e.name)
	x.At["data"] = r.at(e.value)
}

// expectRequest reads what is expected of what is sent to a server.
func (r *testReader) expectRequest(e entry, x *engine.Expectation) {
	m := x.Message
	switch e.name {
	case "type":
		m.Type, _ = r.text(e.value, e.name)
	case "url":
		m.URL = r.parts(e)
	case "headers":
		entries, _ := r.mapping(e.value, e.name, "`{Webhook-Signature: v1}`")
		m.Headers = map[string]string{}
		for _, h := range entries {
			m.Headers[h.name], _ = r.text(h.value, h.name)
		}
	case "response":
		if saved, ok := r.literal(e.value, e.name).(map[string]any); ok {
			m.Response = saved
		} else {
			r.fail(e.value, "response is what the step saves, such as `{lead: 17}`")
		}
	default:
		if m.Data != nil {
			r.fail(e.key, "say it once: %s stands beside what says the same", e.name)
		}
		if e.value.Kind == yaml.ScalarNode {
			r.fail(e.value, "%s is keys and values; for a part of its text write `text: …`", e.name)
		}
		m.Data = r.literal(e.value, e.name)
		x.At["data"] = r.at(e.value)
	}
}

// attempts reads how often a message was tried.
func (r *testReader) attempts(n *yaml.Node) int {
	s, ok := r.text(n, "attempts")
	k, err := strconv.Atoi(s)
	if ok && (err != nil || k < 1) {
		r.fail(n, "%s", fmt.Sprintf("attempts is how often it was tried, such as 3, not %q", s))
	}
	return k
}
