package flowfile

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// FuzzWithin checks against YAML's own reading that each letter of each scalar is found in the source: the letter
// itself stands there, or an escape.
func FuzzWithin(f *testing.F) {
	for _, s := range []string{
		"a: b", "a: 'it''s'", `a: "x\n\u00e9\ty"`, "a: |\n  x\n\n   y\n  z\n", "a: >+1\n  x\n y\n\n\n z\n  w\n v\n",
		"a: x\n  y\n\n\n  z", "a: \"x\\\n  y \\\n\n  z\"", "- &q 'a\n\n  b'\n- *q", "[é, \"👋 x\", {a: 'b'}]", "a: \"\n\n  x\"", "a: |\n\n\n  \tx\n   \n  y",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 300 || strings.ContainsAny(src, "\r\u0085\u2028\u2029\ufeff") {
			t.Skip()
		}
		r := &reader{file: "f", lines: splitLines([]byte(src))}
		if !r.readable([]byte(src)) {
			t.Skip()
		}
		var docs []yaml.Node
		if yaml.Load([]byte(src), &docs, yaml.WithAllDocuments()) != nil {
			t.Skip()
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			for _, c := range n.Content {
				walk(c)
			}
			if n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0 || n.Anchor != "" || strings.Contains(src, "!") {
				return
			}
			value := []rune(n.Value)
			for i := range len(value) + 1 {
				p := r.within(n, i)
				if p.Line < 1 || p.Line > len(r.lines) || p.Col < 1 || p.Col > len(r.lines[p.Line-1])+1 {
					t.Fatalf("offset %d of %q is at %v in %q", i, n.Value, p, src)
				}
				if i == len(value) || slices.Contains([]rune(" \n\t"), value[i]) {
					continue
				}
				line := r.lines[p.Line-1]
				if p.Col > len(line) || line[p.Col-1] != value[i] && !(n.Style&yaml.DoubleQuotedStyle != 0 && line[p.Col-1] == '\\') {
					t.Fatalf("%q at %d of %q is said to be at %v in %q", value[i], i, n.Value, p, src)
				}
			}
		}
		for i := range docs {
			walk(&docs[i])
		}
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"offer_access_granted", "offer_access_removed", "lesson_started", "email", "sms", "if", "end"}
	for word, want := range map[string]string{
		"offer_granted": "offer_access_granted", "offer-access-granted": "offer_access_granted", "Email": "email", "emial": "email",
		"e-mail": "email", "lesson_start": "lesson_started", "of": "if", "sns": "sms", "ends": "end", "webhook": "", "": "", "x": "",
	} {
		if got := engine.Nearest(word, words); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
