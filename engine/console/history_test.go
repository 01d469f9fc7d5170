package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/console"
)

// noon is when everything in these tests begins; ids are made of it.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var (
	ada   = engine.NewID(noon, 7, "ada")
	run1  = engine.NewID(noon, 7, "run 1")
	task1 = engine.NewID(noon, 7, "task 1")
	task2 = engine.NewID(noon, 7, "task 2")
	task3 = engine.NewID(noon, 7, "task 3")
	task4 = engine.NewID(noon, 7, "task 4")
)

// A past is the house's history: one run of one event.
type past struct{ h *house }

func aRun() engine.Run {
	return engine.Run{
		ID: run1, Location: "academy", Workflow: "welcome", Version: "v1", Contact: ada, State: engine.RunWaiting, Started: noon.Add(time.Second),
		Event: engine.Event{ID: "e/1", Type: "offer_access_granted", Time: noon, Offer: &engine.Noun{ID: "gold", Title: "Gold"}},
		At:    []string{"pause"}, Wait: &engine.Wait{Since: noon.Add(time.Minute), Due: noon.Add(time.Hour)},
	}
}

func anEvent() engine.EventRecord {
	return engine.EventRecord{
		Location: "academy", ID: "e/1", Type: "offer_access_granted", Contact: ada, Time: noon, At: noon.Add(time.Second), Ordinal: 5,
		Decisions: []engine.Decision{
			{Workflow: "bobs", Reason: "when does not hold: x > 1", Fault: "x is nothing"},
			{Workflow: "gone", Run: engine.NewID(noon, 7, "gone")},
			{Workflow: "welcome", Run: run1},
		},
	}
}

func (p past) Runs(_ context.Context, q console.Query) ([]engine.Run, error) {
	if err := p.h.note("runs %s", asked(q)); err != nil || q.Contact == "quiet" {
		return nil, err
	}
	return []engine.Run{aRun()}, nil
}

func (p past) Run(_ context.Context, location, id string) (console.RunRecord, error) {
	ev := anEvent()
	return console.RunRecord{Run: aRun(), Event: &ev, Person: &engine.Person{Contact: engine.Contact{FirstName: "Ada"}}}, p.h.note("run %s %s", location, id)
}

func (p past) Events(_ context.Context, q console.Query) ([]console.EventRecord, error) {
	if err := p.h.note("events %s", asked(q)); err != nil || q.Contact == "quiet" || q.Event == "never" {
		return nil, err
	}
	return []console.EventRecord{{EventRecord: anEvent(), Runs: map[engine.ID]engine.Run{run1: aRun()}}}, nil
}

func TestHistoryAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, asks, says string }{
		{"/v1/runs", "runs Location:academy Limit:100", `"until": "2026-11-22T13:00:00Z"`},
		{"/v1/runs?contact=quiet", "runs Location:academy Limit:100 Contact:quiet", "[]"},
		{"/v1/runs?limit=2&before=b&workflow=w&state=stopped", "runs Location:academy Limit:2 Before:b State:stopped Workflow:w", `"workflow": "welcome"`},
		{"/v1/runs/r1", "run academy r1", `"name": "Ada"`},
		{"/v1/events?contact=quiet&before=b&limit=1", "events Location:academy Limit:1 Before:b Contact:quiet", "[]"},
		{"/v1/events", "events Location:academy Limit:100", `"did not start: when does not hold: x > 1 (x is nothing)"`},
		{"/v1/events/e%2F1", "events Location:academy Limit:100 Event:e/1", `"started run ` + run1.String() + `, which waits in pause until 22 Nov 2026 13:00:00 UTC"`},
	} {
		h := new(house)
		w := h.ask("GET", c.target, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.says) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", c.target, w.Code, w.Body)
		}
		if diff := cmp.Diff([]string{c.asks}, h.asked); diff != "" {
			t.Errorf("%s asks for (-want +got)\n%s", c.target, diff)
		}
	}
	for target, want := range map[string]struct {
		status int
		says   string
	}{
		"/v1/runs?state=sent":   {400, `no state "sent"; there are waiting, sending, finished and stopped`},
		"/v1/runs?run=r":        {400, `no parameter "run"; there are limit`},
		"/v1/runs?limit=1001":   {400, "limit is a number from 1 to 1000"},
		"/v1/events?state=sent": {400, `no parameter "state"; there are limit, before, since, until, contact and type`},
		"/v1/events/never":      {404, `event "never" is not in the history`},
	} {
		checkProblem(t, target, new(house).ask("GET", target, ""), want.status, want.says)
	}
}

// TestStory has runs in each of their states, and the sentences that tell of them.
func TestStory(t *testing.T) {
	t.Parallel()
	step := func(id, kind, outcome string, task engine.ID, fault string) engine.StepResult {
		return engine.StepResult{Path: []string{id}, Kind: kind, Outcome: outcome, Task: task, Fault: fault, At: noon.Add(time.Minute)}
	}
	mail := console.Message{
		ID: task1.String(), Channel: "email", Step: "hello", To: "ada@example.com", Subject: "Hello", State: "sent", Attempts: 1,
		Links: []string{"lnk_1"}, Changed: noon.Add(time.Minute),
	}
	failed := mail
	failed.State, failed.Attempts, failed.Links = "failed", 3, nil
	unknown, suppressed, expired := failed, failed, failed
	unknown.ID, unknown.State = task2.String(), "unknown"
	suppressed.ID, suppressed.State, suppressed.Attempts = task3.String(), "suppressed", 0
	expired.ID, expired.State, expired.Attempts = task4.String(), "expired", 1
	retried, again := mail, mail
	retried.Attempts, retried.Changed = 2, noon.Add(2*time.Hour)
	retried.History = []engine.Try{{N: 1, At: noon.Add(time.Minute), Result: "unknown"}, {N: 2, At: noon.Add(2 * time.Hour), Result: "sent"}}
	again.ID, again.State, again.Attempts, again.Error, again.Changed = task2.String(), "due", 1, "550", noon.Add(3*time.Hour)
	again.Next = again.Changed
	again.History = []engine.Try{{N: 1, At: noon.Add(time.Minute), Result: "failed"}}
	copied := mail
	copied.Copies = []string{task3.String()}
	due := mail
	due.ID, due.State, due.Attempts, due.Error, due.Next, due.Links = task2.String(), "due", 2, "451 later", noon.Add(time.Hour), []string{"lnk_1", "lnk_2"}
	window, hand := due, due
	window.Attempts, window.Error, window.Links, window.Held = 0, "", nil, &engine.Hold{Since: noon.Add(time.Minute), Until: noon.Add(time.Hour), By: "the window"}
	hand.Held = &engine.Hold{Since: noon, By: "the pause of all sending"}
	sending := func(r *engine.Run) { r.State, r.Wait, r.At, r.Task = engine.RunSending, nil, []string{"hello"}, task2 }
	named := "hello (\"Hello\") to ada@example.com by email"
	began := []string{"offer_access_granted happened (event e/1), offer Gold (gold)", "workflow welcome started"}
	for name, c := range map[string]struct {
		edit     func(*engine.Run)
		messages []console.Message
		want     []string
	}{
		"waits": {func(*engine.Run) {}, nil, []string{"now it waits in pause until 22 Nov 2026 13:00:00 UTC"}},
		"each kind of step": {func(r *engine.Run) {
			r.State, r.End, r.Ended, r.Wait, r.At = engine.RunFinished, "came in", noon.Add(time.Hour), nil, nil
			r.Redeemed = noon.Add(59 * time.Second) // before what its record has of later steps
			r.Steps = []engine.StepResult{
				step("hello", "email", "sent", task1, ""), step("text", "sms", "skipped", engine.ID{}, ""), step("fork", "if", "else", engine.ID{}, "x is nothing"),
				step("pause", "wait", "waited", engine.ID{}, ""), step("old", "sms", "sent", task2, ""), step("done", "end", "ended", engine.ID{}, ""),
			}
		}, []console.Message{mail}, []string{
			"a link of this run let the learner in for the first time",
			"sent " + named + ", message " + task1.String() + ", link lnk_1", "skipped text: its when did not hold",
			"took the branch else of fork (x is nothing)", "the wait pause was over", "sent old by sms, message " + task2.String(), "came to done",
			"finished: came in",
		}},
		"bad ends": {func(r *engine.Run) {
			r.State, r.End, r.Ended = engine.RunStopped, "its step is gone", noon.Add(time.Hour)
			r.Steps = []engine.StepResult{
				step("hello", "email", "failed", task1, "550"), step("hello", "email", "unknown", task2, ""), step("hello", "email", "suppressed", task3, ""),
				step("hello", "email", "expired", task4, ""),
			}
		}, []console.Message{failed, unknown, suppressed, expired}, []string{
			"did not send " + named + ": failed, 3 attempts (550), message " + task1.String(), "may have sent " + named + ": nobody knows, 3 attempts, message " + task2.String(),
			"did not send " + named + ": suppressed, message " + task3.String(), "did not send " + named + ": expired, message " + task4.String(),
			"stopped: its step is gone",
		}},
		"tried again by hand": {func(r *engine.Run) { // the messages have other addresses, links and ends by now than when the steps were taken
			r.State, r.End, r.Ended, r.Wait, r.At = engine.RunFinished, "came in", noon.Add(time.Hour), nil, nil
			r.Steps = []engine.StepResult{step("hello", "email", "unknown", task1, "EOF"), step("hello", "email", "failed", task2, "550")}
		}, []console.Message{retried, again}, []string{
			"may have sent hello (\"Hello\") by email: nobody knows (EOF), message " + task1.String(),
			"did not send hello (\"Hello\") by email: failed (550), message " + task2.String(),
			"finished: came in",
			"tried again by hand: sent " + named + ", 2 attempts, message " + task1.String() + ", link lnk_1",
			"tried again by hand: it is sending " + named + ": attempt 1 failed (550), the next is at 22 Nov 2026 15:00:00 UTC, message " + task2.String() + ", link lnk_1",
		}},
		"goes on after a retry": {func(r *engine.Run) { // runs retry: the message's step is there twice
			second := step("hello", "email", "sent", task1, "")
			second.At = noon.Add(2 * time.Hour)
			r.Steps = []engine.StepResult{step("hello", "email", "failed", task1, "550"), second}
		}, []console.Message{retried}, []string{
			"did not send hello (\"Hello\") by email: failed (550), message " + task1.String(),
			"sent " + named + ", 2 attempts, message " + task1.String() + ", link lnk_1",
			"now it waits in pause until 22 Nov 2026 13:00:00 UTC",
		}},
		"sent once more": {func(r *engine.Run) { r.Steps = []engine.StepResult{step("hello", "email", "sent", task1, "")} }, []console.Message{copied}, []string{
			"sent " + named + ", message " + task1.String() + ", link lnk_1, copied by hand as message " + task3.String(),
			"now it waits in pause until 22 Nov 2026 13:00:00 UTC",
		}},
		"tries again": {sending, []console.Message{due}, []string{
			"now it is sending " + named + ": attempt 2 failed (451 later), the next is at 22 Nov 2026 13:00:00 UTC, message " + task2.String() + ", links lnk_1 lnk_2",
		}},
		"held until":          {sending, []console.Message{window}, []string{"now it holds " + named + " back until 22 Nov 2026 13:00:00 UTC, by the window, message " + task2.String()}},
		"held":                {sending, []console.Message{hand}, []string{"now it holds " + named + " back, by the pause of all sending, message " + task2.String() + ", links lnk_1 lnk_2"}},
		"its message is gone": {sending, nil, []string{"now it is sending hello"}},
	} {
		r := aRun()
		c.edit(&r)
		rec := console.RunRecord{Run: r, Messages: c.messages}
		var got []string
		for i, l := range rec.Story(time.UTC).Story {
			got = append(got, l.Says)
			if l.At.IsZero() {
				t.Errorf("%s: line %d has no time", name, i)
			}
		}
		if diff := cmp.Diff(append(began[:2:2], c.want...), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
