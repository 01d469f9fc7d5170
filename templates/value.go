package templates

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// lookup walks nested maps; a step that is not there gives nil.
func lookup(v any, path []string) any {
	for _, key := range path {
		switch m := v.(type) {
		case map[string]any:
			v = m[key]
		case map[string]string:
			if s, ok := m[key]; ok {
				v = s
			} else {
				v = nil
			}
		default:
			return nil
		}
	}
	return v
}

// isBlank reports whether there is nothing to write: no value, no text but spaces, nothing in a list.
func isBlank(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimFunc(x, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) || r < ' ' }) == ""
	case time.Time:
		return x.IsZero()
	case map[string]any:
		return len(x) == 0
	}
	if list, ok := items(v); ok {
		return len(list) == 0
	}
	return false
}

// isTrue is what a bare condition asks: there is something, and it is neither false nor zero.
func isTrue(v any) bool {
	if isBlank(v) {
		return false
	}
	if b, ok := v.(bool); ok {
		return b
	}
	if _, ok := v.(string); !ok {
		if n, err := toNumber(v); err == nil {
			return n != 0
		}
	}
	return true
}

// items returns a list's items, and whether it is one.
func items(v any) ([]any, bool) {
	switch x := v.(type) {
	case nil, string, bool, map[string]any:
		return nil, false
	case []any:
		return x, true
	case []string:
		return boxed(x), true
	case []map[string]any:
		return boxed(x), true
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice || r.Type().Elem().Kind() == reflect.Uint8 {
		return nil, false
	}
	out := make([]any, r.Len())
	for i := range out {
		out[i] = r.Index(i).Interface()
	}
	return out, true
}

func boxed[T any](list []T) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

func toNumber(v any) (float64, error) {
	switch x := v.(type) {
	case float64:
		return x, nil
	case int:
		return float64(x), nil
	case int64:
		return float64(x), nil
	case json.Number:
		return x.Float64()
	case string:
		if n, err := strconv.ParseFloat(strings.TrimSpace(x), 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n, nil
		}
		return 0, errors.New("it is not a number")
	}
	switch r := reflect.ValueOf(v); {
	case r.IsValid() && r.CanInt():
		return float64(r.Int()), nil
	case r.IsValid() && r.CanUint():
		return float64(r.Uint()), nil
	case r.IsValid() && r.CanFloat():
		return r.Float(), nil
	}
	return 0, errors.New("it is not a number")
}

// group writes a number with commas between thousands, and with so many decimals; -1 for as many as it has.
func group(n float64, decimals int) string {
	s := strconv.FormatFloat(n, 'f', decimals, 64)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, rest, dotted := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dotted {
		whole += "." + rest
	}
	return sign + whole
}

// text writes a value as a reader would expect it: numbers without exponents, times in the message's zone,
// lists joined, a noun by its title.
func (s *state) text(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case int:
		return strconv.Itoa(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(x), nil
	case nil:
		return "", nil
	case json.Number:
		if n, err := x.Float64(); err == nil && strings.ContainsAny(x.String(), "eE") {
			return strconv.FormatFloat(n, 'f', -1, 64), nil
		}
		return x.String(), nil
	case time.Time:
		t, err := s.moment(x)
		return t.Format("2 January 2006, 15:04"), err
	case map[string]any:
		for _, key := range []string{"title", "name", "id"} {
			if t, ok := x[key].(string); ok && t != "" {
				return t, nil
			}
		}
		return "", errors.New("it has several fields: say which one")
	case fmt.Stringer:
		return x.String(), nil
	}
	if list, ok := items(v); ok {
		out, err := join(s, list, []any{", "})
		if err != nil {
			return "", err
		}
		return out.(string), nil
	}
	if n, err := toNumber(v); err == nil {
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	}
	return fmt.Sprint(v), nil
}

// equal compares a value with one that the author wrote; a number equals its text.
func (s *state) equal(v, want any) bool {
	switch w := want.(type) {
	case float64:
		n, err := toNumber(v)
		return err == nil && n == w
	case bool:
		return isTrue(v) == w
	}
	if isBlank(v) {
		return want == ""
	}
	text, err := s.text(v)
	return err == nil && text == want
}

// has reports whether a list holds a value, itself or as an item's id.
func (s *state) has(v, want any) bool {
	list, ok := items(v)
	if !ok {
		return !isBlank(v) && s.equal(v, want)
	}
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			if s.equal(m["id"], want) {
				return true
			}
		} else if s.equal(item, want) {
			return true
		}
	}
	return false
}

// isInvisible reports characters that show nothing and turn text around: they serve only to deceive.
// The marks that right-to-left names need (U+200E, U+200F) are not among them.
func isInvisible(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff || r == 0x061c
}

// clean makes a value harmless as text: valid, without control characters, and on one line if asked.
func clean(s string, oneLine bool) string {
	safe := true
	for _, r := range s {
		if r < ' ' || r == utf8.RuneError || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || isInvisible(r) {
			safe = false
			break
		}
	}
	if safe {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case isInvisible(r):
			return -1
		case (r == '\n' || r == '\t') && !oneLine:
			return r
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\ufffd"))
}

var webAddress = regexp.MustCompile(`(?i)://|\bwww\.|[\pL\pN-]{2,}\.\pL{2,}`)

// plainName takes apart what a mail client would make a link of: a name is no place for an advertisement.
func plainName(s string) string {
	if !strings.ContainsAny(s, ".:") || !webAddress.MatchString(s) {
		return s
	}
	return strings.Join(strings.Fields(strings.NewReplacer("://", " ", "/", " ", ".", " ").Replace(s)), " ")
}
