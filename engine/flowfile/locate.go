package flowfile

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// splitLines cuts a file into lines as YAML does, without the byte order mark and the line ends.
func splitLines(src []byte) [][]rune {
	s := strings.TrimPrefix(string(src), "\ufeff")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(s)
	var lines [][]rune
	for l := range strings.SplitSeq(s, "\n") {
		lines = append(lines, []rune(l))
	}
	return lines
}

func (r *reader) at(n *yaml.Node) engine.Pos {
	return engine.Pos{File: r.file, Line: n.Line, Col: n.Column}
}

// within returns where in the file the rune at offset of a scalar's value stands. It reads the source again beside
// the value, because YAML drops quotes, escapes, indentation and line ends.
func (r *reader) within(n *yaml.Node, offset int) engine.Pos {
	c := cursor{lines: r.lines, line: min(n.Line, len(r.lines)) - 1, col: n.Column - 1}
	value := []rune(n.Value)
	offset = min(offset, len(value))
	c.skipProperties()
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.enterBlock(value)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		c.quote = c.peek()
		c.col++
	}
	for i := range offset {
		c.step(value[i])
	}
	if offset < len(value) {
		c.catchUp(value[offset])
	}
	return engine.Pos{File: r.file, Line: c.line + 1, Col: c.col + 1}
}

// A cursor walks through the source of one scalar.
type cursor struct {
	lines     [][]rune
	line, col int // from 0
	quote     rune
	block     bool
	indent    int // of a block scalar's text
	measured  int // the line, from 1, whose text ends before column end
	end       int
}

func (c *cursor) peek() rune {
	if c.col < len(c.lines[c.line]) {
		return c.lines[c.line][c.col]
	}
	return '\n'
}

// skipProperties passes over what may stand before a scalar: &anchor and !tag.
func (c *cursor) skipProperties() {
	for c.peek() == '&' || c.peek() == '!' {
		for c.peek() != ' ' && c.peek() != '\t' && c.peek() != '\n' {
			c.col++
		}
		for c.peek() == ' ' || c.peek() == '\t' {
			c.col++
		}
		if c.peek() == '\n' {
			c.nextLine()
		}
	}
}

// nextLine goes to the text of the next line that has one.
func (c *cursor) nextLine() {
	for c.line+1 < len(c.lines) {
		c.line, c.col = c.line+1, 0
		if c.block {
			c.col = min(c.indent, len(c.lines[c.line]))
			if blank(c.lines[c.line]) && len(c.lines[c.line]) <= c.indent {
				continue
			}
			return
		}
		for c.peek() == ' ' || c.peek() == '\t' {
			c.col++
		}
		if c.peek() != '\n' {
			return
		}
	}
	c.col = len(c.lines[c.line])
}

// enterBlock goes from the | or > of a block scalar to its first line of text.
func (c *cursor) enterBlock(value []rune) {
	c.block = true
	start := c.line
	for start+1 < len(c.lines) && blank(c.lines[start+1]) {
		start++
	}
	if start+1 >= len(c.lines) {
		return
	}
	// Spaces that the value's first line of text begins with belong to the text.
	own := 0
	for _, v := range value {
		if v == ' ' {
			own++
		} else if v != '\n' {
			break
		} else {
			own = 0
		}
	}
	c.indent = max(leading(c.lines[start+1])-own, 0)
	c.line, c.col = c.line+1, min(c.indent, len(c.lines[c.line+1]))
}

// step passes over what stands in the source for one rune of the value.
func (c *cursor) step(v rune) {
	c.catchUp(v)
	switch {
	case (v == '\n' || v == ' ') && c.lineEnds():
		c.lineEnd(v)
	case c.quote == '\'' && c.peek() == '\'':
		c.col += 2
	case c.quote == '"' && c.peek() == '\\':
		c.escape()
	case c.col < len(c.lines[c.line]):
		c.col++
	}
}

// catchUp goes to the next line of text, if the value's next rune cannot stand at the end of this one.
func (c *cursor) catchUp(v rune) {
	for last := -1; c.line != last; {
		last = c.line
		switch {
		case c.quote == '"' && c.peek() == '\\' && c.col+1 == len(c.lines[c.line]):
			c.lineEnd('\n') // an escaped line end is nothing, but those after it count
		case c.lineEnds() && v != '\n' && (v != ' ' || c.block && blank(c.lines[c.line])):
			c.nextLine()
		}
	}
}

// lineEnd passes over a line end that the value has: as a line end, or as the space that it was folded to.
func (c *cursor) lineEnd(v rune) {
	if v == '\n' && c.line+1 < len(c.lines) && blank(c.lines[c.line+1]) {
		c.line++
		c.col = min(c.indent, len(c.lines[c.line]))
		return
	}
	c.nextLine()
}

// escape passes over a backslash and what belongs to it.
func (c *cursor) escape() {
	c.col++
	n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c.peek()]
	c.col = min(c.col+1+n, len(c.lines[c.line]))
}

// lineEnds reports whether only blanks follow on this line.
func (c *cursor) lineEnds() bool {
	line := c.lines[c.line]
	if c.block {
		return c.col >= len(line)
	}
	if c.measured != c.line+1 {
		c.measured, c.end = c.line+1, len(line)
		for c.end > 0 && blank(line[c.end-1:c.end]) {
			c.end--
		}
	}
	return c.col >= c.end
}

func blank(line []rune) bool {
	return !slices.ContainsFunc(line, func(c rune) bool { return c != ' ' && c != '\t' })
}

func leading(line []rune) int {
	n := 0
	for n < len(line) && line[n] == ' ' {
		n++
	}
	return n
}
