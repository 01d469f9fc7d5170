package actions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/enginetest"
	"latchkey/engine/flowfile"
	"latchkey/templates"
)

var at = time.Date(2026, 11, 5, 9, 0, 0, 0, time.UTC)

// A bench holds the actions of one location between fakes of what is around them.
type bench struct {
	deps    actions.Deps
	library *actions.Library
	mails   []actions.Mail
	texts   []actions.Text
	minted  []engine.LinkRequest
	sent    []string
	settled []string
	answer  error // of mailer and texter
	person  engine.Person
	event   engine.Event
}

func (b *bench) Lookup(kind, name string) (*actions.Template, bool) {
	return b.library.Lookup(kind, name)
}
func (b *bench) Names(kind string) []string { return b.library.Names(kind) }

type mailer struct{ *bench }

func (m mailer) Send(_ context.Context, mail actions.Mail) (actions.Receipt, error) {
	m.mails = append(m.mails, mail)
	return actions.Receipt{ID: "queued-1"}, m.answer
}

type texter struct{ *bench }

func (x texter) Send(_ context.Context, t actions.Text) (actions.Receipt, error) {
	x.texts = append(x.texts, t)
	return actions.Receipt{ID: "SM1"}, x.answer
}

func newBench(t *testing.T, files map[string]string) *bench {
	t.Helper()
	b := &bench{
		person: engine.Person{Key: engine.NewID(at, 7, "c-17"), Location: "academy",
			Contact: engine.Contact{ID: "c-17", Email: "ada@example.com", Phone: "+14155550123", FirstName: "Ada"}},
		event: engine.Event{ID: "e1", Type: "lesson_completed", Location: "academy", Time: at,
			Lesson: &engine.Noun{ID: "intro", Title: "Introduction"}},
	}
	if problems := b.read(files); len(problems) > 0 {
		t.Fatal(problems)
	}
	b.deps = actions.Deps{Mailer: mailer{b}, Texter: texter{b}, Templates: b, Options: templates.Options{Apps: []string{"courses"}},
		From: "Acme <hello@acme.test>", TextFrom: "+14155550100",
		LoginLink: func(_ engine.Tx, req engine.LinkRequest) (string, engine.Secret, error) {
			b.minted = append(b.minted, req)
			id := fmt.Sprintf("link%d", len(b.minted))
			return id, engine.NewSecret("https://acme.test/l/SECRET-" + id), nil
		},
		Settle: func(_ engine.Tx, location string, contact engine.ID, app string, ordinal uint64) error {
			b.settled = append(b.settled, fmt.Sprintf("%s/%q/%d", location, app, ordinal))
			return nil
		},
		Sent: func(_ engine.Tx, links []string, _ time.Time, unknown bool) error {
			b.sent = append(b.sent, fmt.Sprint(links, " ", unknown))
			return nil
		},
	}
	return b
}

func (b *bench) read(files map[string]string) []engine.Problem {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys["templates/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	var problems []engine.Problem
	b.library, problems = actions.ReadTemplates(fsys, "templates", templates.Options{Apps: []string{"courses"}})
	return problems
}

func (b *bench) catalog() *engine.Catalog {
	return &engine.Catalog{Actions: actions.Catalog(b.deps), Notices: actions.Notices(b.deps), Triggers: map[string]engine.TriggerKind{
		"lesson_completed":     {Name: "lesson_completed", Noun: "lesson", Filters: []string{"product", "category", "lesson"}, Course: true},
		"offer_access_granted": {Name: "offer_access_granted", Noun: "offer", Filters: []string{"offer"}, Course: true},
		"birthday":             {Name: "birthday"},
	}}
}

// call makes the call of the first step of a workflow.
func (b *bench) call(t *testing.T, step string) (engine.Action, engine.Call) {
	t.Helper()
	src := "triggers: [lesson_completed]\nclass: transactional\nsteps:\n" + step + "\n"
	w, problems := flowfile.Load("workflows/w.yaml", "w", []byte(src), b.catalog(), &engine.Location{ID: "academy"})
	if w == nil {
		t.Fatal(problems)
	}
	run := &engine.Run{ID: engine.NewID(at, 7, "run"), Location: "academy", Workflow: "w", Contact: b.person.Key, Event: b.event,
		Ordinal: 42, State: engine.RunSending, Started: at}
	task := &engine.Task{ID: engine.NewID(at, 7, "task"), Location: "academy", Run: run.ID, Workflow: "w", Step: []string{"if-1", "then", w.Steps[0].ID},
		Kind: w.Steps[0].Kind, Contact: b.person.Key, Created: at}
	return b.catalog().Actions[w.Steps[0].Kind], engine.Call{Now: at.Add(time.Minute), Task: task, Run: run, Person: &b.person,
		Location: &engine.Location{ID: "academy", Name: "Acme Academy", BaseURL: "https://acme.test", Brand: "#224466"}, Settings: w.Steps[0].Settings}
}

// attempt begins and performs one attempt.
func attempt(t *testing.T, a engine.Action, call engine.Call) (engine.Attempt, engine.Receipt, error) {
	t.Helper()
	var at engine.Attempt
	err := enginetest.NewStores(1).Global().Update(t.Context(), func(tx engine.Tx) (err error) {
		at, err = a.Begin(tx, call)
		return err
	})
	if err != nil {
		return at, engine.Receipt{}, err
	}
	r, err := a.Perform(t.Context(), call, at)
	return at, r, err
}

const welcome = "---\nsubject: Well done, <<contact.first_name>>\n---\n# Hi\n\n[Go on](<<login_url to=lesson ttl=\"7d\">>)\n\n<<login_url to=lesson ttl=\"7d\">> <<login_url app=\"courses\">>\n"

func TestMailIsSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"welcome.md": welcome})
	a, call := b.call(t, "- email: {template: welcome, reply_to: help@acme.test}")
	first, receipt, err := attempt(t, a, call)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(engine.Receipt{ID: "queued-1", Subject: "Well done, Ada"}, receipt); diff != "" {
		t.Error(diff)
	}
	if first.To != "ada@example.com" || first.Class != engine.Transactional || !cmp.Equal(first.Links, []string{"link1", "link2"}) {
		t.Errorf("%+v", first)
	}
	want := engine.LinkRequest{Now: call.Now, Location: "academy", Contact: b.person.Key, Ordinal: 42, To: "lesson:intro",
		TTL: 7 * 24 * time.Hour, Run: call.Run.ID, Workflow: "w", Step: "if-1/then/email-1", Channel: "email", Address: "ada@example.com"}
	if diff := cmp.Diff(want, b.minted[0]); diff != "" {
		t.Error(diff)
	}
	if len(b.minted) != 2 || b.minted[1].App != "courses" {
		t.Errorf("one link for each distinct field was expected: %+v", b.minted)
	}
	m := b.mails[0]
	for _, part := range []string{m.HTML, m.Text} {
		if !strings.Contains(part, "SECRET-link1") || !strings.Contains(part, "SECRET-link2") {
			t.Error("a link is missing in", part)
		}
	}
	if m.From != "Acme <hello@acme.test>" || m.ReplyTo != "help@acme.test" || m.To != "ada@example.com" || len(m.Links) != 2 || !m.Date.Equal(at) {
		t.Errorf("%s %s %s %d", m.From, m.ReplyTo, m.To, len(m.Links))
	}
	if _, _, err := attempt(t, a, call); err != nil {
		t.Fatal(err)
	}
	again := b.mails[1]
	if again.MessageID != m.MessageID || !strings.HasSuffix(m.MessageID, "@acme.test") || len(m.MessageID) != 26+len("@acme.test") {
		t.Errorf("a second attempt has another Message-ID: %s, %s", m.MessageID, again.MessageID)
	}
	if !strings.Contains(again.HTML, "SECRET-link3") {
		t.Error("a second attempt does not have links of its own")
	}
}

func TestSettleForEachApp(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"welcome.md": welcome})
	a, call := b.call(t, "- email: {template: welcome}")
	call.Task.Links = []string{"link1"}
	for _, state := range []engine.TaskState{engine.TaskFailed, engine.TaskSuppressed, engine.TaskUnknown, engine.TaskSent} {
		if err := a.Settle(nil, call, state); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"[link1] true", "[link1] false"}, b.sent); diff != "" {
		t.Error(diff)
	}
	want := []string{`academy/""/42`, `academy/"courses"/42`}
	if diff := cmp.Diff(append(want, want...), b.settled); diff != "" {
		t.Error(diff)
	}
}

// TestLinkNamesTheEventsProduct has links to the run's own lesson say in which product that is: another may have one of that id. One to a
// fixed lesson is in none that is known, unless whoever asked for the link said so.
func TestLinkNamesTheEventsProduct(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.event.Product, b.event.Category = &engine.Noun{ID: "go-101"}, &engine.Noun{ID: "basics"}
	for _, c := range []struct {
		field, event string
		custom       engine.Custom
		want         string
	}{
		{"<<login_url to=lesson>>", "lesson_completed", nil, "lesson:intro in go-101"},
		{"<<login_url to=category>>", "lesson_completed", nil, "category:basics in go-101"},
		{"<<login_url to=product>>", "lesson_completed", nil, "product:go-101 in "},
		{`<<login_url to="lesson:loops">>`, "lesson_completed", engine.Custom{"to": "lesson:loops", "in": "x"}, "lesson:loops in "},
		{"<<login_url>>", engine.EventLogin, engine.Custom{"to": "lesson:loops", "in": "go-102"}, "lesson:loops in go-102"},
		{"<<login_url>>", engine.EventLogin, engine.Custom{"to": "lesson:loops"}, "lesson:loops in "},
	} {
		a, call := b.call(t, "- email: {subject: Hi, text: '"+c.field+"'}")
		call.Run.Event.Type, call.Run.Event.Custom, b.minted = c.event, c.custom, nil
		if _, _, err := attempt(t, a, call); err != nil {
			t.Fatal(err)
		}
		if got := b.minted[0].To + " in " + b.minted[0].In; got != c.want {
			t.Errorf("%s of %s leads to %q, want %q", c.field, c.event, got, c.want)
		}
	}
}

// TestByHand has the first message of a run that staff started end older links at once, once for each app. A further attempt, another
// message of the run and what anybody may ask for end none.
func TestByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a, call := b.call(t, "- email: {subject: Hi, text: '<<login_url>> <<login_url ttl=1h>> <<login_url app=courses>>'}")
	for _, c := range []struct {
		event string
		staff bool
		links []string // of earlier attempts
		steps []engine.StepResult
		want  string
	}{
		{engine.EventInvite, false, nil, []engine.StepResult{{Kind: engine.StepIf}}, "[true false true]"},
		{engine.EventLogin, true, nil, nil, "[true false true]"},
		{engine.EventLogin, true, []string{"link1"}, nil, "[false false false]"},
		{engine.EventLogin, true, nil, []engine.StepResult{{Kind: "email", Task: call.Task.ID}}, "[false false false]"},
		{engine.EventLogin, false, nil, nil, "[false false false]"},
		{"lesson_completed", true, nil, nil, "[false false false]"},
	} {
		call.Run.Event.Type, call.Run.Event.Custom = c.event, engine.Custom{"staff": c.staff}
		call.Task.Links, call.Run.Steps, b.minted = c.links, c.steps, nil
		if _, _, err := attempt(t, a, call); err != nil {
			t.Fatal(err)
		}
		var hand []bool
		for _, m := range b.minted {
			hand = append(hand, m.ByHand)
		}
		if got := fmt.Sprint(hand); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSMSIsSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"nudge.txt": "Hi <<contact.first_name>>: <<login_url>>\n"})
	for _, step := range []string{
		`- sms: 'Hi <<contact.first_name>>: <<login_url>>'`, `- sms: {body: 'Hi <<contact.first_name>>: <<login_url>>'}`, `- sms: {template: nudge, max_segments: 1}`,
		`- sms: 'Hi <<contact.first_name>>: <<login_url bind="browser">>'`,
	} {
		a, call := b.call(t, step)
		b.minted, b.texts = nil, nil
		got, receipt, err := attempt(t, a, call)
		if err != nil || receipt.ID != "SM1" || got.To != "+14155550123" || len(b.minted) != 1 || b.minted[0].Channel != "sms" ||
			b.minted[0].Bind != strings.Contains(step, "bind") {
			t.Fatalf("%+v %+v %v", receipt, b.minted, err)
		}
		if x := b.texts[0]; x.Body != "Hi Ada: https://acme.test/l/SECRET-link1" || x.From != "+14155550100" {
			t.Error(x.Body, x.From)
		}
	}
}

// TestNotSent holds each reason for which a message does not leave, and what the task's error says.
func TestNotSent(t *testing.T) {
	t.Parallel()
	no := false
	tests := []struct {
		name, step string
		change     func(*bench)
		want       string
		suppressed bool
		minted     int
	}{
		{name: "no address", step: "- email: {template: welcome}", change: func(b *bench) { b.person.Contact.Email = "" },
			want: "contact has no e-mail address"},
		{name: "no consent to mail", step: "- email: {template: welcome}", change: func(b *bench) { b.person.Contact.Consent.Email = &no },
			want: "suppressed: the contact does not want e-mail", suppressed: true},
		{name: "no phone", step: "- sms: Hi", change: func(b *bench) { b.person.Contact.Phone = "" }, want: "contact has no phone number"},
		{name: "no consent to SMS", step: "- sms: Hi", change: func(b *bench) { b.person.Contact.Consent.SMS = &no },
			want: "suppressed: the contact does not want SMS", suppressed: true},
		{name: "local phone", step: "- sms: Hi", change: func(b *bench) { b.person.Contact.Phone = "0170 1234567" },
			want: "contact's phone number is not in the international form, such as +14155550123"},
		{name: "field missing in a template", step: "- email: {template: welcome}", change: func(b *bench) { b.person.Contact.FirstName = "" },
			want: "templates/welcome.md:2:21: contact.first_name has no value, and the template has no default for it", minted: 2},
		{name: "field missing in a step", step: "- sms: >-\n    Dear <<login_url>>\n    Dr <<contact.last_name>>", change: func(*bench) {},
			want: "workflows/w.yaml:6:8: contact.last_name has no value, and the template has no default for it", minted: 1},
		{name: "template gone", step: "- email: {template: welcome}", change: func(b *bench) { b.library = &actions.Library{} },
			want: "template welcome: template is not there any more"},
		{name: "template broken since", step: "- email: {template: welcome}", change: func(b *bench) { b.read(map[string]string{"welcome.md": "<<qqqqq>>"}) },
			want: "templates/welcome.md:1:1: the subject is missing: a mail without one looks like junk\n" +
				`templates/welcome.md:1:3: unknown field qqqqq; for the characters themselves write <<"<<">>`},
		{name: "too many segments", step: "- sms: {body: '<<contact.first_name>>', max_segments: 1}",
			change: func(b *bench) { b.person.Contact.FirstName = strings.Repeat("Ada ", 50) },
			want:   "the SMS takes 2 segments (GSM-7), more than max_segments: 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, map[string]string{"welcome.md": welcome})
			a, call := b.call(t, tt.step)
			tt.change(b)
			_, _, err := attempt(t, a, call)
			if err == nil || err.Error() != tt.want || errors.Is(err, engine.ErrSuppressed) != tt.suppressed || engine.IsFinal(err) == tt.suppressed {
				t.Errorf("got %v (final %v)", err, engine.IsFinal(err))
			}
			if len(b.minted) != tt.minted || len(b.mails)+len(b.texts) != 0 {
				t.Errorf("%d links and %d messages were made", len(b.minted), len(b.mails)+len(b.texts))
			}
		})
	}
}

// TestSenderDecides checks that what a sender says of its error is passed on.
func TestSenderDecides(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a, call := b.call(t, "- sms: Hi")
	for _, want := range []error{engine.Final(errors.New("x")), engine.Unknown(errors.New("x")), engine.Down(errors.New("x"))} {
		b.answer = want
		if _, _, err := attempt(t, a, call); err != want {
			t.Errorf("got %v", err)
		}
	}
}

// TestServerQuotesALink checks that a server whose answer repeats a login link, as filters for spam do, brings it neither
// whole nor cut off into what is kept of the attempt.
func TestServerQuotesALink(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"- email: {subject: Hi, text: '<<login_url>>'}": "554 spam: https://acme.test/l/[redacted] and [redacted], [redacted]…",
		"- sms: '<<login_url>>'":                        "554 spam: https://acme.test/l/[redacted] and [redacted], [redacted]…",
	} {
		b := newBench(t, nil)
		a, call := b.call(t, step)
		b.answer = engine.Final(errors.New("554 spam: https://acme.test/l/SECRET-link1 and secret-LINK1, SECRET-li…"))
		if _, _, err := attempt(t, a, call); err == nil || err.Error() != want || !engine.IsFinal(err) || !errors.Is(err, b.answer) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// TestTemplateIsReadAtSendTime checks that a mail is of its template's newest text, and is not mixed of two.
func TestTemplateIsReadAtSendTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"welcome.md": welcome})
	a, call := b.call(t, "- email: {template: welcome, subject: Ours}")
	b.read(map[string]string{"welcome.md": "---\nsubject: Theirs\n---\nnewer"})
	got, err := a.Begin(nil, call)
	if err != nil {
		t.Fatal(err)
	}
	b.read(map[string]string{"welcome.md": welcome})
	if _, err := a.Perform(t.Context(), call, got); err != nil {
		t.Fatal(err)
	}
	if m := b.mails[0]; m.Subject != "Ours" || !strings.Contains(m.Text, "newer") || len(b.minted) != 0 {
		t.Errorf("%s %s %d", m.Subject, m.Text, len(b.minted))
	}
}

// TestAttemptHidesItsLinks checks that no way of printing an attempt shows a URL.
func TestAttemptHidesItsLinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"welcome.md": welcome})
	a, call := b.call(t, "- email: {template: welcome}")
	got, _, err := attempt(t, a, call)
	if err != nil {
		t.Fatal(err)
	}
	js, _ := json.Marshal(got)
	for _, s := range []string{string(js), fmt.Sprintf("%v", got), fmt.Sprintf("%+v", got.Payload), fmt.Sprintf("%#v", got), fmt.Sprint(b.mails)} {
		if strings.Contains(s, "SECRET") {
			t.Error("a live link is printed:", s)
		}
	}
}
