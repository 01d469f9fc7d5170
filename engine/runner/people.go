package runner

import (
	"bytes"
	"context"
	"strings"

	"latchkey/engine"
)

// People returns contacts of a location, those seen first last, each word of text being a part of their id, e-mail address, phone
// number or name; all contacts if there is none. before, unless zero, leaves only contacts that were seen before that key. It
// looks through all contacts until it has found enough, so that a text that nobody has takes about as long as reading them from disk.
func (r *Runner) People(ctx context.Context, location, text string, before engine.ID, limit int) ([]engine.Person, error) {
	words := bytes.Fields([]byte(strings.ToLower(text)))
	return newest(ctx, r, Filter{Location: location, Before: before, Limit: limit}, records[engine.Person]{
		spaces: []engine.Space{engine.SpacePeople},
		wanted: func(k, v []byte) bool {
			// Beside a person, whose key ends in a zero byte, stand its events.
			if len(k) != len(location)+2+len(engine.ID{}) || k[len(k)-1] != 0 || !hasWords(bytes.ToLower(v), words) {
				return false
			}
			p, err := engine.DecodePerson(v)
			if err != nil || !p.Absorbed.IsZero() {
				return false
			}
			c := &p.Contact
			said := strings.Join([]string{c.ID, c.Email, c.Phone, c.FirstName, c.LastName, p.Key.String()}, "\n")
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
