package templates

import (
	"os"
	"strings"
	"testing"
	"time"
)

const welcome = `---
subject: Welcome, <<contact.first_name | default "there">>
preheader: Your place in <<offer.title>> is ready
---
# Welcome, <<contact.first_name | default "there">>

Your place in **<<offer.title>>** is ready. One click and you are in, with no password to remember.

[Go to your courses](<<login_url ttl="7d">>)

<<if products>>
You have:

<<range products>>
- <<title>>
<<end>>
- The community
<<end>>

The link works until <<now | date>>. If it stops working, it offers you a new one.
See [the guide](https://acme.test/guide) first.

` + "Try `fmt.Println(1 << 3)` or:\n\n```go\nfmt.Println(1 << 3)\n```\n"

func sampleData(m interface{ Links() []LinkField }) Data {
	links := map[LinkField]string{}
	for _, l := range m.Links() {
		links[l] = "https://learn.acme.test/l/Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4eF7gH"
	}
	return Data{
		Values: map[string]any{
			"contact":  map[string]any{"first_name": "Ada", "name": "Ada Lovelace", "email": "ada@example.com"},
			"offer":    map[string]any{"id": "gold", "title": "Gold & More"},
			"products": []any{map[string]any{"id": "go-101", "title": "Go basics"}, map[string]any{"id": "go-201", "title": "Go in depth"}},
			"location": map[string]any{"name": "Acme Academy", "email": "hello@acme.test", "brand": "#0f766e"},
			"custom":   map[string]any{},
			"now":      time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		},
		Links: links,
	}
}

func compile(t testing.TB, file, src string) *Mail {
	t.Helper()
	p, err := ReadParts(file, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	m, warns, err := NewMail(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(warns) > 0 {
		t.Fatal(warns)
	}
	return m
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	m := compile(t, "welcome.md", welcome)
	out, err := m.Render(sampleData(m))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%q %q\n%s\n%s", out.Subject, out.Preheader, out.Text, out.HTML[len(out.HTML)/2:])
	if dir := os.Getenv("MAIL_OUT"); dir != "" {
		_ = os.WriteFile(dir+"/welcome.html", []byte(out.HTML), 0o644)
	}
}

// TestLayoutSpeaks has the layout's own words in the template's language, with the reason that the template gives.
func TestLayoutSpeaks(t *testing.T) {
	t.Parallel()
	const head, body = "---\nsubject: Hi\n%s---\n[Weiter](<<login_url>>)\n", "Acme Academy"
	for front, want := range map[string][]string{
		"":           {"You get this mail because you learn at " + body + ".", "Or copy this address:", `<html lang="en"`},
		"lang: de\n": {"Sie erhalten diese E-Mail, weil Sie bei " + body + " lernen.", "Oder kopieren Sie diese Adresse:", `<html lang="de"`},
		"lang: de\nreason: jemand für <<contact.email>> einen Link wollte.\n": {"Sie erhalten diese E-Mail, weil jemand für ada@example.com einen Link wollte."},
		"reason: '<<contact.first_name>> asked'\n":                            {"You get this mail because Ada asked."},
	} {
		m := compile(t, "login.md", strings.Replace(head, "%s", front, 1))
		d := sampleData(m)
		d.Unsubscribe = "https://learn.acme.test/u/x"
		out, err := m.Render(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range append(want, map[bool]string{true: "Abbestellen", false: "Unsubscribe"}[strings.Contains(front, "lang: de")]) {
			if !strings.Contains(out.HTML, w) {
				t.Errorf("%q: the HTML has no %q", front, w)
			}
		}
		if !strings.Contains(out.Text, want[0]) {
			t.Errorf("%q: the text has no %q:\n%s", front, want[0], out.Text)
		}
	}
	for front, want := range map[string]string{
		"lang: ge":              `login.md:2:7: the layout has no words in "ge"; did you mean "de"?; lang is de or en`,
		"reason: <<login_url>>": "login.md:2:9: login_url may not stand in the reason",
	} {
		p, _ := ReadParts("login.md", []byte("---\n"+front+"\nsubject: Hi\n---\nHello\n"))
		if _, _, err := NewMail(p, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", front, err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	m := compile(b, "welcome.md", welcome)
	d := sampleData(m)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Render(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p, _ := ReadParts("welcome.md", []byte(welcome))
		if _, _, err := NewMail(p, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
