package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"latchkey/examples"
)

// TestDemoOnce runs the README's command to its end: one of its own links shows what was granted to its reader, and no
// other title of the example.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	a := &app{in: strings.NewReader(""), out: &out, err: &errs}
	if code := a.run(ctx, []string{"latchkey", "demo", "--once"}); code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, out.String(), errs.String())
	}
	said, shown, found := strings.Cut(out.String(), "opens the link and presses the button.")
	if !found || len(links(said)) == 0 || errs.Len() > 0 {
		t.Fatalf("it says\n%s\n%s", out.String(), errs.String())
	}
	lines := strings.Split(said, "\n")
	reader := strings.Fields(lines[len(lines)-1])[0]
	granted, all := exampleTitles(t, reader)
	if len(granted) == 0 || len(granted) == len(all) {
		t.Fatalf("%s is granted %d of %d titles: that shows little", reader, len(granted), len(all))
	}
	for title := range all {
		is := regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(title) + `$`).MatchString(shown)
		if is != granted[title] {
			t.Errorf("the page shows %q: %v, granted: %v\n%s", title, is, granted[title], shown)
		}
	}
	_, site, found := strings.Cut(shown, "all that was granted, and nothing else")
	if !found {
		t.Errorf("it ends with\n%s", shown)
	}
	if !strings.Contains(site, "Lesson intro") || !strings.Contains(site, "Signed in as Ada Lovelace") {
		t.Errorf("of the course site it says\n%s", site)
	}
}

// exampleTitles reads the titles in the example's events, and which of them were granted to the reader of an address.
func exampleTitles(t *testing.T, address string) (granted, all map[string]bool) {
	t.Helper()
	raw, err := fs.ReadFile(examples.Academy, "academy/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	type noun struct{ ID, Title string }
	granted, all = map[string]bool{}, map[string]bool{}
	reader := ""
	for line := range strings.Lines(string(raw)) {
		var ev struct {
			Type string
			Data struct {
				Contact        struct{ ID, Email string }
				Offer, Product noun
			}
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Data.Contact.Email == address {
			reader = ev.Data.Contact.ID
		}
		for _, n := range []noun{ev.Data.Offer, ev.Data.Product} {
			if n.Title == "" {
				continue
			}
			all[n.Title] = true
			if reader != "" && ev.Data.Contact.ID == reader && strings.HasSuffix(ev.Type, "_access_granted") {
				granted[n.Title] = true
			}
		}
	}
	return granted, all
}
