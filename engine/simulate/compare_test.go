package simulate

import (
	"testing"

	"latchkey/engine"
)

// TestTokensAreNoText: what a token holds by chance is not in the text.
func TestTokensAreNoText(t *testing.T) {
	t.Parallel()
	m := &Message{Content: Content{Text: "Hi there, log in:\nhttps://learn.acme.test/l/AZq1AdaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}
	for _, c := range []struct {
		x   engine.ExpectMessage
		key string
	}{
		{engine.ExpectMessage{Without: []string{"Ada"}}, ""},
		{engine.ExpectMessage{Text: []string{"Ada"}}, "text"},
		{engine.ExpectMessage{Text: []string{"Hi there, log in: https://learn.acme.test/l/"}}, ""},
		{engine.ExpectMessage{Without: []string{"/l/"}}, "without"},
	} {
		if key, msg := m.compare(&c.x); key != c.key {
			t.Errorf("%+v: %q %s", c.x, key, msg)
		}
	}
}
