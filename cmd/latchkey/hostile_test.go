package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

const hostileTemplate = `---
subject: Hello <<contact.first_name | default "there">> (<<contact.custom.nick | default "-">>)
preheader: For <<contact.custom.nick | default "-">>
---
Dear <<contact.first_name | default "there">>, **<<product.title | default "x">>** waits for <<contact.custom.nick | default "-">>.

<a title="<<contact.custom.nick | default "-">>" href="<<login_url>>">In</a>
`

// Names that people give themselves reach a mail as text: no header comes of them, nothing is executed, no field is filled in.
//
// Red if the mailer takes a subject as it is (compose without noEncodedWords), if what stands in HTML is not escaped (asHTML in
// templates/exec.go writes text as it is), or if a value is not cleaned (Get in templates/state.go returns text as it is).
func TestAttack19HostileNamesInMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": hostileTemplate})
	w.start()
	nc := w.connect()
	names := []string{"Ada", "a\r\nBcc: evil@x.test", "a\nX-Evil: 1\n\n<p>body", `"><script>alert(1)</script>`, "<<login_url>>", "{{.}}", "{{.Link}}\x02$.Link 0\x03",
		"\u202egnp.exe", strings.Repeat("A", 10<<10), `" onload="x`, "=?utf-8?q?=0D=0ABcc:_evil@x.test?="}
	asWritten := []int{3, 4, 5, 10}
	var shown []string
	for _, i := range asWritten {
		shown = append(shown, fmt.Sprintf("c%d@example.com", i))
	}
	for i, name := range names {
		data, err := json.Marshal(map[string]any{"contact": map[string]any{"id": fmt.Sprint("c", i), "email": fmt.Sprintf("c%d@example.com", i),
			"first_name": name, "custom": map[string]any{"nick": name}}, "offer": map[string]string{"id": "gold"}, "product": map[string]string{"id": "go", "title": name}})
		if err != nil {
			t.Fatal(err)
		}
		w.send(nc, "new_sign_up", fmt.Sprint(i), string(data))
	}
	w.waitMails(len(names))
	w.mu.Lock()
	defer w.mu.Unlock()
	var want []string
	for _, raw := range w.mails {
		head, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw.Data))).ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		m := readMail(t, raw.Data)
		got := slices.Sorted(maps.Keys(head))
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(head["To"]) != 1 || len(head["Subject"]) != 1 || !strings.Contains(m.to, raw.To) {
			t.Errorf("%s: headers %v, want %v", raw.To, got, want)
		}
		if strings.ContainsAny(m.subject, "\r\n\x00\x02") {
			t.Errorf("%s: subject %q", raw.To, m.subject)
		}
		if n := len(links(m.html)); n != 1 || len(links(m.text)) != 1 {
			t.Errorf("%s: %d links", raw.To, n)
		}
		for _, bad := range []string{"<script", " onload=\"x", "<p>body"} {
			if strings.Contains(m.html, bad) {
				t.Errorf("%s: the mail has %q:\n%s", raw.To, bad, m.html)
			}
		}
	}
	for _, raw := range w.mails {
		if i := slices.Index(shown, raw.To); i >= 0 {
			if m := readMail(t, raw.Data); !strings.Contains(m.subject, names[asWritten[i]]) || !strings.Contains(m.text, names[asWritten[i]]) {
				t.Errorf("%q is read as more than a text: %q\n%s", names[asWritten[i]], m.subject, m.text)
			}
		}
	}
}
