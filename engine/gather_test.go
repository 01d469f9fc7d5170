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

// A tale is a person to whom things happen, and the records that they leave.
type tale struct {
	t       interface{ Fatalf(string, ...any) }
	set     *Set
	p       Person
	n       int
	runs    []Run
	records map[ID]*EventRecord
	byEvent map[string]ID
}

func newTale(t interface{ Fatalf(string, ...any) }, ws ...*Workflow) *tale {
	return &tale{t: t, set: NewSet(academy, ws), p: ada(), records: map[ID]*EventRecord{}, byEvent: map[string]ID{}}
}

// comes lets an event happen, so long after the beginning.
func (s *tale) comes(after time.Duration, spec string) []Run {
	s.n++
	ev := event(s.n, spec)
	now := day1.Add(after)
	ev.Time = now
	next, runs, cmds, ds := Plan(s.set, s.p, ev, now)
	s.p = next
	id := EventRecordID(now, s.p.Key, ev.Ordinal)
	s.records[id] = &EventRecord{Location: s.p.Location, Contact: s.p.Key, At: now, Ordinal: ev.Ordinal, ID: ev.ID, Decisions: ds}
	s.byEvent[ev.ID] = id
	s.took(runs, cmds)
	return runs
}

// wakes wakes the person at its next time, which must be so long after the beginning.
func (s *tale) wakes(after time.Duration) []Run {
	now := day1.Add(after)
	if at := s.p.NextWake(); !at.Equal(now) {
		s.t.Fatalf("to be woken %v after the beginning, not %v", at.Sub(day1), after)
	}
	if p, runs, cmds, _ := Wake(s.set, s.p, now.Add(-1)); len(runs)+len(cmds) > 0 || !cmp.Equal(p, s.p) {
		s.t.Fatalf("woken too early: %v %v", runs, cmds)
	}
	next, runs, cmds, _ := Wake(s.set, s.p, now)
	s.p = next
	s.took(runs, cmds)
	return runs
}

func (s *tale) took(runs []Run, cmds []Command) {
	s.runs = append(s.runs, runs...)
	tx := mapTx{}
	for _, c := range cmds {
		if c.Decided == nil {
			continue
		}
		r := s.records[c.Decided.Record]
		if r == nil {
			s.t.Fatalf("no record %v", c.Decided.Record)
		}
		tx.Put(SpaceDecisions, Key(r.Location, c.Decided.Record[:]), encodeEvent(r))
		if err := SettleEvent(tx, c.Decided); err != nil {
			s.t.Fatalf("%v", err)
		}
		s.records[c.Decided.Record], _ = LoadEvent(tx, r.Location, c.Decided.Record)
	}
}

// says returns the only decision of an event.
func (s *tale) says(id string) Decision {
	ds := s.records[s.byEvent[id]].Decisions
	if len(ds) != 1 {
		s.t.Fatalf("decisions %+v", ds)
	}
	return ds[0]
}

func gathering(window string, triggers ...string) *Workflow {
	w := welcome("welcome")
	w.Coalesce, _ = ParseDuration(window)
	for _, t := range triggers {
		w.Triggers = append(w.Triggers, Trigger{Type: t})
	}
	return w
}

const sec = time.Second

func TestFirstPurchaseIsOneRun(t *testing.T) {
	t.Parallel()
	s := newTale(t, gathering("30s", "new_sign_up", "offer_access_granted", "product_access_granted"))
	s.comes(0, "new_sign_up contact=c1")
	s.comes(1*sec, "offer_access_granted offer=gold")
	s.comes(2*sec, "product_access_granted product=go-101 offer=gold")
	s.comes(3*sec, "offer_access_granted offer=gold") // again: it passes re-entry, since nothing started
	if len(s.runs) != 0 || len(s.p.Gatherings) != 1 {
		t.Fatalf("%d runs, %d gatherings", len(s.runs), len(s.p.Gatherings))
	}
	if d := s.says("e1"); d.Until.IsZero() || d.Reason != "coalesce: what else comes until 2 Nov 2026 09:30:30 UTC is gathered into one run" {
		t.Errorf("e1: %+v", d)
	}
	if d := s.says("e2"); d.Reason != `coalesce: gathered with new_sign_up "e1", whose window ends at 2 Nov 2026 09:30:30 UTC` {
		t.Errorf("e2: %+v", d)
	}
	s.wakes(30 * sec)
	if len(s.runs) != 1 || s.p.Gatherings != nil || !s.p.NextWake().IsZero() {
		t.Fatalf("%d runs, then %+v", len(s.runs), s.p.Gatherings)
	}
	r := s.runs[0]
	if r.Event.ID != "e1" || r.Ordinal != 1 || len(r.Offers) != 1 || len(r.Products) != 1 || !r.Started.Equal(day1.Add(30*sec)) || r.Record != s.byEvent["e1"] {
		t.Errorf("run %+v", r)
	}
	for id, reason := range map[string]string{"e1": "", "e2": `gathered with new_sign_up "e1"`, "e3": `gathered with new_sign_up "e1"`} {
		if d := s.says(id); d.Run != r.ID || d.Reason != reason || !d.Until.IsZero() {
			t.Errorf("%s: %+v", id, d)
		}
	}
	// Each was counted: none of them starts another, and the end of the run is told to all.
	for i, spec := range []string{"new_sign_up", "offer_access_granted offer=gold", "product_access_granted product=go-101"} {
		if runs := s.comes(time.Hour+time.Duration(i)*sec, spec); len(runs) > 0 || len(s.p.Gatherings) > 0 {
			t.Errorf("%s starts again", spec)
		}
	}
	_, p, _ := Stop(r, s.p, "enough", day1.Add(2*time.Hour))
	for key, start := range p.Starts {
		if !start.Ended {
			t.Errorf("%s has not ended", key)
		}
	}
	s.comes(2*time.Hour, "offer_access_granted offer=silver")
	if runs := s.wakes(2*time.Hour + 30*sec); len(runs) != 1 || runs[0].Offers[0].ID != "silver" {
		t.Errorf("another offer: %+v", runs)
	}
}

func TestGatheredNounsAreSeen(t *testing.T) {
	t.Parallel()
	w := gathering("30s", "offer_access_granted")
	w.Steps = []Step{{ID: "both", Kind: StepIf, If: must(t, `"gold" in offers && "silver" in offers && offer.id == "gold" && len(products) == 1`),
		Then: []Step{{ID: "yes", Kind: "email"}}, Else: []Step{{ID: "no", Kind: "email"}}}}
	s := newTale(t, w)
	s.comes(0, "offer_access_granted offer=gold")
	s.comes(1*sec, "offer_access_granted offer=silver product=go-101")
	r := s.wakes(30 * sec)[0]
	if r.At[len(r.At)-1] != "yes" {
		t.Errorf("run stands at %v", r.At)
	}
	env := NewEnv(academy, &s.p, &r.Event, &r, day1)
	if got := fmt.Sprint(env.Values("offers", "offer")); got != "map[offer:map[id:gold title:GOLD] offers:[map[id:gold title:GOLD] map[id:silver title:SILVER]]]" {
		t.Errorf("templates see %s", got)
	}
	// Without coalesce they are the event's own.
	w.Coalesce = Duration{}
	r = newTale(t, w).comes(0, "offer_access_granted offer=gold")[0]
	if r.At[len(r.At)-1] != "no" {
		t.Errorf("run stands at %v", r.At)
	}
}

func TestEachEventPassesFiltersItself(t *testing.T) {
	t.Parallel()
	w := gathering("30s", "offer_access_granted")
	w.When = must(t, `offer.id != "free"`)
	w.Triggers[0].Filters = []Filter{{Noun: "offer", NoneOf: []string{"trial"}}}
	s := newTale(t, w)
	s.p.Starts = map[string]Start{"welcome/offer:old": {At: day1.Add(-time.Hour)}}
	s.comes(0, "offer_access_granted offer=free")
	s.comes(1*sec, "offer_access_granted offer=trial")
	s.comes(2*sec, "offer_access_granted offer=old")
	if len(s.p.Gatherings) != 0 {
		t.Fatalf("gathered %+v", s.p.Gatherings)
	}
	s.comes(3*sec, "offer_access_granted offer=gold")
	s.comes(4*sec, "offer_access_granted offer=free")
	s.comes(5*sec, "offer_access_granted offer=old")
	if r := s.wakes(33 * sec)[0]; len(r.Offers) != 1 || r.Offers[0].ID != "gold" {
		t.Errorf("offers %+v", r.Offers)
	}
	if d := s.says("e5"); !strings.HasPrefix(d.Reason, "when does not hold") || !d.Run.IsZero() {
		t.Errorf("e5: %+v", d)
	}
}

func TestWindowEnds(t *testing.T) {
	t.Parallel()
	type step struct {
		at   time.Duration
		what string
	}
	gold := step{0, "offer_access_granted offer=gold"}
	for name, c := range map[string]struct {
		steps  []step
		change func(*Workflow)
		want   string // "" if a run starts
	}{
		"nothing else":               {[]step{gold}, nil, ""},
		"access removed":             {[]step{gold, {sec, "offer_access_removed offer=gold"}}, nil, "access to all that was gathered is removed"},
		"some access left":           {[]step{gold, {sec, "offer_access_granted offer=silver"}, {2 * sec, "offer_access_removed offer=gold"}}, nil, ""},
		"a product left":             {[]step{{0, "offer_access_granted offer=gold product=go-101"}, {sec, "product_access_granted product=go-101"}, {2 * sec, "offer_access_removed offer=gold"}}, nil, ""},
		"removed and back":           {[]step{gold, {sec, "offer_access_removed offer=gold"}, {2 * sec, "offer_access_granted offer=gold"}}, nil, ""},
		"other access does not do":   {[]step{{-sec, "product_access_granted product=x"}, gold, {sec, "offer_access_removed offer=gold"}}, nil, "access to all that was gathered is removed"},
		"nothing named":              {[]step{{0, "new_sign_up"}}, nil, ""},
		"a removal itself":           {[]step{{-sec, "product_access_granted product=x"}, {0, "product_access_removed product=x"}}, nil, ""},
		"a draft now":                {[]step{gold}, func(w *Workflow) { w.Status = Draft }, "the workflow was a draft"},
		"paused now":                 {[]step{gold}, func(w *Workflow) { w.Status = Paused }, ""},
		"not there any more":         {[]step{gold}, func(w *Workflow) { w.ID = "other" }, "the workflow was not there any more"},
		"no window any more":         {[]step{gold}, func(w *Workflow) { w.Coalesce = Duration{} }, ""},
		"not its trigger any more":   {[]step{gold}, func(w *Workflow) { w.Triggers = nil }, ""},
		"joins though late, unwoken": {[]step{gold, {45 * sec, "offer_access_granted offer=silver"}}, nil, ""},
	} {
		w := gathering("30s", "new_sign_up", "offer_access_granted", "product_access_removed")
		s := newTale(t, w)
		for _, st := range c.steps {
			s.comes(st.at, st.what)
		}
		if c.change != nil {
			changed := *w
			c.change(&changed)
			s.set = NewSet(academy, []*Workflow{&changed})
		}
		runs := s.wakes(30 * sec)
		first := "e1"
		if c.steps[0].at < 0 {
			first = "e2"
		}
		d := s.says(first)
		if (c.want == "") != (len(runs) == 1) || c.want == "" && d.Run.IsZero() || c.want != "" && d.Reason != "coalesce: at the end of the window "+c.want {
			t.Errorf("%s: %d runs, %+v", name, len(runs), d)
		}
		if !s.p.NextWake().IsZero() {
			t.Errorf("%s: still to be woken", name)
		}
	}
}

// The run of another way in does not let the gathered one start again.
func TestReentryAtTheEndOfTheWindow(t *testing.T) {
	t.Parallel()
	s := newTale(t, gathering("30s", "offer_access_granted"))
	s.comes(0, "offer_access_granted offer=gold")
	s.p.Starts = map[string]Start{"welcome/offer:gold": {At: day1.Add(sec)}}
	if runs := s.wakes(30 * sec); len(runs) != 0 || !strings.Contains(s.says("e1").Reason, `re-entry: it started for offer "gold"`) {
		t.Errorf("%+v", s.says("e1"))
	}
}

// Links of a gathered run count as those of its newest event, but for a first purchase, which is one issue.
func TestGatheredOrdinal(t *testing.T) {
	t.Parallel()
	s := newTale(t, gathering("1h", "offer_access_granted", "lesson_completed"))
	s.comes(0, "offer_access_granted offer=gold")
	s.comes(sec, "offer_access_granted offer=silver")
	if got := s.p.Gatherings[0].Ordinal; got != 1 {
		t.Errorf("one purchase: %d", got)
	}
	s.comes(2*sec, "lesson_completed lesson=a")
	s.comes(10*time.Minute, "offer_access_granted offer=bronze")
	if r := s.wakes(time.Hour)[0]; r.Ordinal != 4 || r.Event.Ordinal != 1 {
		t.Errorf("ordinals %d, %d", r.Ordinal, r.Event.Ordinal)
	}
}

// Short days shorten the window, down to what events need to arrive.
func TestWindowOfShortDays(t *testing.T) {
	t.Parallel()
	short := *academy
	for window, days := range map[string]map[time.Duration]time.Duration{
		"30s": {0: 30 * sec, 10 * sec: gatherLeast, 12 * time.Hour: 15 * sec},
		"2h":  {0: 2 * time.Hour, 24 * sec: 2 * sec},
	} {
		for day, want := range days {
			short.Day = day
			if got := gathering(window).Gathers(&short); got != want {
				t.Errorf("%s with days of %v: %v, want %v", window, day, got, want)
			}
		}
	}
}

func TestManyGathered(t *testing.T) {
	t.Parallel()
	w := gathering("30s", "lesson_completed")
	s := newTale(t, w)
	for i := range 500 {
		s.comes(time.Duration(i)*time.Millisecond, fmt.Sprintf("lesson_completed lesson=l%d product=p%d", i%100, i%3))
	}
	if n := len(s.p.Gatherings[0].Records); n != gatherMost {
		t.Errorf("%d records", n)
	}
	if r := s.wakes(30 * sec)[0]; len(r.Products) != 3 || len(s.p.Starts) != 100 {
		t.Errorf("%d products, %d starts", len(r.Products), len(s.p.Starts))
	}
	if d := s.says("e500"); !strings.Contains(d.Reason, `gathered with lesson_completed "e1"`) {
		t.Errorf("%+v", d)
	}
}

// TestGatheredCustomIsBounded has large events gathered by many workflows: the first keeps what it says, and those that would make
// the person's record too large say that they do not.
func TestGatheredCustomIsBounded(t *testing.T) {
	t.Parallel()
	var ws []*Workflow
	for i := range 20 {
		w := gathering("30s", "new_sign_up")
		w.ID = fmt.Sprintf("w%02d", i)
		ws = append(ws, w)
	}
	for _, large := range []int{100, maxCustom / 4, 2 * maxCustom} {
		set, ev := NewSet(academy, ws), event(1, "new_sign_up offer=gold")
		ev.Custom = Custom{"note": strings.Repeat("x", large)}
		p, _, _, ds := Plan(set, ada(), ev, day1)
		kept := 0
		for i, g := range p.Gatherings {
			if g.Event.Custom != nil {
				kept++
			}
			if said := strings.Contains(ds[i].Reason, "without event.custom"); said != (g.Event.Custom == nil) {
				t.Errorf("%s keeps %v, and says %q", g.Workflow, g.Event.Custom != nil, ds[i].Reason)
			}
		}
		want := map[int]int{100: 20, maxCustom / 4: 3, 2 * maxCustom: 1}[large]
		if kept != want || len(p.Gatherings) != 20 || ev.Custom == nil {
			t.Errorf("%d bytes: %d of %d keep them, want %d", large, kept, len(p.Gatherings), want)
		}
	}
}

func TestAbsorbJoinsGatheringsAndWatches(t *testing.T) {
	t.Parallel()
	w := gathering("30s", "new_sign_up", "offer_access_granted")
	w.Absences = []Absence{{Of: Trigger{Type: "product_started"}, Since: Trigger{Type: "new_sign_up"}, After: Duration{Days: 3}, By: "contact"}}
	a, b := newTale(t, w), newTale(t, w)
	b.p.Key = NewID(day1, 7, "provisional")
	b.comes(0, "new_sign_up offer=gold")
	a.n = 10
	a.comes(sec, "offer_access_granted offer=silver")
	joined, forward := Absorb(a.p, b.p)
	if g := joined.Gatherings; len(g) != 1 || g[0].Event.ID != "e1" || g[0].Ordinal != 11 || len(g[0].Offers) != 2 || len(g[0].Keys) != 2 || !g[0].Due.Equal(day1.Add(30*sec)) {
		t.Errorf("gatherings %+v", g)
	}
	if len(joined.Watches) != 1 || len(forward.Gatherings)+len(forward.Watches) != 0 {
		t.Errorf("watches %+v, forward %+v", joined.Watches, forward)
	}
	if again, _ := Absorb(joined, b.p); len(again.Watches) != 1 || len(again.Gatherings) != 1 {
		t.Errorf("once more: %+v", again)
	}
	if _, runs, _, _ := Wake(a.set, joined, day1.Add(30*sec)); len(runs) != 1 || runs[0].Contact != joined.Key || len(runs[0].Offers) != 2 {
		t.Errorf("runs %+v", runs)
	}
}

// TestGatherModel lets anything happen in any order: no argument is changed, nobody is woken early, and each fitting event
// is in exactly one run.
func TestGatherModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := gathering("60s", eventTypes[:]...)
		w.Reentry = Reentry{Allow: "always"}
		w.Absences = []Absence{{Of: Trigger{Type: "product_started"}, Since: Trigger{Type: "product_access_granted"}, After: Duration{Rest: 5 * time.Minute}, By: "product"}}
		s := newTale(t, w)
		var now time.Duration
		events := rapid.IntRange(1, 20).Draw(t, "events")
		for i := range events {
			now += time.Duration(rapid.IntRange(0, 120).Draw(t, "seconds")) * sec
			for at := s.p.NextWake(); !at.IsZero() && !at.After(day1.Add(now)); at = s.p.NextWake() {
				before, _ := json.Marshal(s.p)
				was := s.p
				s.wakes(at.Sub(day1))
				if after, _ := json.Marshal(was); string(after) != string(before) {
					t.Fatalf("argument changed:\n%s\n%s", before, after)
				}
			}
			s.n = i
			ev := anyEvent(t, i)
			spec := ev.Type
			for kind, n := range map[string]*Noun{"offer": ev.Offer, "product": ev.Product, "lesson": ev.Lesson, "category": ev.Category} {
				if n != nil {
					spec += " " + kind + "=" + n.ID
				}
			}
			before, _ := json.Marshal(s.p)
			was := s.p
			s.comes(now, spec)
			if after, _ := json.Marshal(was); string(after) != string(before) {
				t.Fatalf("argument changed:\n%s\n%s", before, after)
			}
		}
		for at := s.p.NextWake(); !at.IsZero(); at = s.p.NextWake() {
			s.wakes(at.Sub(day1))
		}
		told := map[ID]bool{}
		for _, r := range s.records {
			for _, d := range r.Decisions {
				if !d.Until.IsZero() {
					t.Fatalf("still pending: %+v", d)
				}
				told[d.Run] = true
			}
		}
		for _, r := range s.runs {
			if !told[r.ID] {
				t.Fatalf("no event tells of run %+v", r)
			}
		}
	})
}
