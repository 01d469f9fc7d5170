package templates

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMistakes(t *testing.T) {
	t.Parallel()
	opt := Options{MaxTTL: 30 * 24 * time.Hour, Apps: []string{"courses", "community"}}
	for _, c := range []struct{ src, want string }{
		// unknown names
		{"Hi <<contact.frist_name>>", `1:6: unknown field contact.frist_name; did you mean "contact.first_name"?`},
		{"<<contcat.first_name>>", `1:3: unknown field contcat.first_name; did you mean "contact.first_name"?`},
		{"<<first_name>>", `did you mean "contact.first_name"?`},
		{"<<contact.shoe_size>>", "contact has first_name, last_name"},
		{"<<xyzzy>>", `unknown field xyzzy; for the characters themselves write <<"<<">>`},
		{"<<login_ulr>>", `did you mean "login_url"?`},
		{"<<offer>>", "offer has several fields"},
		{"<<products>>", `products is a list: write <<products | join ", ">>`},
		{"<<range products>><<titel>><<end>>", `unknown field titel`},
		{"<<range products>><<product.price>><<end>>", "each of products has id, title"},
		{"<<range products>><<item>><<end>>", "has several fields"},
		{"<<range products>>x<<else>><<title>><<end>>", "unknown field title"},
		{"<<range contact.first_name>><<end>>", "contact.first_name is not a list"},
		// filters
		{"<<contact.name | uper>>", `unknown filter uper; did you mean "upper"?`},
		{"<<contact.name | default>>", `the filter is used as in | default "there"`},
		{"<<contact.name | default there>>", `write default "there"`},
		{`<<contact.name | truncate "9">>`, "wrong kind"},
		{"<<contact.name | truncate 0>>", "above zero"},
		{"<<contact.name |>>", "a filter's name is missing"},
		{"<<contact.name upper>>", `"upper" is one thing too many here`},
		// what authors type by habit
		{"<<contact.name | default 'there'>>", `write "there", not 'there'`},
		{"<<contact.name | default “there”>>", "curly quotes"},
		{`<<contact.name | default: "there">>`, `write default "there", not default: "there"`},
		{`<<contact.name | pluralize "a", "b">>`, "no comma"},
		{"<p>&lt;&lt;login_url&gt;&gt;</p>", "1:4: an editor has encoded the brackets"},
		{`<a href="%3C%3clogin_url%3E%3E">`, "1:10: an editor has encoded the brackets"},
		{"&#60;&#60; contact.name", "encoded"},
		{`cout << "hi" << endl;`, `1:6: << begins a tag and no >> follows; for the characters themselves write <<"<<">>`},
		{"cat <<EOF\nx\nEOF", `1:5: << begins a tag and no >> follows`},
		{"1 << 3 >> 1 is <<3", "1:16: <<"},
		{"<<contact.name", "this tag is not closed: >> is missing"},
		{`<<contact.name | default "there>>`, "a quote in this tag is not closed"},
		{"<<>>", "an empty tag"},
		{"<<if offer>>x<<endif>>", "endif is not a word of this language: write <<end>>"},
		{"<<for p in products>>x<<end>>", "write <<range products>>"},
		{"<<if lesson>><<elseif offer>><<end>>", "write <<else if …>>"},
		{"<<contact..name>>", "a name is missing beside a dot"},
		// blocks
		{"<<if offer>>x", "1:1: this is not closed: an <<end>> is missing"},
		{"x<<end>>", "1:2: end without an if or range before it"},
		{"<<else>>", "else without an if"},
		{"<<if offer>><<else>><<else>><<end>>", "has had its else already"},
		{"<<range products>><<else if offer>><<end>>", "else if belongs to an if"},
		{"<<if>>x<<end>>", "if needs a condition"},
		{"<<if contact.locale = \"de\">>x<<end>>", "write == and not ="},
		{"<<if contact.locale == de>>x<<end>>", "in double quotes"},
		{"<<if contact.locale ==>>x<<end>>", "needs a value after it"},
		{`<<if "x">>x<<end>>`, "a condition begins with a field"},
		{"<<if login_url>>x<<end>>", "always there"},
		{"<<if !offer>>x<<end>>", `write "not" before the field`},
		{"<<if frobnicate>>x<<else>>y<<end>>", "1:6: unknown field frobnicate"},
		// links
		{`<<login_url ttl="soon">>`, `1:17: ttl: "soon" is not a duration: write 90s, 15m, 72h, 3d or 1w`},
		{`<<login_url ttl="0s">>`, "no time at all"},
		{`<<login_url ttl="31d">>`, "longer than the longest allowed, 30d (links.max_ttl)"},
		{`<<login_url ttl="99999999999999d">>`, "is not a duration"},
		{`<<login_url uses="0">>`, `uses is a whole number from 1, or "unlimited"`},
		{`<<login_url bind="brwser">>`, `bind is "browser", for a link that works only in the browser that it is first used in; not "brwser"; did you mean "browser"?`},
		{`<<login_url bind="device">>`, `bind is "browser", for a link that works only in the browser that it is first used in; not "device"`},
		{`<<login_url app="course">>`, `no app "course" in latchkey.yaml; did you mean "courses"?`},
		{`<<login_url to=leson>>`, `did you mean "lesson"?`},
		{`<<login_url to="lesson:">>`, "names no lesson"},
		{`<<login_url to="https://evil.test">>`, "to is lesson, product or category"},
		{`<<login_url until="x">>`, "it takes to, ttl, uses, app and bind"},
		{`<<login_url ttl>>`, `ttl needs a value`},
		{`<<login_url ttl=1d ttl=2d>>`, "ttl is set twice"},
		{`<<login_url | upper>>`, "login_url takes no filters"},
		{"{{membership_contact.password}}", "passwords are never mailed"},
		// files
		{"a\x00b", "a control character"},
		{"a\xffb", "this is not UTF-8"},
	} {
		m, _, err := NewSMS(Source{Text: c.src, File: "x"}, opt)
		if err == nil || !strings.Contains(err.Error(), c.want) || m != nil {
			t.Errorf("%q\n got %v\nwant %s", c.src, err, c.want)
			continue
		}
		if errs := (Errors{}); !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%q: got %d mistakes, want one:\n%v", c.src, len(errs), err)
		}
	}
}

// All mistakes are told at once, each at its place in the file that the body stands in.
func TestPlacesOfInlineBodies(t *testing.T) {
	t.Parallel()
	subject := Source{Text: "Hé <<contact.nme>>", File: "w.yaml", Line: 7, Col: 14}
	body := Source{Text: "Hello\n<<bad_one>> and\n  <<contact.email>> <<bad_two>>\n", File: "w.yaml", Line: 10, Col: 9, Indent: 8}
	_, _, err := NewMail(Parts{Subject: subject, Markdown: body}, Options{})
	want := []string{"w.yaml:7:19: unknown field contact.nme", "w.yaml:11:11: unknown field bad_one", "w.yaml:12:31: unknown field bad_two"}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got\n%v", err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got %s, want %s", lines[i], want[i])
		}
	}
}

func TestFrontMatter(t *testing.T) {
	t.Parallel()
	file := "---\r\nsubject: \"Lesson #3: <<contact.first_name>> \\\"!\\\"\"\n# a note\npreheader: it's <<contact.nme>>\nlayout: none\n---\n\n<<bad>>\n"
	p, err := ReadParts("a.md", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if p.Subject.Text != `Lesson #3: <<contact.first_name>> "!"` || p.Layout.Text != "none" {
		t.Errorf("got %+v", p)
	}
	_, _, err = NewMail(p, Options{})
	for _, want := range []string{"a.md:4:19: unknown field contact.nme", "a.md:8:3: unknown field bad"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, c := range []struct{ name, src, want string }{
		{"a.md", "---\nsubjekt: x\n---\nhi", `a.md:2:1: unknown key "subjekt"; did you mean "subject"?`},
		{"a.md", "---\nsubject: x\nsubject: y\n---\nhi", "a.md:3:1: subject is set twice"},
		{"a.md", "---\nsubject: x\nhi", "a.md:1:1: the front matter is not closed"},
		{"a.md", "---\nsubject x\n---\nhi", `a.md:2:1: a line here is "key: value"`},
		{"a.md", "---\nsubject: >\n---\nhi", "a.md:2:10: subject stands on one line"},
		{"a.md", "---\nsubject: \"x\n---\nhi", "a.md:2:10: this quote is not closed"},
		{"a.md", "---\nsubject: x\nlayout: defualt\n---\nhi", `a.md:3:9: no layout "defualt"; did you mean "default"?`},
		{"a.md", "just a body", "a.md:1:1: the subject is missing"},
		{"a.md", "---\nsubject: x\n---\n", "the mail has no body"},
		{"a.docx", "x", "a template's file ends in .md, .html or .txt"},
	} {
		p, err := ReadParts(c.name, []byte(c.src))
		if err == nil {
			_, _, err = NewMail(p, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	src := `<<contact.first_name>> <<offer.title>> <<lesson.title | default "x">>
<<if product>><<product.title>><<else>><<category.title>><<end>>
<<if not lesson>>-<<else>><<lesson.title>><<end>>
<<range products>><<title>><<end>> <<event.custom.x>> <<now | date>> <<login_url to=lesson>>`
	m, _, err := NewSMS(Source{Text: src, File: "x"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	warns, err := m.Check(Use{Sure: []string{"offer", "contact.email"}, NoLogin: "this workflow starts without a course event"})
	var got []string
	for _, w := range warns {
		word, _, _ := strings.Cut(w.Msg, " ")
		got = append(got, word)
	}
	if want := "contact.first_name category.title event.custom.x to=lesson:"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", warns, want)
	}
	if err == nil || !strings.Contains(err.Error(), "x:4:70: login_url may not stand here: this workflow starts without") {
		t.Errorf("got %v", err)
	}
	warns, err = m.Check(Use{Sure: []string{"offer", "contact", "category", "lesson", "event"}})
	if err != nil || len(warns) != 0 {
		t.Errorf("got %v, %v", warns, err)
	}
}

func TestLinkFields(t *testing.T) {
	t.Parallel()
	src := `<<login_url>> <<login_url to=lesson ttl="72h" uses="3" app="courses">> <<login_url app=courses uses=3 ttl=3d to="lesson">> <<login_url to="lesson:intro" uses=unlimited>> <<login_url bind="browser" uses="1">>`
	m, _, err := NewSMS(Source{Text: src}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []LinkField{{}, {To: "lesson", TTL: 72 * time.Hour, Uses: 3, App: "courses"}, {To: "lesson:intro", Uses: Unlimited}, {Uses: 1, Bind: true}}
	got := m.Links()
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
		again, _, err := NewSMS(Source{Text: want[i].String()}, Options{})
		if err != nil || again.Links()[0] != want[i] {
			t.Errorf("%s does not read back: %v", want[i], err)
		}
	}
}
