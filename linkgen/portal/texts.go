package portal

import (
	"embed"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"latchkey/engine"
)

// All that the portal says is in texts/, one file for each language. A file added there is a language added.
//
//go:embed texts/*.txt
var textFiles embed.FS

// fallback is the language that every text has.
const fallback = "en"

// A tongue is one language of the catalogue.
type tongue struct {
	tag      language.Tag
	texts    map[string]string
	months   []string
	weekdays []string
}

// catalogue is all languages, the fallback first.
type catalogue struct {
	tongues []*tongue
	matcher language.Matcher
}

var spoken = readCatalogue()

func readCatalogue() *catalogue {
	files, err := textFiles.ReadDir("texts")
	if err != nil {
		panic(err) // embedded
	}
	c := &catalogue{tongues: make([]*tongue, 1)}
	for _, f := range files {
		text, err := textFiles.ReadFile(path.Join("texts", f.Name()))
		if err != nil {
			panic(err)
		}
		t, err := readTongue(strings.TrimSuffix(f.Name(), ".txt"), string(text))
		if err != nil {
			panic(err) // the tests read every file
		}
		if t.tag.String() == fallback {
			c.tongues[0] = t
		} else {
			c.tongues = append(c.tongues, t)
		}
	}
	var tags []language.Tag
	for _, t := range c.tongues {
		tags = append(tags, t.tag)
	}
	c.matcher = language.NewMatcher(tags)
	return c
}

// readTongue reads the lines "key = text" of a language.
func readTongue(name, text string) (*tongue, error) {
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("texts %s: %w", name, err)
	}
	t := &tongue{tag: tag, texts: map[string]string{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, said, ok := strings.Cut(line, " = ")
		if _, twice := t.texts[key]; !ok || twice {
			return nil, fmt.Errorf("texts %s, line %d: want one line \"key = text\" for a key", name, n)
		}
		t.texts[key] = strings.TrimSpace(said)
	}
	t.months, t.weekdays = strings.Fields(t.texts["months"]), strings.Fields(t.texts["weekdays"])
	if len(t.months) != 12 || len(t.weekdays) != 7 {
		return nil, fmt.Errorf("texts %s: want twelve months and seven weekdays", name)
	}
	return t, nil
}

// Languages returns the tags of the languages that the portal speaks, the one that it falls back to first.
func Languages() []string {
	var tags []string
	for _, t := range spoken.tongues {
		tags = append(tags, t.tag.String())
	}
	return tags
}

// match returns the language that fits the wishes, the first most, or nil.
func (c *catalogue) match(wishes ...language.Tag) *tongue {
	if _, i, sure := c.matcher.Match(wishes...); sure != language.No {
		return c.tongues[i]
	}
	return nil
}

// of returns the language of a BCP 47 tag, or nil.
func (c *catalogue) of(tag string) *tongue {
	if tag == "" {
		return nil
	}
	wish, err := language.Parse(strings.ReplaceAll(tag, "_", "-"))
	if err != nil {
		return nil
	}
	return c.match(wish)
}

// speak returns the language of a page: the learner's own where it is known, else the location's. To who is not known (a nil
// contact) it is what their browser asks for, if the portal speaks that.
func speak(r *http.Request, loc *engine.Location, who *engine.Contact) *tongue {
	if who != nil {
		if t := spoken.of(who.Locale); t != nil {
			return t
		}
	} else if ask := r.Header.Get("Accept-Language"); ask != "" && len(ask) <= 256 {
		if wishes, _, err := language.ParseAcceptLanguage(ask); err == nil {
			if t := spoken.match(wishes...); t != nil {
				return t
			}
		}
	}
	if t := spoken.of(loc.Language); t != nil {
		return t
	}
	return spoken.tongues[0]
}

// speakTo is speak for whoever a person is; nil is nobody known.
func speakTo(r *http.Request, loc *engine.Location, p *engine.Person) *tongue {
	if p == nil {
		return speak(r, loc, nil)
	}
	return speak(r, loc, &p.Contact)
}

// say returns a text of the catalogue with the arguments in their places {1}, {2}, …. A name written right to left is
// set apart (U+2068, U+2069), so that it does not turn the sentence around.
func (t *tongue) say(key string, args ...string) string {
	text, ok := t.texts[key]
	if !ok {
		if text, ok = spoken.tongues[0].texts[key]; !ok {
			return key
		}
	}
	return fill(text, args)
}

// plural returns the form of a text that fits n, which stands in its place {1}; args in those that follow.
func (t *tongue) plural(key string, n int, args ...string) string {
	form := "." + pluralForm(plural.Cardinal.MatchPlural(t.tag, n, 0, 0, 0, 0))
	if _, ok := t.texts[key+form]; !ok {
		form = ".other"
	}
	return t.say(key+form, append([]string{strconv.Itoa(n)}, args...)...)
}

func pluralForm(f plural.Form) string {
	return [...]string{plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many"}[f]
}

// fill puts each argument in its place. What is put in is never read for places of its own.
func fill(text string, args []string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		place, rest, _ := strings.Cut(after, "}")
		if n, err := strconv.Atoi(place); err == nil && n >= 1 && n <= len(args) {
			b.WriteString(apart(args[n-1]))
		}
		text = rest
	}
}

func apart(s string) string {
	if strings.IndexFunc(s, rightToLeft) >= 0 {
		return "\u2068" + s + "\u2069"
	}
	return s
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko)
}

// exact and day write a time with the language's names for months and days.
func (t *tongue) exact(at time.Time, zone *time.Location) string {
	return t.date("time_format", at.In(zone))
}
func (t *tongue) day(at time.Time, zone *time.Location) string {
	return t.date("day_format", at.In(zone))
}

func (t *tongue) date(key string, at time.Time) string {
	layout := t.say(key)
	var b strings.Builder
	for layout != "" {
		i, word := firstOf(layout, "January", "Monday")
		b.WriteString(at.Format(layout[:i]))
		switch layout = layout[i+len(word):]; word {
		case "January":
			b.WriteString(t.months[at.Month()-1])
		case "Monday":
			b.WriteString(t.weekdays[at.Weekday()])
		}
	}
	return b.String()
}

// firstOf returns where the first of some words stands in s, and which it is; the end and "" if none does.
func firstOf(s string, words ...string) (int, string) {
	at, found := len(s), ""
	for _, w := range words {
		if i := strings.Index(s, w); i >= 0 && i < at {
			at, found = i, w
		}
	}
	return at, found
}
