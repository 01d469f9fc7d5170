package templates

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// words are what the layout says itself, in one language.
type words struct {
	lang        string
	because     string // with the reason in it
	learnAt     string // a reason, with the site's name in it
	learnHere   string // a reason
	orCopy      string // before a bare link
	unsubscribe string
}

var wordsIn = map[string]*words{
	"en": {"en", "You get this mail because %s.", "you learn at %s", "you learn on our site", "Or copy this address:", "Unsubscribe"},
	"de": {"de", "Sie erhalten diese E-Mail, weil %s.", "Sie bei %s lernen", "Sie auf unserer Seite lernen", "Oder kopieren Sie diese Adresse:", "Abbestellen"},
}

// Languages returns the languages that the layout has words in, in order.
func Languages() []string { return slices.Sorted(maps.Keys(wordsIn)) }

// words returns those of a template's language.
func (sc *scanner) words(lang *Source) *words {
	name := strings.TrimSpace(lang.Text)
	if name == "" {
		name = "en"
	}
	if w := wordsIn[name]; w != nil {
		return w
	}
	sc.src = lang
	sc.fail(0, fmt.Sprintf("the layout has no words in %q%s; lang is %s", name, didYouMean(name, Languages()), strings.Join(Languages(), " or ")))
	return wordsIn["en"]
}

// Lang is the mail's language.
func (s *state) Lang() string { return s.words.lang }

// OptOut names the link that ends marketing mails.
func (s *state) OptOut() string { return s.words.unsubscribe }

// OrCopy stands before a bare link.
func (s *state) OrCopy() string { return s.words.orCopy }
