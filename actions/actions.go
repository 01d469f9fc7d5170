package actions

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/templates"
)

// Deps is what the actions of one location work with.
type Deps struct {
	Mailer    Mailer
	Texter    Texter
	Templates Templates
	Options   templates.Options // what templates may use
	// From is the sender of mails, as "Acme <hello@acme.test>", and ReplyTo where answers go if not there; a step may
	// have its own. TextFrom is the sender of SMS; empty is the Texter's own.
	From, ReplyTo, TextFrom string
	HTTP                    *http.Client             // of webhooks
	Secrets                 map[string]engine.Secret // by the names that workflows give
	// Notified bounds the mails to staff; it outlives this Deps.
	Notified *Budget
	// Login is what links are like that somebody asked for.
	Login LoginPolicy
	// LoginLink mints a link inside the commit that starts an attempt.
	LoginLink func(tx engine.Tx, req engine.LinkRequest) (id string, url engine.Secret, err error)
	// Settle supersedes the contact's older links of an app, now that newer ones are on their way.
	Settle func(tx engine.Tx, location string, contact engine.ID, app string, ordinal uint64) error
	// Sent, if set, notes that a message with links was accepted, or may have been if its outcome is unknown.
	Sent func(tx engine.Tx, links []string, now time.Time, unknown bool) error
}

// Templates finds the files of the templates folder. What it answers may change at any time: messages are made
// of what is there when they are sent.
type Templates interface {
	// Lookup returns the template of that name for a kind of step ("email", "sms"). As long as it has not
	// changed, it is the same pointer.
	Lookup(kind, name string) (*Template, bool)
	// Names returns the names that Lookup finds for the kind, sorted.
	Names(kind string) []string
}

// Catalog returns every action, by the key that workflow files name it with.
func Catalog(d Deps) map[string]engine.Action {
	return map[string]engine.Action{
		"email":   &Email{d},
		"sms":     &SMS{d},
		"webhook": &Webhook{d},
		"notify":  &Notify{d},
	}
}

// Notices returns every kind of step that only publishes, likewise.
func Notices(d Deps) map[string]engine.NoticeKind {
	return map[string]engine.NoticeKind{
		"publish": &Publish{d},
		"grant":   &Access{d, "grant"},
		"revoke":  &Access{d, "revoke"},
	}
}

// classOf returns a step's class, its own or the workflow's, and reports what is wrong with it.
func classOf(n engine.Node, own string, sc engine.StepContext) engine.Class {
	switch c := engine.Class(own); {
	case own == "" && sc.Class == "":
		n.Report(engine.Problem{Pos: n.Pos("", -1),
			Msg: "the message has no class; write `class: transactional` or `class: marketing` here, or once for the workflow"})
	case own == "":
		return sc.Class
	case c != engine.Transactional && c != engine.Marketing:
		n.Report(engine.Problem{Pos: n.Pos("class", -1), Msg: fmt.Sprintf("class cannot be %q; it is transactional or marketing", own)})
	default:
		return c
	}
	return ""
}

// useIn tells templates what a step's place in its workflow gives them.
func useIn(sc engine.StepContext, sure ...string) templates.Use {
	use := templates.Use{Sure: sure}
	for i, k := range sc.Triggers {
		if !k.Course && use.NoLogin == "" {
			use.NoLogin = fmt.Sprintf("workflow %s may be started by %s, which is no course trigger", sc.Workflow, k.Name)
		}
		every := func(o engine.TriggerKind) bool { return o.Noun == k.Noun }
		if i == 0 && k.Noun != "" && !slices.ContainsFunc(sc.Triggers, func(o engine.TriggerKind) bool { return !every(o) }) {
			use.Sure = append(use.Sure, k.Noun+".id")
		}
	}
	return use
}

// A source is where the texts of a step stand: errors in them name a key of the step as their file, and are brought to
// their place in the workflow file.
type source struct {
	texts map[string]string // by key
	at    func(key string, offset int) engine.Pos
}

func (s *source) part(key string) templates.Source {
	return templates.Source{Text: s.texts[key], File: key, Line: 1, Col: 1}
}

// place returns where a mistake stands: in a template's file, or in the workflow's.
func (s *source) place(e templates.Error) engine.Pos {
	text, own := s.texts[e.File]
	if !own {
		return engine.Pos{File: e.File, Line: e.Line, Col: e.Col}
	}
	offset := 0
	for line := range strings.Lines(text) {
		if e.Line--; e.Line < 1 {
			break
		}
		offset += len([]rune(line))
	}
	return s.at(e.File, offset+e.Col-1)
}

// report passes on what templates found, as mistakes or warnings.
func (s *source) report(n engine.Node, found error, warning bool) {
	var list templates.Errors
	if !errors.As(found, &list) {
		return
	}
	for _, e := range list {
		n.Report(engine.Problem{Pos: s.place(e), Msg: e.Msg, Warning: warning})
	}
}

// explain makes of a rendering's error one that fails the task and says where to mend it.
func (s *source) explain(err error) error {
	var missing *templates.MissingError
	var mistake templates.Error
	switch {
	case errors.As(err, &missing):
		at := s.place(missing.Place)
		err = &templates.MissingError{Field: missing.Field, Place: templates.Error{File: at.File, Line: at.Line, Col: at.Col}}
	case errors.As(err, &mistake):
		at := s.place(mistake)
		err = templates.Error{File: at.File, Line: at.Line, Col: at.Col, Msg: mistake.Msg}
	}
	return engine.Final(err)
}

// unknownTemplate says that there is no such template.
func (d *Deps) unknownTemplate(kind, name string) string {
	names := d.Templates.Names(kind)
	switch near := engine.Nearest(name, names); {
	case near != "":
		return fmt.Sprintf("no template %q; did you mean %s?", name, near)
	case len(names) == 0:
		return fmt.Sprintf("no template %q; the templates folder has none for %s", name, kind)
	}
	return fmt.Sprintf("no template %q; the templates are %s", name, strings.Join(names, ", "))
}

// A minted link belongs to a field of a message's templates.
type minted struct {
	field templates.LinkField
	Link
}

// mint makes one link for each distinct link field of a message.
func (d *Deps) mint(tx engine.Tx, call engine.Call, fields []templates.LinkField, channel, address string) ([]minted, error) {
	links := make([]minted, 0, len(fields))
	hand := byHand(call)
	var apps []string
	for _, f := range fields {
		as := d.asked(f, &call.Run.Event)
		to, in := destination(as.To, &call.Run.Event)
		id, url, err := d.LoginLink(tx, engine.LinkRequest{
			Now: call.Now, Location: call.Run.Location, Contact: call.Run.Contact, Ordinal: call.Run.Ordinal,
			App: as.App, To: to, In: in, TTL: as.TTL, Uses: as.Uses, Bind: as.Bind,
			Run: call.Run.ID, Workflow: call.Run.Workflow, Step: strings.Join(call.Task.Step, "/"),
			Channel: channel, Address: address, ByHand: hand && !slices.Contains(apps, as.App),
		})
		if err != nil {
			return nil, fmt.Errorf("login link: %w", err)
		}
		apps = append(apps, as.App)
		links = append(links, minted{f, Link{ID: id, URL: url}})
	}
	return links, nil
}

// destination resolves to=lesson to the event's lesson, in the event's product. An event without one leads to the start page.
func destination(to string, ev *engine.Event) (at, in string) {
	if asked, _ := ev.Custom["to"].(string); isAsked(ev) && to != "" && to == asked {
		in, _ = ev.Custom["in"].(string)
	}
	if to == "" || strings.Contains(to, ":") {
		return to, in
	}
	noun := ev.Noun(to)
	if noun == nil || noun.ID == "" {
		return "", ""
	}
	if product := ev.Noun("product"); product != nil && to != "product" {
		in = product.ID
	}
	return to + ":" + noun.ID, in
}

// settle supersedes older links once a message with newer ones is on its way.
func (d *Deps) settle(tx engine.Tx, call engine.Call, fields []templates.LinkField, state engine.TaskState) error {
	if state != engine.TaskSent && state != engine.TaskUnknown || len(call.Task.Links) == 0 {
		return nil
	}
	if d.Sent != nil {
		if err := d.Sent(tx, call.Task.Links, call.Now, state == engine.TaskUnknown); err != nil {
			return fmt.Errorf("note that links were sent: %w", err)
		}
	}
	var done []string
	for _, f := range fields {
		f = d.asked(f, &call.Run.Event)
		if slices.Contains(done, f.App) {
			continue
		}
		done = append(done, f.App)
		if err := d.Settle(tx, call.Run.Location, call.Run.Contact, f.App, call.Run.Ordinal); err != nil {
			return fmt.Errorf("supersede older links: %w", err)
		}
	}
	return nil
}

// data gathers what a message is rendered with: of the fields, those that its template reads.
func data(call engine.Call, roots []string, links []minted) templates.Data {
	values := engine.NewEnv(call.Location, call.Person, &call.Run.Event, call.Run, call.Now).Values(roots...)
	if loc, ok := values["location"].(map[string]any); ok {
		loc["brand"] = call.Location.Brand
	}
	urls := make(map[templates.LinkField]string, len(links))
	for _, l := range links {
		urls[l.field] = l.URL.Reveal()
	}
	return templates.Data{Values: values, Links: urls, Zone: call.Person.Zone(call.Location)}
}

func linksOf(all []minted) (links []Link, ids []string) {
	for _, l := range all {
		links = append(links, l.Link)
		ids = append(ids, l.ID)
	}
	return links, ids
}

func forbids(consent *bool) bool { return consent != nil && !*consent }
