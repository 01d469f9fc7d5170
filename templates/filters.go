package templates

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Filter changes a value before it is written: <<contact.first_name | upper>>.
type Filter struct {
	Name    string
	Usage   string // as an author writes it
	Doc     string // one line for help
	Example string // an input and what comes out

	min, max int    // how many values it takes
	types    string // their types: s a string, n a number
	blank    bool   // it also takes a missing value
	apply    func(s *state, v any, args []any) (any, error)
}

// checkArgs returns what is wrong with the values after the filter's name, or "".
func (f *Filter) checkArgs(args []any) string {
	if len(args) < f.min || len(args) > f.max {
		return "the filter is used as in | " + f.Usage
	}
	for i, a := range args {
		_, num := a.(float64)
		if num != (f.types[i] == 'n') {
			return fmt.Sprintf("value %d of %s is of the wrong kind: it is used as in | %s", i+1, f.Name, f.Usage)
		}
	}
	if f.Name == "truncate" && args[0].(float64) < 1 || f.Name == "divide" && args[0].(float64) == 0 {
		return f.Name + " needs a number above zero"
	}
	return ""
}

// filters is the table of all filters, in the order in which help prints them.
var filters = []Filter{
	{Name: "default", Usage: `default "there"`, Doc: "the value to write when the field is missing or blank",
		Example: `(blank) -> there`, min: 1, max: 1, types: "s", blank: true, apply: byDefault},
	{Name: "upper", Usage: "upper", Doc: "in capitals", Example: "Ada -> ADA", apply: onText(strings.ToUpper)},
	{Name: "lower", Usage: "lower", Doc: "in small letters", Example: "ADA -> ada", apply: onText(strings.ToLower)},
	{Name: "title", Usage: "title", Doc: "every word with a capital", Example: "go basics -> Go Basics", apply: onText(titleCase)},
	{Name: "sentence", Usage: "sentence", Doc: "the first letter as a capital", Example: "go basics -> Go basics", apply: onText(sentenceCase)},
	{Name: "first_word", Usage: "first_word", Doc: "up to the first space", Example: "Ada Lovelace -> Ada", apply: onText(firstWord)},
	{Name: "truncate", Usage: "truncate 20", Doc: "at most so many characters, cut at a word, ending in …",
		Example: "A long lesson title | truncate 12 -> A long…", min: 1, max: 1, types: "n", apply: truncate},
	{Name: "replace", Usage: `replace "-" " "`, Doc: "one text for another", Example: `go-101 -> go 101`, min: 2, max: 2, types: "ss", apply: replace},
	{Name: "date", Usage: `date "D MMMM YYYY"`, Doc: "a day, in the learner's zone; D DD ddd dddd M MM MMM MMMM YY YYYY",
		Example: "3 March 2026", max: 1, types: "s", apply: dateBy("D MMMM YYYY")},
	{Name: "time", Usage: `time "HH:mm"`, Doc: "a time of day, in the learner's zone; HH H hh h mm ss A z",
		Example: "14:05", max: 1, types: "s", apply: dateBy("HH:mm")},
	{Name: "number", Usage: "number 1", Doc: "with thousands marked, and so many decimals", Example: "12345.678 | number 1 -> 12,345.7",
		max: 1, types: "n", apply: number},
	{Name: "divide", Usage: "divide 100", Doc: "divided by a number, as for amounts in cents", Example: "4990 -> 49.9",
		min: 1, max: 1, types: "n", apply: divide},
	{Name: "money", Usage: `money "EUR"`, Doc: "an amount in a currency", Example: "49.9 -> €49.90", min: 1, max: 1, types: "s", apply: money},
	{Name: "pluralize", Usage: `pluralize "lesson" "lessons"`, Doc: "a number, or a list's length, with the right word",
		Example: "3 -> 3 lessons", min: 1, max: 2, types: "ss", blank: true, apply: pluralize},
	{Name: "join", Usage: `join ", " " and "`, Doc: "a list's titles with a text between, and another before the last",
		Example: "Go, Rust and Zig", min: 1, max: 2, types: "ss", apply: join},
	{Name: "count", Usage: "count", Doc: "how many a list has", Example: "3", blank: true, apply: count},
	{Name: "first", Usage: "first", Doc: "a list's first", Example: "Go", apply: pick(0)},
	{Name: "last", Usage: "last", Doc: "a list's last", Example: "Zig", apply: pick(-1)},
	{Name: "yesno", Usage: `yesno "yes" "no"`, Doc: "one word for true, another for false, blank or missing", Example: "true -> yes",
		min: 2, max: 2, types: "ss", blank: true, apply: yesno},
	{Name: "query", Usage: "query", Doc: "fit for an address after ?x= in a text or SMS (HTML needs none)", Example: "a b&c -> a+b%26c", apply: onText(url.QueryEscape)},
}

// Filters returns the table of filters, for help.
func Filters() []Filter { return append([]Filter(nil), filters...) }

func findFilter(name string) *Filter {
	for i := range filters {
		if filters[i].Name == name {
			return &filters[i]
		}
	}
	return nil
}

func filterNames() []string {
	out := make([]string, len(filters))
	for i := range filters {
		out[i] = filters[i].Name
	}
	return out
}

func onText(f func(string) string) func(*state, any, []any) (any, error) {
	return func(s *state, v any, _ []any) (any, error) {
		text, err := s.text(v)
		return f(text), err
	}
}

func byDefault(_ *state, v any, args []any) (any, error) {
	if isBlank(v) {
		return args[0], nil
	}
	return v, nil
}

func titleCase(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		was := start
		start = unicode.IsSpace(r) || r == '-'
		if was {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func sentenceCase(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + s[n:]
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return s
}

func truncate(s *state, v any, args []any) (any, error) {
	text, err := s.text(v)
	return cut(text, int(min(args[0].(float64), 1e6))), err
}

// cut shortens a text to n characters, at a space if one is near, and marks that it did.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	head := string([]rune(s)[:n-1])
	if i := strings.LastIndexFunc(head, unicode.IsSpace); i > len(head)/2 {
		head = head[:i]
	}
	return strings.TrimRightFunc(head, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) }) + "…"
}

func replace(s *state, v any, args []any) (any, error) {
	text, err := s.text(v)
	return strings.ReplaceAll(text, args[0].(string), args[1].(string)), err
}

// dateParts are what authors write for the parts of a date, longest first, and Go's layout for them.
var dateParts = []string{
	"dddd", "Monday", "ddd", "Mon", "DD", "02", "D", "2", "MMMM", "January", "MMM", "Jan", "MM", "01", "M", "1",
	"YYYY", "2006", "YY", "06", "HH", "15", "hh", "03", "h", "3", "mm", "04", "ss", "05", "A", "PM", "z", "MST",
}

func dateBy(standard string) func(*state, any, []any) (any, error) {
	parts := strings.NewReplacer(dateParts...)
	return func(s *state, v any, args []any) (any, error) {
		t, err := s.moment(v)
		if err != nil {
			return nil, err
		}
		layout := standard
		if len(args) == 1 {
			layout = args[0].(string)
		}
		// Go has no layout for an hour without its zero in 24 hours.
		layout = strings.ReplaceAll(layout, "HH", "\x00")
		layout = strings.ReplaceAll(layout, "H", "\x01")
		layout = strings.ReplaceAll(layout, "\x00", "HH")
		return strings.ReplaceAll(t.Format(parts.Replace(layout)), "\x01", fmt.Sprint(t.Hour())), nil
	}
}

func number(_ *state, v any, args []any) (any, error) {
	n, err := toNumber(v)
	if err != nil {
		return nil, err
	}
	decimals := -1
	if len(args) == 1 {
		decimals = int(min(max(args[0].(float64), 0), 9))
	}
	return group(n, decimals), nil
}

func divide(_ *state, v any, args []any) (any, error) {
	n, err := toNumber(v)
	return n / args[0].(float64), err
}

var currencies = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "AUD": "A$", "CAD": "CA$", "NZD": "NZ$"}

func money(_ *state, v any, args []any) (any, error) {
	n, err := toNumber(v)
	if err != nil {
		return nil, err
	}
	code, decimals, sign := strings.ToUpper(args[0].(string)), 2, ""
	if code == "JPY" || code == "KRW" || code == "VND" || code == "CLP" {
		decimals = 0
	}
	if n < 0 {
		n, sign = -n, "-"
	}
	if mark, ok := currencies[code]; ok {
		return sign + mark + group(n, decimals), nil
	}
	return sign + group(n, decimals) + " " + code, nil
}

func pluralize(_ *state, v any, args []any) (any, error) {
	n := 0.0
	if items, ok := items(v); ok {
		n = float64(len(items))
	} else if !isBlank(v) {
		var err error
		if n, err = toNumber(v); err != nil {
			return nil, err
		}
	}
	word := args[0].(string)
	if math.Abs(n) != 1 {
		if len(args) == 2 {
			word = args[1].(string)
		} else {
			word += "s"
		}
	}
	return group(n, -1) + " " + word, nil
}

func join(s *state, v any, args []any) (any, error) {
	list, ok := items(v)
	if !ok {
		return s.text(v)
	}
	var b strings.Builder
	for i, item := range list {
		text, err := s.text(item)
		if err != nil {
			return nil, err
		}
		if i > 0 && i == len(list)-1 && len(args) == 2 {
			b.WriteString(args[1].(string))
		} else if i > 0 {
			b.WriteString(args[0].(string))
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func count(_ *state, v any, _ []any) (any, error) {
	list, ok := items(v)
	if !ok && !isBlank(v) {
		return nil, errors.New("it is not a list")
	}
	return float64(len(list)), nil
}

func pick(at int) func(*state, any, []any) (any, error) {
	return func(_ *state, v any, _ []any) (any, error) {
		list, ok := items(v)
		if !ok {
			return nil, errors.New("it is not a list")
		}
		if at < 0 {
			return list[len(list)+at], nil
		}
		return list[at], nil
	}
}

func yesno(_ *state, v any, args []any) (any, error) {
	if isTrue(v) {
		return args[0], nil
	}
	return args[1], nil
}

// moment reads a time from a value, in the message's zone.
func (s *state) moment(v any) (time.Time, error) {
	zone := s.data.Zone
	if zone == nil {
		zone = time.UTC
	}
	switch t := v.(type) {
	case time.Time:
		return t.In(zone), nil
	case string:
		if at, err := time.Parse(time.RFC3339, t); err == nil {
			return at.In(zone), nil
		}
		if at, err := time.ParseInLocation(time.DateOnly, t, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("it is not a time such as 2026-03-01T14:05:00Z or 2026-03-01")
}
