package console

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`ada@example.com`:                             `a***@example.com`,
		`new_sign_up:ada.lovelace@example.co.uk`:      `new_sign_up:a***@example.co.uk`,
		`{"email": "Ada@Example.com", "n": 1}`:        `{"email": "A***@Example.com", "n": 1}`,
		`ada%40example.com`:                           `a***%40example.com`,
		`"phone": "+1 (415) 555-0123"`:                `"phone": "+1***23"`,
		`seq-17@2026-11-22T08:00:00.5Z`:               `seq-17@2026-11-22T08:00:00.5Z`,
		`http://x.test/l/AZ2o3kQAAAEBAZ2o3kQAAAEBxxx`: `http://x.test/l/[hidden]`,
		`order-4711`:                                  `order-4711`,
	} {
		if got := Mask(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		`{"api_token": "abc\"d", "x": 1}`: `{"api_token": "[hidden]", "x": 1}`,
		`{"Password":12345}`:              `{"Password":[hidden]}`,
		`token=abc&y=1`:                   `token=[hidden]&y=1`,
	} {
		if got := maskData(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// FuzzMask: whatever comes, an address in it is gone, and text stays text.
func FuzzMask(f *testing.F) {
	f.Add("x", "y")
	f.Add(`{"a": "`, `", "token": "x"}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		got := maskData(before + " zebediah@example.com " + after)
		if strings.Contains(got, "zebediah@") {
			t.Errorf("shown: %q", got)
		}
		if utf8.ValidString(before+after) && !utf8.ValidString(got) {
			t.Errorf("spoilt: %q", got)
		}
	})
}
