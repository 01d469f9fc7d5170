package templates

import (
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		n    int
		how  Encoding
	}{
		{"", 0, GSM7},
		{"a", 1, GSM7},
		{strings.Repeat("a", 160), 1, GSM7},
		{strings.Repeat("a", 161), 2, GSM7},
		{strings.Repeat("a", 306), 2, GSM7},
		{strings.Repeat("a", 307), 3, GSM7},
		{strings.Repeat("€", 80), 1, GSM7},
		{strings.Repeat("€", 81), 2, GSM7},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3, GSM7}, // the pair moves on, 152+154 places no longer fit two
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), 2, GSM7},
		{"ÄÖÜäöüß ñ Ω Δ @£$¥\r\n", 1, GSM7},
		{"[x] {y} ~|^\\", 1, GSM7},
		{"ç", 1, UCS2}, // only its capital is in the alphabet
		{"`", 1, UCS2},
		{"\t", 1, UCS2},
		{"it’s", 1, UCS2},
		{strings.Repeat("я", 70), 1, UCS2},
		{strings.Repeat("я", 71), 2, UCS2},
		{strings.Repeat("я", 134), 2, UCS2},
		{strings.Repeat("я", 135), 3, UCS2},
		{strings.Repeat("😀", 35), 1, UCS2},
		{strings.Repeat("😀", 36), 2, UCS2},
		{strings.Repeat("я", 66) + "😀" + strings.Repeat("я", 66), 3, UCS2},
		{strings.Repeat("я", 66) + "😀" + strings.Repeat("я", 65), 2, UCS2},
	} {
		if n, how := Segments(c.body); n != c.n || how != c.how {
			t.Errorf("%.20q (%d): got %d %s, want %d %s", c.body, len(c.body), n, how, c.n, c.how)
		}
	}
}

func BenchmarkSegments(b *testing.B) {
	body := strings.Repeat("Hi Ada, log in: https://learn.acme.test/l/Ab3d ", 3)
	for b.Loop() {
		Segments(body)
	}
}
