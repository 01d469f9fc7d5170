package templates

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
)

// The compiled source's own brackets: control characters, which no author's source holds (see checkBytes).
const (
	leftMark  = "\x02"
	rightMark = "\x03"
)

// source writes a body with marks as a template of Go's.
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

// A program is a compiled body.
type program interface {
	Execute(w io.Writer, data any) error
}

func (sc *scanner) compileText(body string) program {
	t, err := texttemplate.New("text").Delims(leftMark, rightMark).Parse(sc.source(body))
	if err != nil {
		sc.errs = append(sc.errs, sc.src.errorAt(0, tidy(err)))
		return nil
	}
	return t
}

// compileHTML also makes html/template look at every position once, so that what it refuses is known now.
func (sc *scanner) compileHTML(body string) program {
	source := sc.source(body)
	t, err := htmltemplate.New("mail").Delims(leftMark, rightMark).Parse(source)
	if err == nil {
		err = t.Execute(io.Discard, &state{tags: sc.tags, items: make([]any, sc.loops), data: &Data{}, sample: true})
	}
	if err != nil {
		sc.errs = append(sc.errs, sc.locate(source, err))
		return nil
	}
	return t
}

var (
	goLine   = regexp.MustCompile(`^(?:html/)?template: ?[^:]*:(\d+)(?::\d+)?: ?`)
	goAction = regexp.MustCompile("\x02[^\x02\x03]*?([0-9]+)")
)

// locate finds the tag that html/template's complaint is about: the last one up to the line that it names.
func (sc *scanner) locate(source string, err error) Error {
	line := 0
	var he *htmltemplate.Error
	if errors.As(err, &he) {
		line = he.Line
	}
	if m := goLine.FindStringSubmatch(err.Error()); line == 0 && m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	lines := strings.SplitAfter(source, "\n")
	head := strings.Join(lines[:min(max(line, 0), len(lines))], "")
	if all := goAction.FindAllStringSubmatch(head, -1); len(all) > 0 {
		if n, _ := strconv.Atoi(all[len(all)-1][1]); n < len(sc.tags) && sc.tags[n].src != nil {
			return sc.tags[n].fail("near here: " + tidy(err))
		}
	}
	return sc.src.errorAt(0, tidy(err))
}

// tidy takes Go's own names out of a message.
func tidy(err error) string {
	msg := goLine.ReplaceAllString(err.Error(), "")
	msg = strings.ReplaceAll(msg, "\x02", "<<")
	msg = strings.ReplaceAll(msg, "\x03", ">>")
	if strings.Contains(msg, "branches end in different contexts") {
		return "each way through this block must leave the HTML in the same state: open and close tags and quotes within it"
	}
	if strings.Contains(msg, "ends in a non-text context") {
		return "the HTML ends inside a tag, a quote, a comment or a script that is not closed"
	}
	return msg
}
