package templates

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// toText makes the text part of a mail from its HTML, both with marks for the tags.
func (sc *scanner) toText(body string) string {
	w := textWriter{sc: sc, newlines: 2, rest: body}
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		kind := z.Next()
		w.rest = strings.TrimPrefix(w.rest, string(z.Raw()))
		switch kind {
		case html.ErrorToken:
			w.flushLink(true)
			return strings.TrimSpace(w.b.String()) + "\n"
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken:
			w.open(z.Token())
		case html.SelfClosingTagToken:
			t := z.Token()
			w.open(t)
			w.close(t.Data)
		case html.EndTagToken:
			t := z.Token()
			w.close(t.Data)
		}
	}
}

// A textWriter writes text as a person would type it.
type textWriter struct {
	sc       *scanner
	b        strings.Builder
	rest     string // of the HTML
	newlines int    // at the end of what a reader sees so far
	space    bool   // a space is due before the next word
	skip     int    // depth inside what is not shown
	skipName string // the element that began it
	pre      int
	inline   int // depth inside elements that hold text, not blocks
	lists    []list
	quote    int
	cell     bool // a cell of this row came before
	link     *textLink
}

type list struct {
	ordered bool
	n       int
}

// A textLink is a link whose address is still to be written.
type textLink struct {
	href  string
	from  int // where its text begins in the output
	alone bool
	done  bool
}

var (
	hiddenElements = map[string]bool{"script": true, "style": true, "head": true, "title": true, "template": true, "svg": true}
	textElements   = map[string]bool{"p": true, "li": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true,
		"a": true, "span": true, "strong": true, "em": true, "b": true, "i": true, "code": true, "td": true, "th": true}
	blockElements = map[string]int{"p": 2, "h1": 2, "h2": 2, "h3": 2, "h4": 2, "h5": 2, "h6": 2, "ul": 2, "ol": 2, "blockquote": 2,
		"table": 2, "pre": 2, "hr": 2, "div": 1, "tr": 1, "li": 1, "section": 2, "article": 2, "header": 2, "footer": 2, "center": 1, "dl": 2, "dt": 1, "dd": 1}
	voidElements = map[string]bool{"br": true, "hr": true, "img": true, "meta": true, "link": true, "input": true, "col": true, "wbr": true}
)

// feed ends the line and leaves n newlines before what comes next.
func (w *textWriter) feed(n int) {
	if n > 1 && len(w.lists) > 0 {
		n = 1 // a list is one block with all that is in it
	}
	for w.newlines < n {
		w.b.WriteByte('\n')
		w.newlines++
	}
	w.space = false
}

func (w *textWriter) write(s string) {
	if s == "" {
		return
	}
	if w.newlines > 0 {
		w.b.WriteString(strings.Repeat("> ", min(w.quote, 8)))
	} else if w.space {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(s)
	w.newlines, w.space = 0, false
}

func (w *textWriter) text(s string) {
	switch {
	case w.skip > 0:
		return
	case w.pre > 0:
		for i, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
			if i > 0 {
				w.b.WriteByte('\n')
				w.newlines++
			}
			w.write(line)
		}
		return
	case w.inline == 0 && w.sc.onlyBlocks(s):
		w.flushLink(true)
		w.tagLine(s)
		return
	}
	words := strings.Fields(s)
	if len(words) == 0 {
		w.space = w.newlines == 0 && (w.space || s != "")
		return
	}
	if w.link != nil && w.link.done {
		w.flushLink(false)
	}
	w.space = w.newlines == 0 && (w.space || strings.TrimLeft(s, " \t\r\n") != s)
	for _, word := range words {
		w.write(word)
		w.space = true
	}
	w.space = strings.TrimRight(s, " \t\r\n") != s
}

// tagLine writes block tags on a line of their own, which rendering takes away again.
func (w *textWriter) tagLine(s string) {
	w.feed(1)
	w.b.WriteString(strings.Join(strings.Fields(s), "") + "\n")
}

func (w *textWriter) open(t html.Token) {
	if w.skip > 0 {
		if t.Data == w.skipName {
			w.skip++
		}
		return
	}
	if hidden(t) && !voidElements[t.Data] {
		w.skip, w.skipName = 1, t.Data
		return
	}
	if textElements[t.Data] {
		w.inline++
	}
	if n := blockElements[t.Data]; n > 0 {
		w.flushLink(true)
		w.feed(n)
	}
	w.begin(t)
}

// begin writes what an element begins with.
func (w *textWriter) begin(t html.Token) {
	switch t.Data {
	case "br":
		w.flushLink(true)
		w.feed(w.newlines + 1)
	case "hr":
		w.write("---")
		w.feed(2)
	case "ul", "ol":
		// Where blocks decide what is in a list, its numbers are not known yet.
		w.lists = append(w.lists, list{ordered: t.Data == "ol" && !w.blocksBefore("</ol>"), n: start(t) - 1})
	case "li":
		w.bullet()
	case "pre":
		w.pre++
	case "blockquote":
		w.quote++
	case "td", "th":
		if w.space = false; w.cell {
			w.write(" | ")
		}
		w.cell, w.space = true, false
	case "tr":
		w.cell = false
	case "img":
		w.text(attr(t, "alt"))
	case "a":
		w.flushLink(false)
		if href := attr(t, "href"); href != "" && !strings.HasPrefix(href, "#") {
			w.link = &textLink{href: href, from: w.b.Len(), alone: w.newlines > 0}
		}
	}
}

// blocksBefore reports whether a block tag comes before the end of an element.
func (w *textWriter) blocksBefore(end string) bool {
	items, _, _ := strings.Cut(w.rest[:min(len(w.rest), 32<<10)], end)
	return strings.Contains(items, w.sc.prefix) && len(w.sc.blockMarks(items)) > 0
}

func (w *textWriter) bullet() {
	mark := "- "
	if n := len(w.lists); n > 0 {
		if l := &w.lists[n-1]; l.ordered {
			l.n++
			mark = strconv.Itoa(l.n) + ". "
		}
		mark = strings.Repeat("  ", min(n-1, 8)) + mark
	}
	w.write(mark)
}

func (w *textWriter) close(name string) {
	if w.skip > 0 {
		if name == w.skipName {
			w.skip--
		}
		return
	}
	if textElements[name] && w.inline > 0 {
		w.inline--
	}
	switch name {
	case "a":
		if w.link != nil {
			w.link.done = true
		}
	case "pre":
		w.pre = max(w.pre-1, 0)
	case "blockquote":
		w.flushLink(true)
		w.feed(1)
		w.quote = max(w.quote-1, 0)
	}
	if n := blockElements[name]; n > 0 {
		w.flushLink(true)
		if (name == "ul" || name == "ol") && len(w.lists) > 0 {
			w.lists = w.lists[:len(w.lists)-1]
		}
		w.feed(n)
	}
}

// flushLink writes the address of the link that has ended: on its own line if the link is the whole line.
func (w *textWriter) flushLink(lineEnds bool) {
	l := w.link
	if l == nil {
		return
	}
	w.link = nil
	label := strings.TrimSpace(w.b.String()[l.from:])
	href := l.href
	switch bare := strings.TrimPrefix(href, "mailto:"); {
	case label == href || label == bare || label == "":
		if label == "" {
			w.write(bare)
		}
	case l.alone && lineEnds && len(w.lists) == 0 && w.quote == 0:
		w.b.WriteString(":\n" + href)
		w.newlines = 0
	default:
		w.b.WriteString(" <" + bare + ">")
	}
}

func attr(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// hidden reports what a reader of the HTML does not see, or what only repeats the text before it.
func hidden(t html.Token) bool {
	style := strings.ReplaceAll(strings.ToLower(attr(t, "style")), " ", "")
	return hiddenElements[t.Data] || strings.Contains(style, "display:none") || attr(t, "class") == "lk-bare"
}

// start returns an ordered list's first number.
func start(t html.Token) int {
	if n, err := strconv.Atoi(attr(t, "start")); err == nil {
		return n
	}
	return 1
}
