package flowfile

import (
	"strings"

	"latchkey/engine"
)

// didYouMean returns "; did you mean X?" for the nearest of some words, or nothing if none is near.
func didYouMean(word string, words []string) string {
	if near := engine.Nearest(word, words); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// join writes "a, b and c".
func join(words []string, and string) string {
	switch n := len(words); n {
	case 0:
		return "none"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " " + and + " " + words[n-1]
	}
}

// isName reports whether s is made of letters, digits, - and _ (and short), as ids in addresses and paths are.
func isName(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
