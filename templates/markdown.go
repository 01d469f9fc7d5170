package templates

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// toHTML turns Markdown, with marks for its tags, into HTML. What html/template must not see raw, it does
// not see: the author's own HTML passes, values come later.
func (sc *scanner) toHTML(source string) string {
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(
			parser.WithBlockParsers(util.Prioritized(&tagLines{sc}, 50)),
			parser.WithASTTransformers(util.Prioritized(&mailTree{sc}, 500)),
		),
		goldmark.WithRendererOptions(
			html.WithUnsafe(),
			renderer.WithNodeRenderers(util.Prioritized(&mailNodes{sc}, 50)),
		),
	)
	var b bytes.Buffer
	if err := md.Convert([]byte(source), &b); err != nil {
		sc.fail(0, "the Markdown cannot be read: "+err.Error())
	}
	return b.String()
}

// A tagLine is a line of nothing but if, else, range, end and comments. It is no paragraph.
type tagLine struct {
	ast.BaseBlock
	marks []byte
}

var kindTagLine = ast.NewNodeKind("TagLine")

func (n *tagLine) Kind() ast.NodeKind         { return kindTagLine }
func (n *tagLine) Dump(src []byte, level int) { ast.DumpHelper(n, src, level, nil, nil) }

// A button is a paragraph of one link, made large.
type button struct {
	ast.BaseBlock
	link *ast.Link
	bare bool // its address stands beneath, for readers who cannot press it
}

var kindButton = ast.NewNodeKind("Button")

func (n *button) Kind() ast.NodeKind         { return kindButton }
func (n *button) Dump(src []byte, level int) { ast.DumpHelper(n, src, level, nil, nil) }

// tagLines parses tag lines.
type tagLines struct{ sc *scanner }

func (p *tagLines) Trigger() []byte { return []byte{p.sc.prefix[0]} }

func (p *tagLines) Open(_ ast.Node, reader text.Reader, _ parser.Context) (ast.Node, parser.State) {
	line, at := reader.PeekLine()
	if !p.sc.onlyBlocks(string(line)) || p.sc.afterRow(reader.Source()[:at.Start]) {
		return nil, parser.NoChildren
	}
	reader.AdvanceToEOL()
	return &tagLine{marks: bytes.TrimSpace(line)}, parser.NoChildren
}

func (p *tagLines) Continue(ast.Node, text.Reader, parser.Context) parser.State { return parser.Close }
func (p *tagLines) Close(ast.Node, text.Reader, parser.Context)                 {}
func (p *tagLines) CanInterruptParagraph() bool                                 { return true }
func (p *tagLines) CanAcceptIndentedLine() bool                                 { return true }

// onlyBlocks reports whether a line holds marks of block tags and nothing else.
func (sc *scanner) onlyBlocks(line string) bool {
	if !strings.Contains(line, sc.prefix) {
		return false
	}
	block := true
	rest := sc.marks.ReplaceAllStringFunc(line, func(m string) string {
		block = block && sc.tagOf(m).kind.isBlock()
		return ""
	})
	return block && strings.TrimSpace(rest) == ""
}

// afterRow reports whether a tag line after this text is among the rows of a table, whose parser must see it
// as one of them.
func (sc *scanner) afterRow(before []byte) bool {
	rest := strings.TrimRight(string(before), " \t>")
	for strings.HasSuffix(rest, "\n") {
		rest = rest[:len(rest)-1]
		line := rest[strings.LastIndexByte(rest, '\n')+1:]
		if !sc.onlyBlocks(line) {
			return strings.HasPrefix(strings.TrimLeft(line, " \t>"), "|")
		}
		rest = rest[:len(rest)-len(line)]
	}
	return false
}

// rowTags makes a tag line again of a table's row that is one.
func (m *mailTree) rowTags(row ast.Node, src []byte) {
	var content strings.Builder
	for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
		for c := cell.FirstChild(); c != nil; c = c.NextSibling() {
			t, ok := c.(*ast.Text)
			if !ok {
				return
			}
			content.Write(t.Segment.Value(src))
		}
	}
	if m.sc.onlyBlocks(content.String()) {
		row.Parent().ReplaceChild(row.Parent(), row, &tagLine{marks: []byte(strings.TrimSpace(content.String()))})
	}
}

// mailTree makes a mail of a document: lists across tag lines joined, buttons, live login links.
type mailTree struct{ sc *scanner }

func (m *mailTree) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	src := reader.Source()
	var blocks []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && n.Type() != ast.TypeInline {
			blocks = append(blocks, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range blocks {
		if n.Kind() == ast.KindParagraph || n.Kind() == ast.KindTextBlock {
			m.autolink(n, src)
		}
		if n.Kind() == ast.KindParagraph {
			m.button(n, src)
		}
		if n.Kind() == extast.KindTableRow {
			m.rowTags(n, src)
		}
		m.joinLists(n)
	}
}

// joinLists pulls tag lines that stand between the items of a list into it, so that
// "- a, <<range products>>, - b, <<end>>" is one list.
func (m *mailTree) joinLists(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; {
		group, lists := m.listGroup(n)
		if len(lists) == 0 || len(group) == len(lists) {
			n = n.NextSibling()
			continue
		}
		after := group[len(group)-1].NextSibling()
		list := lists[0]
		if group[0] != list {
			parent.InsertBefore(parent, group[0], list)
		}
		var children []ast.Node
		for _, g := range group {
			if l, ok := g.(*ast.List); ok {
				list.IsTight = list.IsTight && l.IsTight
				for c := l.FirstChild(); c != nil; c = c.NextSibling() {
					children = append(children, c)
				}
			} else {
				children = append(children, g)
			}
		}
		for _, c := range children {
			list.AppendChild(list, c)
		}
		for _, l := range lists[1:] {
			parent.RemoveChild(parent, l)
		}
		n = after
	}
}

// listGroup returns the longest run of siblings from n on that is one list with whole blocks of tags in it.
func (m *mailTree) listGroup(n ast.Node) (group []ast.Node, lists []*ast.List) {
	depth := 0
	var run []ast.Node
	var in []*ast.List
	for ; n != nil; n = n.NextSibling() {
		switch x := n.(type) {
		case *ast.List:
			if len(in) > 0 && in[0].Marker != x.Marker {
				return group, lists
			}
			in = append(in, x)
		case *tagLine:
			for _, mark := range m.sc.marks.FindAllString(string(x.marks), -1) {
				switch m.sc.tagOf(mark).kind {
				case tagIf, tagRange:
					depth++
				case tagEnd:
					depth--
				}
			}
			if depth < 0 {
				return group, lists
			}
		default:
			return group, lists
		}
		run = append(run, n)
		if depth == 0 && len(in) > 0 {
			group, lists = append([]ast.Node(nil), run...), append([]*ast.List(nil), in...)
		}
	}
	return group, lists
}

// autolink makes a bare <<login_url>> in running text a link.
func (m *mailTree) autolink(block ast.Node, src []byte) {
	var texts []*ast.Text
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindLink, ast.KindAutoLink, ast.KindImage, ast.KindCodeSpan:
			return ast.WalkSkipChildren, nil
		case ast.KindText:
			if entering {
				texts = append(texts, n.(*ast.Text))
			}
		}
		return ast.WalkContinue, nil
	})
	for _, t := range texts {
		at := t.Segment.Start
		for _, hit := range m.sc.marks.FindAllIndex(t.Segment.Value(src), -1) {
			from, to := t.Segment.Start+hit[0], t.Segment.Start+hit[1]
			if m.sc.tagOf(string(src[from:to])).kind != tagLink {
				continue
			}
			parent := t.Parent()
			if from > at {
				parent.InsertBefore(parent, t, ast.NewTextSegment(text.NewSegment(at, from)))
			}
			l := ast.NewLink()
			l.Destination = src[from:to]
			l.AppendChild(l, ast.NewTextSegment(text.NewSegment(from, to)))
			parent.InsertBefore(parent, t, l)
			at = to
		}
		t.Segment = text.NewSegment(at, t.Segment.Stop)
	}
}

// button replaces a paragraph that is one link to a login, or one titled "button".
func (m *mailTree) button(p ast.Node, src []byte) {
	l, ok := p.FirstChild().(*ast.Link)
	if !ok || len(m.content(p, src)) != 1 {
		return
	}
	dest := string(l.Destination)
	login := m.sc.marks.FindString(dest) == dest && dest != "" && m.sc.tagOf(dest).kind == tagLink
	label := l.FirstChild()
	t, isText := label.(*ast.Text)
	bare := isText && label.NextSibling() == nil && string(t.Segment.Value(src)) == dest
	if !(login && !bare) && string(l.Title) != "button" {
		return
	}
	b := &button{link: l, bare: login}
	p.Parent().ReplaceChild(p.Parent(), p, b)
	b.AppendChild(b, l)
}

// content returns a paragraph's children without empty texts.
func (m *mailTree) content(p ast.Node, src []byte) (out []ast.Node) {
	for c := p.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok && len(bytes.TrimSpace(t.Segment.Value(src))) == 0 {
			continue
		}
		out = append(out, c)
	}
	return out
}

// mailNodes writes what goldmark does not know.
type mailNodes struct{ sc *scanner }

func (r *mailNodes) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(kindTagLine, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			_, _ = w.Write(append(n.(*tagLine).marks, '\n'))
			if n.Parent().Kind() == extast.KindTable && n.NextSibling() == nil {
				_, _ = w.WriteString("</tbody>\n") // the last row would have closed it
			}
		}
		return ast.WalkContinue, nil
	})
	reg.Register(kindButton, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		b := n.(*button)
		dest := string(util.EscapeHTML(util.URLEscape(b.link.Destination, true)))
		if entering {
			_, _ = w.WriteString(buttonOpen(dest))
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString(buttonClose(dest, b.bare))
		return ast.WalkContinue, nil
	})
	reg.Register(ast.KindLink, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		l := n.(*ast.Link)
		if n.Parent().Kind() == kindButton {
			return ast.WalkContinue, nil // the button wrote the <a>
		}
		if !entering {
			_, _ = w.WriteString("</a>")
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString(`<a href="` + string(util.EscapeHTML(util.URLEscape(l.Destination, true))) + "\" style=\"color:\x02$.Ink\x03\"")
		if l.Title != nil {
			_, _ = w.WriteString(` title="` + string(util.EscapeHTML(l.Title)) + `"`)
		}
		_, _ = w.WriteString(">")
		return ast.WalkContinue, nil
	})
}
