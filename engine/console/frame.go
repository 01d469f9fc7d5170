package console

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// This file is what all pages have in common: the frame with its rail, times, addresses, and what goes wrong.

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed style.css
var styleCSS []byte

//go:embed console.js
var scriptJS []byte

// pagesPolicy lets nothing run and nothing be fetched but our stylesheet and our script.
const pagesPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm is how long a form's body may be.
const maxForm = 64 << 10

// The addresses of what pages load change with what they hold.
var (
	stylePath  = fmt.Sprintf("/console-%x.css", sum(styleCSS))
	scriptPath = fmt.Sprintf("/console-%x.js", sum(scriptJS))
)

func sum(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

// IsAsset reports whether a path is of what pages load, which is the same in all locations.
func IsAsset(path string) bool { return path == stylePath || path == scriptPath }

var views = parsePages("signin", "overview", "workflows", "workflow", "runs", "run", "messages", "message", "contacts", "contact",
	"links", "link", "portal", "dead", "letter", "audit", "problem", "places")

// parsePages makes each page from the frame and its own file.
func parsePages(names ...string) map[string]*template.Template {
	frame := template.Must(template.ParseFS(pageFiles, "pages/frame.html", "pages/parts.html"))
	out := make(map[string]*template.Template, len(names))
	for _, name := range names {
		t := template.Must(frame.Clone())
		out[name] = template.Must(t.ParseFS(pageFiles, "pages/"+name+".html"))
	}
	return out
}

// A railItem is one entry of the rail.
type railItem struct {
	Path, Word string
	action     Action
}

var rail = []railItem{
	{"/", "Overview", See}, {"/workflows", "Workflows", See}, {"/runs", "Runs", See}, {"/messages", "Messages", See},
	{"/contacts", "Contacts", See}, {"/links", "Links", See}, {"/portal", "Client Portal", MakeLink},
	{"/dead", "Dead letters", SeeHouse}, {"/audit", "Audit", SeeHouse},
}

// A page is what a template is given. Body is the page's own.
type page struct {
	Title string
	At    string // the rail's entry
	Who   Who
	Name  string // the location's
	Done  string // what was just done, in a sentence
	Wrong string // what was not
	Query url.Values
	Body  any

	config *Config
	now    time.Time
	zone   *time.Location
}

// A leaf is a page before it is known who looks at it.
type leaf struct {
	view, title, at string
	action          Action
	body            func(*http.Request) (any, error)
}

// Style and the others below are for templates.
func (p *page) Style() string { return stylePath }

// Script is the address of the console's script.
func (p *page) Script() string { return scriptPath }

// Rail returns the entries that who looks may open.
func (p *page) Rail() (items []railItem) {
	for _, it := range rail {
		if p.Who.Role.May(it.action) {
			items = append(items, it)
		}
	}
	return items
}

// May reports whether who looks may do something.
func (p *page) May(a string) bool { return p.Who.Role.May(actionNames[a]) }

// MayEnd reports whether who looks may end a link of a kind.
func (p *page) MayEnd(kind string) bool { return p.Who.Role.May(ending(kind)) }

var actionNames = map[string]Action{
	"MakeLink": MakeLink, "SendLogin": SendLogin, "ViewAs": ViewAs, "RevokeMany": RevokeMany, "MakeUser": MakeUser, "Invite": Invite,
	"Steer": Steer, "Mailbox": Mailbox, "SignStaff": SignStaff,
}

// Several reports whether the server has more locations than this one.
func (p *page) Several() bool { return len(p.config.Others) > 0 }

// To makes an address within the console: parts of the path are joined, escaped, by slashes.
func (p *page) To(path string, parts ...any) string {
	for _, part := range parts {
		path += "/" + url.PathEscape(fmt.Sprint(part))
	}
	return p.with(path, url.Values{})
}

// With is the address of a list with one filter: a name, then its value.
func (p *page) With(path string, filters ...any) string {
	q := url.Values{}
	for i := 0; i+1 < len(filters); i += 2 {
		q.Set(fmt.Sprint(filters[i]), fmt.Sprint(filters[i+1]))
	}
	return p.with(path, q)
}

// More is the address of this list from an older entry on.
func (p *page) More(path, before string) string {
	q := url.Values{}
	for name, v := range p.Query {
		q[name] = v
	}
	q.Set("before", before)
	return p.with(path, q)
}

func (p *page) with(path string, q url.Values) string {
	if p.Several() {
		q.Set("location", p.config.Location.ID)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// LocationID is for forms that are read with GET: their address loses its own query.
func (p *page) LocationID() string { return p.config.Location.ID }

// page begins a page for who looks.
func (c *Config) page(r *http.Request, title, at string) *page {
	zone := c.Location.Zone
	if zone == nil {
		zone = time.UTC
	}
	q := r.URL.Query()
	p := &page{Title: title, At: at, Who: whoOf(r.Context()), Name: c.Name(), Query: q, config: c, now: c.Now(), zone: zone}
	p.Done = doneSays[q.Get("done")]
	return p
}

// render writes a page.
func (p *page) render(w http.ResponseWriter, status int, view string) {
	var b bytes.Buffer
	if err := views[view].ExecuteTemplate(&b, "frame.html", p); err != nil {
		panic(fmt.Errorf("console page %s: %w", view, err)) // a fault of ours, for the log: each page is tested
	}
	setPageHeaders(w.Header())
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func setPageHeaders(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagesPolicy)
	h.Set("Referrer-Policy", "no-referrer, strict-origin") // as the portal's pages, and for the same reason
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// leaf serves a page to those who may see it. Others are led to the sign-in page, or told what they lack.
func (c *Config) leaf(l leaf) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r, ok := c.signedIn(w, r)
		if !ok {
			return
		}
		var body any
		_, err := c.do(r, l.action, "", func() (v any, err error) { body, err = l.body(r); return body, err })
		if err != nil {
			c.problem(w, r, l.at, err)
			return
		}
		p := c.page(r, l.title, l.at)
		p.Body = body
		p.render(w, http.StatusOK, l.view)
	}
}

// formOf reads the form of who is signed in, which stands at a page. It answers everybody else itself.
func (c *Config) formOf(w http.ResponseWriter, r *http.Request, at string) (*http.Request, bool) {
	r, ok := c.signedIn(w, r)
	if !ok {
		return r, false
	}
	if err := readForm(w, r); err != nil {
		c.problem(w, r, at, err)
		return r, false
	}
	return r, true
}

// form serves a form's POST: fn does what it asks for and says where the browser goes then.
func (c *Config) form(at string, a Action, did string, fn func(*http.Request) (v any, to string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r, ok := c.formOf(w, r, at)
		if !ok {
			return
		}
		to := ""
		_, err := c.do(r, a, did, func() (v any, err error) { v, to, err = fn(r); return v, err })
		if err != nil {
			c.problem(w, r, at, err)
			return
		}
		http.Redirect(w, r, c.within(to), http.StatusSeeOther)
	}
}

// within adds the location to an address of the console.
func (c *Config) within(to string) string {
	if len(c.Others) == 0 {
		return to
	}
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	return to + sep + "location=" + url.QueryEscape(c.Location.ID)
}

func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: the form cannot be read", ErrInvalid)
	}
	return nil
}

// signedIn returns the request with who makes it; or it leads to the sign-in page and reports false.
func (c *Config) signedIn(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	who, ok, err := c.who(r, false)
	switch {
	case err != nil:
		c.problem(w, r, "", err)
		return nil, false
	case !ok && r.Method == http.MethodGet:
		q := url.Values{}
		if next := r.URL.RequestURI(); next != "/" {
			q.Set("next", next)
		}
		http.Redirect(w, r, c.within(strings.TrimSuffix("/signin?"+q.Encode(), "?")), http.StatusSeeOther)
		return nil, false
	case !ok:
		http.Redirect(w, r, c.within("/signin"), http.StatusSeeOther)
		return nil, false
	}
	return r.WithContext(With(r.Context(), who)), true
}

// problem shows what went wrong, in the words of the error, which are for people.
func (c *Config) problem(w http.ResponseWriter, r *http.Request, at string, err error) {
	status, title := http.StatusInternalServerError, "That did not work"
	says := Mask(err.Error())
	switch {
	case errors.Is(err, ErrNotFound):
		status, title = http.StatusNotFound, "There is no such thing here"
	case errors.Is(err, ErrInvalid):
		status, says = http.StatusBadRequest, trimMark(says, ErrInvalid)
	case errors.Is(err, ErrConflict):
		status, says = http.StatusConflict, trimMark(says, ErrConflict)
	case errors.Is(err, errRole):
		status, title, says = http.StatusForbidden, "That is not yours to do", trimMark(says, errRole)+". An owner can change your role in latchkey.yaml."
	}
	p := c.page(r, title, at)
	p.Done, p.Body = "", upper(says)
	p.render(w, status, "problem")
}

func trimMark(s string, mark error) string { return strings.TrimPrefix(s, mark.Error()+": ") }

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// assets serves the stylesheet and the script.
func assets(mux *http.ServeMux) {
	serve := func(kind string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(body)
		}
	}
	mux.HandleFunc("GET "+stylePath, serve("text/css; charset=utf-8", styleCSS))
	mux.HandleFunc("GET "+scriptPath, serve("text/javascript; charset=utf-8", scriptJS))
}
