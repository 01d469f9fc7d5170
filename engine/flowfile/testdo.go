package flowfile

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// pauseAll stands for all sending of the location.
const pauseAll = "all"

// do reads what happens, in order.
func (r *testReader) do(n *yaml.Node) {
	items, ok := r.list(n, "do", "`[{event: new_sign_up}, {expect: {email: welcome}}]`")
	if ok && len(items) == 0 {
		r.fail(n, "do is empty; nothing happens in this test")
	}
	for _, item := range items {
		s := engine.TestStep{Pos: r.at(item)}
		if item.Kind == yaml.ScalarNode {
			if word, ok := r.text(item, "what happens"); ok && word == "redeem" {
				s.Redeem = &engine.TestLink{}
			} else if ok {
				r.notDone(item, word)
			}
		} else if !r.doOne(item, &s) {
			continue
		}
		r.test.Do = append(r.test.Do, s)
	}
}

func (r *testReader) notDone(n *yaml.Node, word string) {
	if slices.Contains(doKeys, word) {
		r.fail(n, "%s needs its value, after a colon", word)
		return
	}
	r.fail(n, "%q is nothing that happens in a test%s", word, orList(word, doKeys, "what may stand here"))
}

func (r *testReader) doOne(item *yaml.Node, s *engine.TestStep) bool {
	entries, ok := r.mapping(item, "what happens", "`after: 1d`")
	if !ok || len(entries) == 0 {
		return false
	}
	if len(entries) > 1 {
		r.fail(entries[1].key, "one thing happens at a time; begin %s with a dash of its own", entries[1].name)
		return false
	}
	e := entries[0]
	if !slices.Contains(doKeys, e.name) {
		r.notDone(e.key, e.name)
		return false
	}
	if isNull(e.value) && e.name != "redeem" {
		r.fail(e.key, "%s needs its value, after the colon", e.name)
		return false
	}
	switch e.name {
	case "event":
		if ev, ok := r.event(e.value, "event"); ok {
			s.Event = &ev
		}
	case "after":
		if d, ok := r.duration(e.value, "after"); ok {
			s.After = &d
		}
	case "at":
		if m, ok := r.moment(e.value); ok {
			s.At = &m
		}
	case "redeem":
		s.Redeem = r.redeem(e.value)
	case "pause", "resume":
		status := map[string]engine.Status{"pause": engine.Paused, "resume": engine.Live}[e.name]
		if e.value.Value == pauseAll {
			s.Status = &engine.TestStatus{Status: status}
		} else if id, ok := r.workflowID(e.value, e.name); ok {
			s.Status = &engine.TestStatus{Workflow: id, Status: status}
		}
	case "answer":
		s.Answer = r.answer(e.value)
	case "expect":
		s.Expect = r.expect(e)
	default:
		s.Send = r.send(e)
	}
	return true
}

// redeem reads the step or template whose link is opened, or {link, refused}.
func (r *testReader) redeem(n *yaml.Node) *engine.TestLink {
	l := &engine.TestLink{}
	if isNull(n) {
		return l
	}
	if n.Kind != yaml.MappingNode {
		l.From = r.messageName(n, "redeem", "", r.scope)
		return l
	}
	keys := []string{"link", "refused"}
	entries, _ := r.mapping(n, "redeem", "`{link: welcome, refused: replaced}`")
	for _, e := range entries {
		switch e.name {
		case "link":
			l.From = r.messageName(e.value, "link", "", r.scope)
		case "refused":
			l.Refused, _ = r.text(e.value, "refused")
		default:
			r.unknownKey(e.key, "redeem", keys)
		}
	}
	return l
}

// send reads `email`, or `{email: "550 no such mailbox"}`.
func (r *testReader) send(e entry) *engine.TestSend {
	s := &engine.TestSend{How: e.name, Reason: map[string]string{
		engine.SendFails: "refused, as the test asks", engine.SendUnknown: "no answer, as the test asks",
		engine.SendLater: "put off, as the test asks", engine.SendDown: "not reached, as the test asks",
	}[e.name]}
	kind := e.value
	if e.value.Kind == yaml.MappingNode && e.name != engine.SendUp {
		entries, _ := r.mapping(e.value, e.name, "`{email: no such mailbox}`")
		if len(entries) != 1 {
			r.fail(e.value, "%s is one kind of step and the reason, such as `{email: no such mailbox}`", e.name)
			return s
		}
		kind = entries[0].key
		if e.name == engine.SendSlow || e.name == engine.SendLater {
			d, _ := r.duration(entries[0].value, e.name)
			s.Takes = d.Fixed()
		} else {
			s.Reason, _ = r.text(entries[0].value, "the reason")
		}
	} else if e.name == engine.SendSlow {
		r.fail(e.value, "slow says how long it takes, such as `slow: {email: 1m}`")
	}
	kinds := slices.Sorted(maps.Keys(r.cat.Actions))
	s.Kind, _ = r.word(kind, e.name, kinds...)
	return s
}

func (r *testReader) workflowID(n *yaml.Node, what string) (string, bool) {
	id, ok := r.text(n, what)
	if ok && !slices.Contains(r.ids, id) {
		r.fail(n, "no workflow %q%s", id, orList(id, r.ids, "the workflows"))
		return "", false
	}
	return id, ok
}

// messageName reads the id of a step, or the name of its template: of a kind, or of any.
func (r *testReader) messageName(n *yaml.Node, what, kind, workflow string) string {
	name, ok := r.text(n, what)
	if !ok {
		return ""
	}
	var names []string
	r.eachStep(workflow, func(_ string, s *engine.Step) {
		if r.sends(s.Kind) && (kind == "" || kind == s.Kind) {
			names = append(names, s.ID)
		}
	})
	steps := slices.Clone(names)
	for k := range r.cat.Actions {
		if kind == "" || kind == k {
			names = append(names, r.tp.Templates(k)...)
		}
	}
	if slices.Contains(names, name) {
		return name
	}
	if near := didYouMean(name, names); near != "" {
		r.fail(n, "no step and no template %q%s", name, near)
	} else {
		r.fail(n, "no step and no template %q; the steps are %s", name, join(steps, "and"))
	}
	return ""
}
