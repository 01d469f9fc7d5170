package main

import (
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/engine/console"
)

// What an event could not say of an offer or a product, an import cannot either.
func TestImportedNouns(t *testing.T) {
	t.Parallel()
	many := make([]engine.Noun, maxNouns+1)
	for i := range many {
		many[i].ID = "gold"
	}
	for _, c := range []struct {
		name  string
		nouns []engine.Noun
		want  string
	}{
		{"fine", []engine.Noun{{ID: " gold ", Title: "Gold"}, {ID: "7"}}, ""},
		{"as many as may be", many[:maxNouns], ""},
		{"no id", []engine.Noun{{Title: "Gold"}}, "id is missing"},
		{"a control character", []engine.Noun{{ID: "a\x00b"}}, "control character"},
		{"a long id", []engine.Noun{{ID: strings.Repeat("x", 5000)}}, "longer than"},
		{"a long title", []engine.Noun{{ID: "x", Title: strings.Repeat("x", 5000)}}, "title"},
		{"too many", many, "a row may name 1000"},
	} {
		for _, kind := range []string{"offer", "product"} {
			row := console.Row{Contact: engine.Contact{ID: "ada"}, Offers: c.nouns}
			if kind == "product" {
				row.Offers, row.Products = nil, c.nouns
			}
			var cl cleaner
			err := cl.row(&row)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s of %ss: %v, want %q", c.name, kind, err, c.want)
			}
		}
	}
}
