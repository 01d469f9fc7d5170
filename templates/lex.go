package templates

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a path, a keyword, or a bare value such as 72h
	tokenString           // "…", unquoted in text
	tokenNumber
	tokenMark // | = == !=
)

type token struct {
	kind tokenKind
	text string
	num  float64
	off  int // in the source
}

// lexError is a mistake inside a tag, at an offset into the source.
type lexError struct {
	off int
	msg string
}

func (e *lexError) Error() string { return e.msg }

func failAt(off int, format string, args ...any) *lexError {
	return &lexError{off, fmt.Sprintf(format, args...)}
}

// lexTag splits the inside of a tag, which starts at the offset base of its source, into tokens.
// The last one is always tokenEnd.
func lexTag(s string, base int) ([]token, *lexError) {
	var out []token
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case unicode.IsSpace(r):
			i += size
			continue
		case r == '"':
			n, err := stringEnd(s[i:], base+i)
			if err != nil {
				return nil, err
			}
			text, bad := strconv.Unquote(strings.ReplaceAll(s[i:i+n], "\n", " "))
			if bad != nil {
				return nil, failAt(base+i, `a backslash in quotes may stand only before " or \`)
			}
			out = append(out, token{kind: tokenString, text: text, off: base + i})
			i += n
		case isWord(r) || r == '-' && i+1 < len(s) && isDigit(s[i+1]):
			n := wordEnd(s[i:])
			out = append(out, word(s[i:i+n], base+i))
			i += n
		case r == '|' || r == '=' || r == '!':
			n := 1
			if r != '|' && strings.HasPrefix(s[i+1:], "=") {
				n = 2
			}
			if s[i:i+n] == "!" {
				return nil, failAt(base+i, `"!" is not known here; write "not" before the field`)
			}
			out = append(out, token{kind: tokenMark, text: s[i : i+n], off: base + i})
			i += n
		default:
			return nil, strangeRune(r, base+i)
		}
	}
	return append(out, token{kind: tokenEnd, off: base + len(s)}), nil
}

// strangeRune explains a character that no tag may hold; these are what authors type by habit.
func strangeRune(r rune, off int) *lexError {
	switch r {
	case '\'', '`':
		return failAt(off, `a value stands in double quotes: write "there", not %cthere%c`, r, r)
	case '“', '”', '„', '«', '»', '‘', '’', '‚', '″':
		return failAt(off, `curly quotes (%c) are not read: type straight ones, as in default "there"`, r)
	case ':':
		return failAt(off, `no colon here: write default "there", not default: "there"`)
	case ',':
		return failAt(off, `no comma here: values stand side by side, as in pluralize "lesson" "lessons"`)
	case '(', ')', '+', '*', '/', '&', '<', '>', '-':
		return failAt(off, `%q is not known here: a tag holds fields and filters, not sums; for the characters themselves write <<"<<">>`, r)
	case '{', '}':
		return failAt(off, `no braces here: write <<contact.first_name>>`)
	}
	return failAt(off, `%q is not known here; for the characters themselves write <<"<<">>`, r)
}

func stringEnd(s string, off int) (int, *lexError) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return 0, failAt(off, `this quote is not closed`)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// wordEnd returns the length of the word at the start of s: letters, digits, _ - and dots inside it.
func wordEnd(s string) int {
	end := 1
	for i, r := range s {
		if i == 0 {
			continue
		}
		if !isWord(r) && r != '-' && r != '.' {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	if r, n := utf8.DecodeRuneInString(s); end < n && r != utf8.RuneError {
		end = n
	}
	return end
}

func word(s string, off int) token {
	if c := s[0]; isDigit(c) || c == '-' {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return token{kind: tokenNumber, text: s, num: n, off: off}
		}
	}
	return token{kind: tokenWord, text: s, off: off}
}
