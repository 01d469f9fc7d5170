package simulate_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/engine/simulate"
)

// A herald publishes whom it is about; one without words fails.
type herald string

func (h herald) Announce(c engine.Call, _ []string) (engine.Announcement, error) {
	if h == "" {
		return engine.Announcement{}, errors.New("nothing to say")
	}
	return engine.Announcement{Type: string(h), Subject: c.Person.Contact.ID, Data: map[string]any{"points": 50, "tags": []string{"a", "b"}}}, nil
}

// A caller is an action that takes its answer from the test.
type caller struct{ *fakeAction }

func (c caller) Perform(ctx context.Context, call engine.Call, _ engine.Attempt) (engine.Receipt, error) {
	a, _ := simulate.AnswerOf(ctx)
	if a.Status == 503 {
		return engine.Receipt{}, errors.New("503")
	}
	c.sent[call.Task.ID] = simulate.Content{Text: `{"id": "` + call.Task.ID.String() + `", "n": 1.5}`, URL: "https://x.test/v1",
		Header: map[string][]string{"X-Key": {"secret one"}}}
	return engine.Receipt{Answer: &engine.Answer{Fields: engine.Custom{"said": string(a.Body)}}}, nil
}

// TestOutward wants what goes to servers and programs to be seen by tests: requests and their answers, notices, and what a step starts.
func TestOutward(t *testing.T) {
	t.Parallel()
	base := config(t)
	flow := func(id, trigger string, steps ...engine.Step) *engine.Workflow {
		w := &engine.Workflow{ID: id, Status: engine.Live, Reentry: engine.Reentry{Allow: "never"}, Steps: steps}
		if trigger != "" {
			w.Triggers = []engine.Trigger{{Type: trigger}}
		}
		return w
	}
	base.Actions["webhook"] = caller{base.Sink.(*fakeAction)}
	base.Set = engine.NewSet(base.Set.Location, []*engine.Workflow{
		flow("out", "new_sign_up", engine.Step{ID: "call", Kind: "webhook", StopOnError: true}, engine.Step{ID: "tell", Kind: "publish", Settings: herald("custom.told")},
			engine.Step{ID: "next", Kind: engine.StepStart, Start: "second"}, engine.Step{ID: "again", Kind: engine.StepStart, Start: "second"}),
		flow("mute", "user_login", engine.Step{ID: "tell", Kind: "publish", Settings: herald("")}),
		flow("second", ""),
	})
	answer := func(status int, body string) engine.TestStep {
		return engine.TestStep{Answer: &engine.TestAnswer{Step: "call", Status: status, Body: []byte(body)}}
	}
	sent := func(kind, name string, change func(*engine.ExpectMessage)) engine.TestStep {
		x := engine.ExpectMessage{Kind: kind, Name: name, State: engine.TaskSent}
		if change != nil {
			change(&x)
		}
		return expect(engine.Expectation{Message: &x})
	}
	call := func(change func(*engine.ExpectMessage)) []engine.TestStep {
		return []engine.TestStep{answer(200, "yes"), event("new_sign_up"), sent("webhook", "call", change)}
	}
	tell := func(change func(*engine.ExpectMessage)) []engine.TestStep {
		return append(call(nil), sent("publish", "tell", change))
	}
	tests := []struct {
		name, want string
		do         []engine.TestStep
	}{
		{"the answer is saved", "", tell(nil)},
		{"a saved field", "", append(call(func(x *engine.ExpectMessage) { x.Response = map[string]any{"said": "yes"} }), sent("publish", "", nil))},
		{"another saved field", `expected said, saved by webhook call, to be "no", but it is "yes"`, call(func(x *engine.ExpectMessage) { x.Response = map[string]any{"said": "no"} })},
		{"a field of the body", "", append(call(func(x *engine.ExpectMessage) { x.Data = map[string]any{"n": 1.5} }), sent("publish", "", nil))},
		{"not in the body", "expected m of webhook call to be 1, but it is absent", call(func(x *engine.ExpectMessage) { x.Data = map[string]any{"m": int64(1)} })},
		{"another address", `expected "v2" in the address of webhook call`, call(func(x *engine.ExpectMessage) { x.URL = []string{"v2"} })},
		{"another header", `expected the header x-key of webhook call to have "two" in it`, call(func(x *engine.ExpectMessage) { x.Headers = map[string]string{"x-key": "two"} })},
		{"how often", "expected webhook call to be tried 2 times, but it was tried 1 times", call(func(x *engine.ExpectMessage) { x.Attempts = 2 })},
		{"away for a while", "", []engine.TestStep{answer(503, ""), event("new_sign_up"), expect(engine.Expectation{Nothing: true}), answer(200, "yes"), after(t, "1m"),
			sent("webhook", "call", func(x *engine.ExpectMessage) { x.Attempts = 2 }), sent("publish", "tell", nil)}},
		{"nobody expected it", "a message that nothing expected: publish tell (custom.told) \"c-1\" sent", call(nil)},
		{"its type", `expected publish tell to be of type "untold"`, tell(func(x *engine.ExpectMessage) { x.Type = "untold" })},
		{"its data", "", tell(func(x *engine.ExpectMessage) {
			x.Type, x.Subject, x.Data = "told", []string{"c-1"}, map[string]any{"points": int64(50), "tags": []any{"a", "b"}}
		})},
		{"a shorter list", `expected tags of publish tell to be ["a"], but it is ["a","b"]`, tell(func(x *engine.ExpectMessage) { x.Data = map[string]any{"tags": []any{"a"}} })},
		{"a list in another order", `expected tags[0] of publish tell to be "b"`, tell(func(x *engine.ExpectMessage) { x.Data = map[string]any{"tags": []any{"b", "a"}} })},
		{"started by a step", "", append(tell(nil), expect(engine.Expectation{Started: []string{"second"}, Workflow: "out", Outcomes: map[string]string{"again": "not_started"}}))},
		{"not published", "but it is failed: nothing to say", []engine.TestStep{event("user_login"), sent("publish", "tell", nil)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := base
			test := engine.Test{Start: start, Do: tt.do, Contact: engine.Contact{ID: "c-1", Email: "a@b.c"}}
			res, err := simulate.Run(t.Context(), cfg, &test)
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
