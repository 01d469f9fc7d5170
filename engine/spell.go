package engine

import (
	"slices"
	"strings"
)

// Nearest returns the word that was probably meant: a few letters away, or with letters left out
// (offer_granted for offer_access_granted). It returns "" if none is near.
func Nearest(word string, words []string) string {
	w := strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, least := "", 1<<30
	for _, c := range slices.Sorted(slices.Values(words)) {
		d := distance(w, c)
		near := d <= max(1, len(c)/3) || len(w) > 3 && (within(w, c) || len(c) > 3 && within(c, w))
		if near && d < least {
			best, least = c, d
		}
	}
	return best
}

// within reports whether all letters of a stand in b in the same order.
func within(a, b string) bool {
	i := 0
	for j := 0; i < len(a) && j < len(b); j++ {
		if a[i] == b[j] {
			i++
		}
	}
	return i == len(a)
}

// distance counts the letters to insert, drop, change or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, last, row [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
