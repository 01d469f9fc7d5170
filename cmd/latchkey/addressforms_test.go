package main

import (
	"net/http"
	"slices"
	"testing"

	"latchkey/engine/console"
	"latchkey/linkgen/portal"
)

// A domain has two forms, and what only looks like it is another one.
//
// Red when otherForms maps what is typed (idna.New(idna.MapForLookup()) instead of idna.Registration).
func TestAttack18OtherForms(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"ada@bücher.example":            {"ada@xn--bcher-kva.example"},
		"Ada@XN--BCHER-KVA.example":     {"ada@bücher.example"},
		"ada@example.com":               nil,
		"ada@bu\u0308cher.example":      nil, // a letter of two parts, which no domain has
		"ada@ｂücher.example":            nil,
		"ada@b\u00fccher\u3002example":  nil,
		"ada@faß.example":               {"ada@xn--fa-hia.example"}, // not fass.example
		"ada@b\u0443cher.example":       {"ada@xn--bcher-eze.example"},
		"ada@xn--a.com":                 nil,
		"ada":                           nil,
		"ada@xn--bcher-kva.example@b.c": nil,
	} {
		if got := otherForms(address); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// TestAttack18PunycodeOnFile has links asked for by either form of a domain: the mail goes to the address on file, and who writes it as it
// is on file comes first.
//
// Red when holders asks for the address as it is written alone, and when it asks for the other forms first.
func TestAttack18PunycodeOnFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	i, _ := w.start()
	var out console.ImportResult
	w.ask(http.MethodPost, "/v1/contacts", `[{"contact": {"id": "uni", "email": "ada@bücher.example"}, "offers": [{"id": "gold"}]},
		{"contact": {"id": "puny", "email": "bob@xn--bcher-kva.example"}, "offers": [{"id": "gold"}]},
		{"contact": {"id": "uni-2", "email": "eve@bücher.example"}, "offers": [{"id": "gold"}]},
		{"contact": {"id": "puny-2", "email": "eve@xn--bcher-kva.example"}, "offers": [{"id": "gold"}]}]`, &out)
	for n, tc := range []struct{ typed, contact string }{
		{"ada@xn--bcher-kva.example", "uni"}, {"bob@bücher.example", "puny"}, {"eve@bücher.example", "uni-2"}, {"eve@xn--bcher-kva.example", "puny-2"},
	} {
		i.asks(t, n, portal.LoginRequest{Address: tc.typed})
		w.waitMails(n + 1)
		if ms := w.messages("?contact=" + tc.contact); len(ms) != 1 {
			t.Errorf("%s: %s has %d messages", tc.typed, tc.contact, len(ms))
		}
	}
	i.asks(t, 9, portal.LoginRequest{Address: "ada@b\u0443cher.example"}) // a Cyrillic letter
	w.waitLogins("email unknown", "1")
}
