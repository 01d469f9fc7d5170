package actions

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"latchkey/engine"
	"latchkey/templates"
)

// SMS sends the contact a text message: `sms: 'Hi'`, `sms: {body: Hi}` or `sms: {template: nudge}`.
type SMS struct{ Deps }

var _ engine.Action = (*SMS)(nil)

// An smsStep is the settings of one step.
type smsStep struct {
	Template    string `yaml:"template"`
	Body        string `yaml:"body"`
	Class       string `yaml:"class"`
	MaxSegments int    `yaml:"max_segments"`

	class  engine.Class
	source source
	last   atomic.Pointer[compiledSMS]
}

// MessageClass tells the engine which rules hold the message.
func (s *smsStep) MessageClass() engine.Class { return s.class }

// TemplateName is the template that the message is made of, or "" if the step has its own text.
func (s *smsStep) TemplateName() string { return s.Template }

// A compiledSMS is what a step's SMS was compiled from, and to.
type compiledSMS struct {
	from *Template // nil if the step has its own text
	sms  *templates.SMS
}

// Decode implements engine.Action.
func (a *SMS) Decode(n engine.Node, sc engine.StepContext) any {
	s, key, read := &smsStep{}, "body", true
	if body, ok := n.Scalar(); ok {
		s.Body, key = body, ""
	} else {
		read = n.Decode(s)
	}
	s.source = source{texts: map[string]string{"body": s.Body},
		at: func(_ string, offset int) engine.Pos { return n.Pos(key, offset) }}
	s.class = classOf(n, s.Class, sc)
	switch {
	case s.Template != "" && s.Body != "":
		n.Report(engine.Problem{Pos: n.Pos("body", -1), Msg: "an SMS has either a template or a body, not both"})
	case s.Template != "" || s.Body != "":
		a.checkSMS(n, s, sc)
	case read:
		n.Report(engine.Problem{Pos: n.Pos("", -1), Msg: "the SMS has no text; write `sms: 'Hi'`, or `sms: {template: NAME}`"})
	}
	return s
}

// checkSMS compiles the SMS and checks it against the workflow around it.
func (a *SMS) checkSMS(n engine.Node, s *smsStep, sc engine.StepContext) {
	if t, ok := a.Templates.Lookup("sms", s.Template); s.Template != "" {
		if !ok {
			msg := a.unknownTemplate("sms", s.Template)
			if _, mail := a.Templates.Lookup("email", s.Template); mail {
				msg = fmt.Sprintf("the template %q is for mail; an SMS takes one that ends in .txt", s.Template)
			}
			n.Report(engine.Problem{Pos: n.Pos("template", -1), Msg: msg})
		}
		if !ok || t.Broken {
			return
		}
	}
	m, warnings, err := a.compile(s)
	s.source.report(n, warnings, true)
	if err != nil {
		s.source.report(n, err, false)
		return
	}
	warnings, err = m.Check(useIn(sc, "contact.phone"))
	s.source.report(n, warnings, true)
	s.source.report(n, err, false)
	if parts, how := templates.Segments(s.Body); s.MaxSegments > 0 && parts > s.MaxSegments && !strings.Contains(s.Body, "<<") {
		n.Report(engine.Problem{Pos: n.Pos("body", -1),
			Msg: fmt.Sprintf("the SMS takes %d segments (%s), more than max_segments: %d", parts, how, s.MaxSegments)})
	}
}

// compile returns the step's SMS as its template is now.
func (a *SMS) compile(s *smsStep) (*templates.SMS, templates.Errors, error) {
	var t *Template
	body := s.source.part("body")
	if s.Template != "" {
		var ok bool
		if t, ok = a.Templates.Lookup("sms", s.Template); !ok {
			return nil, nil, fmt.Errorf("template %s: %w", s.Template, errNoTemplate)
		}
		body = t.Parts.Text
	}
	if c := s.last.Load(); c != nil && c.from == t {
		return c.sms, nil, nil
	}
	m, warnings, err := templates.NewSMS(body, a.Options)
	if err == nil {
		s.last.Store(&compiledSMS{t, m})
	}
	return m, warnings, err
}

// An smsAttempt is an SMS before it is rendered. It holds live links.
type smsAttempt struct {
	sms   *templates.SMS
	links []minted
}

// e164 is a phone number in the international form of ITU-T E.164.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Begin implements engine.Action.
func (a *SMS) Begin(tx engine.Tx, call engine.Call) (engine.Attempt, error) {
	s, to := call.Settings.(*smsStep), call.Person.Contact.Phone
	switch {
	case to == "":
		return engine.Attempt{}, engine.Final(errors.New("contact has no phone number"))
	case !e164.MatchString(to):
		return engine.Attempt{}, engine.Final(errors.New("contact's phone number is not in the international form, such as +14155550123"))
	case forbids(call.Person.Contact.Consent.SMS):
		return engine.Attempt{}, fmt.Errorf("%w: the contact does not want SMS", engine.ErrSuppressed)
	}
	m, _, err := a.compile(s)
	if err != nil {
		return engine.Attempt{}, engine.Final(err)
	}
	links, err := a.mint(tx, call, m.Links(), "sms", to)
	if err != nil {
		return engine.Attempt{}, err
	}
	_, ids := linksOf(links)
	return engine.Attempt{To: to, Class: s.class, Links: ids, Payload: &smsAttempt{m, links}}, nil
}

// Perform implements engine.Action. A field without a value and without a default, and a text of more segments than
// the step allows, are final errors.
func (a *SMS) Perform(ctx context.Context, call engine.Call, at engine.Attempt) (engine.Receipt, error) {
	s, made := call.Settings.(*smsStep), at.Payload.(*smsAttempt)
	body, err := made.sms.Render(data(call, made.sms.Roots(), made.links))
	if err != nil {
		return engine.Receipt{}, s.source.explain(err)
	}
	if parts, how := templates.Segments(body); s.MaxSegments > 0 && parts > s.MaxSegments {
		return engine.Receipt{}, engine.Final(fmt.Errorf("the SMS takes %d segments (%s), more than max_segments: %d", parts, how, s.MaxSegments))
	}
	links, _ := linksOf(made.links)
	r, err := a.Texter.Send(ctx, Text{From: a.TextFrom, To: at.To, Body: body, TaskID: call.Task.ID,
		Location: call.Run.Location, Links: links})
	return engine.Receipt{ID: hideLinks(r.ID, links)}, withoutLinks(err, links)
}

// Settle implements engine.Action.
func (a *SMS) Settle(tx engine.Tx, call engine.Call, state engine.TaskState) error {
	m, _, err := a.compile(call.Settings.(*smsStep))
	if err != nil {
		return nil // nothing was minted for an SMS that cannot be made
	}
	return a.settle(tx, call, m.Links(), state)
}
