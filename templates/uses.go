package templates

import (
	"slices"
	"strings"
)

// A Use says what one place that sends a template gives it: a step of a workflow with its triggers.
type Use struct {
	// Sure names what is always there besides the fields that always are: fields, or whole groups such as
	// "offer" and "contact".
	Sure []string
	// NoLogin says why login_url may not stand here; "" if it may.
	NoLogin string
}

func (u *Use) sure(f Field) bool {
	if f.Sure {
		return true
	}
	return slices.ContainsFunc(u.Sure, func(s string) bool {
		return f.Path == s || strings.HasPrefix(f.Path, s+".")
	})
}

// uses is what a template asks of the places that send it.
type uses struct {
	links  []LinkField
	at     []*tag // of login links
	fields []need
	roots  []string // the first names of all fields that are read
	// unsubscribe says that the author put the way out where he wants it.
	unsubscribe bool
}

// A need is a field that is printed or ranged over without a default or a condition that asks for it.
type need struct {
	tag   *tag
	field Field
}

// collect walks the tags in order, and knows what the conditions around each have made sure of.
func (sc *scanner) collect() uses {
	u := uses{roots: []string{"location", "support"}} // the layout reads them
	var blocks []guard
	for _, t := range sc.tags {
		u.read(&t.expr)
		u.test(t.cond)
		switch t.kind {
		case tagLink:
			u.at = append(u.at, t)
			if !slices.Contains(u.links, t.link) {
				u.links = append(u.links, t.link)
			}
		case tagIf:
			yes, no := guards(t.cond)
			blocks = append(blocks, guard{here: yes, otherwise: no})
		case tagElseIf:
			if g := last(blocks); g != nil {
				yes, no := guards(t.cond)
				g.here = append(slices.Clone(g.otherwise), yes...)
				g.otherwise = append(g.otherwise, no...)
			}
		case tagElse:
			if g := last(blocks); g != nil {
				g.here = g.otherwise
			}
		case tagRange:
			blocks = append(blocks, guard{here: []string{t.expr.field.Path}})
		case tagEnd:
			if len(blocks) > 0 {
				blocks = blocks[:len(blocks)-1]
			}
		case tagPrint:
			u.unsubscribe = u.unsubscribe || t.expr.field.Path == unsubscribeField
			if f := t.expr.field; f.Path != "" && !t.expr.fallback() && !guarded(blocks, f.Path) {
				u.fields = append(u.fields, need{t, f})
			}
		}
	}
	return u
}

// A guard is what is known to be there inside a block, and what in its else.
type guard struct{ here, otherwise []string }

func last(blocks []guard) *guard {
	if len(blocks) == 0 {
		return nil
	}
	return &blocks[len(blocks)-1]
}

func guarded(blocks []guard, path string) bool {
	return slices.ContainsFunc(blocks, func(g guard) bool {
		return slices.ContainsFunc(g.here, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
	})
}

// guards returns the fields that are there if the condition holds, and those that are if it does not.
func guards(c *cond) (yes, no []string) {
	switch {
	case c == nil:
	case c.op == condNot:
		no, yes = guards(c.a)
	case c.op == condAnd:
		a, _ := guards(c.a)
		b, _ := guards(c.b)
		yes = append(a, b...)
	case c.op == condOr:
		_, a := guards(c.a)
		_, b := guards(c.b)
		no = append(a, b...)
	case c.op == condIs && (c.want == "" || c.want == false):
	default:
		yes = []string{c.expr.field.Path}
	}
	return yes, no
}

// check compares what a template needs with what a place gives.
func (u *uses) check(use Use) (warns Errors, err error) {
	var errs Errors
	for _, t := range u.at {
		if use.NoLogin != "" {
			errs = append(errs, t.fail("login_url may not stand here: "+use.NoLogin))
		}
		if to := t.link.To; to != "" && !strings.Contains(to, ":") && !use.sure(Field{Path: to + ".id"}) {
			warns = append(warns, t.fail("to="+to+": not every event that starts this workflow has a "+to+
				"; the link then leads to the start page"))
		}
	}
	for _, n := range u.fields {
		if !use.sure(n.field) {
			warns = append(warns, n.tag.fail(n.field.Path+" may be missing, and then this message fails: give it a default, as in <<"+
				n.field.Path+` | default "…">>`))
		}
	}
	return warns.sorted(), errs.orNil()
}

func (u *uses) read(e *expr) {
	if e.lit == nil && e.loop < 0 && len(e.path) > 0 && !slices.Contains(u.roots, e.path[0]) {
		u.roots = append(u.roots, e.path[0])
	}
}

func (u *uses) test(c *cond) {
	if c != nil {
		u.read(&c.expr)
		u.test(c.a)
		u.test(c.b)
	}
}

// Roots returns the names in Data.Values that the mail reads.
func (m *Mail) Roots() []string { return slices.Clone(m.uses.roots) }

// Roots returns the names in Data.Values that the SMS reads.
func (m *SMS) Roots() []string { return slices.Clone(m.uses.roots) }

// Links returns the distinct login links of the mail, in the order of their first use. Each is minted once.
func (m *Mail) Links() []LinkField { return slices.Clone(m.uses.links) }

// Check tells what is wrong, or may be, with sending the mail from one place. The error is Errors.
func (m *Mail) Check(use Use) (warnings Errors, err error) { return m.uses.check(use) }

// Links returns the distinct login links of the SMS, in the order of their first use. Each is minted once.
func (m *SMS) Links() []LinkField { return slices.Clone(m.uses.links) }

// Check tells what is wrong, or may be, with sending the SMS from one place. The error is Errors.
func (m *SMS) Check(use Use) (warnings Errors, err error) { return m.uses.check(use) }
