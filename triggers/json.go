package triggers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseObject reads a JSON object strictly: UTF-8, one value, within MaxEvent and maxNesting. Numbers stay
// json.Number, so that an id is the text that was sent.
func parseObject(data []byte) (map[string]any, error) {
	if len(data) > MaxEvent {
		return nil, fmt.Errorf("the event has %d bytes: at most %d are taken", len(data), MaxEvent)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // RFC 8259 8.1 lets a reader ignore it
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the message is empty: want a JSON object")
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the data is not UTF-8")
	}
	if nesting(data) > maxNesting {
		return nil, fmt.Errorf("the JSON is nested more than %d deep", maxNesting)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("malformed JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("malformed JSON: more follows after the first value")
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the data is %s: want a JSON object", show(v))
	}
	return obj, nil
}

// nesting returns how deep objects and arrays lie within one another, before anything is allocated for them.
func nesting(data []byte) int {
	depth, deepest := 0, 0
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// number makes json.Number int64 or float64 throughout a value, in place, and reports false for one that is neither.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return f, err == nil && !math.IsInf(f, 0)
	case []any:
		for i := range v {
			w, ok := number(v[i])
			if !ok {
				return nil, false
			}
			v[i] = w
		}
	case map[string]any:
		for name := range v {
			w, ok := number(v[name])
			if !ok {
				return nil, false
			}
			v[name] = w
		}
	}
	return v, true
}

// text returns a JSON text or number as it was written.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// show names a JSON value in an error without repeating what it holds.
func show(v any) string {
	switch v.(type) {
	case nil:
		return "missing"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	}
	return "an object"
}

// quote makes a name from outside fit to stand in an error.
func quote(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "..."
	}
	return strconv.Quote(s)
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unwanted) }

// printable replaces what must not stand in a line of text by spaces.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unwanted(r) {
			return ' '
		}
		return r
	}, s)
}

// unwanted are control characters, line separators, and the marks that turn text around, by which one id or name
// can be made to look like another.
func unwanted(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == utf8.RuneError
}
