package smtp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wneessen/go-mail"

	"latchkey/actions"
)

// A letter is a mail that was checked, with its envelope.
type letter struct {
	from, to string // as they go on the wire
	msg      *mail.Msg
	plain    bool // the bodies may travel as they are: short lines, no NUL (RFC 6152)
}

// maxLine is the most bytes a line may have on the wire without its CRLF (RFC 5321 section 4.5.3.1.6).
const maxLine = 998

// compose checks a mail and makes go-mail's message of it. Every error is final: the mail itself is at fault.
// Nothing that comes from a contact reaches a header but through an encoder, and nothing with a control
// character reaches one at all.
func compose(m actions.Mail) (letter, error) {
	var l letter
	from, fromAddr, err := party("from", m.From)
	if err != nil {
		return l, err
	}
	if l.to, err = CheckAddress(m.To); err != nil {
		return l, fmt.Errorf("to: %w", err)
	}
	for _, f := range [...]struct{ name, value string }{{"subject", m.Subject}, {"unsubscribe link", m.Unsubscribe}} {
		if strings.ContainsFunc(f.value, unicode.IsControl) {
			return l, fmt.Errorf("%s: it holds a control character", f.name)
		}
	}
	if !messageID(m.MessageID) {
		return l, errors.New("message id: it is not of the form left@right")
	}
	if m.Date.IsZero() {
		return l, errors.New("date: it is missing")
	}
	l.from = fromAddr
	l.msg = mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithBoundary(boundary(m)))
	l.msg.FromMailAddress(from)
	l.msg.ToMailAddress(&netmail.Address{Address: l.to})
	if m.ReplyTo != "" {
		reply, _, err := party("reply-to", m.ReplyTo)
		if err != nil {
			return l, err
		}
		l.msg.ReplyToMailAddress(reply)
	}
	l.msg.Subject(noEncodedWords(m.Subject))
	l.msg.SetMessageIDWithValue(m.MessageID)
	l.msg.SetDateWithValue(m.Date)
	l.msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office notes to us, please
	if m.Unsubscribe != "" {
		if err := l.msg.SetListUnsubscribeOneClick(m.Unsubscribe); err != nil {
			return l, errors.New("unsubscribe link: it is not an https URL")
		}
	}
	return l, l.body(m.Text, m.HTML)
}

// encodedBytes is how many bytes of text one encoded word holds (RFC 2047: 75 characters, its own marks among them).
const encodedBytes = 45

// noEncodedWords returns a subject that reads as it is written even if it looks like an encoded word, which an encoder leaves
// alone and readers would decode: "=?utf-8?q?=0D=0A…?=" in a contact's name.
func noEncodedWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var words []string
	for s != "" {
		n := min(len(s), encodedBytes)
		for n < len(s) && n > encodedBytes-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?UTF-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// body sets the parts: text first, HTML as the better alternative.
func (l *letter) body(text, html string) error {
	text, html = newlines(text), newlines(html)
	l.plain = shortLines(text) && shortLines(html) && strings.IndexByte(text, 0) < 0 && strings.IndexByte(html, 0) < 0
	switch {
	case text == "" && html == "":
		return errors.New("body: the mail has neither HTML nor text")
	case html == "":
		l.msg.SetBodyWriter(mail.TypeTextPlain, writes(text))
	case text == "":
		l.msg.SetBodyWriter(mail.TypeTextHTML, writes(html))
	default:
		l.msg.SetBodyWriter(mail.TypeTextPlain, writes(text))
		l.msg.AddAlternativeWriter(mail.TypeTextHTML, writes(html))
	}
	return nil
}

// writes gives go-mail a body without a copy of it.
func writes(body string) func(io.Writer) (int64, error) {
	return func(w io.Writer) (int64, error) {
		n, err := io.WriteString(w, body)
		return int64(n), err
	}
}

// encode picks how the bodies travel: as they are if they can and the server takes 8-bit bytes, else quoted-printable,
// which costs twice the time.
func (l *letter) encode(eightBit bool) {
	enc := mail.EncodingQP
	if l.plain && eightBit {
		enc = mail.NoEncoding
	}
	for _, p := range l.msg.GetParts() {
		p.SetEncoding(enc)
	}
}

// party reads "a@b.c" or "Name <a@b.c>" and checks the address in it.
func party(field, s string) (*netmail.Address, string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return nil, "", fmt.Errorf("%s: it holds a control character", field)
	}
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", field, ErrAddress)
	}
	if a.Address, err = CheckAddress(a.Address); err != nil {
		return nil, "", fmt.Errorf("%s: %w", field, err)
	}
	return a, a.Address, nil
}

// messageID reports whether s may stand between < and > in Message-ID (RFC 5322 section 3.6.4, the strict form).
func messageID(s string) bool {
	left, right, ok := strings.Cut(s, "@")
	return ok && len(s) <= 250 && dotAtom(left) && dotAtom(right)
}

// boundary makes the MIME boundary of a mail from its id, so that each attempt is the same bytes. go-mail writes it
// without quotes, and nothing looks for it in the bodies, so it is made of letters and digits until neither has it.
func boundary(m actions.Mail) string {
	b := []byte("part")
	for i := 0; i < len(m.MessageID) && len(b) < 60; i++ {
		if alnum(m.MessageID[i]) {
			b = append(b, m.MessageID[i])
		}
	}
	for strings.Contains(m.Text, string(b)) || strings.Contains(m.HTML, string(b)) {
		b = append(b, 'x')
		if len(b) > 70 { // RFC 2046 section 5.1.1
			return "" // go-mail picks one at random
		}
	}
	return string(b)
}

// newlines makes every line end a bare \n. A lone \r would reach the server as it is, and servers differ on whether it
// ends a line: that difference is how mails are smuggled.
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func shortLines(s string) bool {
	for {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			return len(s) <= maxLine
		}
		if i > maxLine {
			return false
		}
		s = s[i+1:]
	}
}
