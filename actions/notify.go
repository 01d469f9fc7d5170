package actions

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"latchkey/engine"
	"latchkey/templates"
)

// Notify mails the site's own staff: `notify: 'Call <<contact.name>>'`, or {to, subject, text}. It is no message to the
// learner: consent and classes do not matter, and no login link may stand in it.
type Notify struct{ Deps }

var _ engine.Action = (*Notify)(nil)

// A notifyStep is the settings of one step.
type notifyStep struct {
	To      []string `yaml:"to"` // none is the location's support address
	Subject string   `yaml:"subject"`
	Text    string   `yaml:"text"`

	source        *source
	roots         []string
	subject, text *templates.Piece // subject is nil if the step has none

	mu sync.Mutex
	// taken holds who has the mail of a task already, so that a retry for the others sends them no copy.
	taken map[engine.ID][]string
}

const (
	maxStaff     = 10
	notifyHourly = 60    // mails to the staff of a location; more are of no use to anybody
	maxTaken     = 1_000 // tasks that are remembered
)

// A Budget bounds how often something happens in an hour. The zero Budget is whole; a nil one has no end. It may be used by many
// goroutines at once.
type Budget struct {
	mu    sync.Mutex
	since time.Time
	spent map[engine.ID]bool // by the task, so that one that begins again costs nothing
	all   int
}

// take spends n for a task, unless the hour has no n left.
func (b *Budget) take(now time.Time, task engine.ID, n int) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= time.Hour {
		b.since, b.spent, b.all = now, map[engine.ID]bool{}, 0
	}
	if b.spent[task] {
		return true
	}
	if b.all+n > notifyHourly {
		return false
	}
	b.spent[task] = true
	b.all += n
	return true
}

// Decode implements engine.Action.
func (a *Notify) Decode(n engine.Node, sc engine.StepContext) any {
	s, read, key := &notifyStep{taken: map[engine.ID][]string{}}, true, "text"
	p := newPieces(n, "a mail to staff", &a.Deps, sc)
	if text, ok := n.Scalar(); ok {
		s.Text, key = text, ""
		p.source.at = func(_ string, offset int) engine.Pos { return n.Pos(key, offset) }
	} else {
		read = n.Decode(s)
	}
	s.source = p.source
	for i, to := range s.To {
		if at, err := mail.ParseAddress(to); err != nil || at.Address != to {
			p.fail("to", fmt.Sprintf("%q is no address; write it as staff@example.com", to))
		} else if slices.Contains(s.To[:i], to) {
			p.fail("to", fmt.Sprintf("%s is here twice", to))
		}
	}
	if len(s.To) > maxStaff {
		p.fail("to", fmt.Sprintf("a step mails %d addresses at most; write to a list of yours", maxStaff))
	}
	if read && len(s.To) == 0 && sc.Location.Support == "" {
		p.fail("", "notify needs to: latchkey.yaml has no support.email, to which it would go else")
	}
	if s.Subject != "" {
		s.subject = p.text("subject", s.Subject)
	}
	switch {
	case s.Text != "":
		s.text = p.text("text", s.Text)
	case read:
		p.fail("", "notify has no text; write `notify: 'Call <<contact.name>>'`, or {to, subject, text}")
	}
	s.roots = p.roots
	return s
}

// Begin implements engine.Action.
func (a *Notify) Begin(_ engine.Tx, call engine.Call) (engine.Attempt, error) {
	s := call.Settings.(*notifyStep)
	to := s.to(call.Location)
	if len(to) == 0 {
		return engine.Attempt{}, engine.Final(errors.New("latchkey.yaml has no support.email any more"))
	}
	if s.text == nil {
		return engine.Attempt{}, engine.Final(errors.New("the text cannot be used"))
	}
	if call.Task.Attempts <= 1 && !a.Notified.take(call.Now, call.Task.ID, len(to)) {
		return engine.Attempt{}, fmt.Errorf("%w: more than %d mails to staff in an hour", engine.ErrSuppressed, notifyHourly)
	}
	return engine.Attempt{To: strings.Join(to, ", ")}, nil
}

func (s *notifyStep) to(loc *engine.Location) []string {
	if len(s.To) == 0 && loc.Support != "" {
		return []string{loc.Support}
	}
	return s.To
}

// Perform implements engine.Action. If one address refuses for good, the others have the mail all the same.
func (a *Notify) Perform(ctx context.Context, call engine.Call, _ engine.Attempt) (engine.Receipt, error) {
	s := call.Settings.(*notifyStep)
	m, err := a.compose(s, call)
	if err != nil {
		return engine.Receipt{}, err
	}
	rec := engine.Receipt{Subject: m.Subject}
	var again, refused error
	sent := 0
	for i, to := range s.to(call.Location) {
		if s.has(call.Task.ID, to) {
			sent++
			continue
		}
		r, err := a.Mailer.Send(ctx, m.copyTo(i, to))
		switch {
		case err == nil:
			s.gave(call.Task.ID, to)
			sent++
			rec.ID = firstOf(rec.ID, r.ID)
		case engine.IsFinal(err):
			refused = err
		default:
			again = err
		}
	}
	if again != nil {
		return rec, again
	}
	s.forget(call.Task.ID)
	switch {
	case refused != nil && sent == 0:
		return rec, refused
	case refused != nil:
		rec.Answer = &engine.Answer{Fault: "not all addresses took it: " + refused.Error()}
	}
	return rec, nil
}

// compose makes the mail, but for its recipient. Its errors are final.
func (a *Notify) compose(s *notifyStep, call engine.Call) (staffMail, error) {
	d := dataOf(call, s.roots)
	m := Mail{From: firstOf(a.From, call.Location.Email), Subject: call.Location.Name + ": " + call.Run.Workflow,
		Date: call.Task.Created, TaskID: call.Task.ID, Location: call.Run.Location}
	var err error
	if s.subject != nil {
		if m.Subject, err = s.subject.Render(d, true); err != nil {
			return staffMail{}, s.source.explain(err)
		}
	}
	if m.Text, err = s.text.Render(d, false); err != nil {
		return staffMail{}, s.source.explain(err)
	}
	m.Subject, m.Text = cutBytes(strings.TrimSpace(m.Subject), maxSubject), strings.TrimSpace(m.Text)+"\n"
	if m.MessageID, err = messageID(call.Task.ID, m.From); err != nil {
		return staffMail{}, engine.Final(err)
	}
	return staffMail{m}, nil
}

// A staffMail is one mail to several people.
type staffMail struct{ Mail }

// copyTo returns the mail to the i-th of them: an id of its own, the same each time.
func (m staffMail) copyTo(i int, to string) Mail {
	out := m.Mail
	out.To = to
	if i > 0 {
		out.TaskID = engine.NewID(m.TaskID.Time(), m.TaskID.Shard(), m.TaskID.String(), to)
		out.MessageID, _ = messageID(out.TaskID, m.From) // it could be made of this sender before
	}
	return out
}

func (s *notifyStep) has(task engine.ID, to string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.taken[task], to)
}

func (s *notifyStep) gave(task engine.ID, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) >= maxTaken {
		clear(s.taken) // at worst somebody has a second copy
	}
	s.taken[task] = append(s.taken[task], to)
}

func (s *notifyStep) forget(task engine.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, task)
}

// cutBytes shortens a text to n bytes.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// Settle implements engine.Action.
func (a *Notify) Settle(engine.Tx, engine.Call, engine.TaskState) error { return nil }
