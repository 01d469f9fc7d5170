package templates

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// layoutHTML is the layout named default. Its [[ ]] are the compiled template's own brackets.
//
//go:embed layout.html
var layoutHTML string

// The layouts that a template's front matter may name.
const (
	layoutDefault = "default"
	layoutNone    = "none"
)

// inLayout puts a body into the default layout.
func (sc *scanner) inLayout(body string) string {
	head, foot, _ := strings.Cut(layoutHTML, "[[BODY]]")
	own := strings.NewReplacer("[[", leftMark, "]]", rightMark)
	return own.Replace(sc.keepConditional(head)) + strings.TrimSpace(body) + own.Replace(sc.keepConditional(foot))
}

var bodyTag = regexp.MustCompile(`(?i)<body(?:\s[^>]*)?>`)

// withPreheader puts the preheader at the start of a document that has no layout of ours.
func withPreheader(doc string) string {
	at := 0
	if hit := bodyTag.FindStringIndex(doc); hit != nil {
		at = hit[1]
	}
	return doc[:at] + "<div style=\"display:none;max-height:0;overflow:hidden\">\x02$.Preheader\x03</div>\n" + doc[at:]
}

// buttonOpen begins a button that is a link in every client: 48 px high, coloured by its table cell.
func buttonOpen(href string) string {
	return `<table role="presentation" class="lk-button" cellpadding="0" cellspacing="0" border="0" style="margin:24px 0 8px">` +
		"<tr><td align=\"center\" bgcolor=\"\x02$.Accent\x03\" style=\"padding:0;border-radius:8px;background:\x02$.Accent\x03;mso-padding-alt:12px 28px\">" +
		`<a class="lk-press" href="` + href + "\" style=\"display:inline-block;padding:12px 28px;font-size:16px;line-height:24px;" +
		"font-weight:600;color:\x02$.AccentText\x03;text-decoration:none;border-radius:8px\">"
}

// buttonClose ends it; bare puts the address beneath, small, for readers whose client shows no buttons.
func buttonClose(href string, bare bool) string {
	if !bare {
		return "</a></td></tr></table>\n"
	}
	return "</a></td></tr></table>\n" + `<p class="lk-bare" style="margin:0 0 24px;font-size:14px;line-height:20px;color:#696970;word-break:break-all">` +
		"\x02$.OrCopy\x03" + `<br><a href="` + href + `" style="color:#696970">` + href + "</a></p>\n"
}

// What the layout shows; all of it comes from the message's data.

// Title is the subject, for clients that show the document's title.
func (s *state) Title() string { return s.subject }

// Preheader is the line that mail clients show after the subject.
func (s *state) Preheader() string { return s.preheader }

// Brand is the course site's name.
func (s *state) Brand() string { return s.known("location", "name") }

// Logo is the address of the course site's logo, if it has one.
func (s *state) Logo() string { return s.known("location", "logo") }

// Address is the postal address that marketing mails must carry.
func (s *state) Address() string { return s.known("location", "address") }

// Help is the address that a reader may write to.
func (s *state) Help() string {
	if a := s.known("support", "email"); a != "" {
		return a
	}
	return s.known("location", "email")
}

// Why says why the reader gets this mail.
func (s *state) Why() string {
	reason := strings.TrimRight(s.reason, ". ")
	switch b := s.Brand(); {
	case reason != "":
	case b != "":
		reason = fmt.Sprintf(s.words.learnAt, b)
	default:
		reason = s.words.learnHere
	}
	return fmt.Sprintf(s.words.because, reason)
}

// Unsubscribe is the page that ends marketing mails.
func (s *state) Unsubscribe() string { return s.data.Unsubscribe }

// known returns a value of the data as one line of text, or "".
func (s *state) known(path ...string) string {
	text, err := s.text(lookup(s.data.Values, path))
	if err != nil {
		return ""
	}
	return clean(text, true)
}

// footer is the layout's footer for the text part.
func (s *state) footer() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n-- \n%s\n", s.Why())
	line := s.Brand()
	if a := s.Address(); a != "" {
		line += ", " + a
	}
	if h := s.Help(); h != "" {
		line = strings.TrimPrefix(line+" · "+h, " · ")
	}
	if line != "" {
		b.WriteString(line + "\n")
	}
	if s.data.Unsubscribe != "" {
		b.WriteString(s.OptOut() + ": " + s.data.Unsubscribe + "\n")
	}
	return b.String()
}

// A theme is the location's brand colour and what must be legible on it or in it.
type theme struct {
	brand      string // as it was given
	accent     template.CSS
	accentText template.CSS
	link       template.CSS // legible on white
	darkLink   template.CSS // legible on the dark card
}

// standardAccent serves where the location has no colour, or one that cannot be read.
const standardAccent = "#2457d6"

type rgb [3]float64

var white, ink, darkCard = rgb{1, 1, 1}, rgb{0.094, 0.094, 0.106}, rgb{0.11, 0.11, 0.122}

func newTheme(brand string) theme {
	c, ok := parseColour(brand)
	if !ok {
		c, _ = parseColour(standardAccent)
	}
	t := theme{brand: brand, accent: c.css(), accentText: white.css(), link: c.legible(white, rgb{}).css(), darkLink: c.legible(darkCard, white).css()}
	if contrast(c, ink) > contrast(c, white) {
		t.accentText = ink.css()
	}
	return t
}

// parseColour reads #rgb and #rrggbb.
func parseColour(s string) (rgb, bool) {
	hex, ok := strings.CutPrefix(strings.TrimSpace(s), "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if !ok || err != nil || len(hex) != 6 {
		return rgb{}, false
	}
	return rgb{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, true
}

func (c rgb) css() template.CSS {
	return template.CSS(fmt.Sprintf("#%02x%02x%02x", int(c[0]*255+.5), int(c[1]*255+.5), int(c[2]*255+.5)))
}

// legible moves the colour towards another until text in it has a contrast of 4.5 on the ground.
func (c rgb) legible(ground, towards rgb) rgb {
	for range 40 {
		if contrast(c, ground) >= 4.6 {
			break
		}
		for i := range c {
			c[i] += (towards[i] - c[i]) / 10
		}
	}
	return c
}

// luminance and contrast are those of WCAG 2.
func (c rgb) luminance() float64 {
	var l [3]float64
	for i, v := range c {
		if l[i] = v / 12.92; v > 0.04045 {
			l[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2]
}

func contrast(a, b rgb) float64 {
	x, y := a.luminance()+0.05, b.luminance()+0.05
	return max(x, y) / min(x, y)
}
