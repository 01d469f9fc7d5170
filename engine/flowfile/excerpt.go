package flowfile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"latchkey/engine"
)

// width is how much of a line an excerpt shows, in runes.
const width = 96

// Excerpt shows a problem with its line of the file and a caret beneath, on three lines:
//
//	workflows/welcome.yaml:5:5: no trigger "offer_granted"; did you mean offer_access_granted?
//	  5 |   - offer_granted
//	    |     ^
//
// If the file has no such line, it is the problem alone.
func Excerpt(p engine.Problem, src []byte) string {
	lines := splitLines(src)
	if p.Line < 1 || p.Line > len(lines) || len(lines[p.Line-1]) == 0 {
		return p.String() + "\n"
	}
	line := slices.Clone(lines[p.Line-1])
	for i, c := range line {
		if c != '\t' && !unicode.IsPrint(c) {
			line[i] = unicode.ReplacementChar
		}
	}
	col := min(max(p.Col-1, 0), len(line))
	cutLeft, cutRight := "", ""
	if from := col - width*2/3; from > 0 && len(line) > width {
		line, col, cutLeft = line[from:], col-from, "…"
	}
	if len(line) > width {
		line, cutRight = line[:width], "…"
	}
	var pad strings.Builder
	for _, c := range append([]rune(cutLeft), line[:col]...) {
		if c != '\t' {
			c = ' '
		}
		pad.WriteRune(c)
	}
	number := fmt.Sprintf("%3d", p.Line)
	return fmt.Sprintf("%s\n%s | %s%s%s\n%s | %s^\n", p, number, cutLeft, string(line), cutRight,
		strings.Repeat(" ", len(number)), pad.String())
}
