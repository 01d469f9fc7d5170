package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMergeCustom(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", maxCustom-1000)
	for _, c := range []struct {
		name              string
		have, given, want Custom
	}{
		{"new", nil, Custom{"a": "1"}, Custom{"a": "1"}},
		{"changed and kept", Custom{"a": "1", "b": int64(2)}, Custom{"a": "3"}, Custom{"a": "3", "b": int64(2)}},
		{"forgotten", Custom{"a": "1", "b": "2"}, Custom{"a": nil, "c": nil}, Custom{"b": "2"}},
		{"too large", Custom{"a": "1"}, Custom{"b": large + large, "c": "3"}, Custom{"a": "1", "c": "3"}},
		{"too large in all", Custom{"a": large}, Custom{"b": large, "c": "3"}, Custom{"a": large, "c": "3"}},
		{"too large a change", Custom{"a": "1"}, Custom{"a": large + large}, Custom{"a": "1"}},
		{"room is made", Custom{"a": large}, Custom{"a": nil, "b": large}, Custom{"b": large}},
		{"smaller than before", Custom{"a": large + large}, Custom{"a": large}, Custom{"a": large}},
		{"deep", nil, Custom{"a": map[string]any{"b": []any{large, large}}}, Custom{}},
	} {
		had := fmt.Sprint(len(c.have), c.have)
		if got := mergeCustom(c.have, c.given); !cmp.Equal(got, c.want) {
			t.Errorf("%s: %d fields, want %d", c.name, len(got), len(c.want))
		}
		if fmt.Sprint(len(c.have), c.have) != had {
			t.Errorf("%s: the argument was changed", c.name)
		}
	}
}

// Events that bring ever new fields must not make a person larger and larger.
func TestCustomFieldsAreBounded(t *testing.T) {
	t.Parallel()
	var p Person
	for i := range 50 {
		ev := Event{Type: userLogin, Contact: Contact{ID: "c", Custom: Custom{fmt.Sprint("k", i): strings.Repeat("x", 100<<10)}}}
		p, _, _, _ = Plan(NewSet(nil, nil), p, ev, p.Since)
	}
	if n := p.Contact.Custom.Size(); n > maxCustom || len(p.Contact.Custom) != 2 {
		t.Errorf("%d fields of %d bytes", len(p.Contact.Custom), n)
	}
}
