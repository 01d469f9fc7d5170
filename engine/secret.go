package engine

import (
	"crypto/subtle"
	"fmt"
	"regexp"
)

// Hidden stands where something of an event or a contact is not shown.
const Hidden = "[hidden]"

var (
	secretName = regexp.MustCompile(`(?i)passw|secret|token|authorization|cookie|api[-_]?key|login_url|signature`)
	loginToken = regexp.MustCompile(`/l/[A-Za-z0-9_-]{20,}`)
)

// NamesSecret reports whether a field of that name, which others chose, holds what nobody is to see.
func NamesSecret(name string) bool { return secretName.MatchString(name) }

// HideTokens leaves out the tokens of login links.
func HideTokens(s string) string { return loginToken.ReplaceAllLiteralString(s, "/l/"+Hidden) }

var maybeToken = regexp.MustCompile(`[A-Za-z0-9_-]{30,}`) // longer than every id

// WithoutTokens writes what some code panicked with, or another server said, for a log or an error, and leaves out what may be a
// token of any kind: it may quote anything.
func WithoutTokens(v any) string {
	return clip(maybeToken.ReplaceAllLiteralString(fmt.Sprint(v), Hidden), 1000)
}

const redacted = "[redacted]"

// A Secret is a text that must not be printed: a password, a key, a login URL. However it is formatted,
// logged or marshalled, even as an unexported field of something else, what comes out does not hold it;
// only Reveal does. The zero Secret is the empty one.
type Secret struct{ p *string } // a pointer, since fmt prints a string in an unexported field as it is

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the text itself. Call it where the text is used, and nowhere before.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.p == nil }

// Equal compares in a time that does not depend on where the two differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String returns "[redacted]", or nothing for the empty secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter: every verb gives what String gives.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText gives what String gives; JSON and YAML use it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text over, so that a Secret can be a field of a configuration.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}
