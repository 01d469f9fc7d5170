package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func handEvent(id string) Event {
	return Event{ID: id, Type: "login.requested", Source: "latchkey", Location: "academy", Time: day1, Contact: Contact{ID: "c-17"}, Custom: Custom{"app": "courses"}}
}

// TestStartByHand starts workflows that no trigger starts: with the event's own say, and links that join the newest ones.
func TestStartByHand(t *testing.T) {
	t.Parallel()
	mail := Step{ID: "hi", Kind: "email"}
	set := NewSet(&Location{ID: "academy"}, []*Workflow{
		{ID: "login", Version: "v1", Status: Live, Reentry: Reentry{Allow: "always"}, When: must(t, "len(access.offers) > 0"), Steps: []Step{mail}},
		{ID: "once", Version: "v1", Status: Live, Reentry: Reentry{Allow: "never"}, Steps: []Step{mail}},
		{ID: "draft", Version: "v1", Status: Draft, Reentry: Reentry{Allow: "always"}, Steps: []Step{mail}},
	})
	p := Person{Key: NewID(day1, 3, "p"), Location: "academy", Contact: Contact{ID: "c-17", FirstName: "Ada"}, Since: day1}
	held := p
	held.Offers = map[string]*Grant{"gold": {At: day1}}
	for _, c := range []struct {
		name, workflow, reason string
		person                 Person
	}{
		{"with access", "login", "", held},
		{"without", "login", "when does not hold: len(access.offers) > 0", p},
		{"no such workflow", "gone", `there is no workflow "gone" in force`, p},
		{"a draft", "draft", "the workflow is a draft", p},
		{"re-entry", "once", "re-entry", func() Person { q := p; q.Starts = map[string]Start{"once/contact": {At: day1}}; return q }()},
	} {
		before := c.person
		got, runs, cmds, d := StartByHand(set, c.person, handEvent("r1"), c.workflow, nil, day1.Add(time.Hour))
		if d.Workflow != c.workflow || !strings.HasPrefix(d.Reason, c.reason) || (d.Reason == "") != (c.reason == "") {
			t.Errorf("%s: %+v", c.name, d)
		}
		if c.reason != "" {
			if len(runs)+len(cmds) > 0 || !d.Run.IsZero() || !cmp.Equal(got, before) {
				t.Errorf("%s: %d runs, %d commands, %s", c.name, len(runs), len(cmds), cmp.Diff(before, got))
			}
			continue
		}
		r := runs[0]
		if d.Run != r.ID || r.Ordinal != 0 || r.Event.Custom["app"] != "courses" || r.Event.Ordinal>>63 != 1 || len(cmds) != 1 || cmds[0].Task == nil {
			t.Errorf("%s: %+v", c.name, r)
		}
		if r.EventRecord() != EventRecordID(r.Started, p.Key, r.Event.Ordinal) || got.Contact.FirstName != "Ada" || !cmp.Equal(got.Offers, before.Offers) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	_, one, _, _ := StartByHand(set, held, handEvent("r1"), "login", nil, day1)
	_, two, _, _ := StartByHand(set, held, handEvent("r2"), "login", nil, day1)
	if one[0].ID == two[0].ID || one[0].Event.Ordinal == two[0].Event.Ordinal {
		t.Error("two requests of one moment are one run")
	}
}

// TestRates asks for a person again and again: one a minute, three an hour, six a day and no more, whatever moment one chooses.
func TestRates(t *testing.T) {
	t.Parallel()
	rates := []Rate{{1, time.Minute}, {3, time.Hour}, {6, 24 * time.Hour}}
	set := NewSet(&Location{ID: "academy"}, []*Workflow{{ID: "login", Version: "v1", Status: Live, Reentry: Reentry{Allow: "always"}, Steps: []Step{{ID: "hi", Kind: "email"}}}})
	p := Person{Key: NewID(day1, 3, "p"), Location: "academy"}
	var granted []time.Time
	for at := day1; at.Before(day1.Add(49 * time.Hour)); at = at.Add(20 * time.Second) {
		next, runs, _, d := StartByHand(set, p, handEvent(at.String()), "login", rates, at)
		if len(runs) == 0 {
			if !d.Until.After(at) || !cmp.Equal(next, p) {
				t.Fatalf("at %s: %+v", at, d)
			}
			continue
		}
		p, granted = next, append(granted, at)
	}
	for _, r := range rates {
		for i := r.N; i < len(granted); i++ {
			if granted[i].Sub(granted[i-r.N]) < r.In {
				t.Errorf("more than %d in %s: %s", r.N, r.In, granted[i])
			}
		}
	}
	want := []time.Duration{0, time.Minute, 2 * time.Minute, time.Hour, time.Hour + time.Minute, time.Hour + 2*time.Minute, 24 * time.Hour}
	for i, w := range want {
		if got := granted[i].Sub(day1); got != w {
			t.Errorf("number %d came after %s, want %s", i+1, got, w)
		}
	}
	if len(granted) != 15 || len(p.Asked) != 6 {
		t.Errorf("%d in 49 hours, %d kept", len(granted), len(p.Asked))
	}
	if _, runs, _, _ := StartByHand(set, p, handEvent("staff"), "login", nil, day1.Add(48*time.Hour+3*time.Minute)); len(runs) != 1 {
		t.Error("rates count where none are given")
	}
}

// TestGoldenAsked holds the record of a person who was asked for, and who absorbs another who was.
func TestGoldenAsked(t *testing.T) {
	t.Parallel()
	p := goldenPerson()
	p.Asked = []time.Time{day1, day1.Add(time.Hour)}
	tx := mapTx{}
	if err := SavePerson(tx, p); err != nil {
		t.Fatal(err)
	}
	got, err := DecodePerson(golden(t, "person-asked.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(got, p) {
		t.Errorf("%v\n%s", err, cmp.Diff(p, got))
	}
	joined, _ := Absorb(*p, Person{Key: NewID(day1, 1, "other"), Asked: []time.Time{day1.Add(time.Minute)}})
	if want := []time.Time{day1, day1.Add(time.Minute), day1.Add(time.Hour)}; !slices.Equal(joined.Asked, want) {
		t.Errorf("absorbed: %v", joined.Asked)
	}
}
