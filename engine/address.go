package engine

import (
	"strings"
	"unicode"
)

// NormalAddress returns the form in which addresses of contacts are compared: without spaces around it and in lower case.
// A letter beyond ASCII never becomes one within it, as the kelvin sign and the dotted capital i would: whoever holds
// such an address must not pass for somebody else.
func NormalAddress(s string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r <= unicode.MaxASCII || l > unicode.MaxASCII {
			return l
		}
		return r
	}, strings.TrimSpace(s))
}
