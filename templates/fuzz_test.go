package templates

import (
	"errors"
	"strings"
	"testing"
)

// Whatever an author writes, it is compiled or refused at a place, and what is compiled renders alike both ways.
func FuzzTemplates(f *testing.F) {
	for _, s := range []string{
		welcome, hostileMail, "<<if offer>>\n- <<title>>\n<<else if product>>x<<else>>y<<end>>", "- a\n<<range products>>\n- <<title>>\n<<end>>",
		`<a href="<<login_url to=lesson ttl="72h">>">x</a>`, "<<contact.name | default \"x\\\"\">>", "{{contact.name}} &lt;&lt;login_url&gt;&gt;",
		"```\n<<x\n```", "`<<", "<!--[if mso]><<contact.name>><![endif]-->", "<script><<contact.name>></script>", "q7x0000z <<now>>", "> <<if offer>>\n> x\n> <<end>>",
		"<<\"", "<<#", "<!--[if", "| a | b |\n|---|---|\n<<range products>>\n| <<title>> | <<id>> |\n<<end>>\n", "[a]: x", "<<# only >>", " ", "<!--[if <<now>>]>", "<<range products>><<range products>><<title>><<end>><<end>>", "[a](<<if offer>>x<<end>> \"<<end>>\")", "<table><<range products>><tr><td><<title>></table>",
		"<p title=<<contact.name>> <<if offer>>class=x<<end>>>", "a | b\n-|-\n<<products | join \", \">> | y", "<<contact.name | truncate 1>>", "<ol><<if offer>><li>x<<end>></ol>",
	} {
		for how := range byte(4) {
			f.Add(s, how)
		}
	}
	f.Fuzz(func(t *testing.T, src string, how byte) {
		body := Source{Text: src, File: "f", Line: 3, Col: 5, Indent: 4}
		parts := Parts{Subject: Source{Text: "s", File: "f"}}
		switch how % 4 {
		case 0:
			parts.Markdown = body
		case 1:
			parts.HTML = body
		case 2:
			parts.Text = body
		case 3:
			p, err := ReadParts("f.md", []byte(src))
			if parts = p; err != nil {
				checkErrors(t, err)
				return
			}
		}
		m, warns, err := NewMail(parts, Options{})
		if len(warns) > 0 {
			checkErrors(t, warns)
		}
		if err != nil {
			checkErrors(t, err)
			return
		}
		d := dataWith(`<b>"&'`, "https://a.test/l/t")
		for _, l := range m.Links() {
			d.Links[l] = "https://a.test/l/t"
		}
		out, err := m.Render(d)
		if err != nil {
			if err.Error() == "" || out != (Rendered{}) {
				t.Fatalf("%+v, %v", out, err)
			}
			return
		}
		if !strings.Contains(strings.ToLower(src), "q7x") && strings.Contains(out.HTML+out.Text+out.Subject, "q7x") || strings.ContainsAny(out.HTML+out.Text, "\x02\x03") {
			t.Fatalf("a mark is left in %+v", out)
		}
		if m.html != nil && m.html.quick {
			slow := &program{html: m.html.html}
			s := &state{tags: m.tags, data: &d, items: make([]any, m.loops), theme: m.themeOf(d.Values), words: m.words, subject: out.Subject, preheader: out.Preheader}
			if again, err := s.run(slow); err != nil || again != out.HTML {
				t.Fatalf("html/template writes otherwise: %v\n%s\n%s", err, again, out.HTML)
			}
		}
	})
}

func checkErrors(t *testing.T, err error) {
	t.Helper()
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	for _, e := range errs {
		if e.Line < 1 || e.Col < 1 || e.Msg == "" || !strings.HasPrefix(e.File, "f") || strings.ContainsAny(e.Msg, "\x02\x03") || strings.Contains(e.Msg, "q7x0") {
			t.Fatalf("a mistake without a place: %#v", e)
		}
	}
}
