package templates

import "strings"

type condOp uint8

const (
	condTest condOp = iota
	condNot
	condAnd
	condOr
	condIs
	condHas
)

// A cond is a condition. Its leaves compare an expr with a value.
type cond struct {
	op   condOp
	a, b *cond
	expr expr
	want any
}

func (p *tagParser) condition(t *tag) (err *lexError) {
	if p.toks[0].kind == tokenEnd {
		return failAt(p.toks[0].off, "if needs a condition, as in <<if offer>>")
	}
	if t.cond, err = p.or(0); err != nil {
		return err
	}
	return p.end()
}

func (p *tagParser) or(depth int) (*cond, *lexError) {
	a, err := p.and(depth)
	for err == nil && p.isWord("or") {
		p.next()
		b, e := p.and(depth)
		a, err = &cond{op: condOr, a: a, b: b}, e
	}
	return a, err
}

func (p *tagParser) and(depth int) (*cond, *lexError) {
	a, err := p.leaf(depth)
	for err == nil && p.isWord("and") {
		p.next()
		b, e := p.leaf(depth)
		a, err = &cond{op: condAnd, a: a, b: b}, e
	}
	return a, err
}

func (p *tagParser) leaf(depth int) (*cond, *lexError) {
	if p.isWord("not") {
		if depth > 20 {
			return nil, failAt(p.toks[0].off, "too many nots")
		}
		p.next()
		a, err := p.leaf(depth + 1)
		return &cond{op: condNot, a: a}, err
	}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	c := &cond{op: condTest, expr: e}
	t := p.toks[0]
	if e.lit != nil {
		return nil, failAt(e.off, "a condition begins with a field, as in <<if contact.locale == \"de\">>")
	}
	if e.field.Kind == kindLink {
		return nil, failAt(e.off, "login_url is always there: no need to ask for it")
	}
	switch {
	case t.kind == tokenMark && t.text == "=":
		return nil, failAt(t.off, `to compare, write == and not =`)
	case t.kind == tokenMark && (t.text == "==" || t.text == "!="):
		c.op = condIs
	case t.kind == tokenWord && t.text == "has":
		c.op = condHas
	default:
		return c, nil
	}
	p.next()
	if c.want, err = p.value(t.text); err != nil {
		return nil, err
	}
	if t.text == "!=" {
		return &cond{op: condNot, a: c}, nil
	}
	return c, nil
}

// value reads a fixed value that stands after the word or mark named.
func (p *tagParser) value(after string) (any, *lexError) {
	t := p.next()
	switch {
	case t.kind == tokenString:
		return t.text, nil
	case t.kind == tokenNumber:
		return t.num, nil
	case t.kind == tokenWord && (t.text == "true" || t.text == "false"):
		return t.text == "true", nil
	case t.kind == tokenEnd:
		return nil, failAt(t.off, "%s needs a value after it, as in %s \"gold\"", after, after)
	}
	return nil, failAt(t.off, "after %s stands a value in double quotes, as in %q", after, strings.Trim(t.text, `"`))
}
