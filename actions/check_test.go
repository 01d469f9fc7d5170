package actions_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// TestMistakes holds what an author is told of a step, and where.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"welcome.md":   welcome,
		"bare.md":      "Hello",
		"nudge.txt":    "Hi",
		"granted.html": "---\nsubject: Hi\n---\n<p>You have <<offer.title>></p>",
	}
	tests := []struct {
		name, head, step string
		want             []string
	}{
		{"all is well", "triggers: [lesson_completed]\nclass: transactional", "- email: {template: welcome, from: 'A <a@b.test>', preheader: Go on}", nil},
		{"no class", "triggers: [lesson_completed]", "- email: {template: bare, subject: Hi}\n- sms: Hi", []string{
			"w.yaml:3:10: the message has no class; write `class: transactional` or `class: marketing` here, or once for the workflow",
			"w.yaml:4:8: the message has no class; write `class: transactional` or `class: marketing` here, or once for the workflow"}},
		{"class of the step", "triggers: [lesson_completed]", "- email: {template: bare, subject: Hi, class: marketing}\n- sms: {body: Hi, class: bulk}", []string{
			`w.yaml:4:26: class cannot be "bulk"; it is transactional or marketing`}},
		{"unknown templates", "triggers: [lesson_completed]\nclass: marketing", "- email: {template: welcom}\n- email: {template: qqq}\n- sms: {template: nudg}\n- sms: {template: welcome}", []string{
			`w.yaml:4:21: no template "welcom"; did you mean welcome?`,
			`w.yaml:5:21: no template "qqq"; the templates are bare, granted, nudge, welcome`,
			`w.yaml:6:19: no template "nudg"; did you mean nudge?`,
			`w.yaml:7:19: the template "welcome" is for mail; an SMS takes one that ends in .txt`}},
		{"bare string", "triggers: [lesson_completed]\nclass: marketing", "- email: welcome\n- email: Hi there", []string{
			"w.yaml:4:10: write it as `email: {template: welcome}`",
			"w.yaml:5:10: email needs settings: `email: {template: NAME}`, or a subject and markdown, html or text"}},
		{"parts", "triggers: [lesson_completed]\nclass: marketing",
			"- email: {template: bare}\n- email: {subject: Hi}\n- email: {text: Hi}\n- email: {subject: a, markdown: b, html: c}\n- email: {template: welcome, text: Hi}\n- sms: {}\n- sms: {template: nudge, body: Hi}",
			[]string{
				"w.yaml:4:21: templates/bare.md begins with no `subject:`, and the step has none either",
				"w.yaml:5:10: the mail has no text; give it a template, or markdown, html or text",
				"w.yaml:6:10: the mail has no subject",
				"w.yaml:7:42: a mail has either markdown or html, not both",
				"w.yaml:8:36: a mail has either a template or a text of its own; leave out template or text",
				"w.yaml:9:8: the SMS has no text; write `sms: 'Hi'`, or `sms: {template: NAME}`",
				"w.yaml:10:32: an SMS has either a template or a body, not both"}},
		{"nothing of it", "triggers: [lesson_completed]\nclass: marketing", "- sms: {body: Hi, max_segments: 0}\n- notify: {to: [], text: Hi}", []string{
			"w.yaml:4:33: max_segments must be 1 or more",
			"w.yaml:5:16: to is an empty list; leave it out"}},
		{"misspelt keys", "triggers: [lesson_completed]\nclass: marketing", "- email: {templat: bare}\n- sms: {bdy: Hi, max_segments: two}", []string{
			`w.yaml:4:11: the step email has no key "templat"; did you mean template? (its keys: template, subject, preheader, markdown, html, text, from, reply_to, class)`,
			`w.yaml:5:9: the step sms has no key "bdy"; did you mean body? (its keys: template, body, class, max_segments)`,
			`w.yaml:5:32: max_segments must be a whole number, not "two"`}},
		{"unknown field", "triggers: [lesson_completed]\nclass: marketing",
			"- email:\n    subject: 'It''s <<contact.frist_name>>'\n    text: |\n      Hi\n      Dear <<contact.nmae>>\n- sms: \"a \\\"b\\\" <<qqqqq>>\"", []string{
				`w.yaml:5:23: unknown field contact.frist_name; did you mean "contact.first_name"?`,
				`w.yaml:8:14: unknown field contact.nmae; did you mean "contact.name"?`,
				`w.yaml:9:19: unknown field qqqqq; for the characters themselves write <<"<<">>`}},
		{"login link without a course", "triggers: [lesson_completed, birthday]\nclass: marketing", "- sms: 'Hi <<login_url>>'", []string{
			"w.yaml:4:12: login_url may not stand here: workflow w may be started by birthday, which is no course trigger"}},
		{"login link in a subject", "triggers: [lesson_completed]\nclass: marketing", "- email: {subject: 'Hi <<login_url>>', text: Hi}", []string{
			"w.yaml:4:24: login_url may not stand in the subject: it is shown to people who do not open the mail"}},
		{"an unknown app", "triggers: [lesson_completed]\nclass: marketing", "- sms: 'Hi <<login_url app=\"course\">>'", []string{
			`w.yaml:4:28: no app "course" in latchkey.yaml; did you mean "courses"?`}},
		{"too long", "triggers: [lesson_completed]\nclass: marketing", "- sms: {body: 'Grüße ✓ 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789', max_segments: 1}", []string{
			"w.yaml:4:15: the SMS takes 2 segments (UCS-2), more than max_segments: 1"}},
		{"no address", "triggers: [lesson_completed]\nclass: marketing", "- email: {template: welcome, from: Acme, reply_to: '@'}", []string{
			"w.yaml:4:36: from is no address: write hello@example.com, or 'Acme <hello@example.com>'",
			"w.yaml:4:52: reply_to is no address: write hello@example.com, or 'Acme <hello@example.com>'"}},
		{"a field that may be missing", "triggers: [lesson_completed]\nclass: marketing", "- email: {template: granted}", []string{
			`templates/granted.html:4:13: warning: offer.title may be missing, and then this message fails: give it a default, as in <<offer.title | default "…">>`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, files)
			_, problems := flowfile.Load("w.yaml", "w", []byte(tt.head+"\nsteps:\n"+tt.step+"\n"), b.catalog(), &engine.Location{ID: "academy"})
			var got []string
			for _, p := range problems {
				if p.Warning && tt.name != "a field that may be missing" {
					continue
				}
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadTemplates(t *testing.T) {
	t.Parallel()
	b := &bench{}
	problems := b.read(map[string]string{
		"a.md": "<<qqqqq>>", "a.html": "---\nsubject: <<qqqqq>>\n---\n<p>Hi</p>", "b.txt": "Hi <<qqqqq>>", "c.txt": "---\nsubject: Hi\n---\nHi", "c.md": "Hi",
		".#a.md": "<<qqqqq>>", "readme.rst": "x", "d.md": "---\nsubjekt: x\n---\nHi",
	})
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		`templates/a.html:2:12: unknown field qqqqq; for the characters themselves write <<"<<">>`,
		"templates/a.md:1:1: a.html has the same name; a workflow could not tell them apart",
		`templates/a.md:1:3: unknown field qqqqq; for the characters themselves write <<"<<">>`,
		`templates/b.txt:1:6: unknown field qqqqq; for the characters themselves write <<"<<">>`,
		`templates/d.md:2:1: unknown key "subjekt"; did you mean "subject"?; a template has subject, preheader, layout, lang and reason`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b", "c"}, b.Names("sms")); diff != "" {
		t.Error(diff)
	}
	if c, ok := b.Lookup("email", "c"); !ok || c.File != "templates/c.md" {
		t.Errorf("%+v", c)
	}
}
