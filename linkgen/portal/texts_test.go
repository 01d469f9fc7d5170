package portal

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/feature/plural"

	"latchkey/engine"
)

// Every text that a template or the code asks for is in the catalogue, and every text there is asked for.
func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".html") {
			return err
		}
		b, err := os.ReadFile(path)
		source.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := spoken.of("en").texts
	used := map[string]bool{"language": true, "months": true, "weekdays": true}
	for _, c := range []struct {
		call  string
		parts []string
	}{
		{`(?:[{ (]|[lt]\.)(?:say|date|moment)[ (]"([a-z_0-9.]+)"`, []string{""}},
		{`plural[ (]"([a-z_.]+)"`, []string{".one", ".other"}},
		{`(?:\.fill\(.*|p\.say\(.*|p\.tell\(.*|p\.asked\(.*|p\.tellIn\(.*), "([a-z_]+)"`, []string{".head", ".text", ".next"}},
	} {
		for _, m := range regexp.MustCompile(c.call).FindAllStringSubmatch(source.String(), -1) {
			for _, part := range c.parts {
				if used[m[1]+part] = true; texts[m[1]+part] == "" {
					t.Errorf("the catalogue has no %q", m[1]+part)
				}
			}
		}
	}
	for key := range texts {
		if !used[key] {
			t.Errorf("nothing says %q", key)
		}
	}
}

// pluralOf splits a key that ends in a plural form.
var pluralOf = regexp.MustCompile(`^(.*)\.(zero|one|two|few|many|other)$`)

// Every language says everything, with the same places for what the code puts in, and in each of its plural forms.
func TestLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	if got := Languages(); !slices.Equal(got, []string{"en", "de"}) {
		t.Errorf("languages: %v", got)
	}
	shape := func(t *tongue) map[string]string {
		out := map[string]string{}
		for key, text := range t.texts {
			places := placesOf(text)
			if m := pluralOf.FindStringSubmatch(key); m != nil {
				key = m[1] + " in forms"
				places = slices.DeleteFunc(places, func(p string) bool { return p == "{1}" }) // "a minute ago" does without
			}
			if was, ok := out[key]; ok && was != fmt.Sprint(places) {
				places = append(places, "differs between forms")
			}
			out[key] = fmt.Sprint(places)
		}
		return out
	}
	want := shape(spoken.tongues[0])
	for _, l := range spoken.tongues {
		got := shape(l)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if g, ok := got[key]; !ok || g != want[key] {
				t.Errorf("%s: %s has places %s (%v), want %s", l.tag, key, g, ok, want[key])
			}
			delete(got, key)
		}
		for key := range got {
			t.Errorf("%s: %s is in no other language", l.tag, key)
		}
		for key := range l.texts {
			if m := pluralOf.FindStringSubmatch(key); m != nil {
				for n := range 200 {
					form := pluralForm(plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0))
					if _, ok := l.texts[m[1]+"."+form]; !ok {
						t.Fatalf("%s: %s has no form %q, for %d", l.tag, m[1], form, n)
					}
				}
			}
		}
	}
}

func placesOf(text string) []string {
	places := regexp.MustCompile(`\{[^}]*\}`).FindAllString(text, -1)
	slices.Sort(places)
	return slices.Compact(places)
}

func TestFillReadsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		args []string
		want string
	}{
		{"{1} and {2}", []string{"{2}", "{1}"}, "{2} and {1}"}, {"{2}, {1}, {2}", []string{"a", "b"}, "b, a, b"}, {"none", []string{"a"}, "none"},
		{"{3}!", []string{"a"}, "!"}, {"cut {1", []string{"a"}, "cut a"}, {"{1}", []string{"%s{1}"}, "%s{1}"}, {"Hi {1}", []string{"שלום"}, "Hi \u2068שלום\u2069"},
	} {
		if got := fill(c.text, c.args); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestDatesAreInTheLanguage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 3, 23, 30, 0, 0, time.UTC)
	zone := time.FixedZone("CET", 3600)
	for lang, want := range map[string]string{"en": "Wednesday 4 March 2026, 00:30 CET", "de": "Mittwoch, 4. März 2026, 00:30 CET"} {
		if got := spoken.of(lang).exact(at, zone); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	if got := spoken.of("de").plural("minutes_ago", 3); got != "vor 3 Minuten" {
		t.Error(got)
	}
}

func TestWhichLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ locale, site, browser, want string }{
		{"", "", "", "en"}, {"", "de", "", "de"}, {"", "xx", "", "en"}, {"", "de", "en-GB,en;q=0.9", "en"}, {"", "", "de-AT", "de"}, {"", "de", "fr", "de"},
		{"", "", "fr, de;q=0.5", "de"}, {"", "de", "nonsense;;;q=x", "de"}, {"", "de", strings.Repeat("en,", 100), "de"},
		{"de", "en", "en", "de"}, {"de_CH", "en", "en", "de"}, {"en-GB", "de", "de", "en"}, {"fr", "de", "en", "de"}, {"?", "de", "en", "de"},
		{"unset", "de", "en", "de"}, // a learner without a locale, in a browser that has one
	} {
		r := &http.Request{Header: http.Header{"Accept-Language": {c.browser}}}
		var who *engine.Contact
		if c.locale != "" {
			who = &engine.Contact{Locale: strings.TrimPrefix(c.locale, "unset")}
		}
		if got := speak(r, &engine.Location{Language: c.site}, who).tag.String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
