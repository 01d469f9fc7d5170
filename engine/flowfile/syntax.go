package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// parse returns the one document's root, or nil, having said what is wrong.
func (r *reader) parse(src []byte) *yaml.Node {
	if !r.readable(src) {
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(src, &docs, yaml.WithAllDocuments()); err != nil {
		r.syntaxError(err)
		return nil
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || len(docs) == 1 && isNull(docs[0].Content[0]) {
		r.report(engine.Pos{}, "the file is empty")
		return nil
	}
	if len(docs) > 1 {
		r.fail(&docs[1], "a second document begins here; each workflow has a file of its own")
		return nil
	}
	return docs[0].Content[0]
}

// readable reports whether the file is text that YAML could be.
func (r *reader) readable(src []byte) bool {
	if len(src) > MaxSize {
		r.report(engine.Pos{}, "the file has %d KiB; a workflow has at most %d", (len(src)+1023)>>10, MaxSize>>10)
		return false
	}
	bad := -1
	for i, c := range src {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			bad = i
			break
		}
	}
	msg := "a control character stands here; is this a text file?"
	if valid := validPrefix(src); valid < len(src) && (bad < 0 || valid < bad) {
		bad, msg = valid, "the file is not UTF-8 text from here on; save it as UTF-8"
	}
	if bad < 0 {
		return true
	}
	before := splitLines(bytes.ToValidUTF8(src[:bad], nil))
	r.report(engine.Pos{Line: len(before), Col: len(before[len(before)-1]) + 1}, "%s", msg)
	return false
}

func validPrefix(src []byte) int {
	for i := 0; i < len(src); {
		c, n := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(src)
}

// checkDepth refuses aliases that contain themselves.
func (r *reader) checkDepth(root *yaml.Node) {
	open := map[*yaml.Node]bool{}
	var walk func(n *yaml.Node) bool
	walk = func(n *yaml.Node) bool {
		if n.Kind == yaml.AliasNode {
			if n.Alias == nil || open[n.Alias] {
				r.fail(n, "*%s stands within what it repeats", n.Value)
				return false
			}
			return true // what it names is walked where it stands
		}
		open[n] = true
		defer delete(open, n)
		for _, c := range n.Content {
			if !walk(c) {
				return false
			}
		}
		return true
	}
	walk(root)
}

func (r *reader) syntaxError(err error) {
	le := firstError(err)
	if le == nil {
		r.report(engine.Pos{}, "this is not YAML: %v", err)
		return
	}
	at, msg := r.cure(le)
	at.Line = min(max(at.Line, 1), len(r.lines))
	at.Col = min(max(at.Col, 1), len(r.lines[at.Line-1])+1)
	r.report(at, "%s", msg)
}

func firstError(err error) *yaml.LoadError {
	var all *yaml.LoadErrors
	if errors.As(err, &all) && len(all.Errors) > 0 {
		return all.Errors[0]
	}
	var one *yaml.LoadError
	errors.As(err, &one)
	return one
}

var (
	noSpace     = regexp.MustCompile(`^\s*(?:- +)?[A-Za-z_]+:[^\s:/]`)
	bracketText = regexp.MustCompile(`^\s*(?:- +)*[^\s'"{\[#][^:]*:\s+(\{\{|\{|\[).*[}\]]\s*\S`)
	blockHead   = regexp.MustCompile(`:\s*[|>][0-9+-]*\s*(?:#.*)?$`)
	valueText   = regexp.MustCompile(`^\s*(?:- +)*[^\s'"{\[#][^:]*:\s+(\S.*)$`)
)

// cure says where a syntax error is and what to do about it: the likely cause first, else what the parser missed.
func (r *reader) cure(le *yaml.LoadError) (engine.Pos, string) {
	at := engine.Pos{Line: le.Mark.Line, Col: le.Mark.Column}
	from := engine.Pos{Line: le.ContextMark.Line, Col: le.ContextMark.Column}
	line, before := r.line(at.Line), r.line(at.Line-1)
	char := charAt(line, at.Col)
	tab := strings.IndexByte(line, '\t')
	switch {
	case tab >= 0 && strings.TrimLeft(line[:tab], " -") == "" && !strings.Contains(le.ContextMsg, "quoted"):
		return engine.Pos{Line: at.Line, Col: tab + 1}, "a tab stands here; YAML is indented with spaces"
	case strings.Contains(le.ContextMsg, "quoted scalar") && strings.Contains(le.Message, "escape"):
		return at, "a backslash in double quotes needs another one (\\\\), or use single quotes"
	case strings.Contains(le.ContextMsg, "quoted scalar"):
		return from, fmt.Sprintf("the quote %s that opens here is never closed", charAt(r.line(from.Line), from.Col))
	case strings.Contains(le.ContextMsg, "flow"):
		return r.flowCure(le, at, from)
	case strings.Contains(le.Message, "unknown anchor"), strings.Contains(le.ContextMsg, "anchor"), strings.Contains(le.ContextMsg, "alias"):
		return r.quoteCure(at, from)
	case strings.Contains(le.Message, "cannot start any token"):
		return at, fmt.Sprintf("a text that begins with %s must stand in quotes", char)
	case strings.Contains(le.Message, "mapping values are not allowed"):
		return r.colonCure(at, line, before)
	case strings.Contains(le.Message, "could not find expected ':'"):
		if from.Line > 0 {
			at = from
		}
		if m := noSpace.FindStringIndex(r.line(at.Line)); m != nil {
			return engine.Pos{Line: at.Line, Col: m[1]}, "a space is missing after the colon"
		}
		if r.belowBlock(at.Line) {
			return at, "this text is indented less than the text block that it belongs to"
		}
		return at, "a colon is missing after this key"
	case strings.Contains(le.Message, "did not find expected key"), strings.Contains(le.Message, "'-' indicator"),
		strings.Contains(le.Message, "document start"):
		return r.indentCure(at, line, before)
	}
	return at, "this is not YAML: " + le.Message
}

// flowCure speaks of { } and [ ].
func (r *reader) flowCure(le *yaml.LoadError, at, from engine.Pos) (engine.Pos, string) {
	open := charAt(r.line(from.Line), from.Col)
	if open != "{" && open != "[" { // the file ends right behind it
		from, open = r.lastOpen(at)
	}
	if text := []rune(r.line(from.Line)); open == "{" && from.Col < len(text) && text[from.Col] == '{' {
		return from, "a text that begins with {{ must stand in quotes"
	}
	closing := map[string]string{"{": "}", "[": "]"}[open]
	if at.Line == from.Line && at.Col > from.Col+1 {
		return at, fmt.Sprintf("a comma or %s is missing before this; a text with a comma, colon or bracket in it must stand in quotes", closing)
	}
	return from, fmt.Sprintf("the %s that opens here is never closed with %s", open, closing)
}

// lastOpen finds the last bracket that opens before a place.
func (r *reader) lastOpen(at engine.Pos) (engine.Pos, string) {
	for n := min(at.Line, len(r.lines)); n > 0; n-- {
		line := r.line(n)
		if i := strings.LastIndexAny(line, "{["); i >= 0 {
			return engine.Pos{Line: n, Col: utf8.RuneCountInString(line[:i]) + 1}, line[i : i+1]
		}
	}
	return at, "bracket"
}

func (r *reader) quoteCure(at, from engine.Pos) (engine.Pos, string) {
	if c := charAt(r.line(at.Line), at.Col); c != "*" && c != "&" && from.Line > 0 {
		at = from
	}
	return at, fmt.Sprintf("a text that begins with %s must stand in quotes", charAt(r.line(at.Line), at.Col))
}

// colonCure finds why a colon was one too many.
func (r *reader) colonCure(at engine.Pos, line, before string) (engine.Pos, string) {
	if m := noSpace.FindStringIndex(before); m != nil {
		return engine.Pos{Line: at.Line - 1, Col: utf8.RuneCountInString(before[:m[1]])}, "a space is missing after the colon"
	}
	runes := []rune(line)
	head := string(runes[:min(max(at.Col-1, 0), len(runes))])
	if m := valueText.FindStringSubmatchIndex(head); m != nil {
		return engine.Pos{Line: at.Line, Col: utf8.RuneCountInString(head[:m[2]]) + 1},
			"a text with a colon and a space in it must stand in quotes"
	}
	if leading([]rune(line)) > leading([]rune(before)) && strings.TrimSpace(before) != "" {
		return engine.Pos{Line: at.Line, Col: leading([]rune(line)) + 1},
			"this line is indented further than the one above, which has its value already"
	}
	return at, "a colon cannot stand here; a text with a colon and a space in it must stand in quotes"
}

// indentCure finds why a key or dash was missed.
func (r *reader) indentCure(at engine.Pos, line, before string) (engine.Pos, string) {
	if runes := []rune(line); at.Col > 1 && at.Col <= len(runes)+1 {
		if head := strings.TrimRight(string(runes[:at.Col-1]), " "); strings.HasSuffix(head, "'") || strings.HasSuffix(head, `"`) {
			return at, "text goes on after its closing quote; put all of it in single quotes, and write '' for an apostrophe in it"
		}
	}
	if m := bracketText.FindStringSubmatchIndex(line); m != nil {
		return engine.Pos{Line: at.Line, Col: utf8.RuneCountInString(line[:m[2]]) + 1},
			"a text that begins with " + line[m[2]:m[3]] + " must stand in quotes"
	}
	if m := noSpace.FindStringIndex(before); m != nil {
		return engine.Pos{Line: at.Line - 1, Col: utf8.RuneCountInString(before[:m[1]])}, "a space is missing after the colon"
	}
	if r.belowBlock(at.Line) {
		return at, "this text is indented less than the text block that it belongs to"
	}
	if strings.HasPrefix(strings.TrimSpace(line), "- ") {
		return at, "this dash stands in line with no other; indent the items of a list alike"
	}
	return at, "this line's indentation fits none above it; keys of one thing stand in one column"
}

// belowBlock reports whether the line follows the text of a block scalar whose key stands further out.
func (r *reader) belowBlock(n int) bool {
	here := leading([]rune(r.line(n)))
	for n--; n >= 1; n-- {
		if l := r.line(n); !blank([]rune(l)) && leading([]rune(l)) < here {
			return blockHead.MatchString(l)
		} else if !blank([]rune(l)) && leading([]rune(l)) == here {
			return false
		}
	}
	return false
}

// line returns a line of the file, counting from 1, or nothing.
func (r *reader) line(n int) string {
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return string(r.lines[n-1])
}

func charAt(line string, col int) string {
	if runes := []rune(line); col >= 1 && col <= len(runes) {
		return string(runes[col-1])
	}
	return "this"
}
