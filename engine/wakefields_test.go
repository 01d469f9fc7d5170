package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenWakes holds what coalesce and absence add to the records.
func TestGoldenWakes(t *testing.T) {
	t.Parallel()
	p, r, e := goldenPerson(), goldenRun(), goldenEvent()
	record := EventRecordID(day1, p.Key, 7)
	p.Gatherings = []Gathering{{Workflow: "welcome", Event: r.Event, Ordinal: 1<<48 + 9, Due: day1.Add(30 * time.Second), Keys: []string{"welcome/offer:gold", "welcome/contact"},
		Offers: []Gathered{{Noun{"gold", "Gold"}, true}, {Noun{ID: "old"}, false}}, Products: []Gathered{{Noun{ID: "go-101"}, true}}, Records: []ID{record, p.Key}}}
	p.Watches = []Watch{{Workflow: "nudge", Of: "product_started", By: "product", After: "3d", Event: r.Event, Ordinal: 7, Held: true, Due: day1.Add(72 * time.Hour), Record: record}}
	p.Wakes = p.NextWake()
	r.Offers, r.Products, r.Record = []Noun{{"gold", "Gold"}, {ID: "silver"}}, []Noun{{ID: "go-101"}}, record
	e.Decisions = append(e.Decisions, Decision{Workflow: "y", Reason: "coalesce: …", Until: day1.Add(30 * time.Second)})
	tx := mapTx{}
	if err := errors.Join(SavePerson(tx, p), SaveRun(tx, r)); err != nil {
		t.Fatal(err)
	}
	gotP, err := DecodePerson(golden(t, "person-wakes.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) {
		t.Errorf("person: %v\n%s", err, cmp.Diff(p, gotP))
	}
	gotR, err := DecodeRun(golden(t, "run-gathered.v1", tx.Get(SpaceActive, Key("academy", r.ID[:]))))
	if err != nil || !cmp.Equal(gotR, r) {
		t.Errorf("run: %v\n%s", err, cmp.Diff(r, gotR))
	}
	gotE, err := DecodeEvent(golden(t, "event-pending.v1", encodeEvent(e)))
	if err != nil || !cmp.Equal(gotE, e) {
		t.Errorf("event: %v\n%s", err, cmp.Diff(e, gotE))
	}
}
