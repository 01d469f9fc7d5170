package templates

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// An SMS is a compiled text message. It is safe for use by many goroutines.
type SMS struct {
	tags  []*tag
	loops int
	body  *program
	uses  uses
}

// NewSMS compiles a text message. The error is Errors; the other Errors are warnings.
func NewSMS(body Source, o Options) (*SMS, Errors, error) {
	sc := newScanner(o.filled(), body)
	m := &SMS{body: sc.textBody(&body)}
	if strings.TrimSpace(body.Text) == "" {
		sc.fail(0, "the message has no text")
	}
	sc.checkAlphabet(&body)
	m.tags, m.loops, m.uses = sc.tags, sc.loops, sc.collect()
	if len(sc.errs) > 0 {
		return nil, sc.warns.sorted(), sc.errs.orNil()
	}
	return m, sc.warns.sorted(), nil
}

// typographic are characters that editors slip in, and what to write for them in an SMS.
var typographic = map[rune]string{'’': "'", '‘': "'", '“': `"`, '”': `"`, '„': `"`, '–': "-", '—': "-", '…': "...", '\u00a0': "a plain space"}

// checkAlphabet warns of a character that doubles the price of a message for nothing.
func (sc *scanner) checkAlphabet(body *Source) {
	for i, r := range body.Text {
		if say, ok := typographic[r]; ok {
			sc.warns = append(sc.warns, body.errorAt(i, fmt.Sprintf("%q makes a part of the SMS hold 70 characters instead of 160: write %s", r, say)))
			return
		}
	}
}

// Render writes the message. Values are brought onto one line; links stay as they are. It returns
// *MissingError for a field without a value, or the Error of a filter that could not use its value.
func (m *SMS) Render(data Data) (string, error) {
	s := &state{tags: m.tags, data: &data, items: make([]any, m.loops), oneLine: true}
	text, err := s.run(m.body)
	return strings.TrimSpace(text), err
}

// An Encoding is how an SMS travels.
type Encoding string

// The encodings of an SMS.
const (
	GSM7 Encoding = "GSM-7" // 160 characters, or 153 in each of several parts
	UCS2 Encoding = "UCS-2" // 70, or 67
)

// gsmBasic and gsmExtended are the alphabet of 3GPP TS 23.038; extended characters take two places.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// Segments returns how many parts the message is sent (and paid) in, and how it travels. An escape pair or a
// surrogate pair is never split between two parts. An empty text is no part.
func Segments(body string) (int, Encoding) {
	widths := make([]byte, 0, len(body))
	for _, r := range body {
		switch {
		case r < 0x80 && gsmWidths[r] != 0:
			widths = append(widths, gsmWidths[r])
		case r >= 0x80 && strings.ContainsRune(gsmBasic, r):
			widths = append(widths, 1)
		case r == '€':
			widths = append(widths, 2)
		default:
			return ucs2Segments(body), UCS2
		}
	}
	return pack(widths, 160, 153), GSM7
}

// gsmWidths holds the places that an ASCII character takes; 0 if it is not in the alphabet.
var gsmWidths = func() (w [0x80]byte) {
	for r := range rune(0x80) {
		if strings.ContainsRune(gsmBasic, r) {
			w[r] = 1
		} else if strings.ContainsRune(gsmExtended, r) {
			w[r] = 2
		}
	}
	return w
}()

func ucs2Segments(body string) int {
	widths := make([]byte, 0, len(body))
	for _, r := range body {
		widths = append(widths, byte(max(utf16.RuneLen(r), 1)))
	}
	return pack(widths, 70, 67)
}

// pack fills parts with characters of one or two places.
func pack(widths []byte, single, part int) int {
	total := 0
	for _, w := range widths {
		total += int(w)
	}
	if total == 0 {
		return 0
	}
	if total <= single {
		return 1
	}
	parts, used := 1, 0
	for _, w := range widths {
		if used+int(w) > part {
			parts, used = parts+1, 0
		}
		used += int(w)
	}
	return parts
}
