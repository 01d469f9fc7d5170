package actions_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// picky is a mailer that refuses some.
type picky struct {
	*bench
	refuse map[string]error
}

func (p picky) Send(_ context.Context, m actions.Mail) (actions.Receipt, error) {
	p.mails = append(p.mails, m)
	return actions.Receipt{ID: "q"}, p.refuse[m.To]
}

func TestNotify(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	no := false
	b.person.Contact.Consent.Email = &no // the learner's; this is no mail to the learner
	a, call := b.call(t, "- notify: {to: [a@acme.test, b@acme.test], subject: 'Call <<contact.name>>', text: \"<<contact.name>>\\nfinished <<lesson.title>>\"}")
	b.person.Contact.FirstName = "A\r\nBcc: x@evil.test"
	at, rec, err := attempt(t, a, call)
	if err != nil || rec.Subject != "Call A Bcc: x@evil.test" && !strings.HasPrefix(rec.Subject, "Call A") || at.To != "a@acme.test, b@acme.test" || at.Class != "" {
		t.Fatalf("%+v %+v %v", at, rec, err)
	}
	if len(b.mails) != 2 || b.mails[0].To != "a@acme.test" || b.mails[1].To != "b@acme.test" || b.mails[0].MessageID == b.mails[1].MessageID ||
		b.mails[0].From != "Acme <hello@acme.test>" || !strings.HasSuffix(b.mails[0].Text, "\nfinished Introduction\n") || strings.ContainsAny(b.mails[0].Subject, "\r\n") {
		t.Errorf("%#v", b.mails)
	}
	if _, rec, err = attempt(t, a, func() engine.Call { _, c := b.call(t, "- notify: {to: s@acme.test, text: Hi}"); return c }()); err != nil || rec.Subject != "Acme Academy: w" {
		t.Errorf("%+v %v", rec, err)
	}
}

// TestNotifyRetries sends again to those who have not got it, and goes on without those who refuse.
func TestNotifyRetries(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := picky{b, map[string]error{"b@acme.test": errors.New("451 later"), "c@acme.test": engine.Final(errors.New("550 nobody"))}}
	b.deps.Mailer = p
	a, call := b.call(t, "- notify: {to: [a@acme.test, b@acme.test, c@acme.test], text: Hi}")
	if _, _, err := attempt(t, a, call); err == nil || engine.IsFinal(err) {
		t.Fatal(err)
	}
	delete(p.refuse, "b@acme.test")
	_, rec, err := attempt(t, a, call)
	if err != nil || rec.Answer == nil || rec.Answer.Fault != "not all addresses took it: 550 nobody" {
		t.Fatalf("%+v %v", rec, err)
	}
	var to []string
	for _, m := range b.mails {
		to = append(to, m.To[:1])
	}
	if got := strings.Join(to, ""); got != "abcbc" || b.mails[1].MessageID != b.mails[3].MessageID {
		t.Errorf("sent to %s", got)
	}
	b.person.Key = engine.NewID(time.Time{}, 1, "other")
	_, call = b.call(t, "- notify: {to: c@acme.test, text: Hi}")
	if _, _, err := attempt(t, a, call); !engine.IsFinal(err) {
		t.Errorf("nobody took it: %v", err)
	}
}

func TestNotifyIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.deps.Notified = &actions.Budget{}
	a, call := b.call(t, "- notify: {to: [a@acme.test, b@acme.test], text: Hi}")
	nth := func(n int) engine.Call {
		task := *call.Task
		task.ID = engine.NewID(call.Now, 1, "task", strconv.Itoa(n))
		c := call
		c.Task = &task
		return c
	}
	for n := range 31 {
		_, _, err := attempt(t, a, nth(n))
		if suppressed := errors.Is(err, engine.ErrSuppressed); suppressed != (n == 30) || err != nil && !suppressed {
			t.Fatalf("%d: %v", n, err)
		}
	}
	// One that begins again, since its channel was down or its commit was made twice, was counted.
	if _, _, err := attempt(t, a, nth(7)); err != nil {
		t.Errorf("begins again: %v", err)
	}
	call.Now = call.Now.Add(time.Hour)
	if _, _, err := attempt(t, a, nth(40)); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestNotifyMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		step string
		want []string
	}{
		{"'Call <<contact.name | default \"x\">>'", []string{"w.yaml:3:11: notify needs to: latchkey.yaml has no support.email, to which it would go else"}},
		{"{to: staff, text: Hi}", []string{`w.yaml:3:16: "staff" is no address; write it as staff@example.com`}},
		{"{to: [a@b.test, a@b.test], text: Hi}", []string{"w.yaml:3:16: a@b.test is here twice"}},
		{"{to: a@b.test}", []string{"w.yaml:3:11: notify has no text; write `notify: 'Call <<contact.name>>'`, or {to, subject, text}"}},
		{"{to: a@b.test, subject: <<login_url>>, text: 'a <<login_url>>'}", []string{
			"w.yaml:3:35: login_url may not stand in a mail to staff: whoever sees it could log in as the learner",
			"w.yaml:3:59: login_url may not stand in a mail to staff: whoever sees it could log in as the learner"}},
		{"{to: a@b.test, body: Hi}", []string{"w.yaml:3:26: the step notify has no key \"body\"; its keys are to, subject and text"}},
	} {
		b := newBench(t, nil)
		_, problems := flowfile.Load("w.yaml", "w", []byte("triggers: [lesson_completed]\nsteps:\n- notify: "+tt.step+"\n"), b.catalog(), &engine.Location{ID: "academy"})
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.step, diff)
		}
	}
}
