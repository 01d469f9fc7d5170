package actions

import (
	"fmt"
	"regexp"
	"strings"

	"latchkey/engine"
	"latchkey/templates"
)

// Publish publishes a CloudEvent of the author's own, at latchkey.<location>.custom.<type>: `publish: {type: lead}`. It is
// no course event: those are the course site's to publish.
type Publish struct{ Deps }

var _ engine.NoticeKind = (*Publish)(nil)

// A publishStep is the settings of one step.
type publishStep struct {
	Type    string `yaml:"type"`
	Subject string `yaml:"subject"`
	Data    any    `yaml:"data"`

	source  *source
	roots   []string
	subject *templates.Piece
	data    *shape // nil for the ids of what the run is about
}

// ownType is what an author may call an event: each part is one token of a NATS subject.
var ownType = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

const (
	maxType    = 64
	maxSubject = 250 // bytes
)

// Decode implements engine.NoticeKind.
func (a *Publish) Decode(n engine.Node, sc engine.StepContext) engine.Announcer {
	s, read, typeKey := &publishStep{}, true, "type"
	if name, ok := n.Scalar(); ok {
		s.Type, typeKey = name, ""
	} else {
		read = n.Decode(s)
	}
	p := newPieces(n, "what is published", &a.Deps, sc)
	switch {
	case s.Type == "" && read:
		p.fail("", "publish needs the type of the event; write `publish: {type: lead_scored}`")
	case s.Type != "" && (!ownType.MatchString(s.Type) || len(s.Type) > maxType):
		p.fail(typeKey, fmt.Sprintf("the type %q must be small letters, digits, - and _, in parts joined by dots, at most %d", s.Type, maxType))
	}
	if s.Subject != "" {
		s.subject = p.text("subject", s.Subject)
	}
	switch s.Data.(type) {
	case nil:
	case map[string]any:
		s.data = p.shape(s.Data)
	default:
		p.fail("data", "data is keys and values, such as {score: <<event.custom.score>>}")
	}
	s.source, s.roots = p.source, p.roots
	return s
}

// Announce implements engine.Announcer.
func (s *publishStep) Announce(call engine.Call, path []string) (engine.Announcement, error) {
	out := engine.Announcement{Type: "custom." + s.Type}
	d := dataOf(call, s.roots)
	var err error
	if s.subject != nil {
		if out.Subject, err = s.subject.Render(d, true); err != nil {
			return out, s.source.explain(err)
		}
		if out.Subject = strings.TrimSpace(out.Subject); len(out.Subject) > maxSubject {
			return out, fmt.Errorf("the subject is longer than %d bytes", maxSubject)
		}
	}
	if s.data == nil {
		out.Data = about(call, path)
		return out, nil
	}
	if out.Data, err = s.data.make(d); err != nil {
		return out, s.source.explain(err)
	}
	return out, nil
}

// dataOf is data, for what may read nothing.
func dataOf(call engine.Call, roots []string) templates.Data {
	if len(roots) == 0 {
		return templates.Data{}
	}
	return data(call, roots, nil)
}

// about names what a step is about, by ids only.
func about(call engine.Call, path []string) map[string]any {
	ev := &call.Run.Event
	out := map[string]any{"run": call.Run.ID, "workflow": call.Run.Workflow, "step": strings.Join(path, "/"),
		"contact": who(call.Person), "event": map[string]any{"id": ev.ID, "type": ev.Type}}
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		if n := ev.Noun(kind); n != nil {
			out[kind] = map[string]any{"id": n.ID}
		}
	}
	return out
}

// who names a contact as events do: by the site's id, or by the address of one that has none yet.
func who(p *engine.Person) map[string]any {
	if p.Contact.ID == "" {
		return map[string]any{"email": p.Contact.Email}
	}
	return map[string]any{"id": p.Contact.ID}
}
