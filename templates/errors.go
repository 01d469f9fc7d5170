package templates

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Error is one mistake in an author's source. Line and Col are 1-based; Col counts characters.
type Error struct {
	File      string
	Line, Col int
	Msg       string
}

func (e Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Errors are the mistakes of one or more sources, in the order of their places, without repeats.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns e in order of place, each mistake once.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(e)
}

// orNil is e as an error that is nil when there is no mistake.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e.sorted()
}

// A Source is a piece of an author's text and where it stands, so that a mistake in a body written inside a
// workflow is reported at its place in that file.
type Source struct {
	Text string
	File string
	// Line and Col are the place of Text's first character, from 1; zero means 1.
	Line, Col int
	// Indent is the number of columns taken off the front of every line after the first (a YAML block).
	Indent int
}

// errorAt is a mistake at a byte offset into the text.
func (s *Source) errorAt(off int, msg string) Error {
	off = min(max(off, 0), len(s.Text))
	before := s.Text[:off]
	line, start, shift := max(s.Line, 1), 0, max(s.Col, 1)-1
	if n := strings.Count(before, "\n"); n > 0 {
		line, start, shift = line+n, strings.LastIndexByte(before, '\n')+1, s.Indent
	}
	return Error{s.File, line, utf8.RuneCountInString(before[start:]) + 1 + shift, msg}
}

// nearest returns the candidate that word is probably a slip of, or "".
func nearest(word string, candidates []string) string {
	best, limit := "", 1+len(word)/4
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), c); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// didYouMean is the end of a message that names the nearest right spelling, or "".
func didYouMean(word string, candidates []string) string {
	if c := nearest(word, candidates); c != "" {
		return fmt.Sprintf("; did you mean %q?", c)
	}
	return ""
}

// distance is the number of letters to insert, drop, change or swap with a neighbour to make b of a.
func distance(a, b string) int {
	if abs := len(a) - len(b); abs > 8 || abs < -8 {
		return 99
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(row[j]+1, next[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
