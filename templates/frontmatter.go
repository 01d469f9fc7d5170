package templates

import (
	"fmt"
	"slices"
	"strings"
)

var frontKeys = []string{"subject", "preheader", "layout", "lang", "reason"}

// frontMatter reads the lines between the first line, ---, and the next one like it. Each is "key: value",
// the value to the end of the line as it stands, or in double or single quotes.
func frontMatter(file, text string) (Parts, Source, Errors) {
	var p Parts
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	whole := Source{Text: text, File: file, Line: 1, Col: 1}
	first, rest, _ := strings.Cut(text, "\n")
	if strings.TrimRight(first, " \t") != "---" {
		return p, whole, nil
	}
	var errs Errors
	seen := map[string]bool{}
	off, line := len(text)-len(rest), 2
	for l := range strings.Lines(rest) {
		if strings.TrimRight(l, " \t\n") == "---" {
			body := Source{Text: text[off+len(l):], File: file, Line: line + 1, Col: 1}
			return p, body, errs
		}
		if msg, at := p.setKey(seen, l, Source{File: file, Line: line}); msg != "" {
			errs = append(errs, whole.errorAt(off+at, msg))
		}
		off += len(l)
		line++
	}
	errs = append(errs, whole.errorAt(0, "the front matter is not closed: a second line of three dashes is missing"))
	return p, Source{File: file, Line: line}, errs
}

// setKey reads one line of the front matter; it returns what is wrong with it, and where.
func (p *Parts) setKey(seen map[string]bool, line string, at Source) (string, int) {
	line = strings.TrimRight(line, " \t\n")
	if line == "" || line[0] == '#' {
		return "", 0
	}
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return `a line here is "key: value", as in subject: Welcome`, 0
	}
	if key = strings.TrimRight(key, " \t"); !slices.Contains(frontKeys, key) {
		return fmt.Sprintf("unknown key %q%s; a template has subject, preheader, layout, lang and reason", key, didYouMean(key, frontKeys)), 0
	}
	if seen[key] {
		return key + " is set twice", 0
	}
	seen[key] = true
	start := len(line) - len(strings.TrimLeft(value, " \t"))
	at.Col = len([]rune(line[:start])) + 1
	value = line[start:]
	if value == "|" || value == ">" || value == "|-" || value == ">-" {
		return key + " stands on one line here: write it after the colon", start
	}
	if n := len(value); n > 0 && (value[0] == '"' || value[0] == '\'') {
		if n < 2 || value[n-1] != value[0] {
			return "this quote is not closed", start
		}
		at.Col++
		value = unquote(value)
	}
	at.Text = value
	switch key {
	case "subject":
		p.Subject = at
	case "preheader":
		p.Preheader = at
	case "layout":
		p.Layout = at
	case "lang":
		p.Lang = at
	case "reason":
		p.Reason = at
	}
	return "", 0
}

// unquote takes the quotes off, as YAML would.
func unquote(s string) string {
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return strings.ReplaceAll(inner, "''", "'")
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(inner)
}
