package portal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"latchkey/engine"
)

//go:embed *.html *.css
var files embed.FS

// A notice is a page of one message.
type notice struct {
	Head, Text, Next string
	When             *moment
	Support          string
	Renew            *renewal
	Login            string // where a link can be asked for
	Again            bool   // it was already
	SignedIn         bool   // whether the browser holds a living session
}

// fill takes the message of that key from the catalogue. Each of its texts may name the site once.
func (n *notice) fill(t *tongue, key, site string) {
	n.Head, n.Text, n.Next = t.say(key+".head", site), t.say(key+".text", site), t.say(key+".next", site)
}

// A frame is what every page has around it.
type frame struct {
	Lang, Dir     string // of the page's language
	Title         string
	Site, Initial string
	Style         template.CSS
	Icon, Logo    template.URL
	Page          any
}

// pages renders what the portal shows.
type pages struct {
	tmpl   map[*tongue]*template.Template
	style  string // of every page
	inside string // of those after sign-in, beside it
}

// single are the pages of one card, which make do with the first sheet.
var single = map[string]bool{"door": true, "notice": true, "login": true, "onward": true, "staff_door": true, "staff": true}

func newPages() *pages {
	p := &pages{tmpl: map[*tongue]*template.Template{}, style: sheet("style.css"), inside: sheet("inside.css")}
	for _, t := range spoken.tongues {
		funcs := template.FuncMap{"say": t.say, "plural": t.plural}
		p.tmpl[t] = template.Must(template.New("").Funcs(funcs).ParseFS(files, "*.html"))
	}
	return p
}

func sheet(name string) string {
	css, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded
	}
	return squeeze(string(css))
}

// serve renders the page called name around its data, in a language and with all its headers.
func (p *pages) serve(w http.ResponseWriter, t *tongue, loc *engine.Location, status int, name, title string, page any) {
	p.serveIn(w, t, loc, nil, status, name, title, page)
}

// serveIn is serve for a page that those sites may embed.
func (p *pages) serveIn(w http.ResponseWriter, t *tongue, loc *engine.Location, hosts []string, status int, name, title string, page any) {
	accent := brandOf(loc)
	style := p.style
	if !single[name] {
		style += p.inside
	}
	style += accent.css()
	site := clean(loc.Name)
	initial := strings.ToUpper(first(site))
	f := frame{Lang: t.tag.String(), Dir: t.say("direction"), Title: title, Site: site, Initial: initial, Page: page,
		Style: template.CSS(style), Icon: icon(accent, initial), Logo: template.URL(loc.Logo)}
	var body bytes.Buffer
	if err := p.tmpl[t].ExecuteTemplate(&body, name, f); err != nil {
		panic(fmt.Errorf("portal page %s: %w", name, err)) // a fault of ours: each page is tested
	}
	setHeaders(w, style, secure(loc), hosts...)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	w.Write(body.Bytes()) // the browser may be gone; there is no one to tell
}

// setHeaders keeps a page, and the token that its address may hold, between the browser and us.
// Only hosts may embed it.
func setHeaders(w http.ResponseWriter, style string, https bool, hosts ...string) {
	csp := "default-src 'none'; "
	if style != "" {
		sum := sha256.Sum256([]byte(style))
		csp += "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; "
	}
	h := w.Header()
	h.Set("Content-Security-Policy", csp+"form-action 'self'; frame-ancestors "+cmp.Or(strings.Join(hosts, " "), "'none'")+"; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	// Nobody is told a path of ours, which may hold a token. With no-referrer alone the Origin of our own forms would be "null", and in
	// browsers that send no Sec-Fetch-Site no button would work; it is for those that do not know the other.
	h.Set("Referrer-Policy", "no-referrer, strict-origin")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// squeeze drops what a style sheet has for its readers: indentation and comments, which stand on lines of their own.
func squeeze(css string) string {
	var b strings.Builder
	for line := range strings.Lines(css) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "/*") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// icon draws the site's initial on its colour, so that browsers need not ask for one.
func icon(a accent, initial string) template.URL {
	if r, n := utf8.DecodeRuneInString(initial); n == 0 || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		initial = ""
	}
	svg := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="` + a.fill +
		`"/><text x="16" y="22" text-anchor="middle" font-family="sans-serif" font-size="18" font-weight="700" fill="` + a.text + `">` +
		initial + `</text></svg>`
	return template.URL("data:image/svg+xml," + url.PathEscape(svg))
}
