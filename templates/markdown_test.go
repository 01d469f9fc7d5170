package templates

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bare renders Markdown without the layout.
func bare(t testing.TB, src string) Rendered {
	t.Helper()
	m := compile(t, "m.md", "---\nsubject: s\nlayout: none\n---\n"+src)
	d := Data{Values: values(), Links: map[LinkField]string{}}
	for _, l := range m.Links() {
		d.Links[l] = "https://a.test/l/t"
	}
	out, err := m.Render(d)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return out
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestMarkdown(t *testing.T) {
	t.Parallel()
	const style = ` style="color:#2457d6"`
	for _, c := range []struct{ name, src, html, text string }{
		{"inline if", "Hi<<if offer>>, *gold*<<end>>.", "<p>Hi, <em>gold</em>.</p>", "Hi, gold.\n"},
		{"block if", "<<if offer>>\nyes\n\nand yes\n<<else>>\nno\n<<end>>\nrest", "<p>yes</p> <p>and yes</p> <p>rest</p>", "yes\n\nand yes\n\nrest\n"},
		{"false block", "one\n\n<<if lesson>>\ntwo\n<<end>>\n\nthree", "<p>one</p> <p>three</p>", "one\n\nthree\n"},
		{"list in range", "<<range products>>\n- <<title>>\n<<end>>", "<ul> <li>Go basics</li> <li>Go in depth</li> <li>Testing</li> </ul>", "- Go basics\n- Go in depth\n- Testing\n"},
		{"range in list", "- a\n<<range access.offers>>\n- <<title>>\n<<end>>\n- z\n\nEnd", "<ul> <li>a</li> <li>Gold</li> <li>z</li> </ul> <p>End</p>", "- a\n- Gold\n- z\n\nEnd\n"},
		{"if in list", "1. a\n<<if offer>>\n1. b\n<<else>>\n1. c\n<<end>>\n1. d", "<ol> <li>a</li> <li>b</li> <li>d</li> </ol>", "- a\n- b\n- d\n"},
		{"range of paragraphs", "<<range products>>\n**<<title>>**\n<<end>>", "<p><strong>Go basics</strong></p> <p><strong>Go in depth</strong></p> <p><strong>Testing</strong></p>", "Go basics\n\nGo in depth\n\nTesting\n"},
		{"bare link", "Log in: <<login_url>> now", `<p>Log in: <a href="https://a.test/l/t"` + style + `>https://a.test/l/t</a> now</p>`, "Log in: https://a.test/l/t now\n"},
		{"link in text", "Go [in](<<login_url>>) now", `<p>Go <a href="https://a.test/l/t"` + style + `>in</a> now</p>`, "Go in <https://a.test/l/t> now\n"},
		{"filter with a bar in a table", "| a | b |\n|---|---|\n| <<contact.phone | default \"x\">> | y |", "<table> <thead> <tr> <th>a</th> <th>b</th> </tr> </thead> <tbody> <tr> <td>x</td> <td>y</td> </tr> </tbody> </table>", "a | b\nx | y\n"},
		{"range in a table", "| a | b |\n|---|---|\n| x | y |\n<<range products>>\n<<if offer>>\n| <<title>> | <<id>> |\n<<end>>\n<<end>>\n\nEnd", "<table> <thead> <tr> <th>a</th> <th>b</th> </tr> </thead> <tbody> <tr> <td>x</td> <td>y</td> </tr> <tr> <td>Go basics</td> <td>go-101</td> </tr> <tr> <td>Go in depth</td> <td>go-201</td> </tr> <tr> <td>Testing</td> <td>tdd</td> </tr> </tbody> </table> <p>End</p>", "a | b\nx | y\nGo basics | go-101\nGo in depth | go-201\nTesting | tdd\n\nEnd\n"},
		{"code", "`1 << 2` and\n\n```\ncout << x << y;\ncat <<EOF\n```", "<p><code>1 &lt;&lt; 2</code> and</p> <pre><code>cout &lt;&lt; x &lt;&lt; y; cat &lt;&lt;EOF </code></pre>", "1 << 2 and\n\ncout << x << y;\ncat <<EOF\n"},
		{"known field in code", "`hello <<contact.first_name>>`", "<p><code>hello Ada</code></p>", "hello Ada\n"},
		{"an item's field in code", "<<range access.offers>>\n`<<id>>`\n<<end>>\n`<<id>>`", "<p><code>gold</code></p> <p><code>&lt;&lt;id&gt;&gt;</code></p>", "gold\n\n<<id>>\n"},
		{"unknown tag in code", "`vector<vector<int>>` `<<foo>>` ``a ` <<b>>``", "<p><code>vector&lt;vector&lt;int&gt;&gt;</code> <code>&lt;&lt;foo&gt;&gt;</code> <code>a ` &lt;&lt;b&gt;&gt;</code></p>", "vector<vector<int>> <<foo>> a ` <<b>>\n"},
		{"merge fields", "Hi {{contact.first_name}}, `{{contact.email}}`", "<p>Hi Ada, <code>{{contact.email}}</code></p>", "Hi Ada, {{contact.email}}\n"},
		{"reference link", "[go][x]\n\n[x]: <<login_url>>", "", "go:\nhttps://a.test/l/t\n"},
		{"own html", "<div title=\"<<contact.first_name>>\">\n\nx\n\n</div>", `<div title="Ada"> <p>x</p> </div>`, "x\n"},
		{"headings and quotes", "# A\n\n> q <<contact.first_name>>\n> r\n\n---\n\nb  \nc", "<h1>A</h1> <blockquote> <p>q Ada r</p> </blockquote> <hr> <p>b<br> c</p>", "A\n\n> q Ada r\n\n---\n\nb\nc\n"},
		{"nested list", "- a\n  - b\n- c", "<ul> <li>a <ul> <li>b</li> </ul> </li> <li>c</li> </ul>", "- a\n  - b\n- c\n"},
		{"image and mail", "![A cat](https://x.test/c.png) <help@x.test>", "", "A cat help@x.test\n"},
		{"comment", "a\n<<# not\nthis >>\nb", "<p>a</p> <p>b</p>", "a\n\nb\n"},
		{"emphasis around a tag", "**<<contact.first_name>>**_x_ <<contact.first_name>>s", "<p><strong>Ada</strong><em>x</em> Adas</p>", "Adax Adas\n"},
	} {
		out := bare(t, c.src)
		if c.html != "" && squeeze(out.HTML) != c.html {
			t.Errorf("%s\n got %s\nwant %s", c.name, squeeze(out.HTML), c.html)
		}
		if out.Text != c.text {
			t.Errorf("%s\n got %q\nwant %q", c.name, out.Text, c.text)
		}
	}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	out := bare(t, "[Log in](<<login_url>>)")
	for _, want := range []string{`class="lk-press" href="https://a.test/l/t"`, ">Log in</a></td>", "Or copy this address:<br><a", "padding:12px 28px", "line-height:24px"} {
		if !strings.Contains(out.HTML, want) {
			t.Errorf("no %q in %s", want, out.HTML)
		}
	}
	if out.Text != "Log in:\nhttps://a.test/l/t\n" {
		t.Errorf("got %q", out.Text)
	}
	if out := bare(t, `[Open](https://x.test "button")`); !strings.Contains(out.HTML, "lk-press") || strings.Contains(out.HTML, "copy") {
		t.Errorf("got %s", out.HTML)
	}
	for _, src := range []string{"[Open](https://x.test)", "Go: [in](<<login_url>>)", "<<login_url>>"} {
		if out := bare(t, src); strings.Contains(out.HTML, "lk-press") {
			t.Errorf("%s became a button", src)
		}
	}
}

func TestHTMLToText(t *testing.T) {
	t.Parallel()
	src := `<html><head><title>no</title><style>p{}</style></head><body>
<div style="display: none">hidden</div>
<h1>Hello <<contact.first_name>></h1><p>One &amp; two
three.</p>
<<if offer>>
<p><a href="<<login_url>>">Log in</a></p>
<<end>>
<ul><<range products>><li><<title>></li><<end>></ul>
<p>See <a href="https://x.test/a?b=1&amp;c=2">this</a>, <a href="https://x.test">https://x.test</a> or <a href="mailto:a@x.test">a@x.test</a>.</p>
<table><tr><td>a</td><td>b</td></tr></table><script>no()</script>
<!--[if mso]><p>outlook</p><![endif]--></body></html>`
	m, _, err := htmlMail(t, src)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Render(Data{Values: values(), Links: map[LinkField]string{{}: "https://a.test/l/t"}})
	want := "Hello Ada\n\nOne & two three.\n\nLog in:\nhttps://a.test/l/t\n\n- Go basics\n- Go in depth\n- Testing\n\n" +
		"See this <https://x.test/a?b=1&c=2>, https://x.test or a@x.test.\n\na | b\n"
	if err != nil || out.Text != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, out.Text))
	}
}

// The layout as a reader gets it, kept to be looked at.
func TestLayoutGolden(t *testing.T) {
	t.Parallel()
	m := compile(t, "welcome.md", strings.Replace(welcome, "---\n", "---\nreason: you joined Gold & More on 22 November\n", 1))
	d := sampleData(m)
	d.Unsubscribe = "https://learn.acme.test/u/abc"
	d.Values["location"].(map[string]any)["address"] = "1 Sample Road, London"
	out, err := m.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"welcome.html": out.HTML, "welcome.txt": out.Text} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if len(out.HTML) > 12<<10 {
		t.Errorf("the mail is %d bytes: some clients cut it", len(out.HTML))
	}
}

// The accent's own text and links in it are legible whatever colour a brand has.
func TestThemes(t *testing.T) {
	t.Parallel()
	for _, brand := range []string{"", "#fff", "#000", "#ffd400", "#2457D6", "#0f766e", "#888888", "red;}</style>", "#12", "url(x)"} {
		th := newTheme(brand)
		accent, ok := parseColour(string(th.accent))
		text, _ := parseColour(string(th.accentText))
		link, _ := parseColour(string(th.link))
		dark, _ := parseColour(string(th.darkLink))
		if !ok || contrast(accent, text) < 4.5 || contrast(link, white) < 4.5 || contrast(dark, darkCard) < 4.5 {
			t.Errorf("%q: %+v", brand, th)
		}
	}
}
