package engine

import "testing"

func TestNormalAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Ada@Example.COM\t": "ada@example.com",
		"+14155550100":       "+14155550100",
		"ÄDA@EXÄMPLE.com":    "äda@exämple.com",
		"mi\u212ae@x.test":   "mi\u212ae@x.test", // the kelvin sign is no k
		"M\u0130KE@x.test":   "m\u0130ke@x.test", // and the dotted capital i no i
		"":                   "",
	} {
		if got := NormalAddress(in); got != want || NormalAddress(got) != got {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
