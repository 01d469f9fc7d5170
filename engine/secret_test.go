package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := NewSecret("hunter2")
	type holder struct {
		Open   Secret
		hidden Secret
		List   []Secret
		Map    map[string]Secret
		Ptr    *Secret
	}
	h := holder{s, s, []Secret{s}, map[string]Secret{"k": s}, &s}
	_ = h.hidden
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, h, &h, []any{h}} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "hunter2") || strings.Contains(out, "68756e74") {
				t.Errorf("%s of %T gives the secret: %s", verb, v, out)
			}
		}
	}
	b, err := json.Marshal(h)
	if err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), redacted) {
		t.Errorf("json: %s, %v", b, err)
	}
	if err := fmt.Errorf("login: %w", fmt.Errorf("with %v", s)); strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestSecretRoundTrip(t *testing.T) {
	t.Parallel()
	var c struct{ Password Secret }
	if err := json.Unmarshal([]byte(`{"Password":"hunter2"}`), &c); err != nil || c.Password.Reveal() != "hunter2" {
		t.Errorf("got %q, %v", c.Password.Reveal(), err)
	}
	if !c.Password.Equal(NewSecret("hunter2")) || c.Password.Equal(NewSecret("hunter3")) || c.Password.IsZero() {
		t.Error("equality is wrong")
	}
	if (Secret{}).Reveal() != "" || !NewSecret("").IsZero() || (Secret{}).String() != "" {
		t.Error("the empty secret is not empty")
	}
}
