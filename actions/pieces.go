package actions

import (
	"maps"
	"slices"

	"latchkey/engine"
	"latchkey/templates"
)

// pieces compiles the texts of a step that goes to a program or to staff, never to the learner.
type pieces struct {
	n      engine.Node
	where  string // as in "login_url may not stand in a webhook"
	o      templates.Options
	use    templates.Use
	source *source
	roots  []string // what the texts read
	bad    bool     // something cannot be used
}

func newPieces(n engine.Node, where string, d *Deps, sc engine.StepContext) *pieces {
	return &pieces{n: n, where: where, o: d.Options, use: useIn(sc), source: &source{texts: map[string]string{}, at: n.Pos}}
}

// fail reports a mistake at the beginning of a key's value.
func (p *pieces) fail(key, msg string) {
	p.bad = true
	p.n.Report(engine.Problem{Pos: p.n.Pos(key, -1), Msg: msg})
}

// text compiles one text; nil if it has a mistake, which is reported.
func (p *pieces) text(key, text string) *templates.Piece {
	return p.compile(key, text, templates.NewPiece)
}

// address compiles a URL.
func (p *pieces) address(key, text string) *templates.Piece {
	return p.compile(key, text, templates.NewAddress)
}

func (p *pieces) compile(key, text string, make func(templates.Source, string, templates.Options) (*templates.Piece, templates.Errors, error)) *templates.Piece {
	p.source.texts[key] = text
	piece, warnings, err := make(p.source.part(key), p.where, p.o)
	p.source.report(p.n, warnings, true)
	if err != nil {
		p.bad = true
		p.source.report(p.n, err, false)
		return nil
	}
	warnings, _ = piece.Check(p.use)
	p.source.report(p.n, warnings, true)
	for _, r := range piece.Roots() {
		if !slices.Contains(p.roots, r) {
			p.roots = append(p.roots, r)
		}
	}
	return piece
}

// A shape is a value of any shape whose scalars are templates. Exactly one of its fields counts: piece, then fields, then
// list, then value.
type shape struct {
	piece  *templates.Piece
	fields map[string]*shape
	list   []*shape
	value  any
}

// shape compiles what Node.Decode gives for a field of type any.
func (p *pieces) shape(v any) *shape {
	switch v := v.(type) {
	case engine.Leaf:
		if v.Literal {
			return &shape{value: v.Value}
		}
		return &shape{piece: p.text(v.At, v.Text)}
	case map[string]any:
		s := &shape{fields: make(map[string]*shape, len(v))}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			s.fields[name] = p.shape(v[name])
		}
		return s
	case []any:
		s := &shape{list: make([]*shape, len(v))}
		for i, item := range v {
			s.list[i] = p.shape(item)
		}
		return s
	}
	return &shape{}
}

// make renders a shape into what encoding/json makes the same shape of. Its errors are those of templates.Piece.
func (s *shape) make(data templates.Data) (any, error) {
	switch {
	case s.piece != nil:
		return s.piece.Value(data)
	case s.fields != nil:
		m := make(map[string]any, len(s.fields))
		for name, f := range s.fields {
			v, err := f.make(data)
			if err != nil {
				return nil, err
			}
			m[name] = v
		}
		return m, nil
	case s.list != nil:
		list := make([]any, len(s.list))
		for i, item := range s.list {
			v, err := item.make(data)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	return s.value, nil
}

// unknownSecret says that latchkey.yaml has no secret of that name, or "" if it has.
func (d *Deps) unknownSecret(name string) string {
	if _, ok := d.Secrets[name]; ok {
		return ""
	}
	msg := `latchkey.yaml has no secret "` + name + `"`
	if near := engine.Nearest(name, slices.Collect(maps.Keys(d.Secrets))); near != "" {
		return msg + "; did you mean " + near + "?"
	}
	return msg + "; write it there as `secrets: {" + name + ": \"${VARIABLE}\"}`"
}
