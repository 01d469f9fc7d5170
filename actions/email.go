package actions

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"sync/atomic"

	"latchkey/engine"
	"latchkey/templates"
)

// Email sends the contact an e-mail: `email: {template: welcome}`, or with subject and markdown, html or text.
type Email struct{ Deps }

var _ engine.Action = (*Email)(nil)

// An emailStep is the settings of one step.
type emailStep struct {
	Template  string `yaml:"template"`
	Subject   string `yaml:"subject"`
	Preheader string `yaml:"preheader"`
	Markdown  string `yaml:"markdown"`
	HTML      string `yaml:"html"`
	Text      string `yaml:"text"`
	From      string `yaml:"from"`
	ReplyTo   string `yaml:"reply_to"`
	Class     string `yaml:"class"`

	class  engine.Class
	source source
	last   atomic.Pointer[compiledMail]
}

// MessageClass tells the engine which rules hold the message.
func (s *emailStep) MessageClass() engine.Class { return s.class }

// TemplateName is the template that the message is made of, or "" if the step has its own text.
func (s *emailStep) TemplateName() string { return s.Template }

// A compiledMail is what a step's mail was compiled from, and to.
type compiledMail struct {
	from *Template // nil if the step has its own text
	mail *templates.Mail
}

// errNoTemplate is the error of a message whose template has gone.
var errNoTemplate = errors.New("template is not there any more")

// Decode implements engine.Action.
func (e *Email) Decode(n engine.Node, sc engine.StepContext) any {
	if name, ok := n.Scalar(); ok {
		msg := "email needs settings: `email: {template: NAME}`, or a subject and markdown, html or text"
		if _, ok := e.Templates.Lookup("email", name); ok {
			msg = fmt.Sprintf("write it as `email: {template: %s}`", name)
		}
		n.Report(engine.Problem{Pos: n.Pos("", -1), Msg: msg})
		return nil
	}
	s := &emailStep{}
	read := n.Decode(s)
	s.source = source{at: n.Pos, texts: map[string]string{"subject": s.Subject, "preheader": s.Preheader,
		"markdown": s.Markdown, "html": s.HTML, "text": s.Text}}
	s.class = classOf(n, s.Class, sc)
	s.checkAddress(n, "from", s.From)
	s.checkAddress(n, "reply_to", s.ReplyTo)
	if s.checkParts(n, read) {
		e.checkMail(n, s, sc)
	}
	return s
}

func (s *emailStep) checkAddress(n engine.Node, key, value string) {
	if value == "" {
		return
	}
	if strings.Contains(value, "<<") {
		n.Report(engine.Problem{Pos: n.Pos(key, -1), Msg: key + " takes no fields: write the address as it is"})
		return
	}
	if _, err := mail.ParseAddress(value); err != nil {
		n.Report(engine.Problem{Pos: n.Pos(key, -1),
			Msg: fmt.Sprintf("%s is no address: write hello@example.com, or 'Acme <hello@example.com>'", key)})
	}
}

// checkParts reports parts that are missing or too many. read says whether all keys could be read.
func (s *emailStep) checkParts(n engine.Node, read bool) bool {
	fail := func(key, msg string) bool {
		n.Report(engine.Problem{Pos: n.Pos(key, -1), Msg: msg})
		return false
	}
	for _, key := range []string{"markdown", "html", "text"} {
		if s.Template != "" && s.source.texts[key] != "" {
			return fail(key, "a mail has either a template or a text of its own; leave out template or "+key)
		}
	}
	switch {
	case s.Template != "":
		return true
	case s.Markdown != "" && s.HTML != "":
		return fail("html", "a mail has either markdown or html, not both")
	case !read:
		return false // what seems to be missing may be misspelt
	case s.Markdown+s.HTML+s.Text == "":
		return fail("", "the mail has no text; give it a template, or markdown, html or text")
	case s.Subject == "":
		return fail("", "the mail has no subject")
	}
	return true
}

// checkMail compiles the mail and checks it against the workflow around it.
func (e *Email) checkMail(n engine.Node, s *emailStep, sc engine.StepContext) {
	if t, ok := e.Templates.Lookup("email", s.Template); s.Template != "" {
		switch {
		case !ok:
			n.Report(engine.Problem{Pos: n.Pos("template", -1), Msg: e.unknownTemplate("email", s.Template)})
			return
		case t.Broken:
			return
		case s.Subject == "" && t.Parts.Subject.Text == "":
			n.Report(engine.Problem{Pos: n.Pos("template", -1),
				Msg: fmt.Sprintf("%s begins with no `subject:`, and the step has none either", t.File)})
			return
		}
	}
	m, warnings, err := e.compile(s)
	s.source.report(n, warnings, true)
	if err != nil {
		s.source.report(n, err, false)
		return
	}
	warnings, err = m.Check(useIn(sc, "contact.email"))
	s.source.report(n, warnings, true)
	s.source.report(n, err, false)
}

// compile returns the step's mail as its template is now.
func (e *Email) compile(s *emailStep) (*templates.Mail, templates.Errors, error) {
	var t *Template
	if s.Template != "" {
		var ok bool
		if t, ok = e.Templates.Lookup("email", s.Template); !ok {
			return nil, nil, fmt.Errorf("template %s: %w", s.Template, errNoTemplate)
		}
	}
	if c := s.last.Load(); c != nil && c.from == t {
		return c.mail, nil, nil
	}
	parts := templates.Parts{Markdown: s.source.part("markdown"), HTML: s.source.part("html"), Text: s.source.part("text")}
	if t != nil {
		parts = t.Parts
	}
	if s.Subject != "" {
		parts.Subject = s.source.part("subject")
	}
	if s.Preheader != "" {
		parts.Preheader = s.source.part("preheader")
	}
	m, warnings, err := templates.NewMail(parts, e.Options)
	if err == nil {
		s.last.Store(&compiledMail{t, m})
	}
	return m, warnings, err
}

// A mailAttempt is a mail before it is rendered. It holds live links.
type mailAttempt struct {
	mail  *templates.Mail
	links []minted
}

// Begin implements engine.Action.
func (e *Email) Begin(tx engine.Tx, call engine.Call) (engine.Attempt, error) {
	s, to := call.Settings.(*emailStep), call.Person.Contact.Email
	if to == "" {
		return engine.Attempt{}, engine.Final(errors.New("contact has no e-mail address"))
	}
	if forbids(call.Person.Contact.Consent.Email) {
		return engine.Attempt{}, fmt.Errorf("%w: the contact does not want e-mail", engine.ErrSuppressed)
	}
	m, _, err := e.compile(s)
	if err != nil {
		return engine.Attempt{}, engine.Final(err)
	}
	links, err := e.mint(tx, call, m.Links(), "email", to)
	if err != nil {
		return engine.Attempt{}, err
	}
	_, ids := linksOf(links)
	return engine.Attempt{To: to, Class: s.class, Links: ids, Payload: &mailAttempt{m, links}}, nil
}

// Perform implements engine.Action. A field without a value and without a default is a final error that names the
// field and its place.
func (e *Email) Perform(ctx context.Context, call engine.Call, a engine.Attempt) (engine.Receipt, error) {
	s, made := call.Settings.(*emailStep), a.Payload.(*mailAttempt)
	out, err := made.mail.Render(data(call, made.mail.Roots(), made.links))
	if err != nil {
		return engine.Receipt{}, s.source.explain(err)
	}
	from := firstOf(s.From, e.From, call.Location.Email)
	id, err := messageID(call.Task.ID, from)
	if err != nil {
		return engine.Receipt{Subject: out.Subject}, engine.Final(err)
	}
	links, _ := linksOf(made.links)
	r, err := e.Mailer.Send(ctx, Mail{
		MessageID: id, From: from, ReplyTo: firstOf(s.ReplyTo, e.ReplyTo), To: a.To,
		Subject: out.Subject, HTML: out.HTML, Text: out.Text, Date: call.Task.Created,
		TaskID: call.Task.ID, Location: call.Run.Location, Links: links,
	})
	return engine.Receipt{ID: hideLinks(r.ID, links), Subject: out.Subject}, withoutLinks(err, links)
}

// Settle implements engine.Action.
func (e *Email) Settle(tx engine.Tx, call engine.Call, state engine.TaskState) error {
	m, _, err := e.compile(call.Settings.(*emailStep))
	if err != nil {
		return nil // nothing was minted for a mail that cannot be made
	}
	return e.settle(tx, call, m.Links(), state)
}

// messageID returns the Message-ID of a task's mail: the same for each attempt, and telling nothing.
func messageID(task engine.ID, from string) (string, error) {
	a, err := mail.ParseAddress(from)
	if err != nil {
		return "", fmt.Errorf("sender %q is no address: set email.from", from)
	}
	sum := sha256.Sum256(task[:])
	name := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
	return name + a.Address[strings.LastIndexByte(a.Address, '@'):], nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
