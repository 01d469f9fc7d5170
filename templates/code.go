package templates

import (
	"regexp"
	"strings"
)

var fence = regexp.MustCompile("^ {0,3}(?:[-*+>] +|[0-9]+[.)] +)*(`{3,}|~{3,})")

// codeSpans finds the code of a Markdown source: fenced blocks, and text between back-ticks in one paragraph.
func codeSpans(text string) []span {
	var out []span
	open, from, para := "", 0, 0
	for at := 0; at < len(text); {
		end := at + strings.IndexByte(text[at:]+"\n", '\n')
		line := text[at:end]
		m := fence.FindStringSubmatch(line)
		switch {
		case open != "":
			if t := strings.TrimSpace(line); strings.HasPrefix(t, open) && strings.Trim(t, open[:1]) == "" {
				out = append(out, span{from, end})
				open, para = "", end
			}
		case m != nil && !(m[1][0] == '`' && strings.Contains(line[len(m[0]):], "`")):
			out = append(out, tickSpans(text[para:at], para)...)
			open, from = m[1], at
		case strings.TrimSpace(line) == "":
			out = append(out, tickSpans(text[para:at], para)...)
			para = end
		}
		at = end + 1
	}
	if open != "" {
		return append(out, span{from, len(text)})
	}
	return append(out, tickSpans(text[para:], para)...)
}

// tickSpans finds text between runs of as many back-ticks; base is the offset of s.
func tickSpans(s string, base int) []span {
	var out []span
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		n := tickRun(s[i:])
		j := i + n
		for j < len(s) {
			if s[j] != '`' {
				j++
				continue
			}
			k := tickRun(s[j:])
			if j += k; k == n {
				out = append(out, span{base + i, base + j})
				n = j - i
				break
			}
		}
		i += n
	}
	return out
}

func tickRun(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }
