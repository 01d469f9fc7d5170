package main

import (
	"bytes"
	"io"
	"regexp"
	"testing"

	"github.com/emersion/go-message/mail"
)

// mailParts is a mail as a reader sees it.
type mailParts struct {
	id, from, to, replyTo, subject, html, text string
}

var linkPattern = regexp.MustCompile(`https?://[^\s"'<>()]+/l/[A-Za-z0-9_-]{36}`)

// links returns the distinct login links of a text, in order.
func links(s string) []string {
	var out []string
	seen := map[string]bool{}
	for _, l := range linkPattern.FindAllString(s, -1) {
		if !seen[l] {
			seen[l] = true
			out = append(out, l)
		}
	}
	return out
}

func readMail(t *testing.T, raw []byte) mailParts {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var m mailParts
	m.id, _ = r.Header.MessageID()
	m.subject, _ = r.Header.Subject()
	m.from, _ = r.Header.Text("From")
	m.to, _ = r.Header.Text("To")
	m.replyTo, _ = r.Header.Text("Reply-To")
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		if h, ok := p.Header.(*mail.InlineHeader); ok {
			if kind, _, _ := h.ContentType(); kind == "text/html" {
				m.html = string(b)
			} else {
				m.text = string(b)
			}
		}
	}
}
