package templates

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// The brackets of the source that is made for html/template: control characters, which no author's source
// holds (see checkBytes).
const (
	leftMark  = "\x02"
	rightMark = "\x03"
)

// source writes a body with marks as a template of html/template. What it calls are state's methods.
func (sc *scanner) source(body string) string {
	var b strings.Builder
	at := 0
	for _, hit := range sc.marks.FindAllStringIndex(body, -1) {
		b.WriteString(body[at:hit[0]])
		n := sc.numberOf(body[hit[0]:hit[1]])
		b.WriteString(action(sc.tags[n].kind, n))
		at = hit[1]
	}
	b.WriteString(body[at:])
	return b.String()
}

func action(kind tagKind, n int) string {
	switch kind {
	case tagPrint:
		return fmt.Sprintf("\x02$.Get %d\x03", n)
	case tagLink:
		return fmt.Sprintf("\x02$.Link %d\x03", n)
	case tagRaw:
		return fmt.Sprintf("\x02$.Raw %d\x03", n)
	case tagIf:
		return fmt.Sprintf("\x02if $.Is %d\x03", n)
	case tagElseIf:
		return fmt.Sprintf("\x02else if $.Is %d\x03", n)
	case tagElse:
		return "\x02else\x03"
	case tagRange:
		return fmt.Sprintf("\x02range $i%d := $.List %d\x03\x02$e%d := $.Enter %d $i%d\x03", n, n, n, n, n)
	case tagEnd:
		return "\x02end\x03"
	}
	return ""
}

// dropTagLines takes away the lines that hold nothing but block tags.
func (sc *scanner) dropTagLines(body string) string {
	if !strings.Contains(body, sc.prefix) {
		return body
	}
	var b strings.Builder
	for line := range strings.Lines(body) {
		if sc.onlyBlocks(line) {
			line = strings.TrimSpace(line)
		}
		b.WriteString(line)
	}
	return b.String()
}

// compileText compiles a body that needs no escaping.
func (sc *scanner) compileText(body string) *program {
	if len(sc.errs) > 0 {
		return nil // nesting may be wrong
	}
	b := builder{sc: sc, body: body, hits: sc.marks.FindAllStringIndex(body, -1)}
	nodes, _ := b.list()
	return &program{nodes: nodes}
}

// A builder makes nodes of a body with marks.
type builder struct {
	sc   *scanner
	body string
	at   int
	hits [][]int
}

// list reads nodes up to the next else or end, whose tag it returns; -1 at the end of the body.
func (b *builder) list() (out []node, stop int) {
	for len(b.hits) > 0 {
		hit := b.hits[0]
		b.hits = b.hits[1:]
		if hit[0] > b.at {
			out = append(out, node{kind: nodeText, text: b.body[b.at:hit[0]]})
		}
		b.at = hit[1]
		n := b.sc.numberOf(b.body[hit[0]:hit[1]])
		switch b.sc.tags[n].kind {
		case tagPrint:
			out = append(out, node{kind: nodeGet, tag: n})
		case tagLink:
			out = append(out, node{kind: nodeLink, tag: n})
		case tagIf, tagRange:
			out = append(out, b.block(n))
		case tagElse, tagElseIf, tagEnd:
			return out, n
		}
	}
	return append(out, node{kind: nodeText, text: b.body[b.at:]}), -1
}

// block reads an if or range up to its end.
func (b *builder) block(n int) node {
	nd := node{kind: nodeIf, tag: n}
	if b.sc.tags[n].kind == tagRange {
		nd.kind = nodeRange
	}
	var stop int
	if nd.yes, stop = b.list(); stop < 0 {
		return nd
	}
	switch b.sc.tags[stop].kind {
	case tagElse:
		nd.no, _ = b.list()
	case tagElseIf:
		nd.no = []node{b.block(stop)}
	}
	return nd
}

// compileHTML compiles an HTML body: html/template decides how each tag must be escaped where it stands. It
// is made to look at every position now, so that what it refuses is known when files are loaded.
func (sc *scanner) compileHTML(body string) *program {
	source := sc.source(body)
	t, err := template.New("mail").Delims(leftMark, rightMark).Parse(source)
	if err == nil {
		err = t.Execute(io.Discard, &state{tags: sc.tags, items: make([]any, sc.loops), data: &Data{}, words: wordsIn["en"], sample: true})
	}
	if err != nil {
		sc.errs = append(sc.errs, sc.locate(source, err))
		return nil
	}
	p := &program{html: t}
	p.nodes, p.quick = quickNodes(t.Tree.Root)
	return p
}

var (
	goLine   = regexp.MustCompile(`^(?:html/)?template: ?[^:]*:(\d+)(?::\d+)?: ?`)
	goAction = regexp.MustCompile("\x02[^\x02\x03]*?([0-9]+)")
)

// locate finds the tag that html/template's complaint is about: the last one up to the line that it names.
func (sc *scanner) locate(source string, err error) Error {
	line := 0
	var he *template.Error
	if errors.As(err, &he) {
		line = he.Line
	}
	if m := goLine.FindStringSubmatch(err.Error()); line == 0 && m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	lines := strings.SplitAfter(source, "\n")
	head := strings.Join(lines[:min(max(line, 0), len(lines))], "")
	if all := goAction.FindAllStringSubmatch(head, -1); len(all) > 0 {
		if n, _ := strconv.Atoi(all[len(all)-1][1]); n < len(sc.tags) && sc.tags[n].kind != tagRaw {
			return sc.tags[n].fail("near here: " + tidy(err))
		}
	}
	return sc.src.errorAt(0, tidy(err))
}

// tidy takes Go's own names out of a message.
func tidy(err error) string {
	msg := goLine.ReplaceAllString(err.Error(), "")
	msg = strings.ReplaceAll(msg, leftMark, "<<")
	msg = strings.ReplaceAll(msg, rightMark, ">>")
	if strings.Contains(msg, "branches end in different contexts") || strings.Contains(msg, "on range loop re-entry") {
		return "each way through this block must leave the HTML in the same state: open and close tags and quotes within it"
	}
	if strings.Contains(msg, "ends in a non-text context") {
		return "the HTML ends inside a tag, a quote, a comment or a script that is not closed"
	}
	return msg
}
