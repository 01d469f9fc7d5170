package runner

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"latchkey/engine"
)

// People returns contacts of a location, those seen first last, each word of text being a part of their id, e-mail address, phone
// number or name; all contacts if there is none, and the one whose key the text is. before, unless zero, leaves only contacts that were
// seen before that key. It looks through all contacts until it has found enough, so that a text that nobody has takes about as long
// as reading them from disk.
func (r *Runner) People(ctx context.Context, location, text string, before engine.ID, limit int) ([]engine.Person, error) {
	if key, err := engine.ParseID(strings.TrimSpace(text)); err == nil {
		p, err := r.Person(ctx, location, key)
		switch {
		case err != nil:
			return nil, fmt.Errorf("look up contact: %w", err)
		case p != nil:
			return []engine.Person{*p}, nil
		}
	}
	words := bytes.Fields([]byte(strings.ToLower(text)))
	prefix := engine.Key(location)
	return newest(ctx, r, Filter{Location: location, Before: before, Limit: limit}, records[engine.Person]{
		spaces: []engine.Space{engine.SpacePeople},
		wanted: func(k, v []byte) bool {
			if _, ok := personOf(k, prefix); !ok || !hasWords(bytes.ToLower(v), words) {
				return false
			}
			p, err := engine.DecodePerson(v)
			if err != nil || !p.Absorbed.IsZero() {
				return false
			}
			c := &p.Contact
			said := strings.Join([]string{c.ID, c.Email, c.Phone, c.FirstName, c.LastName}, "\n")
			return hasWords([]byte(strings.ToLower(said)), words)
		},
		decode: engine.DecodePerson,
	})
}

func hasWords(text []byte, words [][]byte) bool {
	for _, w := range words {
		if !bytes.Contains(text, w) {
			return false
		}
	}
	return true
}
