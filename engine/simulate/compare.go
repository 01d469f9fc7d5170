package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"latchkey/engine"
)

// compare returns what a message has otherwise than expected, and the key that expects it.
func (m *Message) compare(x *engine.ExpectMessage) (key, msg string) {
	// The tokens of login links are random: what a test looks for may stand in one by chance.
	what, text := x.String(), engine.HideTokens(m.Content.Text+"\n"+m.Content.HTML)
	has := func(part string) bool { return strings.Contains(text, part) || strings.Contains(oneLine(text), part) }
	if x.To != "" && x.To != m.To {
		return "to", fmt.Sprintf("expected %s to go to %s, but it goes to %s", what, x.To, m.To)
	}
	for _, part := range x.Subject {
		if !strings.Contains(m.Subject, part) {
			return "subject", fmt.Sprintf("expected %q in the subject of %s, but it is %q", part, what, m.Subject)
		}
	}
	for _, part := range x.Text {
		if !has(part) {
			return "text", fmt.Sprintf("expected %q in the text of %s, but it is\n%s", part, what, indent(m.Content.Text))
		}
	}
	for _, part := range x.Without {
		if strings.Contains(m.Subject, part) || has(part) {
			return "without", fmt.Sprintf("expected no %q in %s, but it is there:\n%s", part, what, indent(m.Content.Text))
		}
	}
	if !strings.Contains(m.Error, x.Error) {
		return "error", fmt.Sprintf("expected %s not to be sent because of %q, but the reason is %q", what, x.Error, m.Error)
	}
	if x.Attempts > 0 && x.Attempts != m.Attempts {
		return "attempts", fmt.Sprintf("expected %s to be tried %d times, but it was tried %d times", what, x.Attempts, m.Attempts)
	}
	return m.compareRequest(x, what)
}

// oneLine joins a text that was broken into lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ")
}

// compareRequest is compare for what a request or a notice has beside its text.
func (m *Message) compareRequest(x *engine.ExpectMessage, what string) (key, msg string) {
	if !strings.Contains(m.Type, x.Type) {
		return "type", fmt.Sprintf("expected %s to be of type %q, but it is %q", what, x.Type, m.Type)
	}
	for _, part := range x.URL {
		if !strings.Contains(m.Content.URL, part) {
			return "url", fmt.Sprintf("expected %q in the address of %s, but it is %q", part, what, m.Content.URL)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Headers)) {
		if got := m.Content.Header.Get(name); got == "" || !strings.Contains(got, x.Headers[name]) {
			return "headers", fmt.Sprintf("expected the header %s of %s to have %q in it, but it is %q", name, what, x.Headers[name], got)
		}
	}
	if x.Response != nil {
		got := map[string]any{}
		if m.Answer != nil {
			got = m.Answer.Fields
		}
		if at, want, have := differ("", x.Response, got); at != "" {
			return "response", fmt.Sprintf("expected %s, saved by %s, to be %s, but it is %s", at, what, asJSON(want), asJSON(have))
		}
	}
	if x.Data == nil {
		return "", ""
	}
	var got engine.Custom // its numbers are those of the test
	if err := json.Unmarshal([]byte(`{"body":`+m.Content.Text+`}`), &got); err != nil {
		return "data", fmt.Sprintf("expected %s to be JSON, but it is\n%s", what, indent(m.Content.Text))
	}
	if at, want, have := differ("", x.Data, got["body"]); at != "" {
		return "data", fmt.Sprintf("expected %s of %s to be %s, but it is %s", at, what, asJSON(want), asJSON(have))
	}
	return "", ""
}

// differ returns the first place at which got is not as wanted, and what stands there. Keys of objects that are not wanted
// do not matter.
func differ(at string, want, got any) (where string, w, g any) {
	switch want := want.(type) {
	case map[string]any:
		if have, ok := got.(map[string]any); ok {
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if where, w, g = differ(strings.TrimPrefix(at+"."+key, "."), want[key], have[key]); where != "" {
					return where, w, g
				}
			}
			return "", nil, nil
		}
	case []any:
		if have, ok := got.([]any); ok && len(have) == len(want) {
			for i := range want {
				if where, w, g = differ(fmt.Sprintf("%s[%d]", at, i), want[i], have[i]); where != "" {
					return where, w, g
				}
			}
			return "", nil, nil
		}
	default:
		if reflect.DeepEqual(want, got) {
			return "", nil, nil
		}
	}
	if at == "" {
		at = "the body"
	}
	return at, want, got
}

func asJSON(v any) string {
	if v == nil {
		return "absent"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
