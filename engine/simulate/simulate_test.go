package simulate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/simulate"
)

// A fakeAction sends texts that name their step, with a link in each.
type fakeAction struct {
	sent map[engine.ID]simulate.Content
}

func (a *fakeAction) Decode(engine.Node, engine.StepContext) any { return nil }

func (a *fakeAction) Begin(tx engine.Tx, c engine.Call) (engine.Attempt, error) {
	if c.Person.Contact.Email == "" {
		return engine.Attempt{}, engine.Final(errors.New("contact has no e-mail address"))
	}
	if yes := c.Person.Contact.Consent.Email; yes != nil && !*yes {
		return engine.Attempt{}, fmt.Errorf("%w: no consent", engine.ErrSuppressed)
	}
	tx.Put(engine.SpaceLinks, []byte(c.Task.ID.String()), []byte{1})
	return engine.Attempt{To: c.Person.Contact.Email, Links: []string{"link"}}, nil
}

func (a *fakeAction) Perform(_ context.Context, c engine.Call, _ engine.Attempt) (engine.Receipt, error) {
	link := simulate.Link{ID: "link", URL: engine.NewSecret(c.Run.ID.String() + " " + c.Run.Contact.String())}
	a.sent[c.Task.ID] = simulate.Content{Text: "This is " + c.Task.Step[len(c.Task.Step)-1], Links: []simulate.Link{link}}
	return engine.Receipt{Subject: "Hello " + c.Person.Contact.ID}, nil
}

func (a *fakeAction) Settle(engine.Tx, engine.Call, engine.TaskState) error { return nil }

// Take implements simulate.Sink.
func (a *fakeAction) Take(task engine.ID) (simulate.Content, bool) {
	c, ok := a.sent[task]
	delete(a.sent, task)
	return c, ok
}

// open lets in whoever holds access, once a day has come.
func open(_ context.Context, stores engine.Stores, url engine.Secret, now time.Time) (engine.Redemption, error) {
	run, contact, _ := strings.Cut(url.Reveal(), " ")
	red := engine.Redemption{Location: "academy", Link: "link", Session: "s", At: now}
	red.Run, _ = engine.ParseID(run)
	red.Contact, _ = engine.ParseID(contact)
	err := stores.For(red.Contact.Shard()).View(context.Background(), func(tx engine.Tx) error {
		p, err := engine.LoadPerson(tx, "academy", red.Contact)
		if err == nil && !p.HasAccess() {
			err = &simulate.Refused{Reason: "no access"}
		}
		return err
	})
	return red, err
}

func expression(t *testing.T, s string) *engine.Expr {
	t.Helper()
	e, _, err := engine.CompileExpr(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// config has one workflow: a mail, a day, a split; and a second one, by login.
func config(t *testing.T) simulate.Config {
	a := &fakeAction{sent: map[engine.ID]simulate.Content{}}
	welcome := &engine.Workflow{ID: "welcome", Status: engine.Live, Triggers: []engine.Trigger{{Type: "new_sign_up"}},
		Reentry: engine.Reentry{Allow: "never"}, Steps: []engine.Step{
			{ID: "mail", Kind: "email"},
			{ID: "day", Kind: engine.StepWait, Wait: engine.Duration{Days: 1}},
			{ID: "in", Kind: engine.StepIf, If: expression(t, "run.link_redeemed"), Then: []engine.Step{{ID: "end-1", Kind: engine.StepEnd, End: "came in"}}},
			{ID: "fork", Kind: engine.StepSplit, Split: []engine.Branch{
				{Name: "rare", Weight: 1, Steps: []engine.Step{{ID: "tag-1", Kind: engine.StepTag, Tag: engine.Tag{Add: []string{"rare"}}}}},
				{Name: "usual", Weight: 99, Steps: []engine.Step{{ID: "late", Kind: "email"}}},
			}},
		}}
	login := &engine.Workflow{ID: "login", Status: engine.Live, Triggers: []engine.Trigger{{Type: "user_login"}},
		When: expression(t, `event.custom.via == "latchkey"`), Reentry: engine.Reentry{Allow: "always"},
		Steps: []engine.Step{{ID: "set-1", Kind: engine.StepSet, Set: engine.Custom{"seen": int64(1)}}}}
	loc := &engine.Location{ID: "academy", Zone: time.UTC}
	return simulate.Config{Set: engine.NewSet(loc, []*engine.Workflow{welcome, login}), Actions: map[string]engine.Action{"email": a}, Sink: a, Open: open,
		Terms: func(string) engine.Terms { return engine.Terms{RetryFor: 24 * time.Hour} }}
}

func event(kind string) engine.TestStep { return engine.TestStep{Event: happens(kind)} }

func happens(kind string) *engine.Event {
	return &engine.Event{Type: kind, Contact: engine.Contact{ID: "c-1"}, Offer: &engine.Noun{ID: "gold"}}
}

func after(t *testing.T, d string) engine.TestStep {
	dur, err := engine.ParseDuration(d)
	if err != nil {
		t.Fatal(err)
	}
	return engine.TestStep{After: &dur}
}

func message(name string, state engine.TaskState) engine.TestStep {
	return engine.TestStep{Expect: &engine.Expectation{Message: &engine.ExpectMessage{Kind: "email", Name: name, State: state}}}
}

func expect(x engine.Expectation) engine.TestStep { return engine.TestStep{Expect: &x} }

func send(how, reason string) engine.TestStep {
	return engine.TestStep{Send: &engine.TestSend{Kind: "email", How: how, Reason: reason}}
}

func status(s engine.Status) engine.TestStep {
	return engine.TestStep{Status: &engine.TestStatus{Workflow: "welcome", Status: s}}
}

var start = time.Date(2026, 3, 27, 17, 0, 0, 0, time.UTC)

// TestRun goes through what may happen, and wants each test to pass or to fail with certain words.
func TestRun(t *testing.T) {
	t.Parallel()
	came, held := "came in", "held for too long"
	signUp, redeem := event("new_sign_up"), engine.TestStep{Redeem: &engine.TestLink{}}
	sent := message("mail", engine.TaskSent)
	failed := message("mail", engine.TaskFailed)
	failed.Expect.Message.Error = "550"
	expired := message("late", engine.TaskExpired)
	expired.Expect.Message.Error = held
	tests := []struct {
		name string
		do   []engine.TestStep
		want string // "" passes
		test engine.Test
	}{
		{name: "comes in", do: []engine.TestStep{signUp, sent, redeem, after(t, "1d"), expect(engine.Expectation{End: &came, Custom: engine.Custom{"seen": int64(1)}})}},
		{name: "not yet", do: []engine.TestStep{signUp, sent, redeem, after(t, "23h59m"), expect(engine.Expectation{End: &came})},
			want: "but the run of welcome waits in day until Sat 2026-03-28 17:00"},
		{name: "until", do: []engine.TestStep{signUp, sent, expect(engine.Expectation{In: "day", Until: start.AddDate(0, 0, 1)})}},
		{name: "left over", do: []engine.TestStep{signUp, after(t, "1d")}, want: `before this there is a message that nothing expected: email mail to a@b.c "Hello c-1" sent`},
		{name: "left over at the end", do: []engine.TestStep{signUp}, want: "at its end there is a message that nothing expected"},
		{name: "nothing", do: []engine.TestStep{signUp, expect(engine.Expectation{Nothing: true})}, want: "expected no message, but there is one"},
		{name: "another", do: []engine.TestStep{signUp, message("late", engine.TaskSent)}, want: "the next message is another: email mail"},
		{name: "none", do: []engine.TestStep{signUp, sent, sent}, want: "but no message was sent; the run of welcome waits"},
		{name: "branch", do: []engine.TestStep{signUp, sent, after(t, "1d"), expect(engine.Expectation{Tags: &[]string{"rare"}, Outcomes: map[string]string{"fork": "rare"}})},
			test: engine.Test{Split: map[string]string{"fork": "rare"}}},
		{name: "other branch", do: []engine.TestStep{signUp, sent, after(t, "1d"), message("late", engine.TaskSent)},
			test: engine.Test{Split: map[string]string{"fork": "usual"}}},
		{name: "no branch", do: []engine.TestStep{signUp}, test: engine.Test{Split: map[string]string{"fork": "no"}}, want: "no contact takes all the branches"},
		{name: "refused by the other side", do: []engine.TestStep{send("fail", "550 no such user"), signUp, failed}},
		{name: "failed, not sent", do: []engine.TestStep{send("fail", "550 no such user"), signUp, sent}, want: "expected email mail to be sent, but it is failed: 550"},
		{name: "down for an hour", do: []engine.TestStep{send("down", "no route"), signUp, after(t, "1h"), expect(engine.Expectation{Nothing: true, In: "mail"}),
			send("up", ""), sent}},
		{name: "down for long", do: []engine.TestStep{send("down", "550 no route"), signUp, after(t, "6d"), send("up", ""), sent}},
		{name: "put off", do: []engine.TestStep{send("later", "451"), send("later", "451"), signUp, after(t, "6s"), expect(engine.Expectation{Nothing: true}), after(t, "12s"), sent}},
		{name: "unknown is tried again", do: []engine.TestStep{send("unknown", "no reply"), signUp, expect(engine.Expectation{Nothing: true}), after(t, "10s"), sent}},
		{name: "paused for a day", do: []engine.TestStep{status(engine.Paused), signUp, after(t, "1d"), expect(engine.Expectation{Nothing: true}), status(engine.Live), sent}},
		{name: "paused in a wait", do: []engine.TestStep{signUp, sent, status(engine.Paused), after(t, "9d"), expect(engine.Expectation{Nothing: true}), status(engine.Live), expired},
			test: engine.Test{Split: map[string]string{"fork": "usual"}}},
		{name: "started", do: []engine.TestStep{signUp, sent, expect(engine.Expectation{Started: []string{"welcome"}}), signUp,
			expect(engine.Expectation{NotStarted: []engine.Refusal{{Workflow: "welcome", Reason: "re-entry"}, {Workflow: "login"}}})}},
		{name: "not started", do: []engine.TestStep{event("user_login"), expect(engine.Expectation{Started: []string{"login"}})},
			want: "expected login to start, but it did not: when does not hold"},
		{name: "why nothing is sent", do: []engine.TestStep{event("user_login"), {Expect: &engine.Expectation{Workflow: "login", Message: sent.Expect.Message}}},
			want: "but no message was sent; login did not start: when does not hold"},
		{name: "no access any more", do: []engine.TestStep{signUp, sent, event("offer_access_removed"), redeem}, want: "but it does not: no access"},
		{name: "no access, as expected", do: []engine.TestStep{signUp, sent, event("offer_access_removed"), {Redeem: &engine.TestLink{From: "mail", Refused: "no access"}}}},
		{name: "access against expectation", do: []engine.TestStep{signUp, sent, {Redeem: &engine.TestLink{Refused: "no access"}}}, want: "but it lets the learner in"},
		{name: "no link", do: []engine.TestStep{redeem}, want: "there is no message with a link in it"},
		{name: "the past", do: []engine.TestStep{{At: &engine.Moment{Time: start.Add(-1)}}}, want: "before the test's time"},
		{name: "given starts nothing", do: []engine.TestStep{{Expect: &engine.Expectation{Nothing: true, In: "x"}}}, want: "expected a run in x, but there is no run",
			test: engine.Test{Given: []engine.Event{*happens("new_sign_up")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			test := tt.test
			test.Workflow, test.Start, test.Do, test.Contact = "welcome", start, tt.do, engine.Contact{ID: "c-1", Email: "a@b.c"}
			res, err := simulate.Run(t.Context(), config(t), &test)
			switch {
			case err != nil:
				t.Fatal(err)
			case res.Failure == nil && tt.want != "":
				t.Errorf("passes, want %q", tt.want)
			case res.Failure != nil && (tt.want == "" || !strings.Contains(res.Failure.Msg, tt.want)):
				t.Errorf("%q, want %q\n%v", res.Failure.Msg, tt.want, res.Story)
			}
		})
	}
}
