package templates

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// syntax says how a source is written.
type syntax uint8

const (
	plain    syntax = iota // subject, text, SMS
	markup                 // HTML
	markdown               //
)

// What bounds one mail; nobody writes more by hand, and mail clients cut what is longer.
const (
	maxTags   = 2000
	maxSource = 256 << 10 // bytes
	maxErrors = 100       // nobody mends more at once
)

// A scanner finds the tags of a mail's sources. Each is replaced by a mark of letters and digits, which passes
// through Markdown and HTML untouched, is found again by marks, and stands for tags[n].
type scanner struct {
	opt    *Options
	prefix string
	marks  *regexp.Regexp
	tags   []*tag
	loops  int
	errs   Errors
	warns  Errors

	src    *Source
	how    syntax
	code   []span // of Markdown: what is code
	out    strings.Builder
	scopes []scope
}

type span struct{ from, to int }

// newScanner chooses marks that none of the sources contain.
func newScanner(opt *Options, sources ...Source) *scanner {
	prefix := "q7x"
	for slices.ContainsFunc(sources, func(s Source) bool { return strings.Contains(strings.ToLower(s.Text), prefix) }) {
		prefix += "x"
	}
	return &scanner{opt: opt, prefix: prefix, marks: regexp.MustCompile(prefix + `([0-9]{4})z`)}
}

func (sc *scanner) mark(n int) string {
	return sc.prefix + string([]byte{byte('0' + n/1000%10), byte('0' + n/100%10), byte('0' + n/10%10), byte('0' + n%10)}) + "z"
}

// tagOf returns the tag that a mark stands for.
func (sc *scanner) tagOf(mark string) *tag { return sc.tags[sc.numberOf(mark)] }

func (sc *scanner) numberOf(mark string) int {
	n := 0
	for _, c := range mark[len(sc.prefix) : len(mark)-1] {
		n = n*10 + int(c-'0')
	}
	return n
}

func (sc *scanner) fail(off int, msg string) { sc.errs = append(sc.errs, sc.src.errorAt(off, msg)) }

var (
	mergeField  = regexp.MustCompile(`^\{\{\s*([A-Za-z_]+)\.([A-Za-z0-9_.-]+)\s*\}\}`)
	encodedTag  = regexp.MustCompile(`(?i)(?:&lt;&lt;|&#0*60;&#0*60;|%3c%3c)(?:\s|%20|&nbsp;)*([a-z_]+)`)
	firstWordOf = regexp.MustCompile(`^\s*([\pL_][\pL\pN_]*)`)
)

// scan returns the source with marks for its tags.
func (sc *scanner) scan(src *Source, how syntax) string {
	sc.src, sc.how, sc.code, sc.scopes = src, how, nil, nil
	sc.out.Reset()
	sc.checkBytes()
	if how == markdown && len(src.Text) <= maxSource {
		sc.code = codeSpans(src.Text)
	}
	text := src.Text
	if len(text) > maxSource {
		sc.fail(0, fmt.Sprintf("this is %d KiB long; a part of a message may have %d", len(text)>>10, maxSource>>10))
		return ""
	}
	from := 0
	for i := 0; i < len(text) && len(sc.errs) < maxErrors; {
		n := 0 // how much of the text from i on a tag takes
		switch {
		case strings.HasPrefix(text[i:], "<<") && !strings.HasPrefix(text[i:], "<<<"):
			n = sc.angle(i, from)
		case strings.HasPrefix(text[i:], "{{"):
			n = sc.merge(i, from)
		}
		if n > 0 {
			i += n
			from = i
		} else {
			i++
		}
	}
	sc.out.WriteString(text[from:])
	for _, s := range sc.scopes {
		sc.errs = append(sc.errs, s.tag.fail("this is not closed: an <<end>> is missing"))
	}
	sc.checkEncoded()
	return sc.out.String()
}

// checkBytes refuses what no text file holds; the marks of the compiled template rely on it.
func (sc *scanner) checkBytes() {
	for i, r := range sc.src.Text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(sc.src.Text[i:]); n == 1 {
				sc.fail(i, "this is not UTF-8 text: save the file as UTF-8")
				return
			}
		}
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f {
			sc.fail(i, "a control character stands here: delete it")
			return
		}
	}
}

func (sc *scanner) inCode(off int) bool {
	i := sort.Search(len(sc.code), func(i int) bool { return sc.code[i].to > off })
	return i < len(sc.code) && sc.code[i].from <= off
}

// known reports whether the text begins with a word of the language or the root of a field.
func (sc *scanner) known(s string) bool {
	m := firstWordOf.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	return slices.Contains([]string{"if", "else", "end", "range", "item", "login_url"}, m[1]) || sc.opt.Fields.hasRoot(m[1]) ||
		slices.ContainsFunc(sc.scopes, func(s scope) bool { return s.singular == m[1] || slices.Contains(s.list.Items, m[1]) })
}

// angle reads the tag at off and returns its length; 0 leaves the characters as they are.
func (sc *scanner) angle(off, from int) int {
	text := sc.src.Text
	length, closed := tagLength(text[off:])
	inside := text[off+2 : off+length]
	if closed {
		inside = text[off+2 : off+length-2]
	}
	if sc.inCode(off) && (!closed || !sc.known(inside)) {
		return 0
	}
	sc.out.WriteString(text[from:off])
	if !closed {
		sc.fail(off, unclosed(inside, sc.known(inside)))
		if n := strings.IndexByte(text[off:], '\n'); n >= 0 {
			return n
		}
		return len(text) - off
	}
	t := &tag{src: sc.src, off: off}
	if strings.HasPrefix(strings.TrimSpace(inside), "#") {
		t.kind = tagComment
	} else {
		toks, err := lexTag(inside, off+2)
		if err == nil {
			p := tagParser{toks: toks, opt: sc.opt, scopes: sc.scopes}
			err = p.parse(t)
		}
		if err != nil {
			sc.fail(err.off, err.msg)
			if t.kind = guessKind(inside); t.kind == tagPrint {
				return length
			}
		}
	}
	sc.add(t)
	return length
}

// guessKind keeps the nesting right after a mistake inside a block's tag.
func guessKind(inside string) tagKind {
	switch w := strings.Fields(inside); {
	case len(w) == 0:
	case w[0] == "if":
		return tagIf
	case w[0] == "range":
		return tagRange
	case w[0] == "else" && len(w) > 1:
		return tagElseIf
	case foreign[w[0]] == "<<end>>":
		return tagEnd
	case foreign[w[0]] == "<<range products>>":
		return tagRange
	case foreign[w[0]] == "<<else if …>>":
		return tagElseIf
	case foreign[w[0]] != "":
		return tagIf
	}
	return tagPrint
}

func unclosed(inside string, known bool) string {
	if !known {
		return `<< begins a tag and no >> follows; for the characters themselves write <<"<<">>`
	}
	if strings.Count(inside, `"`)%2 == 1 {
		return "a quote in this tag is not closed"
	}
	return "this tag is not closed: >> is missing"
}

// tagLength returns the length of the tag at the start of s, and whether it is closed. A tag may go on to
// the next line but not past an empty one; >> inside quotes does not close it.
func tagLength(s string) (int, bool) {
	quoted := false
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '\n' && emptyLineAt(s[i+1:]):
			return i, false
		case quoted:
		case strings.HasPrefix(s[i:], ">>"):
			return i + 2, true
		case strings.HasPrefix(s[i:], "<<"):
			return i, false
		}
	}
	return len(s), false
}

func emptyLineAt(s string) bool {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line) == ""
}

// merge reads a {{merge.field}} of the product that authors come from; 0 leaves it as plain text.
func (sc *scanner) merge(off, from int) int {
	m := mergeField.FindStringSubmatch(sc.src.Text[off:])
	if m == nil || sc.inCode(off) {
		return 0
	}
	t := &tag{src: sc.src, off: off}
	path := m[1] + "." + m[2]
	switch m[1] {
	case "membership_contact":
		switch m[2] {
		case "login_url":
			t.kind = tagLink
		case "offer_title":
			path = "offer.title"
		case "password":
			sc.fail(off, "passwords are never mailed, and nobody here knows them: send {{membership_contact.login_url}} instead")
			return 0
		}
	case "custom_values":
		path = "custom." + m[2]
	case "contact", "location":
	default:
		return 0
	}
	if t.kind == tagPrint {
		f, ok := sc.opt.Fields.find(path)
		if !ok || f.Kind == kindNoun || f.Kind == KindList || f.Kind == KindOpen {
			sc.warns = append(sc.warns, sc.src.errorAt(off, m[0]+" is not a known merge field: it is sent as it stands"))
			return 0
		}
		t.expr.operand = operand{name: path, path: strings.Split(path, "."), loop: -1, field: f, off: off}
	}
	sc.out.WriteString(sc.src.Text[from:off])
	sc.add(t)
	return len(m[0])
}

// add takes a tag up, checks its place among the open blocks, and writes its mark.
func (sc *scanner) add(t *tag) {
	if len(sc.tags) == maxTags {
		sc.errs = append(sc.errs, t.fail("too many tags in one message"))
	}
	if len(sc.tags) >= maxTags {
		return
	}
	top := len(sc.scopes) - 1
	switch t.kind {
	case tagIf:
		sc.scopes = append(sc.scopes, scope{tag: t})
	case tagRange:
		sc.checkRanges(t)
		t.loop = sc.loops
		sc.loops++
		name := t.expr.name[strings.LastIndexByte(t.expr.name, '.')+1:]
		sc.scopes = append(sc.scopes, scope{tag: t, singular: singular(name), list: t.expr.field})
	case tagElse, tagElseIf:
		switch {
		case top < 0:
			sc.errs = append(sc.errs, t.fail("else without an if before it"))
			return
		case sc.scopes[top].hasElse:
			sc.errs = append(sc.errs, t.fail("this if has had its else already"))
			return
		case t.kind == tagElseIf && sc.scopes[top].tag.kind == tagRange:
			sc.errs = append(sc.errs, t.fail("else if belongs to an if, not to a range"))
			return
		}
		sc.scopes[top].hasElse = t.kind == tagElse
	case tagEnd:
		if top < 0 {
			sc.errs = append(sc.errs, t.fail("end without an if or range before it"))
			return
		}
		sc.scopes = sc.scopes[:top]
	}
	sc.out.WriteString(sc.mark(len(sc.tags)))
	sc.tags = append(sc.tags, t)
}

// singular returns the name of a list's item: products, product; categories, category.
func singular(list string) string {
	if s, ok := strings.CutSuffix(list, "ies"); ok {
		return s + "y"
	}
	return strings.TrimSuffix(list, "s")
}

// checkEncoded finds tags whose brackets an editor turned into entities or percent signs.
func (sc *scanner) checkEncoded() {
	for _, m := range encodedTag.FindAllStringSubmatchIndex(sc.src.Text, -1) {
		if word := sc.src.Text[m[2]:m[3]]; sc.known(word) && !sc.inCode(m[0]) {
			sc.fail(m[0], "an editor has encoded the brackets of this tag: write <<"+word+"…>> in the source, not "+
				sc.src.Text[m[0]:m[2]]+word+"…")
		}
	}
}
