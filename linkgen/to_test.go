package linkgen

import (
	"strings"
	"testing"
	"unicode"

	"latchkey/engine"
)

func TestParseTo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"product:go-101": "product go-101", "lesson:a/b c:d": "lesson a/b c:d", "category:Ä": "category Ä", "product:" + strings.Repeat("x", 200): "product " + strings.Repeat("x", 200),
		"": "", "product": "", "product:": "", "offer:gold": "", "Product:x": "", "lesson: x": "", "lesson:x ": "", "lesson:a\nb": "", "lesson:\x00": "", "lesson:..": "", "lesson:a/../b": "", "product:.": "", `lesson:..\x`: "", "lesson:a..b": "lesson a..b",
		"lesson:a\u202eb": "", "lesson:\xff": "", "//evil.test": "", "https://evil.test": "", "lesson:" + strings.Repeat("x", 201): "",
	} {
		noun, id, ok := ParseTo(text)
		if got := strings.TrimSpace(noun + " " + id); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", text, got, ok)
		}
	}
}

func FuzzParseTo(f *testing.F) {
	for _, s := range []string{"product:go-101", "lesson:a\r\nb", "lesson:..", "category:\u2066x", "//evil.test", "product:%2e%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		noun, id, ok := ParseTo(text)
		if !ok {
			if noun != "" || id != "" || cleanTo(text) != "" {
				t.Errorf("%q leads to %q %q", text, noun, id)
			}
			return
		}
		if noun+":"+id != text || cleanTo(text) != text || strings.ContainsFunc(id, unicode.IsControl) || len(id) > toMost {
			t.Errorf("%q leads to %q %q", text, noun, id)
		}
	})
}

// A publisher's id of any kind is no reason to send no link.
func TestMintLeavesOutWhatLeadsNowhere(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	for to, want := range map[string]string{"lesson:intro": "lesson:intro", "lesson:a\nb": "", "x": ""} {
		d, err := b.links.Look(t.Context(), b.stores, b.mint(engine.LinkRequest{To: to}), b.now)
		if err != nil || d.Link.To != want {
			t.Errorf("%q leads to %q, %v", to, d.Link.To, err)
		}
	}
}
