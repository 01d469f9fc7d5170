package portal

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/engine"
)

const (
	maxTitle = 120 // runes of a title
	maxShown = 60  // runes of a name that somebody else chose
	dots     = "•••"
)

// A moment is a time in words, and exactly.
type moment struct{ Words, Exact, Machine string }

// ago says how long something is past, in its largest unit.
func (t *tongue) ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return t.say("just_now")
	case d < time.Hour:
		return t.plural("minutes_ago", int(d/time.Minute))
	case d < 48*time.Hour:
		return t.plural("hours_ago", int(d/time.Hour))
	}
	return t.plural("days_ago", int(d/(24*time.Hour)))
}

// displayName is how the portal calls a learner who is signed in.
func (t *tongue) displayName(c *engine.Contact) string {
	for _, s := range []string{c.Name(), c.Email, c.Phone} {
		if s = clean(s); s != "" {
			return s
		}
	}
	return t.say("your_account")
}

// mask shows enough of a contact for its owner to know it, and too little for anybody else.
func (t *tongue) mask(c *engine.Contact) string {
	if local, domain, ok := strings.Cut(c.Email, "@"); ok {
		return first(local) + dots + "@" + maskDomain(domain)
	}
	if n := len(c.Phone); n > 6 {
		return "•••• ••" + c.Phone[n-2:]
	}
	if name := clean(c.FirstName); name != "" {
		return first(name) + dots
	}
	return t.say("your_account")
}

func maskDomain(domain string) string {
	i := strings.LastIndexByte(domain, '.')
	if i < 0 {
		return first(domain) + dots
	}
	return first(domain) + dots + clean(domain[i:])
}

// first returns the first letter or digit that a text begins with, or nothing.
func first(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return string(r)
	}
	return ""
}

// clean makes a text that somebody else chose fit to stand on a page: without characters that are not seen or turn the
// direction of what follows, and not too long.
func clean(s string) string { return shown(s, maxShown) }

// shown is clean with a length of its own.
func shown(s string, most int) string {
	if len(s) > 16*most { // what follows is not looked at
		s = s[:16*most]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n++; n > most {
			return strings.TrimSpace(s[:i]) + "…"
		}
	}
	return s
}
