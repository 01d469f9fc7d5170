package engine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func testEnv() Env {
	no := false
	loc := &Location{ID: "academy", Name: "Acme", Custom: map[string]string{"phone": "+1"}}
	p := &Person{Location: "academy", Contact: Contact{ID: "c-17", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Consent: Consent{SMS: &no},
		Custom: Custom{"cohort": "2026-11", "score": int64(7), "ratio": 0.5, "list": make([]any, 2000)}}, Tags: []string{"new", "vip"},
		Offers:   map[string]*Grant{"gold": {Title: "Gold"}, "old": {Removed: true}},
		Products: map[string]*Grant{"go-101": {Title: "Go 101"}}}
	ev := &Event{ID: "e1", Type: "offer_access_granted", Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Offer: &Noun{ID: "gold", Title: "Gold"}}
	r := &Run{Workflow: "welcome", Redeemed: ev.Time, Steps: []StepResult{{Path: []string{"hello"}, Outcome: "sent"}}}
	return NewEnv(loc, p, ev, r, ev.Time.Add(48*time.Hour))
}

func TestExprTrue(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]struct {
		ok    bool
		fault string
	}{
		`contact.custom.cohort == "2026-11"`:                   {true, ""},
		`contact.custom.score > 5 && contact.custom.ratio < 1`: {true, ""},
		`contact.custom.missing == "x"`:                        {false, ""},
		`contact.custom.missing > 5`:                           {false, "column 24"},
		`product?.id != "gold" && offer?.id == "gold"`:         {true, ""},
		`(contact.custom.missing ?? 0) > 5`:                    {false, ""},
		`contact.custom.cohort > 5`:                            {false, "column 23"},
		`contact.custom.missing`:                               {false, ""},
		`contact.custom.cohort`:                                {false, "is string, neither true nor false"},
		`offer.id == "gold"`:                                   {true, ""},
		`product.id == "gold"`:                                 {false, "product is absent, so it has no id"},
		`product != nil && product.id == "gold"`:               {false, ""},
		`product?.id == "gold"`:                                {false, ""},
		`offer.id in ["gold", "silver"]`:                       {true, ""},
		`"gold" in access.offers`:                              {true, ""},
		`"old" in access.offers`:                               {false, ""},
		`access.products["go-101"].title == "Go 101"`:          {true, ""},
		`access.products.none.title == ""`:                     {true, ""},
		`"gold" in offers && !("go-101" in products)`:          {true, ""},
		`run.link_redeemed`:                                    {true, ""},
		`run.workflow == "welcome" && len(run.id) == 26`:       {true, ""},
		`run.steps.hello.outcome == "sent"`:                    {true, ""},
		`run.steps.none.outcome == ""`:                         {true, ""},
		`now - event.time > duration("47h")`:                   {true, ""},
		`now > event.time`:                                     {true, ""},
		`contact.name == "Ada Lovelace"`:                       {true, ""},
		`contact.consent.email && !contact.consent.sms`:        {true, ""},
		`custom.phone == "+1" && custom.none == ""`:            {true, ""},
		`location.name matches "^Ac"`:                          {true, ""},
		`"vip" in contact.tags && !("gold" in contact.tags)`:   {true, ""},
		`len(contact.tags) == 2`:                               {true, ""},
		`any(contact.custom.list, # == nil)`:                   {true, ""},
		`let l = contact.custom.list; all(l, all(l, true))`:    {false, "100,000 rounds"},
		`let x = 1..90000; all(x, all(x, true))`:               {false, "100,000 rounds"},
		`len(map(1..90000, 1..100)) > 0`:                       {false, "too much memory"},
		`len(1..10000000) > 0`:                                 {false, "too much memory"},
	} {
		e, _, err := CompileExpr(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		start := time.Now()
		ok, fault := e.True(testEnv())
		if testing.Verbose() && fault != "" {
			t.Log(fault)
		}
		if ok != want.ok || (want.fault == "") != (fault == "") || !strings.Contains(fault, want.fault) {
			t.Errorf("%s: got %v, %q; want %v, %q", src, ok, fault, want.ok, want.fault)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", src, took)
		}
	}
}

func TestExprMistakes(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		``:                                      `1: an expression is missing`,
		`contact.frist_name == "Ada"`:           `9: contact has no "frist_name"; did you mean "first_name"?`,
		`"é" == "" || contcat.email == ""`:      `14: unknown name "contcat"; did you mean "contact"?`,
		`zebra == 1`:                            `1: unknown name "zebra"; there is contact, event, offer`,
		`contact.id == zebra`:                   `15: unknown name "zebra"; there is contact, event, offer, product, category, lesson, offers, products, access, run, location, custom, now; a text stands in quotes`,
		`contact.id == null`:                    `15: unknown name "null"; write nil`,
		`contact.id === "a"`:                    `14: "=" is not expected here; equal is written ==`,
		`contact.id == "a" AND true`:            `19: "AND" is not expected here; write and`,
		`run.steps.wait-1.outcome == "met"`:     `11: an id with a dash is written run.steps["wait-1"]`,
		`run.steps.came-up.outcome == "met"`:    `11: an id with a dash is written run.steps["came-up"]`,
		`run.steps.came-in.outcome == "met"`:    `11: an id with a dash is written run.steps["came-in"]`,
		`contact.phone is not nil`:              `15: "is" is not expected here; write == or !=`,
		`(contact.id == ""`:                     `17: the expression ends too early`,
		`contact.id == "a`:                      `17: a quotation mark is not closed`,
		`<<contact.id>> == "a"`:                 `1: fields stand here by their names alone`,
		`{{contact.id}} == "a"`:                 `2: fields stand here by their names alone`,
		`contact.tags contains "vip"`:           `14: contains does not go with a list and a text; of a list, write "vip" in contact.tags`,
		`event.time > "2026-01-01"`:             `12: > does not go with a time and a text; write a day as date("2026-01-31")`,
		`len(access.offers) > "1"`:              `20: > does not go with a number and a text; a text stands in quotes, a number without`,
		`offer.name == "Gold"`:                  `7: an offer, product, category or lesson has no "name"; there is id, title`,
		`run.steps.hello.outcom == "sent"`:      `17: a step has no "outcom"; did you mean "outcome"?`,
		`now() > event.time`:                    `1: now is a value; write it without ()`,
		`contact.email`:                         `1: is string, but must be true or false`,
		`offer`:                                 `1: is an offer, product, category or lesson, but must be true or false`,
		`contact.email > 5`:                     `15: > does not go with a text and a number`,
		`contact.email == `:                     `17: the expression ends too early`,
		`contact.email = "x"`:                   `15: "=" is not expected here; to compare, write ==`,
		`$env["contact"] != nil`:                `1: $env is not available`,
		`any([1], # > 0) and foo`:               `21: unknown name "foo"`,
		"contact.email == \"x\" &&\n contct.id": `26: `,
		`custom.n > 5`:                          `10: `,
		strings.Repeat("!", 2000) + "true":      `2004: `,
	} {
		e, col, err := CompileExpr(src)
		if err == nil {
			t.Errorf("%s: compiled: %v", src, e)
			continue
		}
		if got := fmt.Sprintf("%d: %v", col, err); !strings.HasPrefix(got, want) || strings.Contains(got, "engine.") || strings.Contains(got, roundName) {
			t.Errorf("%.60s\n got %s\nwant %s", src, got, want)
		}
	}
}

func TestExprSteps(t *testing.T) {
	t.Parallel()
	e, _, err := CompileExpr(`"é" != run.steps["wait-1"].outcome && run.steps?.a?.outcome == "met" and contact.custom.steps.b == nil and run.steps[contact.id].outcome == ""`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []NameAt{{"wait-1", 18}, {"a", 50}}; !slices.Equal(e.Steps(), want) {
		t.Errorf("%v, want %v", e.Steps(), want)
	}
}

func TestEnvValues(t *testing.T) {
	t.Parallel()
	v := testEnv().Values()
	if v["product"] != nil || v["offer"].(map[string]any)["title"] != "Gold" {
		t.Errorf("nouns: %v, %v", v["offer"], v["product"])
	}
	if got := fmt.Sprint(v["access"]); got != "map[offers:[map[id:gold title:Gold]] products:[map[id:go-101 title:Go 101]]]" {
		t.Errorf("access: %v", got)
	}
	// Templates and expressions have the same names.
	for _, name := range fieldNames(reflect.TypeFor[roots]()) {
		if v[name] == nil && name != "product" && name != "category" && name != "lesson" {
			t.Errorf("no value %q", name)
		}
	}
	if got := testEnv().Values("run", "offers"); len(got) != 2 || !reflect.DeepEqual(got["run"], v["run"]) || !reflect.DeepEqual(got["offers"], v["offers"]) {
		t.Errorf("two of them: %v", got)
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{`contact.custom.cohort == "2026-11"`, `any(access.offers, .title == "x")`, `let x = 1..9; sum(x) > 3`, `offer?.id in ["a"]`} {
		f.Add(s)
	}
	env := testEnv()
	f.Fuzz(func(t *testing.T, src string) {
		e, col, err := CompileExpr(src)
		if err != nil {
			if col < 1 || strings.Contains(err.Error(), "engine.") {
				t.Fatalf("%q: column %d: %v", src, col, err)
			}
			return
		}
		e.True(env)
	})
}

func BenchmarkExpr(b *testing.B) {
	e, _, err := CompileExpr(`contact.custom.cohort == "2026-11" && offer.id == "gold"`)
	if err != nil {
		b.Fatal(err)
	}
	env := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if ok, fault := e.True(env); !ok {
			b.Fatal(fault)
		}
	}
}
