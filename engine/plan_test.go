package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func must(t interface{ Fatal(...any) }, src string) *Expr {
	e, _, err := CompileExpr(src)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var academy = &Location{ID: "academy", Name: "Acme"}

func ada() Person { return Person{Key: NewID(day1, 7, "ada"), Location: "academy"} }

// event makes an event from "type offer=gold product=go-101".
func event(n int, spec string) Event {
	f := strings.Fields(spec)
	ev := Event{ID: fmt.Sprint("e", n), Source: "test", Type: f[0], Location: "academy", Time: day1.Add(time.Duration(n) * time.Hour), Ordinal: uint64(n)}
	for _, w := range f[1:] {
		kind, id, _ := strings.Cut(w, "=")
		noun := &Noun{ID: id, Title: strings.ToUpper(id)}
		switch kind {
		case "offer":
			ev.Offer = noun
		case "product":
			ev.Product = noun
		case "category":
			ev.Category = noun
		case "lesson":
			ev.Lesson = noun
		case "contact":
			ev.Contact.ID = id
		}
	}
	return ev
}

func welcome(id string, t ...Trigger) *Workflow {
	return &Workflow{ID: id, Version: "v1", Status: Live, Class: Transactional, Triggers: t, Steps: []Step{{ID: "hello", Kind: "email", Settings: said(Transactional)}}}
}

func TestPlanDecisions(t *testing.T) {
	t.Parallel()
	gold := Trigger{"offer_access_granted", []Filter{{Noun: "offer", AnyOf: []string{"gold", "silver"}}}}
	for name, c := range map[string]struct {
		change func(*Workflow)
		event  string
		want   string // "" if a run starts
	}{
		"matches":           {nil, "offer_access_granted offer=gold", ""},
		"not one of":        {nil, "offer_access_granted offer=bronze", `trigger offer_access_granted: offer "bronze" is not one of "gold", "silver"`},
		"noun missing":      {nil, "offer_access_granted product=x", `trigger offer_access_granted: the event names no offer; it must be one of "gold", "silver"`},
		"draft":             {func(w *Workflow) { w.Status = Draft }, "offer_access_granted offer=gold", "the workflow is a draft"},
		"paused still does": {func(w *Workflow) { w.Status = Paused }, "offer_access_granted offer=gold", ""},
		"any filter":        {func(w *Workflow) { w.Triggers[0].Filters = nil }, "offer_access_granted offer=bronze", ""},
		"none_of":           {func(w *Workflow) { w.Triggers[0].Filters = []Filter{{Noun: "offer", NoneOf: []string{"gold"}}} }, "offer_access_granted offer=gold", `trigger offer_access_granted: offer "gold" is one of none_of "gold"`},
		"none_of, no noun":  {func(w *Workflow) { w.Triggers[0].Filters = []Filter{{Noun: "product", NoneOf: []string{"x"}}} }, "offer_access_granted offer=gold", ""},
		"second trigger":    {func(w *Workflow) { w.Triggers = append(w.Triggers, Trigger{"offer_access_granted", nil}) }, "offer_access_granted offer=bronze", ""},
		"two triggers":      {func(w *Workflow) { w.Triggers = append(w.Triggers, gold) }, "offer_access_granted offer=b", `trigger offer_access_granted: offer "b" is not one of "gold", "silver"; trigger offer_access_granted: offer "b" is not one of "gold", "silver"`},
		"when":              {func(w *Workflow) { w.When = must(t, `offer.id == "silver"`) }, "offer_access_granted offer=gold", `when does not hold: offer.id == "silver"; offer.id is "gold"`},
		"when sees access":  {func(w *Workflow) { w.When = must(t, `"gold" in access.offers && contact.id == "c1"`) }, "offer_access_granted offer=gold contact=c1", ""},
		"when faults":       {func(w *Workflow) { w.When = must(t, `contact.custom.n > 3`) }, "offer_access_granted offer=gold", `when does not hold: contact.custom.n > 3; contact.custom.n is absent`},
		"many ids": {func(w *Workflow) {
			w.Triggers[0].Filters = []Filter{{Noun: "offer", AnyOf: strings.Split("abcdefghijk", "")}}
		}, "offer_access_granted offer=x", `trigger offer_access_granted: offer "x" is not one of "a", "b", "c", "d", "e", "f", "g", "h" and 3 more`},
		"title is no filter": {nil, "offer_access_granted offer=GOLD", `trigger offer_access_granted: offer "GOLD" is not one of "gold", "silver"`},
	} {
		w := welcome("welcome", gold)
		if c.change != nil {
			c.change(w)
		}
		set := NewSet(academy, []*Workflow{w, welcome("other", Trigger{Type: "user_login"})})
		_, runs, cmds, ds := Plan(set, ada(), event(1, c.event), day1)
		if len(ds) != 1 || ds[0].Workflow != "welcome" || ds[0].Reason != c.want || (c.want == "") != (len(runs) == 1 && len(cmds) == 1 && ds[0].Run == runs[0].ID) {
			t.Errorf("%s: got %+v, %d runs; want %q", name, ds, len(runs), c.want)
		}
		if (name == "when faults") != (ds[0].Fault != "") {
			t.Errorf("%s: fault %q", name, ds[0].Fault)
		}
	}
}

func TestPlanStartsRuns(t *testing.T) {
	t.Parallel()
	set := NewSet(academy, []*Workflow{welcome("b", Trigger{Type: "new_sign_up"}), welcome("a", Trigger{Type: "new_sign_up"})})
	ev := event(3, "new_sign_up offer=gold")
	ev.Contact = Contact{ID: "c1", Email: "ada@example.com", FirstName: "Ada"}
	ev.Depth, ev.Warnings = 2, []string{"dropped"}
	p, runs, cmds, ds := Plan(set, ada(), ev, day1)
	if len(runs) != 2 || runs[0].Workflow != "a" || len(ds) != 2 || ds[0].Workflow != "a" {
		t.Fatalf("got %+v, %+v", runs, ds)
	}
	r, k := runs[0], cmds[0].Task
	if r.State != RunSending || r.Task != k.ID || !cmp.Equal(r.At, []string{"hello"}) || r.Version != "v1" || r.Contact != p.Key || r.Ordinal != 3 || !r.Started.Equal(day1) {
		t.Errorf("run %+v", r)
	}
	if r.ID.Shard() != p.Key.Shard() || k.ID.Shard() != p.Key.Shard() || !r.ID.Time().Equal(day1) || r.ID == runs[1].ID {
		t.Errorf("ids %v %v", r.ID, k.ID)
	}
	if !cmp.Equal(r.Event.Contact, Contact{ID: "c1"}) || r.Event.Warnings != nil || p.Contact.Email != "ada@example.com" {
		t.Errorf("the run keeps %+v, the person %+v", r.Event.Contact, p.Contact)
	}
	if k.Run != r.ID || k.State != TaskDue || k.Kind != "email" || k.Depth != 2 || k.Class != Transactional || !k.NotBefore.Equal(day1) || k.Contact != p.Key {
		t.Errorf("task %+v", k)
	}
	if !p.SignedUp || p.Starts["a/contact"].Run != r.ID || !p.Since.Equal(day1) {
		t.Errorf("person %+v", p)
	}
	again, runs2, _, _ := Plan(set, ada(), ev, day1)
	if !cmp.Equal(again, p) || !cmp.Equal(runs2, runs, cmp.AllowUnexported()) {
		t.Error("the same input gave something else")
	}
	if _, runs, _, ds := Plan(&Set{Location: academy, Workflows: set.Workflows}, ada(), ev, day1); len(runs) != 2 || len(ds) != 2 {
		t.Error("a set without an index matches nothing")
	}
}

func TestReentry(t *testing.T) {
	t.Parallel()
	const gold, silver = "offer_access_granted offer=gold", "offer_access_granted offer=silver"
	type at struct {
		hours  int
		event  string
		starts bool
	}
	ended := "ended"
	for name, c := range map[string]struct {
		re    Reentry
		story []at
	}{
		"never, by its own noun":    {Reentry{}, []at{{0, gold, true}, {1, gold, false}, {2, silver, true}, {3, silver, false}, {9999, gold, false}}},
		"never, by contact":         {Reentry{Key: "contact", Allow: "never"}, []at{{0, gold, true}, {1, silver, false}}},
		"lesson by lesson":          {Reentry{}, []at{{0, "lesson_started lesson=a", true}, {1, "lesson_started lesson=a", false}, {2, "lesson_started lesson=b", true}}},
		"sign-up by contact":        {Reentry{}, []at{{0, "new_sign_up offer=a", true}, {1, "new_sign_up offer=b", false}}},
		"login by contact":          {Reentry{}, []at{{0, "user_login", true}, {1, "user_login", false}}},
		"product, which it is not":  {Reentry{Key: "product"}, []at{{0, gold + " product=x", true}, {1, silver + " product=x", false}, {2, gold + " product=y", true}}},
		"noun missing is one entry": {Reentry{Key: "product"}, []at{{0, gold, true}, {1, silver, false}, {2, gold + " product=x", true}}},
		"always":                    {Reentry{Allow: "always"}, []at{{0, gold, true}, {0, gold, true}}},
		"after, from the start":     {Reentry{Allow: "after", After: 24 * time.Hour}, []at{{0, gold, true}, {23, gold, false}, {24, gold, true}, {47, gold, false}, {48, gold, true}}},
		"after its end":             {Reentry{Allow: "after_end"}, []at{{0, gold, true}, {1, gold, false}, {2, ended, false}, {3, gold, true}}},
	} {
		var ts []Trigger
		for _, typ := range []string{"offer_access_granted", "lesson_started", "new_sign_up", "user_login"} {
			ts = append(ts, Trigger{Type: typ})
		}
		w := welcome("welcome", ts...)
		w.Reentry = c.re
		set := NewSet(academy, []*Workflow{w})
		p := ada()
		var last Run
		for i, s := range c.story {
			now := day1.Add(time.Duration(s.hours) * time.Hour)
			if s.event == ended {
				last, p, _ = Advance(w, academy, last, p, Input{Done: &Task{ID: last.Task, State: TaskSent}}, now)
				if !last.State.Over() {
					t.Fatal("the run goes on")
				}
				continue
			}
			var runs []Run
			var ds []Decision
			p, runs, _, ds = Plan(set, p, event(i, s.event), now)
			if (len(runs) == 1) != s.starts || s.starts == strings.HasPrefix(ds[0].Reason, "re-entry: ") {
				t.Errorf("%s: event %d: %d runs, %+v", name, i, len(runs), ds)
			}
			if len(runs) > 0 {
				last = runs[0]
			}
		}
	}
	w := welcome("welcome", Trigger{Type: "offer_access_granted"})
	p := Person{Starts: map[string]Start{"welcome/offer:gold": {At: day1}}}
	berlin := *academy
	berlin.Zone = time.FixedZone("CET", 3600)
	_, _, _, ds := Plan(NewSet(&berlin, []*Workflow{w}), p, event(1, gold), day1)
	if want := `re-entry: it started for offer "gold" at 2 Nov 2026 10:30:00 CET already; again: never`; ds[0].Reason != want {
		t.Errorf("got %s\nwant %s", ds[0].Reason, want)
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	var ts []Trigger
	for _, typ := range []string{"new_sign_up", "offer_access_granted", "product_access_granted", "lesson_completed"} {
		ts = append(ts, Trigger{Type: typ})
	}
	w := welcome("w", ts...)
	w.Reentry.Allow = "always"
	set := NewSet(academy, []*Workflow{w})
	p := ada()
	for i, c := range []struct {
		event   string
		seconds int
		want    uint64
	}{
		{"product_access_granted product=a", 100, 1}, {"new_sign_up offer=g", 0, 1}, {"lesson_completed lesson=l", 110, 3},
		{"offer_access_granted offer=g", 220, 1}, {"offer_access_granted offer=g", 221, 5}, {"product_access_granted product=b", 230, 5},
	} {
		ev := event(i+1, c.event)
		ev.Time = day1.Add(time.Duration(c.seconds) * time.Second)
		var runs []Run
		p, runs, _, _ = Plan(set, p, ev, day1.Add(time.Hour))
		if len(runs) != 1 || runs[0].Ordinal != c.want {
			t.Errorf("event %d: ordinal %v, want %d", i+1, runs[0].Ordinal, c.want)
		}
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	p := ada()
	p.Contact = Contact{ID: "c1", Email: "old@example.com", Phone: "+1", Consent: Consent{Email: &yes}, Custom: Custom{"a": int64(1), "b": "x"}}
	ev := event(1, "user_login")
	ev.Contact = Contact{ID: "c1", Email: "new@example.com", Consent: Consent{SMS: &no}, Custom: Custom{"b": nil, "c": true}}
	before, _ := json.Marshal(p)
	got, _, _, _ := Plan(NewSet(academy, nil), p, ev, day1)
	want := Contact{ID: "c1", Email: "new@example.com", Phone: "+1", Consent: Consent{Email: &yes, SMS: &no}, Custom: Custom{"a": int64(1), "c": true}}
	if !cmp.Equal(got.Contact, want) {
		t.Error(cmp.Diff(want, got.Contact))
	}
	if after, _ := json.Marshal(p); string(after) != string(before) {
		t.Errorf("the argument became %s", after)
	}
}

var eventTypes = []string{"category_started", "category_completed", "lesson_started", "lesson_completed", "new_sign_up", "offer_access_granted",
	"offer_access_removed", "product_access_granted", "product_access_removed", "product_started", "product_completed", "user_login"}

func anyEvent(t *rapid.T, n int) Event {
	spec := rapid.SampledFrom(eventTypes).Draw(t, "type")
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		if strings.HasPrefix(spec, kind) || rapid.Bool().Draw(t, "with "+kind) {
			spec += " " + kind + "=" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, kind)
		}
	}
	return event(n, spec)
}

// Under never, no two runs share an entry of the ledger, whatever happens; nothing given is changed; ids are unique.
func TestPlanModel(t *testing.T) {
	t.Parallel()
	var all []Trigger
	for _, typ := range eventTypes {
		all = append(all, Trigger{Type: typ})
	}
	rapid.Check(t, func(t *rapid.T) {
		w := welcome("w", all...)
		w.Reentry.Key = rapid.SampledFrom([]string{"", "contact", "offer", "product"}).Draw(t, "key")
		w.Steps = []Step{{ID: "a", Kind: "email"}, {ID: "b", Kind: StepWait, Wait: Duration{Days: 1}}, {ID: "c", Kind: "sms"}}
		set := NewSet(academy, []*Workflow{w, welcome("x", all[:6]...)})
		p, now := ada(), day1
		started, ids := map[string]bool{}, map[ID]bool{}
		for i := range rapid.IntRange(1, 30).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)
			ev := anyEvent(t, i)
			before, _ := json.Marshal([]any{p, ev})
			next, runs, cmds, ds := Plan(set, p, ev, now)
			if after, _ := json.Marshal([]any{p, ev}); string(after) != string(before) {
				t.Fatalf("arguments changed:\n%s\n%s", before, after)
			}
			p = next
			if len(cmds) != len(runs) || len(ds) != len(set.byType[ev.Type]) {
				t.Fatalf("%d commands, %d runs, %d decisions", len(cmds), len(runs), len(ds))
			}
			for _, r := range runs {
				kind, value := ledgerNoun(set.Lookup(r.Workflow), &ev)
				key := ledgerKey(r.Workflow, kind, value)
				if started[key] || ids[r.ID] || p.Starts[key].Run != r.ID {
					t.Fatalf("%s started twice, or id %v came twice", key, r.ID)
				}
				started[key], ids[r.ID] = true, true
			}
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	var ws []*Workflow
	for i := range 100 {
		w := welcome(fmt.Sprint("w", i), Trigger{eventTypes[i%12], []Filter{{Noun: "offer", AnyOf: []string{fmt.Sprint("offer-", i)}}}})
		ws = append(ws, w)
	}
	ws[5].When = must(b, `contact.email != "" && offer.id == "offer-5"`)
	set := NewSet(academy, ws)
	ev := event(1, "offer_access_granted offer=offer-5")
	ev.Contact = Contact{ID: "c1", Email: "ada@example.com"}
	p := ada()
	b.ReportAllocs()
	for b.Loop() {
		if _, runs, _, _ := Plan(set, p, ev, day1); len(runs) != 1 {
			b.Fatal(len(runs))
		}
	}
}
