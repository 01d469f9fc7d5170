package templates

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// values are what the language tests render with.
func values() map[string]any {
	thing := func(id, title string) map[string]any { return map[string]any{"id": id, "title": title} }
	return map[string]any{
		"contact": map[string]any{
			"first_name": "Ada", "last_name": "", "name": "Ada Lovelace", "email": "ada@example.com", "locale": "en-GB",
			"custom": map[string]any{"cohort": "2026-11", "lucky-number": int64(7), "vip": true, "spaces": "  "},
		},
		"offer":    thing("gold", "Gold"),
		"product":  thing("go-101", "Go basics"),
		"products": []any{thing("go-101", "Go basics"), thing("go-201", "Go in depth"), thing("tdd", "Testing")},
		"access":   map[string]any{"offers": []any{thing("gold", "Gold")}, "products": []string{"go-101"}},
		"event": map[string]any{"type": "offer_access_granted", "time": time.Date(2026, 3, 1, 22, 5, 9, 0, time.UTC), "custom": map[string]any{
			"cents": json.Number("4990"), "big": 12345678.0, "ratio": 0.25, "due": "2026-03-01T22:05:00Z", "day": "2026-12-24",
			"tags": []any{"a", "b"}, "none": []any{}, "rows": []map[string]any{{"name": "x", "n": 1}, {"name": "y", "n": 2}}, "zero": 0, "no": false}},
		"location": map[string]any{"name": "Acme", "email": "hello@acme.test"},
		"custom":   map[string]any{"academy_phone": "+14155550199"},
		"now":      time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
	}
}

func renderText(t testing.TB, src string) (string, error) {
	t.Helper()
	m, _, err := NewSMS(Source{Text: src, File: "x.txt"}, Options{})
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	links := map[LinkField]string{}
	for i, l := range m.Links() {
		links[l] = "https://a.test/l/" + strings.Repeat("t", i+1)
	}
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Skip(err)
	}
	return m.Render(Data{Values: values(), Links: links, Zone: zone})
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, want string }{
		// fields and defaults
		{"Hi <<contact.first_name>>", "Hi Ada"},
		{"Hi <<  contact.first_name\n>>!", "Hi Ada!"},
		{`<<contact.last_name | default "there">>`, "there"},
		{`<<contact.custom.spaces | default "blank">>`, "blank"},
		{`<<contact.custom.nobody | upper | default "x" | upper>>`, "X"},
		{`<<contact.phone | default "say \"hi\" \\ bye">>`, `say "hi" \ bye`},
		{"<<contact.custom.lucky-number>>", "7"},
		{"<<contact.custom.vip>> <<event.custom.zero>>", "true 0"},
		{"<<event.custom.big>> <<event.custom.ratio>> <<event.custom.cents>>", "12345678 0.25 4990"},
		{"<<<contact.email>>>", "<ada@example.com>"},
		{`1 <<"<<">> 2 <<">>">> 3`, "1 << 2 >> 3"},
		{"a<<# not seen: 'anything' >>b", "ab"},
		{"{{ .Values }} {{#if x}} {{contact}}", "{{ .Values }} {{#if x}} {{contact}}"},
		// blocks
		{"<<if offer>>yes<<else>>no<<end>>", "yes"},
		{"<<if lesson>>yes<<else>>no<<end>>", "no"},
		{"<<if lesson>>l<<else if product>>p<<else>>n<<end>>", "p"},
		{"<<if lesson>>l<<else if category>>c<<else if offer>>o<<else>>n<<end>>.", "o."},
		{`<<if contact.locale == "en-GB">>y<<end>><<if contact.locale != "de">>y<<end>>`, "yy"},
		{`<<if event.custom.cents == 4990>>y<<end>><<if event.custom.zero>>n<<end>><<if event.custom.no>>n<<end>>`, "y"},
		{`<<if contact.custom.vip == true and not lesson>>y<<end>>`, "y"},
		{`<<if lesson or access.offers has "gold">>y<<end>>`, "y"},
		{`<<if access.products has "go-101" and access.offers has "silver">>y<<else>>n<<end>>`, "n"},
		{`<<if event.custom.tags has "b">>y<<end>>`, "y"},
		{`<<if contact.phone == "">>none<<end>>`, "none"},
		{`<<if event.custom.none>>y<<else>>n<<end>>`, "n"},
		{`<<if products | count == 3>>three<<end>>`, "three"},
		{"<<range products>><<title>>(<<id>>) <<end>>", "Go basics(go-101) Go in depth(go-201) Testing(tdd)"},
		{"<<range products>><<product.title>>/<<item.id>> <<end>>", "Go basics/go-101 Go in depth/go-201 Testing/tdd"},
		{"<<range products>><<offer.title>> <<end>>", "Gold Gold Gold"},
		{"<<range event.custom.tags>>[<<item>>]<<end>>", "[a][b]"},
		{"<<range event.custom.rows>><<item.name>>=<<row.n>> <<end>>", "x=1 y=2"},
		{"<<range event.custom.none>>x<<else>>nothing<<end>>", "nothing"},
		{"<<range products>><<range access.offers>><<product.id>>:<<title>> <<end>><<end>>", "go-101:Gold go-201:Gold tdd:Gold"},
		{"a\n<<if offer>>\nb\n<<else>>\nc\n<<end>>\nd", "a\nb\nd"},
		{"a\n<<# note >>\n  <<range event.custom.tags>>\n- <<item>>\n<<end>>\nd", "a\n- a\n- b\nd"},
		// filters
		{"<<contact.name | upper>> <<contact.name | lower>>", "ADA LOVELACE ada lovelace"},
		{`<<"go basics, part two" | title>>|<<"go basics" | sentence>>|<<contact.name | first_word>>`, "Go Basics, Part Two|Go basics|Ada"},
		{`<<"A long lesson title" | truncate 12>> <<"short" | truncate 12>>`, "A long… short"},
		{`<<product.id | replace "-" " ">>`, "go 101"},
		{"<<event.time | date>> <<event.time | time>>", "1 March 2026 22:05"},
		{`<<event.time | date "ddd DD/MM/YY">> <<event.time | time "h:mm A">> <<event.time | time "H:mm:ss">>`, "Sun 01/03/26 10:05 PM 22:05:09"},
		{`<<event.custom.due | date "MMM D, YYYY">> <<event.custom.day | date "dddd">>`, "Mar 1, 2026 Thursday"},
		{"<<event.custom.big | number>> <<event.custom.big | divide 1000 | number 1>>", "12,345,678 12,345.7"},
		{`<<event.custom.cents | divide 100 | money "EUR">> <<event.custom.cents | money "jpy">> <<49 | money "SEK">>`, "€49.90 ¥4,990 49.00 SEK"},
		{`<<products | pluralize "course">>, <<1 | pluralize "lesson" "lessons">>, <<offers | pluralize "offer">>`, "3 courses, 1 lesson, 0 offers"},
		{`<<products | join ", ">>; <<products | join ", " " and ">>`, "Go basics, Go in depth, Testing; Go basics, Go in depth and Testing"},
		{`<<products | first>>, <<products | last>>, <<offers | first | default "none">>`, "Go basics, Testing, none"},
		{`<<contact.custom.vip | yesno "yes" "no">> <<lesson.id | yesno "yes" "no">>`, "yes no"},
		{`?q=<<"a b&c" | query>>`, "?q=a+b%26c"},
		// links
		{"Log in: <<login_url>>", "Log in: https://a.test/l/t"},
		{`<<login_url>> <<login_url ttl="7d">> <<login_url ttl=1w>>`, "https://a.test/l/t https://a.test/l/tt https://a.test/l/tt"},
		// merge fields of the product that authors come from
		{"{{membership_contact.login_url}} {{ contact.first_name }} {{custom_values.academy_phone}} {{location.name}} {{membership_contact.offer_title}}",
			"https://a.test/l/t Ada +14155550199 Acme Gold"},
		{"{{contact.nonsense}} {{user.name}}", "{{contact.nonsense}} {{user.name}}"},
	} {
		if got, err := renderText(t, c.src); err != nil || got != c.want {
			t.Errorf("%s\n got %q, %v\nwant %q", c.src, got, err, c.want)
		}
	}
}

func TestFilterTableIsWhole(t *testing.T) {
	t.Parallel()
	for _, f := range Filters() {
		if f.Doc == "" || f.Usage == "" || f.Example == "" || f.apply == nil || len(f.types) != f.max {
			t.Errorf("filter %q is not described", f.Name)
		}
		// The usage that help prints must itself be right.
		if _, _, err := NewSMS(Source{Text: "<<custom.x | " + f.Usage + ">>"}, Options{}); err != nil {
			t.Error(err)
		}
	}
	for _, f := range DefaultFields() {
		if f.Doc == "" || f.Path == "" {
			t.Errorf("field %q is not described", f.Path)
		}
	}
}

func TestRenderFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, want string }{
		{"Hi <<contact.phone>>", "x.txt:1:4: contact.phone has no value, and the template has no default for it"},
		{"Hi\n <<contact.last_name | upper>>", "x.txt:2:2: contact.last_name has no value, and the template has no default for it"},
		{"<<event.custom.a.b.c>>", "x.txt:1:1: event.custom.a.b.c has no value, and the template has no default for it"},
		{"<<contact.name | date>>", "x.txt:1:1: contact.name: date: it is not a time such as 2026-03-01T14:05:00Z or 2026-03-01"},
		{`<<contact.name | money "EUR">>`, "x.txt:1:1: contact.name: money: it is not a number"},
		{"<<range contact.custom.cohort>>x<<end>>", "x.txt:1:1: contact.custom.cohort: it is not a list"},
	} {
		got, err := renderText(t, c.src)
		if err == nil || err.Error() != c.want || got != "" {
			t.Errorf("%s\n got %q, %v\nwant %s", c.src, got, err, c.want)
		}
	}
	_, err := renderText(t, "<<contact.phone>>")
	if m := new(MissingError); !errors.As(err, &m) || m.Field != "contact.phone" {
		t.Errorf("got %#v, want a MissingError", err)
	}
	m, _, _ := NewSMS(Source{Text: "<<login_url>>", File: "x.txt"}, Options{})
	if _, err := m.Render(Data{}); err == nil || !strings.Contains(err.Error(), "no link was made") {
		t.Errorf("a link that was not minted: %v", err)
	}
}
