package templates

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

func htmlMail(t testing.TB, body string) (*Mail, Errors, error) {
	t.Helper()
	return NewMail(Parts{Subject: Source{Text: "s", File: "m.html"}, HTML: Source{Text: body, File: "m.html"}}, Options{})
}

func dataWith(name, link string) Data {
	v := values()
	v["contact"].(map[string]any)["first_name"] = name
	v["custom"].(map[string]any)["url"] = name
	return Data{Values: v, Links: map[LinkField]string{{}: link}}
}

// Every place in HTML escapes in its own way.
func TestContexts(t *testing.T) {
	t.Parallel()
	const name, link = `Ada & <Bob> "'+`, "https://a.test/l/t-_9?a=1&b=ü"
	for _, c := range []struct{ src, want string }{
		{"<p><<contact.first_name>></p>", "<p>Ada &amp; &lt;Bob&gt; &#34;&#39;&#43;</p>"},
		{`<p title="<<contact.first_name>>">`, `<p title="Ada &amp; &lt;Bob&gt; &#34;&#39;&#43;">`},
		{`<p title='<<contact.first_name>>'>`, `<p title='Ada &amp; &lt;Bob&gt; &#34;&#39;&#43;'>`},
		{`<p title=<<contact.first_name>>>`, `<p title=Ada&#32;&amp;&#32;&lt;Bob&gt;&#32;&#34;&#39;&#43;>`},
		{"<title><<contact.first_name>></title>", "<title>Ada &amp; &lt;Bob&gt; &#34;&#39;&#43;</title>"},
		{"<script>var n = <<contact.first_name>></script>", `<script>var n = "Ada \u0026 \u003cBob\u003e \"'+"</script>`},
		{`<p onclick="go('<<contact.first_name>>')">`, `<p onclick="go('Ada \u0026 \u003cBob\u003e \u0022\u0027\u002b')">`},
		{"<p><<login_url>></p>", "<p>https://a.test/l/t-_9?a=1&amp;b=ü</p>"},
		{`<a href="<<login_url>>">x</a>`, `<a href="https://a.test/l/t-_9?a=1&amp;b=%c3%bc">x</a>`},
		{`<a href='<<login_url>>'>x</a>`, `<a href='https://a.test/l/t-_9?a=1&amp;b=%c3%bc'>x</a>`},
		{`<a href="<<login_url>>?utm=1#top">x</a>`, `<a href="https://a.test/l/t-_9?a=1&amp;b=%c3%bc?utm=1#top">x</a>`},
		{`<a href="https://t.test/r?u=<<login_url>>">x</a>`, `<a href="https://t.test/r?u=https%3a%2f%2fa.test%2fl%2ft-_9%3fa%3d1%26b%3d%c3%bc">x</a>`},
		{`<a href="https://x.test/?n=<<contact.first_name>>">`, `<a href="https://x.test/?n=Ada%20%26%20%3cBob%3e%20%22%27%2b">`},
		{`<<"<<">> <<"a\"b">>`, `&lt;&lt; a&#34;b`},
		{"a<!-- gone <<contact.first_name>> -->b", "ab"},
		{`<!--[if mso]><b title="<<contact.first_name>>"><![endif]-->`, `<!--[if mso]><b title="Ada &amp; &lt;Bob&gt; &#34;&#39;&#43;"><![endif]-->`},
		{`<!--[if !mso]><!--><p>x</p><!--<![endif]-->`, `<!--[if !mso]><!--><p>x</p><!--<![endif]-->`},
		{"<if>{{.Values}}</if>", "<if>{{.Values}}</if>"},
	} {
		m, _, err := htmlMail(t, c.src)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		d := dataWith(name, link)
		out, err := m.Render(d)
		if err != nil || out.HTML != c.want {
			t.Errorf("%s\n got %s, %v\nwant %s", c.src, out.HTML, err, c.want)
		}
	}
}

// Login links stand where they work and where nobody else sees them.
func TestPlacesOfLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, err, warn string }{
		{src: `<a href="<<login_url>>"><<login_url>></a>`},
		{src: `<!--[if mso]><v:roundrect href="<<login_url>>"></v:roundrect><![endif]-->`},
		{src: `<a href="<<if offer>><<login_url>><<else>>https://a.test<<end>>">x</a>`},
		{src: `<a href=<<login_url>>>x</a>`, err: `m.html:1:9: login_url may stand in the text and in href="…", not in an attribute without quotes`},
		{src: `<img src="<<login_url>>">`, err: "not in src"},
		{src: `<form action="<<login_url>>">`, err: "not in action"},
		{src: `<meta http-equiv="refresh" content="0;url=<<login_url>>">`, err: "not in content"},
		{src: `<p <<login_url>>>`, err: "not in the name of a tag or attribute"},
		{src: `<script>go("<<login_url>>")</script>`, err: "not inside <script>"},
		{src: `<style>a{b:url(<<login_url>>)}</style>`, err: "not inside <style>"},
		{src: `<title><<login_url>></title>`, err: "not inside <title>"},
		{src: `<!-- <<login_url>> -->`, err: "not in a comment"},
		{src: `<p style="background:url('<<login_url>>')">`, err: "not in style"},
		{src: `<p onclick="go('<<login_url>>')">`, err: "not in onclick"},
		{src: `<a href="https://t.test/?u=<<login_url>>">x</a>`, warn: "hands the login link to another address"},
		{src: `<a href="<<login_url>>&utm=1">x</a>`, warn: "becomes part of the link and breaks it"},
		{src: `<p>&lt;&lt;login_url&gt;&gt;</p>`, err: "an editor has encoded"},
		{src: "<<if offer>><p title=\"<<else>></p><<end>>", err: "m.html:1:1: near here: each way through this block must leave the HTML"},
		{src: `<p title="x`, err: "the HTML ends inside a tag"},
	} {
		_, warns, err := htmlMail(t, c.src)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s\n got %v\nwant %s", c.src, err, c.err)
		}
		if c.warn == "" && len(warns) > 0 || c.warn != "" && !strings.Contains(warns.Error(), c.warn) {
			t.Errorf("%s\n got warnings %v\nwant %s", c.src, warns, c.warn)
		}
	}
	for _, p := range []Parts{
		{Subject: Source{Text: "x <<login_url>>"}, Text: Source{Text: "x"}},
		{Subject: Source{Text: "x"}, Preheader: Source{Text: "{{membership_contact.login_url}}"}, Text: Source{Text: "x"}},
	} {
		if _, _, err := NewMail(p, Options{}); err == nil || !strings.Contains(err.Error(), "login_url may not stand in the ") {
			t.Errorf("got %v", err)
		}
	}
}

// A field in an address that holds a script is refused, not blanked.
func TestBadScheme(t *testing.T) {
	t.Parallel()
	m, _, err := htmlMail(t, `<a href="<<custom.url>>">x</a>`)
	if err != nil {
		t.Fatal(err)
	}
	for url, ok := range map[string]bool{"https://a.test/x y": true, "mailto:a@b.test": true, "/x": true, "javascript:alert(1)": false, "JaVaScRiPt:x": false, "app+x://y": false} {
		out, err := m.Render(dataWith(url, "x"))
		if ok != (err == nil) || !ok && (!errors.Is(err, ErrUnsafe) || out.HTML != "") {
			t.Errorf("%s: got %q, %v", url, out.HTML, err)
		}
	}
}

var hostile = []string{
	`"><script>alert(1)</script>`, `' onload='x`, "<<login_url>>", "{{.}}", "\x02$.Link 0\x03", "a\r\nBcc: evil@x.test", "a\nb\rc\u2028d",
	"\u202egnp.exe", "\x00\x1b[31m", strings.Repeat("x", 10_000), "javascript:alert(1)", "</title></style><b>", "q7x0000z", "ZgotmplZ", "\xff\xfe", "`${x}`", "%3Cscript%3E", "-->", "]]>",
}

const hostileMail = `---
subject: Hi <<contact.first_name | default "x">>
preheader: For <<contact.first_name | default "x">>
---
# Hi <<contact.first_name | default "x">>

**<<contact.first_name | default "x">>** [x](https://x.test/?q=<<contact.first_name | default "x">>) <b title="<<contact.first_name | default "x">>">b</b>

[Log in](<<login_url>>)

` + "`<<contact.first_name | default \"x\">>`\n"

// Whatever a learner calls himself, the mail has the same elements, attributes and headers.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	m := compile(t, "m.md", hostileMail)
	shape := func(doc string) (out []string) {
		z := html.NewTokenizer(strings.NewReader(doc))
		for z.Next() != html.ErrorToken {
			tok := z.Token()
			if tok.Type == html.TextToken {
				continue
			}
			out = append(out, tok.Type.String()+tok.Data[:min(len(tok.Data), 30)])
			for _, a := range tok.Attr {
				out = append(out, a.Key)
			}
		}
		return out
	}
	plain, err := m.Render(dataWith("Ada", "https://a.test/l/t"))
	if err != nil {
		t.Fatal(err)
	}
	want := shape(plain.HTML)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.Map(rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 3), func(s []string) string { return strings.Join(s, "") })).Draw(t, "name")
		d := dataWith(name, "https://a.test/l/t")
		out, err := m.Render(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(out.HTML); !slices.Equal(got, want) {
			t.Fatalf("the value changed the document:\n%s", out.HTML)
		}
		for _, s := range []string{out.Subject, out.Preheader} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || isInvisible(r) }) || len([]rune(s)) > maxHeader {
				t.Fatalf("in a header: %q", s)
			}
		}
		if n := strings.Count(out.Text, "https://a.test/l/t"); n != 1 {
			t.Fatalf("the link stands %d times in\n%s", n, out.Text)
		}
		// The quick way and html/template's own write the same.
		slow := &program{html: m.html.html}
		s := &state{tags: m.tags, data: &d, items: make([]any, m.loops), theme: m.themeOf(d.Values), words: m.words, subject: out.Subject, preheader: out.Preheader}
		if again, err := s.run(slow); err != nil || again != out.HTML {
			t.Fatalf("html/template writes otherwise: %v\n%s\n%s", err, again, out.HTML)
		}
	})
}

// html/template's names for its escapers are known, so that rendering is quick.
func TestQuick(t *testing.T) {
	t.Parallel()
	if m := compile(t, "welcome.md", welcome); !m.html.quick {
		t.Error("the default layout is rendered the slow way")
	}
	if m, _, err := htmlMail(t, `<script><<contact.name>></script>`); err != nil || m.html.quick {
		t.Error("a script must be left to html/template")
	}
}

// Names hold no addresses that a mail client would make live.
func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada": "Ada", "J.R.R. Tolkien": "J.R.R. Tolkien", "Dr. Who": "Dr. Who", "St.John": "St John", "Win at https://evil.test/x": "Win at https evil test x",
		"www.evil.test": "www evil test", "evil.com": "evil com", "Ana María": "Ana María", "12:30": "12:30",
	} {
		if got := plainName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A body that is not closed is refused even where the layout's own quotes would close it.
func TestBodyKeepsToItself(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"<p title='x", `<p title="x`, "<!-- x", "<style>", "<b"} {
		_, _, err := NewMail(Parts{Subject: Source{Text: "s"}, HTML: Source{Text: src, File: "m.html"}, Layout: Source{Text: "default"}}, Options{})
		if err == nil || !strings.Contains(err.Error(), "m.html:1:1: the HTML ends inside") {
			t.Errorf("%s: got %v", src, err)
		}
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	const way = "https://a.test/u/x?a=1&b"
	for _, c := range []struct{ html, want, text string }{
		{"<body><p>x</p></body>", `<body><p>x</p><p style="font-size:14px"><a href="https://a.test/u/x?a=1&amp;b">Unsubscribe</a></p>` + "\n</body>",
			"x\n\n-- \nUnsubscribe: " + way + "\n"},
		{`<a href="<<unsubscribe_url>>">out</a>`, `<a href="https://a.test/u/x?a=1&amp;b">out</a>`, "out:\n" + way + "\n"},
	} {
		m, _, err := htmlMail(t, c.html)
		if err != nil {
			t.Fatal(err)
		}
		d := dataWith("x", "")
		d.Unsubscribe = way
		if out, err := m.Render(d); err != nil || out.HTML != c.want || out.Text != c.text {
			t.Errorf("got %q, %q, %v", out.HTML, out.Text, err)
		}
	}
}

func TestHeadersAreOneLine(t *testing.T) {
	t.Parallel()
	m, _, err := NewMail(Parts{Subject: Source{Text: "Hi <<if lesson>>x<<end>> <<contact.first_name>>,\n welcome"}, Text: Source{Text: "<<contact.first_name>>"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Render(dataWith("evil.test\r\nBcc: x", ""))
	if err != nil || out.Subject != "Hi evil test Bcc: x, welcome" || out.Text != "evil test Bcc: x" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestSMSValuesStayOnOneLine(t *testing.T) {
	t.Parallel()
	m, _, err := NewSMS(Source{Text: "Hi <<contact.first_name>>\n<<login_url>>"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	link := "https://a.test/l/" + strings.Repeat("x", 200)
	got, err := m.Render(dataWith("A\r\nB\tC", link))
	if err != nil || got != "Hi A B C\n"+link {
		t.Errorf("got %q, %v", got, err)
	}
}
