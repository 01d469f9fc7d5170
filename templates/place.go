package templates

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// attribute matches one attribute of a start tag: its name and its value, with its quotes.
var attribute = regexp.MustCompile(`([^\s=>"'/]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]*)`)

// msoMark is the opening or the end of a conditional comment, which html/template would drop with all in it.
var msoMark = regexp.MustCompile(`<!--\[if[^\]<>\n]*\]>(?:<!-->|-->)?|<!--<!\[endif\]-->|<!\[endif\]-->|<!\[if[^\]<>\n]*\]>|<!\[endif\]>`)

// keepConditional puts marks for the conditional comments of Outlook, so that what they hold is escaped as HTML.
func (sc *scanner) keepConditional(body string) string {
	return msoMark.ReplaceAllStringFunc(body, func(m string) string {
		if len(sc.tags) >= maxTags || strings.Contains(m, sc.prefix) {
			return m
		}
		sc.tags = append(sc.tags, &tag{kind: tagRaw, raw: m, src: sc.src})
		return sc.mark(len(sc.tags) - 1)
	})
}

// checkPlaces refuses login links where they would leak or break, and blocks where they cannot stand.
func (sc *scanner) checkPlaces(body string) {
	z := html.NewTokenizer(strings.NewReader(body))
	raw := "" // the element whose content is not read as HTML
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		text := string(z.Raw())
		switch kind {
		case html.TextToken:
			if raw != "" {
				sc.refuseLinks(text, "inside <"+raw+">")
			}
		case html.CommentToken, html.DoctypeToken:
			sc.refuseLinks(text, "in a comment, which no reader sees")
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			if n := string(name); slices.Contains([]string{"script", "style", "title", "textarea", "iframe", "noscript", "noembed", "xmp"}, n) {
				raw = n
			}
			sc.checkStartTag(text)
		case html.EndTagToken:
			raw = ""
		}
	}
}

// refuseLinks reports every login link in a piece of the body.
func (sc *scanner) refuseLinks(text, where string) {
	for _, m := range sc.marks.FindAllString(text, -1) {
		if t := sc.tagOf(m); t.kind == tagLink {
			sc.errs = append(sc.errs, t.fail("login_url may stand in the text and in href=\"…\", not "+where))
		}
	}
}

func (sc *scanner) checkStartTag(text string) {
	if !strings.Contains(text, sc.prefix) {
		return
	}
	rest := text
	for _, m := range attribute.FindAllStringSubmatch(text, -1) {
		name, value := strings.ToLower(m[1]), m[2]
		rest = strings.Replace(rest, m[0], m[1], 1)
		quoted := strings.HasPrefix(value, `"`) || strings.HasPrefix(value, `'`)
		switch {
		case !quoted:
			sc.refuseLinks(value, "in an attribute without quotes: write "+name+`="…"`)
		case name != "href":
			sc.refuseLinks(value, "in "+name)
		default:
			sc.checkHref(strings.Trim(value, value[:1]))
		}
	}
	sc.refuseLinks(rest, "in the name of a tag or attribute")
}

// checkHref warns of an address that hands the link to somebody else, or breaks it.
func (sc *scanner) checkHref(value string) {
	for _, at := range sc.marks.FindAllStringIndex(value, -1) {
		t := sc.tagOf(value[at[0]:at[1]])
		if t.kind != tagLink {
			continue
		}
		before := sc.marks.ReplaceAllString(value[:at[0]], "")
		if strings.TrimSpace(before) != "" {
			sc.warns = append(sc.warns, t.fail("this hands the login link to another address, and whoever keeps that can log in"))
		}
		sc.checkTail(t, value[at[1]:])
	}
}

// checkTail warns of text that becomes part of the link and breaks it.
func (sc *scanner) checkTail(t *tag, after string) {
	if after == "" || strings.HasPrefix(after, sc.prefix) {
		return
	}
	if c := after[0]; c == '-' || c == '_' || c == '/' || c == '&' || c == '=' || isWord(rune(c)) {
		sc.warns = append(sc.warns, t.fail("what follows login_url here becomes part of the link and breaks it: put a space between"))
	}
}

// checkTails does so for text.
func (sc *scanner) checkTails(body string) {
	for _, at := range sc.marks.FindAllStringIndex(body, -1) {
		if t := sc.tagOf(body[at[0]:at[1]]); t.kind == tagLink {
			sc.checkTail(t, body[at[1]:])
		}
	}
}
