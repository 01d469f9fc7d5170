package templates

import (
	"errors"
	"html/template"
	"strings"
	"sync/atomic"
	"text/template/parse"
)

// A program is a compiled body. An HTML body has html, which is always right, and mostly nodes, which are
// twenty times as quick: html/template finds its methods by name through reflection on every call. The nodes
// are read off the tree that html/template has already provided with its escapers, only the commonest of
// those are written here, and a value that any of them might treat in a way of its own goes through html.
type program struct {
	nodes []node
	html  *template.Template // nil for text
	quick bool               // nodes are complete
	size  atomic.Int64       // how long the last rendering became: room for the next
}

type nodeKind uint8

const (
	nodeText nodeKind = iota
	nodeGet
	nodeLink
	nodeRaw
	nodeHole // something of the layout's
	nodeIf
	nodeIfHole
	nodeRange
)

type node struct {
	kind    nodeKind
	escape  escape
	tag     int
	text    string
	hole    func(*state) string
	yes, no []node
}

// escape says what a value's place asks for.
type escape uint8

const (
	asIs        escape = iota
	asHTML             // text, and attributes in quotes
	asURL              // the whole of an address in quotes
	asURLTail          // the rest of one
	asColour           // ours, and nothing but # and hexadecimal digits
	unsupported        // left to html/template
)

// escapers are the chains of html/template that are written here. A name that changes in another version of
// Go is not found, and costs time only; a test watches for that.
var escapers = map[string]escape{
	"_html_template_htmlescaper":   asHTML,
	"_html_template_attrescaper":   asHTML,
	"_html_template_rcdataescaper": asHTML,
	"_html_template_urlfilter _html_template_urlnormalizer _html_template_attrescaper": asURL,
	"_html_template_urlnormalizer _html_template_attrescaper":                          asURLTail,
}

// holes are the layout's.
var holes = map[string]func(*state) string{
	"Title": (*state).Title, "Preheader": (*state).Preheader, "Brand": (*state).Brand, "Logo": (*state).Logo,
	"Address": (*state).Address, "Help": (*state).Help, "Why": (*state).Why, "Unsubscribe": (*state).Unsubscribe,
	"Lang": (*state).Lang, "OptOut": (*state).OptOut, "OrCopy": (*state).OrCopy,
}

var colours = map[string]func(*state) string{
	"Accent":     func(s *state) string { return string(s.theme.accent) },
	"AccentText": func(s *state) string { return string(s.theme.accentText) },
	"Ink":        func(s *state) string { return string(s.theme.link) },
	"DarkInk":    func(s *state) string { return string(s.theme.darkLink) },
}

// quickNodes translates an escaped tree; false if it holds anything that is not written here.
func quickNodes(list *parse.ListNode) (out []node, ok bool) {
	if list == nil {
		return nil, true
	}
	for _, n := range list.Nodes {
		var nd node
		switch x := n.(type) {
		case *parse.TextNode:
			nd = node{kind: nodeText, text: string(x.Text)}
		case *parse.ActionNode:
			if len(x.Pipe.Decl) > 0 {
				continue // Enter, which a range does itself here
			}
			nd, ok = quickAction(x.Pipe)
		case *parse.IfNode:
			nd, ok = quickBranch(&x.BranchNode)
		case *parse.RangeNode:
			nd, ok = quickBranch(&x.BranchNode)
			nd.kind = nodeRange
		default:
			return nil, false
		}
		if nd.kind != nodeText && !ok {
			return nil, false
		}
		out = append(out, nd)
	}
	return out, true
}

// call returns the method that a pipe calls, and the number of its tag.
func call(pipe *parse.PipeNode) (name string, tag int, ok bool) {
	args := pipe.Cmds[0].Args
	v, isVar := args[0].(*parse.VariableNode)
	if !isVar || len(v.Ident) != 2 || len(args) > 2 {
		return "", 0, false
	}
	if len(args) == 2 {
		n, isNum := args[1].(*parse.NumberNode)
		if !isNum {
			return "", 0, false
		}
		tag = int(n.Int64)
	}
	return v.Ident[1], tag, true
}

func quickAction(pipe *parse.PipeNode) (node, bool) {
	name, tag, ok := call(pipe)
	var chain []string
	for _, c := range pipe.Cmds[1:] {
		chain = append(chain, c.String())
	}
	nd := node{tag: tag, escape: unsupported}
	if e, known := escapers[strings.Join(chain, " ")]; known {
		nd.escape = e
	}
	switch {
	case name == "Get":
		nd.kind = nodeGet
	case name == "Link":
		nd.kind = nodeLink
	case name == "Raw":
		nd.kind, nd.escape = nodeRaw, asIs
	case colours[name] != nil:
		nd.kind, nd.hole, nd.escape = nodeHole, colours[name], asColour
	case holes[name] != nil:
		nd.kind, nd.hole = nodeHole, holes[name]
	default:
		ok = false
	}
	return nd, ok && nd.escape != unsupported
}

func quickBranch(b *parse.BranchNode) (node, bool) {
	name, tag, ok := call(b.Pipe)
	nd := node{kind: nodeIf, tag: tag}
	if h := holes[name]; h != nil {
		nd.kind, nd.hole = nodeIfHole, h
	}
	var yes, no bool
	nd.yes, yes = quickNodes(b.List)
	nd.no, no = quickNodes(b.ElseList)
	return nd, ok && yes && no
}

// errSlow sends a rendering through html/template.
var errSlow = errors.New("a value that only html/template may escape")

// run renders a body to memory: a template that fails half-way leaves nothing.
func (s *state) run(p *program) (string, error) {
	var b strings.Builder
	if p.html == nil || p.quick {
		b.Grow(int(p.size.Load()) + 64)
		err := s.exec(&b, p.nodes)
		switch err {
		case nil:
			p.size.Store(int64(b.Len()))
			return b.String(), nil
		case errSlow:
			b.Reset()
		default:
			return "", err
		}
	}
	if err := p.html.Execute(bounded{&b}, s); err != nil {
		return "", own(err)
	}
	if strings.Contains(b.String(), refused) {
		return "", ErrUnsafe
	}
	return b.String(), nil
}

// refused is what html/template writes in the place of an address that it does not trust.
const refused = "ZgotmplZ"

// own returns the error of this package inside one of html/template's.
func own(err error) error {
	var missing *MissingError
	var mistake Error
	switch {
	case errors.As(err, &missing):
		return missing
	case errors.As(err, &mistake):
		return mistake
	}
	return err
}

func (s *state) exec(b *strings.Builder, nodes []node) error {
	for i := range nodes {
		n := &nodes[i]
		var text string
		var err error
		switch n.kind {
		case nodeText:
			b.WriteString(n.text)
			continue
		case nodeGet:
			text, err = s.Get(n.tag)
		case nodeLink:
			text, err = s.Link(n.tag)
		case nodeRaw:
			text = string(s.Raw(n.tag))
		case nodeHole:
			text = n.hole(s)
		default:
			if err := s.execBlock(b, n); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			err = n.write(b, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *state) execBlock(b *strings.Builder, n *node) error {
	if n.kind == nodeRange {
		list, err := s.List(n.tag)
		if err != nil {
			return err
		}
		for _, item := range list {
			s.Enter(n.tag, item)
			if err := s.exec(b, n.yes); err != nil {
				return err
			}
			if b.Len() > maxRendered {
				return s.tags[n.tag].fail(tooLong)
			}
		}
		if len(list) == 0 {
			return s.exec(b, n.no)
		}
		return nil
	}
	ok, err := n.hole != nil && n.hole(s) != "", error(nil)
	if n.kind == nodeIf {
		ok, err = s.Is(n.tag)
	}
	switch {
	case err != nil:
		return err
	case ok:
		return s.exec(b, n.yes)
	}
	return s.exec(b, n.no)
}

// htmlEscaper is html/template's own table.
var htmlEscaper = strings.NewReplacer(`"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;", "\x00", "\ufffd")

// write writes a value as its place asks, or returns errSlow.
func (n *node) write(b *strings.Builder, text string) error {
	switch n.escape {
	case asHTML:
		_, _ = htmlEscaper.WriteString(b, text)
		return nil
	case asURL:
		if !plainURL(text, true) {
			return errSlow
		}
		_, _ = htmlEscaper.WriteString(b, text)
		return nil
	case asURLTail:
		if !plainURL(text, false) {
			return errSlow
		}
		_, _ = htmlEscaper.WriteString(b, text)
		return nil
	}
	b.WriteString(text)
	return nil
}

// plainURL reports whether html/template's URL filters would leave an address as it is.
func plainURL(s string, whole bool) bool {
	if whole && !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "mailto:") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && !isDigit(c) && !strings.ContainsRune("-._~:/?#@!$&*+,;=", rune(c)) {
			return false
		}
	}
	return true
}
