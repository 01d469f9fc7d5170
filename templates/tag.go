package templates

import (
	"slices"
	"strings"
)

type tagKind uint8

const (
	tagPrint tagKind = iota
	tagLink
	tagIf
	tagElseIf
	tagElse
	tagRange
	tagEnd
	tagComment
	tagRaw // markup that html/template would drop
)

// isBlock reports whether the tag prints nothing itself.
func (k tagKind) isBlock() bool { return k >= tagIf && k <= tagComment }

// A tag is one << >> of a source.
type tag struct {
	kind tagKind
	src  *Source
	off  int // of its <<
	expr expr
	cond *cond
	link LinkField
	raw  string
	loop int // of a range: its number
}

func (t *tag) fail(msg string) Error { return t.src.errorAt(t.off, msg) }

// An operand is a field or a fixed value.
type operand struct {
	lit   any // nil for a field
	name  string
	path  []string // below the item if loop >= 0
	loop  int      // which range's item it begins at; -1 for none
	field Field
	off   int
}

type filterCall struct {
	filter *Filter
	args   []any
}

// An expr is an operand and the filters on it.
type expr struct {
	operand
	filters []filterCall
}

// fallback reports whether a filter gives a value where there is none.
func (e *expr) fallback() bool {
	return slices.ContainsFunc(e.filters, func(c filterCall) bool { return c.filter.blank })
}

// A tagParser reads one tag. It knows the ranges that the tag stands in.
type tagParser struct {
	toks   []token
	opt    *Options
	scopes []scope
}

// A scope is a block that is not closed yet.
type scope struct {
	tag      *tag
	hasElse  bool
	singular string // of a range: the item's name
	list     Field
}

func (p *tagParser) next() token {
	t := p.toks[0]
	if t.kind != tokenEnd {
		p.toks = p.toks[1:]
	}
	return t
}

func (p *tagParser) isMark(s string) bool {
	return p.toks[0].kind == tokenMark && p.toks[0].text == s
}

func (p *tagParser) isWord(s string) bool {
	return p.toks[0].kind == tokenWord && p.toks[0].text == s
}

func (p *tagParser) end() *lexError {
	if t := p.toks[0]; t.kind != tokenEnd {
		return failAt(t.off, "%q is one thing too many here", t.text)
	}
	return nil
}

// foreign are words of other template languages, and what to write instead.
var foreign = map[string]string{
	"endif": "<<end>>", "endfor": "<<end>>", "fi": "<<end>>", "endrange": "<<end>>",
	"elseif": "<<else if …>>", "elif": "<<else if …>>", "elsif": "<<else if …>>",
	"for": "<<range products>>", "each": "<<range products>>", "foreach": "<<range products>>",
	"unless": "<<if not …>>", "with": "<<if …>>",
}

// parse reads the tag's kind and what belongs to it.
func (p *tagParser) parse(t *tag) *lexError {
	head := p.toks[0]
	if head.kind == tokenEnd {
		return failAt(head.off, `an empty tag; for the characters themselves write <<"<<">>`)
	}
	if head.kind == tokenWord {
		switch head.text {
		case "if":
			p.next()
			t.kind = tagIf
			return p.condition(t)
		case "else":
			p.next()
			t.kind = tagElse
			if p.isWord("if") {
				p.next()
				t.kind = tagElseIf
				return p.condition(t)
			}
			return p.end()
		case "end":
			p.next()
			t.kind = tagEnd
			return p.end()
		case "range":
			p.next()
			t.kind = tagRange
			return p.rangeTag(t)
		case "login_url":
			p.next()
			t.kind = tagLink
			var err *lexError
			t.link, err = parseLink(p.toks, p.opt)
			return err
		}
		if say, ok := foreign[head.text]; ok && !p.opt.Fields.hasRoot(head.text) {
			return failAt(head.off, "%s is not a word of this language: write %s", head.text, say)
		}
	}
	return p.printTag(t)
}

func (p *tagParser) printTag(t *tag) (err *lexError) {
	t.kind = tagPrint
	if t.expr, err = p.expr(); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	return t.expr.printable(p.opt.wholeLists)
}

func (p *tagParser) rangeTag(t *tag) (err *lexError) {
	if p.toks[0].kind == tokenEnd {
		return failAt(p.toks[0].off, "range needs a list, as in <<range products>>")
	}
	if t.expr, err = p.expr(); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if k := t.expr.field.Kind; t.expr.lit != nil || k == kindNoun || k == KindNumber || k == KindFlag || k == KindTime || k == KindName {
		return failAt(t.expr.off, "%s is not a list", t.expr.name)
	}
	return nil
}

// printable refuses what cannot be written out as it is; whole says that lists can.
func (e *expr) printable(whole bool) *lexError {
	if len(e.filters) > 0 || e.lit != nil || whole && e.field.Kind == KindList {
		return nil
	}
	switch e.field.Kind {
	case KindList:
		return failAt(e.off, `%s is a list: write <<%s | join ", ">> or <<range %s>>…<<end>>`, e.name, e.name, e.name)
	case kindNoun, KindOpen:
		return failAt(e.off, "%s has several fields: say which one, as in <<%s.…>>", e.name, e.name)
	}
	return nil
}

// expr reads an operand and its filters.
func (p *tagParser) expr() (expr, *lexError) {
	var e expr
	t := p.next()
	switch t.kind {
	case tokenString:
		e.operand = operand{lit: t.text, name: "a value", loop: -1, off: t.off}
	case tokenNumber:
		e.operand = operand{lit: t.num, name: "a value", loop: -1, off: t.off}
	case tokenWord:
		op, err := p.resolve(t)
		if err != nil {
			return e, err
		}
		e.operand = op
	default:
		return e, failAt(t.off, `a field is missing here; for the characters themselves write <<"<<">>`)
	}
	for p.isMark("|") {
		p.next()
		call, err := p.filter()
		if err != nil {
			return e, err
		}
		e.filters = append(e.filters, call)
	}
	return e, nil
}

// resolve finds what a name means here: an item of a range that the tag stands in, or a field.
func (p *tagParser) resolve(t token) (operand, *lexError) {
	op := operand{name: t.text, loop: -1, off: t.off}
	segments := strings.Split(t.text, ".")
	if slices.Contains(segments, "") {
		return op, failAt(t.off, "%s: a name is missing beside a dot", t.text)
	}
	innermost := true
	for i := len(p.scopes) - 1; i >= 0; i-- {
		s := &p.scopes[i]
		if s.tag.kind != tagRange || s.hasElse {
			continue
		}
		if segments[0] == s.singular || innermost && segments[0] == "item" {
			op.loop, op.path = s.tag.loop, segments[1:]
			return op, s.itemField(&op)
		}
		if innermost && slices.Contains(s.list.Items, t.text) {
			op.loop, op.path = s.tag.loop, segments
			op.field = Field{Path: t.text, Sure: true}
			return op, nil
		}
		innermost = false
	}
	f, ok := p.opt.Fields.find(t.text)
	if !ok {
		return op, failAt(t.off, "%s", p.opt.Fields.unknown(t.text))
	}
	op.field, op.path = f, segments
	return op, nil
}

// itemField checks what is asked of a range's item.
func (s *scope) itemField(op *operand) *lexError {
	op.field = Field{Path: op.name, Sure: true}
	if s.list.Kind != KindList || len(op.path) == 0 && len(s.list.Items) == 0 {
		op.field.Sure = false // a list of the site's own: nothing is known of it
		return nil
	}
	if len(op.path) == 0 {
		op.field.Kind = kindNoun
		return nil
	}
	if len(op.path) > 1 || !slices.Contains(s.list.Items, op.path[0]) {
		return failAt(op.off, "%s: each of %s has %s%s", op.name, s.list.Path, strings.Join(s.list.Items, ", "),
			didYouMean(op.path[0], s.list.Items))
	}
	return nil
}

// filter reads one filter's name and values, and checks them against the table.
func (p *tagParser) filter() (filterCall, *lexError) {
	t := p.next()
	if t.kind != tokenWord {
		return filterCall{}, failAt(t.off, `a filter's name is missing after |, as in | default "there"`)
	}
	f := findFilter(t.text)
	if f == nil {
		return filterCall{}, failAt(t.off, "unknown filter %s%s", t.text, didYouMean(t.text, filterNames()))
	}
	call := filterCall{filter: f}
	for p.toks[0].kind == tokenString || p.toks[0].kind == tokenNumber {
		v, _ := p.value(t.text)
		call.args = append(call.args, v)
	}
	if x := p.toks[0]; x.kind == tokenWord && !slices.Contains([]string{"and", "or", "has"}, x.text) {
		return call, failAt(x.off, `a filter's value stands in double quotes: write %s "%s"`, t.text, x.text)
	}
	if msg := f.checkArgs(call.args); msg != "" {
		return call, failAt(t.off, "%s", msg)
	}
	return call, nil
}
