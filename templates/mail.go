package templates

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Options are what the whole project allows in its templates.
type Options struct {
	Fields Fields        // nil means DefaultFields
	MaxTTL time.Duration // the longest time to live of a link; 0 means no limit
	Apps   []string      // the apps that a link may open; nil means that none are checked

	wholeLists bool // a list may stand where a text does
}

func (o Options) filled() *Options {
	if o.Fields == nil {
		o.Fields = DefaultFields()
	}
	return &o
}

// Parts are the sources of one mail. At least one of Markdown, HTML and Text is given, and at most one of
// Markdown and HTML; where Text is not, it is made from the other. Text alone makes a text-only mail.
type Parts struct {
	Subject, Preheader   Source
	Markdown, HTML, Text Source
	// Layout is "default" or "none"; "" means default for Markdown and none for HTML.
	Layout Source
	// Lang is the language of the layout's own words, one of Languages; "" is English. Reason ends the layout's "You get this
	// mail because"; "" gives a general one.
	Lang, Reason Source
}

// A Mail is a compiled mail. It is safe for use by many goroutines.
type Mail struct {
	tags      []*tag
	loops     int
	subject   *program
	preheader *program // nil if there is none
	html      *program // nil in a text-only mail
	text      *program
	derived   bool // the text part was made from the HTML
	layout    bool
	words     *words   // the layout's own
	reason    *program // nil if there is none
	uses      uses
	theme     atomic.Pointer[theme] // of the brand rendered last
}

// NewMail compiles a mail. The error is Errors: every mistake of all parts, each with its place. The other
// Errors are warnings: the mail works, but probably not as meant.
func NewMail(p Parts, o Options) (*Mail, Errors, error) {
	opt := o.filled()
	sc := newScanner(opt, p.Subject, p.Preheader, p.Markdown, p.HTML, p.Text, p.Reason)
	m := &Mail{words: sc.words(&p.Lang)}
	m.subject = sc.header(&p.Subject, "subject")
	if p.Subject.Text == "" {
		sc.src = cmpSource(&p.Subject, &p.Markdown, &p.HTML, &p.Text)
		sc.fail(0, "the subject is missing: a mail without one looks like junk")
	}
	if p.Preheader.Text != "" {
		m.preheader = sc.header(&p.Preheader, "preheader")
	}
	if p.Reason.Text != "" {
		m.reason = sc.header(&p.Reason, "reason")
	}
	body := sc.body(m, &p)
	switch {
	case p.Text.Text != "":
		m.text = sc.textBody(&p.Text)
	case m.html != nil:
		m.derived = true
		m.text = sc.compileText(sc.dropTagLines(sc.toText(body)))
	}
	m.tags, m.loops, m.uses = sc.tags, sc.loops, sc.collect()
	if len(sc.errs) > 0 {
		return nil, sc.warns.sorted(), sc.errs.orNil()
	}
	return m, sc.warns.sorted(), nil
}

// cmpSource returns the first source that says where it stands.
func cmpSource(sources ...*Source) *Source {
	for _, s := range sources {
		if s.File != "" {
			return s
		}
	}
	return sources[0]
}

// header compiles a subject or preheader.
func (sc *scanner) header(src *Source, name string) *program {
	from := len(sc.tags)
	body := sc.scan(src, plain)
	for _, t := range sc.tags[from:] {
		if t.kind == tagLink {
			sc.errs = append(sc.errs, t.fail("login_url may not stand in the "+name+": it is shown to people who do not open the mail"))
		}
	}
	return sc.compileText(strings.Join(strings.Fields(body), " "))
}

// body compiles the HTML part and returns the HTML, with marks, that a text part can be made from.
func (sc *scanner) body(m *Mail, p *Parts) string {
	src, how := &p.Markdown, markdown
	if p.HTML.Text != "" {
		if p.Markdown.Text != "" {
			sc.src = &p.HTML
			sc.fail(0, "a mail has either markdown or html, not both")
		}
		src, how = &p.HTML, markup
	}
	if strings.TrimSpace(src.Text) == "" {
		if p.Text.Text == "" {
			sc.src = cmpSource(src, &p.Text, &p.Subject)
			sc.fail(0, "the mail has no body")
		}
		return ""
	}
	m.layout = sc.layout(p, how)
	body := sc.scan(src, how)
	if len(sc.errs) > 0 {
		return "" // what follows would only repeat them in other words
	}
	blocks := sc.blockMarks(body)
	if how == markdown {
		body = sc.toHTML(body)
	} else {
		body = sc.dropTagLines(body)
	}
	if !slices.Equal(blocks, sc.blockMarks(body)) {
		sc.fail(0, "an if, range or end stands where Markdown throws it away: in a link's address, title or definition")
		return ""
	}
	m.html = sc.document(body, m)
	return body
}

// document compiles an HTML part from its body.
func (sc *scanner) document(body string, m *Mail) *program {
	full := sc.keepConditional(body)
	sc.checkPlaces(full)
	switch {
	case m.layout:
		// By itself first: what the body leaves open would swallow the layout.
		if sc.compileHTML(full) == nil {
			return nil
		}
		full = sc.inLayout(full)
	case m.preheader != nil:
		full = withPreheader(full)
	}
	return sc.compileHTML(full)
}

// blockMarks returns the marks of block tags in a body, in order.
func (sc *scanner) blockMarks(body string) []string {
	return slices.DeleteFunc(sc.marks.FindAllString(body, -1), func(m string) bool { return !sc.tagOf(m).kind.isBlock() })
}

func (sc *scanner) layout(p *Parts, how syntax) bool {
	switch name := strings.TrimSpace(p.Layout.Text); name {
	case "":
		return how == markdown
	case layoutDefault, layoutNone:
		return name == layoutDefault
	default:
		sc.src = &p.Layout
		sc.fail(0, fmt.Sprintf("no layout %q%s; there are default and none", name, didYouMean(name, []string{layoutDefault, layoutNone})))
		return false
	}
}

func (sc *scanner) textBody(src *Source) *program {
	body := sc.scan(src, plain)
	sc.checkTails(body)
	return sc.compileText(sc.dropTagLines(body))
}

// A Rendered mail is complete: HTML is "" in a text-only mail.
type Rendered struct {
	Subject, Preheader, HTML, Text string
}

// maxHeader bounds a subject or preheader, in characters; longer ones are only ever an accident or an attack.
const maxHeader = 250

// ErrUnsafe is returned by Render when a value in a link's place is no web or mail address.
var ErrUnsafe = errors.New("a field in a link's address holds something that is not an address")

// Render writes the mail. It returns *MissingError for a field without a value, ErrUnsafe, or the Error of
// a filter that could not use its value; then nothing of the mail is returned.
func (m *Mail) Render(data Data) (Rendered, error) {
	s := &state{tags: m.tags, data: &data, items: make([]any, m.loops), theme: m.themeOf(data.Values), words: m.words, oneLine: true}
	var out Rendered
	var err error
	if s.subject, err = s.line(m.subject); err != nil {
		return Rendered{}, fmt.Errorf("subject: %w", err)
	}
	if m.preheader != nil {
		if s.preheader, err = s.line(m.preheader); err != nil {
			return Rendered{}, fmt.Errorf("preheader: %w", err)
		}
	}
	if m.reason != nil {
		if s.reason, err = s.line(m.reason); err != nil {
			return Rendered{}, fmt.Errorf("reason: %w", err)
		}
	}
	out.Subject, out.Preheader, s.oneLine = s.subject, s.preheader, false
	if m.html != nil {
		if out.HTML, err = s.run(m.html); err != nil {
			return Rendered{}, fmt.Errorf("html: %w", err)
		}
	}
	if out.Text, err = s.run(m.text); err != nil {
		return Rendered{}, fmt.Errorf("text: %w", err)
	}
	if m.derived {
		out.Text = strings.TrimSpace(manyLines.ReplaceAllString(out.Text, "\n\n")) + "\n"
	}
	switch {
	case m.layout:
		out.Text += s.footer()
	case data.Unsubscribe != "" && !m.uses.unsubscribe:
		out.addUnsubscribe(data.Unsubscribe, m.words)
	}
	return out, nil
}

var bodyEnd = regexp.MustCompile(`(?i)</body\s*>`)

// addUnsubscribe gives a mail without our layout the way out that the law asks for, if its author did not.
func (r *Rendered) addUnsubscribe(url string, w *words) {
	r.Text += "\n-- \n" + w.unsubscribe + ": " + url + "\n"
	if r.HTML == "" {
		return
	}
	at := len(r.HTML)
	if ends := bodyEnd.FindAllStringIndex(r.HTML, -1); len(ends) > 0 {
		at = ends[len(ends)-1][0]
	}
	r.HTML = r.HTML[:at] + `<p style="font-size:14px"><a href="` + htmlEscaper.Replace(url) + "\">" + w.unsubscribe + "</a></p>\n" + r.HTML[at:]
}

var manyLines = regexp.MustCompile(`\n{3,}`)

// themeOf returns the colours of the location; one location's mails follow one another, so one is kept.
func (m *Mail) themeOf(values map[string]any) theme {
	brand, _ := lookup(values, []string{"location", "brand"}).(string)
	if t := m.theme.Load(); t != nil && t.brand == brand {
		return *t
	}
	t := newTheme(brand)
	m.theme.Store(&t)
	return t
}

// line renders a subject or preheader.
func (s *state) line(p *program) (string, error) {
	text, err := s.run(p)
	return cut(strings.Join(strings.Fields(text), " "), maxHeader), err
}

// ReadParts splits a template file into its parts: the front matter between two lines of three dashes, and
// the body, read by the file's ending: .md, .html or .txt. The error is Errors.
func ReadParts(file string, src []byte) (Parts, error) {
	p, body, errs := frontMatter(file, string(src))
	switch path.Ext(file) {
	case ".md":
		p.Markdown = body
	case ".html":
		p.HTML = body
	case ".txt":
		p.Text = body
	default:
		errs = append(errs, Error{file, 1, 1, "a template's file ends in .md, .html or .txt"})
	}
	return p, errs.orNil()
}
