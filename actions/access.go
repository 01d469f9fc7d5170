package actions

import (
	"errors"
	"fmt"
	"strings"

	"latchkey/engine"
	"latchkey/templates"
)

// Access asks the course site to give or take access: `grant: {offer: gold}`, `revoke: {product: go-101}`. It publishes
// access.grant or access.revoke. What the contact holds here changes when the site's own event comes back.
type Access struct {
	Deps
	verb string // "grant" or "revoke"
}

var _ engine.NoticeKind = (*Access)(nil)

// An accessStep is the settings of one step.
type accessStep struct {
	Offer   string `yaml:"offer"`
	Product string `yaml:"product"`

	verb   string
	source *source
	roots  []string
	ids    map[string]*templates.Piece // by noun
}

// maxID is how many bytes an id may take, as in an event.
const maxID = 256

// Decode implements engine.NoticeKind.
func (a *Access) Decode(n engine.Node, sc engine.StepContext) engine.Announcer {
	s := &accessStep{verb: a.verb, ids: map[string]*templates.Piece{}}
	p := newPieces(n, "what is published", &a.Deps, sc)
	s.source = p.source
	if id, ok := n.Scalar(); ok {
		p.fail("", fmt.Sprintf("say what it is: `%s: {offer: %s}` or `%s: {product: %s}`", a.verb, id, a.verb, id))
		return s
	}
	read := n.Decode(s)
	for noun, id := range map[string]string{"offer": s.Offer, "product": s.Product} {
		if id != "" {
			s.ids[noun] = p.text(noun, id)
		}
	}
	if read && len(s.ids) == 0 {
		p.fail("", fmt.Sprintf("%s needs an offer or a product; write `%s: {offer: gold}`", a.verb, a.verb))
	}
	s.roots = p.roots
	return s
}

// Announce implements engine.Announcer.
func (s *accessStep) Announce(call engine.Call, path []string) (engine.Announcement, error) {
	data := map[string]any{"contact": who(call.Person), "run": call.Run.ID, "workflow": call.Run.Workflow, "step": strings.Join(path, "/")}
	out := engine.Announcement{Type: "access." + s.verb, Subject: call.Person.Contact.ID, Data: data}
	if call.Person.Contact.ID == "" && call.Person.Contact.Email == "" {
		return out, errors.New("the contact has neither an id nor an address, by which the course site would know it")
	}
	d := dataOf(call, s.roots)
	for noun, piece := range s.ids {
		id, err := piece.Render(d, true)
		if err != nil {
			return out, s.source.explain(err)
		}
		if id = strings.TrimSpace(id); id == "" || len(id) > maxID {
			return out, fmt.Errorf("the id of the %s must be 1 to %d bytes", noun, maxID)
		}
		data[noun] = map[string]any{"id": id}
	}
	return out, nil
}
