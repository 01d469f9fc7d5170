package engine

import (
	"strings"
	"testing"
	"time"
)

// TestSaw has expressions that do not hold, and what is said of the fields in them.
func TestSaw(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	loc := &Location{ID: "academy", Zone: time.UTC}
	p := &Person{Location: "academy", Contact: Contact{
		FirstName: "Ada", Email: strings.Repeat("é", 100),
		Custom: Custom{"cohort": "2026-11", "n": int64(2), "ok": false, "list": []any{1}, "api_token": "sk_live_1", "Passwort": "hunter2", "pin_secret": int64(1234), "tokens": map[string]any{"a": "b"},
			"came_by": "https://go.acme.test/l/AaIhndgx7KoAaYMZ5SY4tzQYaPX0vvr2xu6X", "deep": map[string]any{"er": 1.5}},
	}}
	ev := &Event{ID: "1", Type: "offer_access_granted", Offer: &Noun{ID: "gold"}, Time: now}
	for src, want := range map[string]string{
		`contact.first_name == "Bob"`:                    `; contact.first_name is "Ada"`,
		`contact.custom.n > 3`:                           `; contact.custom.n is 2`,
		`contact.custom.ok`:                              `; contact.custom.ok is false`,
		`contact.custom.deep.er > 3`:                     `; contact.custom.deep.er is 1.5`,
		`contact.custom["cohort"] == "x"`:                `; contact.custom.cohort is "2026-11"`,
		`contact.custom.api_token == "x"`:                `; contact.custom.api_token is [hidden]`,
		`contact.custom.Passwort == "x"`:                 `; contact.custom.Passwort is [hidden]`,
		`contact.custom.pin_secret == 1`:                 `; contact.custom.pin_secret is [hidden]`,
		`contact.custom.tokens.a == 1`:                   `; contact.custom.tokens.a is [hidden]`,
		`contact.custom.came_by == "x"`:                  `; contact.custom.came_by is "https://go.acme.test/l/[hidden]"`,
		`contact.custom.no_token == "x"`:                 `; contact.custom.no_token is absent`,
		`contact.custom.none == 1`:                       `; contact.custom.none is absent`,
		`product?.id == "x"`:                             `; product?.id is absent`,
		`product != nil and product.id == "x"`:           ``,
		`offer.id == "a" or offer.id == "b"`:             `; offer.id is "gold"`,
		`any(contact.custom.list, # == 2)`:               ``,
		`contact.custom.list[0] == 2`:                    ``,
		`"silver" in access.offers`:                      ``,
		`event.time > now`:                               ``,
		`contact.email == ""`:                            `; contact.email is "` + strings.Repeat("é", sawLong) + `…"`,
		`len(contact.id) > 0 and event.id == offer.id`:   `; contact.id is ""; event.id is "1"; offer.id is "gold"`,
		`contact.custom.n == 1 and contact.custom.n > 0`: `; contact.custom.n is 2`,
	} {
		e, _, err := CompileExpr(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		env := NewEnv(loc, p, ev, nil, now)
		if ok, _ := e.True(env); ok {
			t.Errorf("%s holds", src)
		}
		if got := e.saw(env); got != want {
			t.Errorf("%s saw %q, want %q", src, got, want)
		}
	}
}

// TestFaultsHideSecrets checks that what is kept of a fault quotes no secret and no login link, though functions quote what they were given.
func TestFaultsHideSecrets(t *testing.T) {
	t.Parallel()
	const token = "AaIhndgx7KoAaYMZ5SY4tzQYaPX0vvr2xu6X"
	p := &Person{Contact: Contact{Custom: Custom{"api_token": "sk_live_1", "came_by": "https://go.acme.test/l/" + token, "exam": "soon"}}}
	env := func() Env {
		return NewEnv(&Location{Zone: time.UTC}, p, &Event{ID: "1", Type: "user_login", Time: day1}, nil, day1)
	}
	for src, want := range map[string]string{
		`int(contact.custom.api_token) > 1`:                   "[hidden]",
		`duration(contact.custom.api_token) > duration("1h")`: "[hidden]",
		`date(contact.custom.came_by) > now`:                  "invalid date https://go.acme.test/l/[hidden] (column 1)",
		`date(split(contact.custom.came_by, "/")[4]) > now`:   "invalid date [hidden] (column 1)",
		`date(contact.custom.exam) > now`:                     "invalid date soon (column 1)",
	} {
		if _, fault := must(t, src).True(env()); fault != src+": "+want {
			t.Errorf("%s: %q", src, fault)
		}
	}
	for field, want := range map[string]string{
		"contact.custom.api_token": "contact.custom.api_token is [hidden], neither a date",
		"contact.custom.came_by":   `contact.custom.came_by is "https://go.acme.test/l/[hidden]", neither a date`,
		"contact.custom.exam":      `contact.custom.exam is "soon", neither a date`,
	} {
		m := machine{p: *p, loc: &Location{}}
		if said := notATime(field, m.field(field)); !strings.HasPrefix(said, want) {
			t.Errorf("%s: %q", field, said)
		}
	}
}
