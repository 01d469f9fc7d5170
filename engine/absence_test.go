package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// absent makes a workflow whose only trigger is an absence: "of since by", after three days.
func absent(spec string) *Workflow {
	f := strings.Fields(spec)
	w := welcome("nudge")
	w.Absences = []Absence{{Of: Trigger{Type: f[0]}, Since: Trigger{Type: f[1]}, After: Duration{Days: 3}, By: f[2]}}
	return w
}

const day = 24 * time.Hour

func TestAbsence(t *testing.T) {
	t.Parallel()
	const idle = "product_started product_access_granted product"
	const got, began = "product_access_granted product=go-101", "product_started product=go-101"
	filtered := absent(idle)
	filtered.Absences[0].Since.Filters = []Filter{{Noun: "product", AnyOf: []string{"go-101"}}}
	lessons := absent("lesson_completed product_access_granted product")
	lessons.Absences[0].Of.Filters = []Filter{{Noun: "lesson", AnyOf: []string{"exam"}}}
	when := absent(idle)
	when.When = must(t, `"gold" in access.offers && product.id == "go-101" && event.type == "product_access_granted"`)
	type step struct {
		at   time.Duration
		what string // "" wakes
	}
	for name, c := range map[string]struct {
		w     *Workflow
		story []step
		runs  int
		says  string // of the first event, in the end
	}{
		"nothing came":                 {absent(idle), []step{{0, got}, {3 * day, ""}}, 1, ""},
		"it came":                      {absent(idle), []step{{0, got}, {2 * day, began}}, 0, `absent: product_started came (event "e2")`},
		"it came for another":          {absent(idle), []step{{0, got}, {day, "product_started product=x"}, {3 * day, ""}}, 1, ""},
		"it came without the noun":     {lessons, []step{{0, got}, {day, "lesson_completed lesson=exam"}}, 0, `absent: lesson_completed came (event "e2")`},
		"not the filtered one":         {lessons, []step{{0, got}, {day, "lesson_completed lesson=a product=go-101"}, {3 * day, ""}}, 1, ""},
		"it came before":               {absent(idle), []step{{-day, began}, {0, got}, {3 * day, ""}}, 1, ""},
		"another since":                {filtered, []step{{0, "product_access_granted product=x"}}, 0, `trigger product_access_granted: product "x" is not one of "go-101"`},
		"access removed":               {absent(idle), []step{{0, got}, {day, "product_access_removed product=go-101"}}, 0, `absent: access was removed (event "e2")`},
		"other access removed":         {absent(idle), []step{{0, got}, {day, "product_access_removed product=x"}, {3 * day, ""}}, 1, ""},
		"removed, and granted anew":    {absent(idle), []step{{0, got}, {day, "product_access_removed product=go-101"}, {2 * day, got}, {5 * day, ""}}, 1, `absent: access was removed (event "e2")`},
		"granted twice":                {absent(idle), []step{{0, got}, {day, got}, {3 * day, ""}}, 1, ""},
		"two products":                 {absent(idle), []step{{0, got}, {day, "product_access_granted product=x"}, {2 * day, began}, {4 * day, ""}}, 1, `absent: product_started came (event "e3")`},
		"by contact":                   {absent("product_started offer_access_granted contact"), []step{{0, "offer_access_granted offer=gold"}, {day, began}}, 0, `absent: product_started came (event "e2")`},
		"by contact, all access gone":  {absent("product_started offer_access_granted contact"), []step{{0, "offer_access_granted offer=gold"}, {day, "offer_access_removed offer=gold"}}, 0, `absent: access was removed (event "e2")`},
		"since there was no access":    {absent("offer_access_granted offer_access_removed contact"), []step{{0, "offer_access_removed offer=gold"}, {3 * day, ""}}, 1, ""},
		"came back":                    {absent("offer_access_granted offer_access_removed contact"), []step{{0, "offer_access_removed offer=gold"}, {day, "offer_access_granted offer=silver"}}, 0, `absent: offer_access_granted came (event "e2")`},
		"idle since the last of them":  {absent("lesson_completed lesson_completed product"), []step{{0, "lesson_completed lesson=a product=p"}, {day, "lesson_completed lesson=b product=p"}, {4 * day, ""}}, 1, `absent: lesson_completed came (event "e2")`},
		"when is asked when it fires":  {when, []step{{0, got}, {day, "offer_access_granted offer=gold"}, {3 * day, ""}}, 1, ""},
		"when does not hold":           {when, []step{{0, got}, {3 * day, ""}}, 0, `absent: no product_started came until 5 Nov 2026 09:30:00 UTC, but when does not hold: "gold" in access.offers && product.id == "go-101" && event.type == "product_access_granted"; product.id is "go-101"; event.type is "product_access_granted"`},
		"a lesson whose product is":    {absent("lesson_completed lesson_started lesson"), []step{{0, "lesson_started lesson=a product=p"}, {day, "product_access_removed product=p"}}, 0, `absent: access was removed (event "e2")`},
		"a draft":                      {func() *Workflow { w := absent(idle); w.Status = Draft; return w }(), []step{{0, got}}, 0, "the workflow is a draft"},
		"paused":                       {func() *Workflow { w := absent(idle); w.Status = Paused; return w }(), []step{{0, got}, {3 * day, ""}}, 1, ""},
		"re-entry, by the noun":        {absent(idle), []step{{0, got}, {3 * day, ""}, {4 * day, got}, {4 * day, "product_access_granted product=y"}, {7 * day, ""}}, 2, ""},
		"re-entry refuses from the on": {func() *Workflow { w := absent(idle); w.Reentry.Key = "contact"; return w }(), []step{{0, got}, {3 * day, ""}, {4 * day, "product_access_granted product=y"}}, 1, ""},
		"re-entry after a time": {func() *Workflow {
			w := absent(idle)
			w.Reentry = Reentry{Allow: "after", After: 4 * day}
			return w
		}(), []step{{0, got}, {3 * day, ""}, {4 * day, got}, {7 * day, ""}}, 2, ""},
	} {
		s := newTale(t, c.w)
		for _, st := range c.story {
			if st.what == "" {
				s.wakes(st.at)
			} else {
				s.comes(st.at, st.what)
			}
		}
		first := "e1"
		if c.story[0].at < 0 {
			first = "e2"
		}
		if d := s.says(first); len(s.runs) != c.runs || d.Reason != c.says || (c.says == "") != !d.Run.IsZero() || !d.Until.IsZero() {
			t.Errorf("%s: %d runs, %+v", name, len(s.runs), d)
		}
		if at := s.p.NextWake(); !at.IsZero() && name != "paused" {
			t.Errorf("%s: still to be woken at %v", name, at)
		}
	}
}

// The run of an absence is about the event that it counts from.
func TestAbsenceRun(t *testing.T) {
	t.Parallel()
	s := newTale(t, absent("product_started product_access_granted product"))
	s.comes(0, "product_access_granted product=go-101 contact=c1")
	if d := s.says("e1"); d.Reason != `absent: starts at 5 Nov 2026 09:30:00 UTC unless product_started comes before for product "go-101"` || !d.Until.Equal(day1.Add(3*day)) {
		t.Errorf("%+v", d)
	}
	s.comes(day, "product_access_granted product=go-101")
	if d := s.says("e2"); d.Reason != `absent: it counts from product_access_granted "e1" already, until 5 Nov 2026 09:30:00 UTC` || !d.Until.IsZero() {
		t.Errorf("%+v", d)
	}
	r := s.wakes(3 * day)[0]
	if r.Event.ID != "e1" || r.Event.Type != "product_access_granted" || r.Event.Product.ID != "go-101" || r.Ordinal != 1 || r.Record != s.byEvent["e1"] ||
		!cmp.Equal(r.Event.Contact, Contact{ID: "c1"}) || s.p.Starts["nudge/product:go-101"].Run != r.ID {
		t.Errorf("run %+v, ledger %+v", r, s.p.Starts)
	}
	s.comes(4*day, "product_started product=go-101")
	if ds := s.records[s.byEvent["e3"]].Decisions; len(ds) != 0 {
		t.Errorf("it came too late, and says %+v", ds)
	}
}

// TestAbsenceOfAnEditedWorkflow changes the file while a watch is open.
func TestAbsenceOfAnEditedWorkflow(t *testing.T) {
	t.Parallel()
	const idle = "product_started product_access_granted product"
	for name, c := range map[string]struct {
		change func(*Workflow)
		starts bool
		says   string
	}{
		"other steps":          {func(w *Workflow) { w.Steps = []Step{{ID: "x", Kind: "sms"}} }, true, ""},
		"another time":         {func(w *Workflow) { w.Absences[0].After = Duration{Days: 9} }, true, ""},
		"another of":           {func(w *Workflow) { w.Absences[0].Of.Type = "user_login" }, false, "the workflow had no such trigger any more"},
		"none":                 {func(w *Workflow) { w.Absences = nil }, false, "the workflow had no such trigger any more"},
		"a filter that fits":   {func(w *Workflow) { w.Absences[0].Since.Filters = []Filter{{Noun: "product", AnyOf: []string{"p"}}} }, true, ""},
		"a filter that not":    {func(w *Workflow) { w.Absences[0].Since.Filters = []Filter{{Noun: "product", AnyOf: []string{"q"}}} }, false, "the workflow had no such trigger any more"},
		"a draft":              {func(w *Workflow) { w.Status = Draft }, false, "the workflow was a draft"},
		"gone":                 {func(w *Workflow) { w.ID = "other" }, false, "the workflow was not there any more"},
		"a when that does":     {func(w *Workflow) { w.When = must(t, `product.id == "p"`) }, true, ""},
		"a when that does not": {func(w *Workflow) { w.When = must(t, `product.id == "q"`) }, false, `when does not hold: product.id == "q"; product.id is "p"`},
	} {
		s := newTale(t, absent(idle))
		s.comes(0, "product_access_granted product=p")
		w := absent(idle)
		c.change(w)
		s.set = NewSet(academy, []*Workflow{w})
		runs := s.wakes(3 * day)
		d := s.says("e1")
		if c.starts != (len(runs) == 1) || !c.starts && d.Reason != "absent: no product_started came until 5 Nov 2026 09:30:00 UTC, but "+c.says {
			t.Errorf("%s: %d runs, %+v", name, len(runs), d)
		}
	}
}

// A workflow may have two that differ in their time only.
func TestTwoAbsences(t *testing.T) {
	t.Parallel()
	w := absent("product_started product_access_granted product")
	w.Reentry.Allow = "always"
	w.Absences = append(w.Absences, w.Absences[0])
	w.Absences[1].After = Duration{Days: 10}
	w.Absences[1].Of.Filters = []Filter{{Noun: "product", NoneOf: []string{"p"}}} // never ended by that
	s := newTale(t, w)
	s.comes(0, "product_access_granted product=p")
	if ds := s.records[s.byEvent["e1"]].Decisions; len(ds) != 2 || len(s.p.Watches) != 2 {
		t.Fatalf("%+v", ds)
	}
	s.comes(day, "product_started product=p")
	if len(s.p.Watches) != 1 {
		t.Fatalf("%+v", s.p.Watches)
	}
	if runs := s.wakes(10 * day); len(runs) != 1 {
		t.Errorf("%+v", runs)
	}
	ds := s.records[s.byEvent["e1"]].Decisions
	if ds[0].Reason == "" || ds[1].Run.IsZero() {
		t.Errorf("%+v", ds)
	}
}

func TestTooManyWatches(t *testing.T) {
	t.Parallel()
	s := newTale(t, absent("product_started product_access_granted product"))
	for i := range watchMost + 1 {
		s.comes(time.Duration(i)*sec, fmt.Sprintf("product_access_granted product=p%d", i))
	}
	if d := s.says(fmt.Sprint("e", watchMost+1)); len(s.p.Watches) != watchMost || !strings.Contains(d.Reason, "100 open waits") {
		t.Errorf("%d watches, %+v", len(s.p.Watches), d)
	}
}

// What events say beside their nouns is kept with each watch, so a person's record bounds how much.
func TestWatchesOfLargeEvents(t *testing.T) {
	t.Parallel()
	p, set := ada(), NewSet(academy, []*Workflow{absent("product_started product_access_granted product")})
	for i := range 9 {
		ev := event(i, fmt.Sprintf("product_access_granted product=p%d", i))
		ev.Custom = Custom{"note": strings.Repeat("x", maxCustom/4)}
		var ds []Decision
		p, _, _, ds = Plan(set, p, ev, day1)
		if refused := strings.Contains(ds[0].Reason, "256 KiB"); refused != (i > 2) {
			t.Errorf("%d: %q", i, ds[0].Reason)
		}
	}
}

// Short days shorten the time.
func TestAbsenceOfShortDays(t *testing.T) {
	t.Parallel()
	short := *academy
	short.Day = 10 * sec
	s := newTale(t, absent("product_started product_access_granted product"))
	s.set = NewSet(&short, s.set.Workflows)
	s.comes(0, "product_access_granted product=p")
	if runs := s.wakes(30 * sec); len(runs) != 1 {
		t.Errorf("%+v", runs)
	}
}
