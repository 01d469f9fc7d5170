package templates

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What html/template and goldmark do by themselves that a mail must not; each was seen to go wrong once.
func TestPitfalls(t *testing.T) {
	t.Parallel()
	const link = "https://a.test/l/t"
	mail := func(src string) (Rendered, *Mail, error) {
		m, _, err := htmlMail(t, src)
		if err != nil {
			return Rendered{}, nil, err
		}
		out, err := m.Render(dataWith("Ada", link))
		return out, m, err
	}
	for _, c := range []struct{ name, src, want string }{
		{"a missing value has its default", `<p><<contact.last_name | default "there">></p>`, "<p>there</p>"},
		{"a missing value is no blank", "<p><<contact.last_name>></p>", "error: contact.last_name has no value"},
		{"an if may ask for what is missing", "<<if contact.custom.a.b>>x<<else>>y<<end>>", "y"},
		{"conditional comments stay, escaped within", `<!--[if mso]><p><<contact.name>></p><![endif]-->`, "<!--[if mso]><p>Ada Lovelace</p><![endif]-->"},
		{"a bad scheme is an error", `<a href="<<"javascript:x()">>">`, "error: holds something that is not an address"},
		{"a link in a query is encoded", `<a href="https://t.test/?u=<<login_url>>">`, `<a href="https://t.test/?u=https%3a%2f%2fa.test%2fl%2ft">`},
		{"encoded brackets are refused", `<a href="%3C%3Clogin_url%3E%3E">`, "error: an editor has encoded"},
		{"a shift is refused, not computed", "1 << 3 >> 1 and cout << 1", "error: << begins a tag"},
		{"three brackets are one and a tag", "<p>&lt;<<contact.email>>&gt; <<<contact.email>>></p>", "<p>&lt;ada@example.com&gt; &lt;ada@example.com></p>"},
		{"single quotes are explained", "<<contact.name | default 'x'>>", "error: a value stands in double quotes"},
		{"curly quotes are explained", "<<contact.name | default “x”>>", "error: curly quotes"},
		{"a colon is explained", `<<contact.name | default: "x">>`, "error: no colon here"},
		{"keys with a dash need nothing", "<<contact.custom.lucky-number>>", "7"},
		{"numbers have no exponent", "<<event.custom.big>>", "12345678"},
		{"a refresh is no place for a link", `<meta http-equiv="refresh" content="0;url=<<login_url>>">`, "error: not in content"},
		{"other engines' braces are text", "<p>{{ user.name }} {% if %}</p>", "<p>{{ user.name }} {% if %}</p>"},
	} {
		out, _, err := mail(c.src)
		if want, failing := strings.CutPrefix(c.want, "error: "); failing {
			if err == nil || !strings.Contains(err.Error(), want) || out != (Rendered{}) {
				t.Errorf("%s: got %q, %v; want %s", c.name, out.HTML, err, want)
			}
		} else if err != nil || out.HTML != c.want {
			t.Errorf("%s: got %q, %v; want %s", c.name, out.HTML, err, c.want)
		}
	}
	t.Run("one link for all its places", func(t *testing.T) {
		_, m, err := mail(`<a href="<<login_url>>"><<login_url>></a> <<login_url ttl=1d>>`)
		if err == nil || m == nil || len(m.Links()) != 2 {
			t.Errorf("got %v, %v; the second link was not minted", m, err)
		}
	})
	t.Run("nothing is returned when a part fails", func(t *testing.T) {
		m, _, err := NewMail(Parts{Subject: Source{Text: "s"}, HTML: Source{Text: "<p>fine</p>"}, Text: Source{Text: "<<contact.phone>>"}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.Render(dataWith("Ada", link))
		if missing := new(MissingError); !errors.As(err, &missing) || out != (Rendered{}) {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		m := compile(t, "welcome.md", welcome)
		d := sampleData(m)
		want, err := m.Render(d)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					if got, err := m.Render(d); err != nil || got != want {
						t.Errorf("%v %s", err, cmp.Diff(want, got))
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestPreheaderWithoutLayout(t *testing.T) {
	t.Parallel()
	m, _, err := NewMail(Parts{Subject: Source{Text: "s"}, Preheader: Source{Text: "For <<contact.name>>"}, HTML: Source{Text: `<html><body class="x"><p>y</p></body></html>`}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Render(dataWith("x", ""))
	want := `<html><body class="x"><div style="display:none;max-height:0;overflow:hidden">For Ada Lovelace</div>`
	if err != nil || !strings.HasPrefix(out.HTML, want) || out.Text != "y\n" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestTextOnly(t *testing.T) {
	t.Parallel()
	p, err := ReadParts("a.txt", []byte("---\nsubject: Hello\n---\nHi <<contact.name>>\n"))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := NewMail(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Render(dataWith("x", ""))
	if want := (Rendered{Subject: "Hello", Text: "Hi Ada Lovelace\n"}); err != nil || out != want {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestSMSAlphabetWarning(t *testing.T) {
	t.Parallel()
	_, warns, err := NewSMS(Source{Text: "Hi, it’s open", File: "x"}, Options{})
	if err != nil || len(warns) != 1 || !strings.Contains(warns[0].Error(), "x:1:7: '’' makes a part of the SMS hold 70") {
		t.Errorf("got %v, %v", warns, err)
	}
	if _, warns, _ := NewSMS(Source{Text: "Привет"}, Options{}); len(warns) != 0 {
		t.Errorf("got %v", warns)
	}
}

// A long source takes no time out of proportion, whatever is in it: each takes a fifth of a second at most on a machine at rest.
func TestLongSources(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"<<", "`<<`", "{{", "<<if offer>>", "<<range products>>\n- ", "<ol>", "<blockquote>", "> ", "- ", "[", "![a](", "`", "<<x>>", `<<"`,
		"<!--[if", "<a href='", "&lt;&lt;", "<p title=", "*_", "| a\n", "<<contact.name>>", "<<contact.custom.a | default \"x\">>", "<a href=\"x\">y</a>"} {
		src := Source{Text: strings.Repeat(piece, 10_000/len(piece)), File: "f"}
		start := time.Now()
		_, _, _ = NewMail(Parts{Subject: Source{Text: "s"}, Markdown: src}, Options{})
		_, _, _ = NewMail(Parts{Subject: Source{Text: "s"}, HTML: src}, Options{})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%q took %v", piece, took)
		}
	}
	_, _, err := NewSMS(Source{Text: strings.Repeat("x", maxSource+1), File: "f"}, Options{})
	if err == nil || !strings.Contains(err.Error(), "f:1:1: this is 256 KiB long") {
		t.Errorf("got %.80v", err)
	}
}
