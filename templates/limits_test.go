package templates

import (
	"strings"
	"testing"
	"time"
)

func nested(depth int) string {
	return strings.Repeat("<<range contact.custom.list>>", depth) + "x" + strings.Repeat("<<end>>", depth)
}

// A template may not take time that doubles with each range within another.
func TestRangesWithinRanges(t *testing.T) {
	t.Parallel()
	if _, _, err := htmlMail(t, nested(maxRanges)); err != nil {
		t.Error(err)
	}
	start := time.Now()
	for _, depth := range []int{maxRanges + 1, 500} {
		_, _, err := htmlMail(t, nested(depth))
		if err == nil || strings.Count(err.Error(), "deep within one another") != 1 {
			t.Errorf("%d deep: %v", depth, err)
		}
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

// What a contact brings along may not make a message endless, in either way of rendering.
func TestRenderingIsBounded(t *testing.T) {
	t.Parallel()
	slow := `<a title=<<contact.first_name>>>` // left to html/template
	for _, c := range []struct {
		name, src, want string
		items           int
	}{
		{"many", nested(1), "", maxRounds / 2},
		{"too many", nested(1), "more than 20000 items", maxRounds + 1},
		{"too many of many", nested(3), "more than 20000 items", 100},
		{"too long", "<<range contact.custom.list>>" + strings.Repeat("x", 10_000) + "<<end>>", "longer than 4 MiB", 1000},
		{"too long by html/template", "<<range contact.custom.list>>" + slow + strings.Repeat("x", 10_000) + "</a><<end>>", "longer than 4 MiB", 1000},
	} {
		m, _, err := htmlMail(t, c.src)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		data := dataWith("Ada", "https://a.test/l/t")
		data.Values["contact"].(map[string]any)["custom"] = map[string]any{"list": make([]any, c.items)}
		_, err = m.Render(data)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
