package linkgen

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// toMost bounds an id that a link leads to, in bytes.
const toMost = 200

// ParseTo reads where a link leads: "product:go-101", a noun and an id. ok is false for anything else, such as the empty
// text, which leads nowhere in particular. An id has at most 200 bytes, no spaces around it and no control characters, and no
// step of a path that leads up; it is a name and never a path or an URL, so who makes one of it must escape it.
func ParseTo(text string) (noun, id string, ok bool) {
	noun, id, _ = strings.Cut(text, ":")
	switch noun {
	case "product", "category", "lesson":
	default:
		return "", "", false
	}
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
	}
	if id == "" || len(id) > toMost || !utf8.ValidString(id) || strings.TrimSpace(id) != id || strings.ContainsFunc(id, hidden) || Climbs(id) {
		return "", "", false
	}
	return noun, id, true
}

// Climbs reports whether an id has a step of a path in it that leads up. It is escaped wherever it is put into an address, but there
// are servers that undo that before they resolve such steps.
func Climbs(id string) bool {
	steps := strings.FieldsFunc(id, func(r rune) bool { return r == '/' || r == '\\' })
	return slices.Contains(steps, ".") || slices.Contains(steps, "..")
}

// cleanTo leaves out what leads nowhere: a publisher's id of any kind is no reason to send no link.
func cleanTo(to string) string {
	if _, _, ok := ParseTo(to); !ok {
		return ""
	}
	return to
}

// CleanIn returns the product that a category or lesson is said to be in, if to names such a one and in can be a product's id. Else it
// is empty: then it is looked for.
func CleanIn(to, in string) string {
	noun, _, ok := ParseTo(to)
	if _, _, named := ParseTo("product:" + in); !ok || !named || noun == "product" {
		return ""
	}
	return in
}
