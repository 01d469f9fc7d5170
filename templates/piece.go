package templates

import (
	"net/url"
	"slices"
	"strings"
)

// A Piece is a compiled text that goes to a program and not to a learner: a value of a JSON body, a header, an address. No
// login link may stand in it. It is safe for use by many goroutines.
type Piece struct {
	tags  []*tag
	loops int
	body  *program
	uses  uses
	alone int // the number of the tag that is the whole text; -1 if there is more
	path  []escapeURL
}

// escapeURL says how a tag's value is written into an address; by number of the tag.
type escapeURL func(string) string

// NewPiece compiles a text. where says what it is, as the end of "login_url may not stand in …". The error is Errors; the
// other Errors are warnings.
func NewPiece(src Source, where string, o Options) (*Piece, Errors, error) {
	o.wholeLists = true
	sc := newScanner(o.filled(), src)
	body := sc.scan(&src, plain)
	sc.refuseEvery(where)
	return sc.piece(body)
}

// NewAddress compiles an http or https URL. Fields may stand in its path and its query, whose values are escaped for their
// place; scheme and host are the author's own. Blocks and fragments are refused.
func NewAddress(src Source, where string, o Options) (*Piece, Errors, error) {
	sc := newScanner(o.filled(), src)
	body := strings.TrimSpace(sc.scan(&src, plain))
	sc.refuseEvery(where)
	var escapes []escapeURL
	if len(sc.errs) == 0 {
		escapes = sc.address(body)
	}
	p, warns, err := sc.piece(body)
	if p != nil {
		p.path = escapes
	}
	return p, warns, err
}

func (sc *scanner) piece(body string) (*Piece, Errors, error) {
	p := &Piece{alone: -1, body: sc.compileText(body)}
	if m := sc.marks.FindString(body); m != "" && m == body && sc.tagOf(m).kind == tagPrint {
		p.alone = sc.numberOf(m)
	}
	p.tags, p.loops, p.uses = sc.tags, sc.loops, sc.collect()
	if p.alone >= 0 && p.tags[p.alone].expr.field.Kind == KindList {
		p.uses.fields = nil // an empty list is a value
	}
	p.uses.roots = slices.DeleteFunc(p.uses.roots, func(root string) bool {
		return !slices.ContainsFunc(sc.tags, func(t *tag) bool { return t.reads(root) })
	})
	if len(sc.errs) > 0 {
		return nil, sc.warns.sorted(), sc.errs.orNil()
	}
	return p, sc.warns.sorted(), nil
}

// reads reports whether a tag reads something of that root.
func (t *tag) reads(root string) bool {
	var u uses
	u.read(&t.expr)
	u.test(t.cond)
	return slices.Contains(u.roots, root)
}

// refuseEvery reports every login link.
func (sc *scanner) refuseEvery(where string) {
	for _, t := range sc.tags {
		if t.kind == tagLink {
			sc.errs = append(sc.errs, t.fail("login_url may not stand in "+where+": whoever sees it could log in as the learner"))
		}
	}
}

// address checks a URL with marks, and returns how each tag's value is escaped in it.
func (sc *scanner) address(body string) []escapeURL {
	escapes := make([]escapeURL, len(sc.tags))
	first := len(body)
	for i, at := range sc.marks.FindAllStringIndex(body, -1) {
		n := sc.numberOf(body[at[0]:at[1]])
		if i == 0 {
			first = at[0]
		}
		switch {
		case sc.tags[n].kind.isBlock():
			sc.errs = append(sc.errs, sc.tags[n].fail("an address takes fields, and no if or range"))
			return nil
		case strings.Contains(body[:at[0]], "?"):
			escapes[n] = url.QueryEscape
		default:
			escapes[n] = url.PathEscape
		}
	}
	_, rest, _ := strings.Cut(body[:first], "://")
	if first < len(body) && !strings.ContainsAny(rest, "/?") {
		sc.errs = append(sc.errs, sc.tags[sc.numberOf(sc.marks.FindString(body))].fail(
			"the host must be written out, with a / behind it: a field may only stand in the path or behind the ?"))
		return nil
	}
	u, err := url.Parse(body)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		sc.fail(0, "this is no web address; write it as https://example.com/hook")
	case u.User != nil:
		sc.fail(0, "a user and password in the address would be shown in lists: put them into latchkey.yaml, under secrets")
	case u.Fragment != "" || strings.Contains(body, "#"):
		sc.fail(0, "what stands behind the # of an address is not sent: leave it out")
	}
	return escapes
}

// Literal returns the text if no tag stands in it.
func (p *Piece) Literal() (string, bool) {
	if len(p.tags) > 0 {
		return "", false
	}
	var b strings.Builder
	for _, n := range p.body.nodes {
		b.WriteString(n.text)
	}
	return b.String(), true
}

// Roots returns the names in Data.Values that the piece reads.
func (p *Piece) Roots() []string { return slices.Clone(p.uses.roots) }

// Check tells what may be missing when the piece is made in one place.
func (p *Piece) Check(use Use) (warnings Errors, err error) { return p.uses.check(use) }

// Render writes the piece on one line if asked, with values as harmless text; in an address each is escaped for its place. It
// returns *MissingError for a field without a value, or the Error of a filter that could not use its value.
func (p *Piece) Render(data Data, oneLine bool) (string, error) {
	s := &state{tags: p.tags, data: &data, items: make([]any, p.loops), oneLine: oneLine, raw: p.path != nil, path: p.path}
	text, err := s.run(p.body)
	if err != nil || p.path == nil {
		return text, err
	}
	if dotted(text) && len(p.tags) > 0 {
		return "", p.tags[0].fail("a value of . or .. would change the address")
	}
	return text, nil
}

// dotted reports whether a segment of an address's path is . or .., which programs take for a step in the path.
func dotted(address string) bool {
	path, _, _ := strings.Cut(address, "?")
	return slices.ContainsFunc(strings.Split(path, "/"), func(seg string) bool { return seg == "." || seg == ".." })
}

// Value is Render for data: a piece that is one tag gives the field's value as it is, a number or list too; values in a text
// are not changed. What comes out is to be encoded.
func (p *Piece) Value(data Data) (any, error) {
	s := &state{tags: p.tags, data: &data, items: make([]any, p.loops), raw: true}
	if p.alone < 0 {
		return s.run(p.body)
	}
	t := p.tags[p.alone]
	v, err := s.eval(&t.expr)
	if err != nil {
		return nil, t.fail(t.expr.name + ": " + err.Error())
	}
	if list, ok := items(v); ok && len(list) == 0 {
		return []any{}, nil
	}
	if isBlank(v) && !t.expr.fallback() && t.expr.lit == nil {
		return nil, &MissingError{t.expr.name, t.fail("")}
	}
	return v, nil
}
