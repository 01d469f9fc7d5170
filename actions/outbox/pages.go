package outbox

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	netmail "net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/engine"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS []byte

// pagePolicy lets nothing run and nothing be fetched but our stylesheet and the framed mail.
const pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// mailPolicy is for the mail itself, which has styles and pictures of its own: it is sandboxed, so that it has no origin
// and no script, and can only open its links in another tab.
const mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
	"img-src https: http: data:; form-action 'none'; frame-ancestors 'self'"

// pageSize is how many messages the list shows at a time.
const pageSize = 50

// A site is the outbox's pages.
type site struct {
	*Outbox
	page  *template.Template
	style string // the stylesheet's address, which changes with it
}

// Handler returns the pages, for /outbox and all beneath it. They show live links: whoever mounts them keeps strangers
// out and checks that writes come from the same origin.
func (o *Outbox) Handler() http.Handler {
	h := fnv.New32a()
	h.Write(styleCSS)
	s := &site{Outbox: o, page: template.Must(template.New("page").Parse(pageHTML)), style: fmt.Sprintf("/outbox/style-%x.css", h.Sum32())}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /outbox", s.list)
	mux.HandleFunc("GET /outbox/{$}", s.list)
	mux.HandleFunc("GET "+s.style, s.stylesheet)
	mux.HandleFunc("GET /outbox/{id}", s.one)
	mux.HandleFunc("GET /outbox/{id}/html", s.mail)
	mux.HandleFunc("POST /outbox/{id}/mint", s.mint)
	return mux
}

// A view is what a page shows.
type view struct {
	Style   string
	Chosen  bool   // a message was asked for; else the newest is shown beside the list where there is room
	Show    string // "mail", "text" or "source"
	Width   string // "desktop" or "phone"
	Channel string // of the list: Email, SMS or all
	List    []entry
	Older   string // id to go on from
	Message *shown
	CanMint bool
	Problem string
	now     time.Time
}

// An entry is a message in the list.
type entry struct {
	Message
	When, Exact, Name, Title, State string
}

// A shown message is an entry with what its page needs.
type shown struct {
	entry
	FromName, FromAddress, Initial string
	Body                           []segment // its text
	Source                         string
	Length                         int // of an SMS, in characters
}

// A segment is a stretch of text, perhaps a link.
type segment struct {
	Text string
	URL  string
	Dead bool // a link that is not in memory
}

func (s *site) list(w http.ResponseWriter, r *http.Request) { s.render(w, r, http.StatusOK, nil, "") }

func (s *site) one(w http.ResponseWriter, r *http.Request) {
	if m, ok := s.find(w, r); ok {
		s.render(w, r, http.StatusOK, &m, "")
	}
}

// find gets the message that the path names, or answers 404.
func (s *site) find(w http.ResponseWriter, r *http.Request) (Message, bool) {
	id, err := engine.ParseID(r.PathValue("id"))
	if err == nil {
		var m Message
		if m, err = s.Get(r.Context(), id); err == nil {
			return m, true
		}
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, engine.ErrBadID) {
		s.render(w, r, http.StatusNotFound, nil, "That message is not in the outbox, or no more. These are:")
	} else {
		s.fail(w, err)
	}
	return Message{}, false
}

func (s *site) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, engine.ErrClosed) || errors.Is(err, context.Canceled) {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, "The outbox cannot be read: "+err.Error(), status)
}

func (s *site) render(w http.ResponseWriter, r *http.Request, status int, m *Message, problem string) {
	q := r.URL.Query()
	v := view{
		Style: s.style, Chosen: m != nil, Problem: problem, CanMint: s.opts.Mint != nil, now: s.opts.Now(),
		Show: oneOf(q.Get("show"), "mail", "text", "source"), Width: oneOf(q.Get("width"), "desktop", "phone"),
		Channel: oneOf(q.Get("channel"), "", Email, SMS),
	}
	query := Query{Limit: pageSize + 1, Channel: v.Channel}
	if before, err := engine.ParseID(q.Get("before")); err == nil {
		query.Before = before
	}
	list, err := s.Messages(r.Context(), query)
	if err != nil {
		s.fail(w, err)
		return
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		v.Older = list[pageSize-1].ID.String()
	}
	for _, e := range list {
		v.List = append(v.List, v.entry(e))
	}
	if m == nil && len(list) > 0 {
		m = &list[0]
	}
	if m != nil {
		v.Message = v.shown(*m)
	}
	var page bytes.Buffer
	if err := s.page.Execute(&page, v); err != nil {
		s.fail(w, err)
		return
	}
	secure(w, pagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// mail serves the HTML of one message, for the frame.
func (s *site) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := s.find(w, r)
	if !ok {
		return
	}
	secure(w, mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(inNewTab(m.Reveal().HTML)))
}

// inNewTab makes the links of a mail open beside the outbox, as in a mail program.
func inNewTab(html string) string {
	const base = `<base target="_blank">`
	low := strings.ToLower(html)
	if i := strings.Index(low, "<head"); i >= 0 {
		if end := strings.IndexByte(low[i:], '>'); end >= 0 {
			return html[:i+end+1] + base + html[i+end+1:]
		}
	}
	return base + html
}

// mint puts a new link in the place of one, and shows the message again.
func (s *site) mint(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	m, ok := s.find(w, r)
	if !ok {
		return
	}
	_, err := s.Renew(r.Context(), m.ID, r.PostFormValue("link"))
	switch {
	case errors.Is(err, ErrNotFound):
		s.render(w, r, http.StatusNotFound, &m, "This message has no such link.")
	case err != nil:
		s.render(w, r, http.StatusConflict, &m, "No new link could be made: "+strings.TrimPrefix(err.Error(), "outbox: minting a link: ")+".")
	default:
		to := "/outbox/" + m.ID.String()
		if q := r.URL.RawQuery; q != "" {
			to += "?" + q
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

func (s *site) stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styleCSS)
}

// secure sets the headers of a page that shows live links.
func secure(w http.ResponseWriter, policy string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer, strict-origin") // the first alone would make the Origin of our own form "null"
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

func oneOf(s string, first string, others ...string) string {
	for _, o := range others {
		if s == o {
			return s
		}
	}
	return first
}

func (v *view) entry(m Message) entry {
	e := entry{Message: m, When: near(v.now.Sub(m.At), m.At), Exact: m.At.UTC().Format("Mon 2 Jan 2006, 15:04:05 UTC"), Title: m.Subject}
	e.Name, _ = names(m.To)
	switch {
	case m.Channel == SMS:
		e.Title = preview(m)
	case m.Subject == "":
		e.Title = "(no subject)"
	}
	switch {
	case len(m.Links) == 0:
		e.State = "none"
	case m.Live():
		e.State = "live"
	default:
		e.State = "gone"
	}
	return e
}

func (v *view) shown(m Message) *shown {
	sh := &shown{entry: v.entry(m), Body: segments(m), Length: utf8.RuneCountInString(m.Reveal().Text)}
	sh.FromName, sh.FromAddress = names(m.From)
	sh.Initial = strings.ToUpper(firstRunes(sh.FromName, 1))
	if m.Channel == Email {
		sh.Source = source(m.Reveal())
		if m.HTML == "" && v.Show == "mail" {
			v.Show = "text"
		}
	}
	return sh
}

// Query returns the page's own query with one value changed, for its links.
func (v view) Query(key, value string) template.URL {
	vals := map[string]string{"show": v.Show, "width": v.Width, "channel": v.Channel, "before": ""}
	vals[key] = value
	defaults := map[string]string{"show": "mail", "width": "desktop"}
	var parts []string
	for _, k := range []string{"show", "width", "channel", "before"} {
		if x := vals[k]; x != "" && x != defaults[k] {
			parts = append(parts, k+"="+x) // values are ours or an id: nothing to escape
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return template.URL("?" + strings.Join(parts, "&"))
}

// segments cuts a message's text at its links.
func segments(m Message) []segment {
	cut := []segment{{Text: m.Text}}
	for _, l := range m.Links {
		var next []segment
		for _, seg := range cut {
			if seg.URL != "" || seg.Dead {
				next = append(next, seg)
				continue
			}
			for i, part := range strings.Split(seg.Text, scheme+l.ID) {
				if i > 0 {
					url := l.Now.URL.Reveal()
					next = append(next, segment{Text: url, URL: url, Dead: url == ""})
				}
				if part != "" {
					next = append(next, segment{Text: part})
				}
			}
		}
		cut = next
	}
	return cut
}

// source is the mail as text, header first.
func source(m Message) string {
	var b strings.Builder
	for _, h := range [...][2]string{{"Date", m.At.Format(time.RFC1123Z)}, {"From", m.From}, {"To", m.To}, {"Reply-To", m.ReplyTo},
		{"Subject", m.Subject}, {"Message-ID", m.MessageID}, {"List-Unsubscribe", m.Unsubscribe}} {
		if h[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
		}
	}
	for _, part := range [...][2]string{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		if part[1] != "" {
			fmt.Fprintf(&b, "\n---- %s ----\n%s\n", part[0], strings.TrimRight(part[1], "\n"))
		}
	}
	return b.String()
}

// names splits "Name <a@b.c>"; without a name it is the address.
func names(s string) (name, address string) {
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return s, ""
	}
	if a.Name == "" {
		return a.Address, ""
	}
	return a.Name, a.Address
}

// preview is the beginning of an SMS in one line.
func preview(m Message) string {
	text := m.Text
	for _, l := range m.Links {
		text = strings.ReplaceAll(text, scheme+l.ID, "(login link)")
	}
	return firstRunes(strings.Join(strings.Fields(text), " "), 120)
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// near says how long ago something was, in words that fit a list.
func near(ago time.Duration, at time.Time) string {
	switch {
	case ago < 45*time.Second:
		return "just now"
	case ago < time.Hour:
		return fmt.Sprintf("%d min ago", max(1, int(ago.Round(time.Minute).Minutes())))
	case ago < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(ago.Hours()))
	}
	return at.UTC().Format("2 Jan, 15:04")
}
