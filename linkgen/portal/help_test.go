package portal

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/enginetest"
	"latchkey/linkgen"
)

const locID = "academy"

var t0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// A site is a portal on a real server, with two learners who have access.
type site struct {
	testing.TB
	*httptest.Server
	portal *Portal
	keys   *linkgen.Keys
	links  *linkgen.Links
	trail  *linkgen.Trail
	stores engine.Stores
	loc    *engine.Location
	ada    *engine.Person
	bob    *engine.Person
	logs   *syncBuffer

	mu   sync.Mutex
	time time.Time
	reds []engine.Redemption // in the order of their commits
	seen []string
	set  Settings // of the location
	mail []LoginRequest
	sent error  // what asking for a link ends with
	boss string // who is signed in to the console in every browser
	fail error  // what the next redemptions end with

	courses *engine.Courses
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newSite(t testing.TB, partitions int) *site {
	t.Helper()
	keys, err := linkgen.OpenKeys(t.TempDir() + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{TB: t, keys: keys, stores: enginetest.NewStores(partitions), time: t0, logs: new(syncBuffer)}
	s.trail = linkgen.NewTrail(s.stores)
	s.loc = &engine.Location{ID: locID, Name: "Acme Academy", Email: "hello@acme.test", Support: "help@acme.test", Brand: "#0a7d4f"}
	s.links = linkgen.New(keys, func(id string) (linkgen.Settings, bool) {
		return linkgen.Settings{BaseURL: s.loc.BaseURL}, id == locID
	})
	p := New(Config{Links: s.links, Stores: s.stores, Redeemer: s, Home: locID, Log: zerolog.New(s.logs), Now: s.now,
		Settings: s.settings, Mail: s, Courses: s.known, Staff: s.staff, Trail: s.trail, Client: ClientBehind([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}),
		Locations: func(id string) *engine.Location {
			if id == locID {
				return s.loc
			}
			return nil
		}})
	s.portal = p
	guarded := http.NewCrossOriginProtection().Handler(p) // as the command does
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+linkgen.Redact(r.URL.Path))
		s.mu.Unlock()
		guarded.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Server.Close)
	s.loc.BaseURL = s.URL
	s.set = Settings{Login: Login{Email: true}, Apps: map[string]App{"courses": {URL: "https://learn.acme.test", Product: "/courses/{product}"}}}
	if os.Getenv("LATCHKEY_SCREENS") != "" {
		s.dressed()
	}
	s.ada = s.learner("c-17", "Ada", "ada@example.com", "Go 101")
	s.bob = s.learner("c-18", "Bob", "bob@university.edu", "Rust 201")
	return s
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

func (s *site) settings(id string) Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != locID {
		return Settings{}
	}
	return s.set
}

func (s *site) staff(_ *http.Request, location string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if location != locID {
		return "", nil
	}
	return s.boss, nil
}

// story returns what happened to a link, in words.
func (s *site) story(link string) string {
	s.Helper()
	if err := s.trail.Flush(s.Context()); err != nil {
		s.Fatal(err)
	}
	tok, err := linkgen.ParseToken(strings.TrimPrefix(link, "/l/"))
	if err != nil {
		s.Fatal(err)
	}
	entries, err := s.links.Timeline(s.Context(), s.stores, tok.Selector().ID())
	if err != nil {
		s.Fatal(err)
	}
	var said []string
	for _, e := range entries {
		said = append(said, strings.TrimSpace(e.What+" "+e.Why))
	}
	return strings.Join(said, "; ")
}

func (s *site) known(_ context.Context, id string) (*engine.Courses, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != locID {
		return nil, nil
	}
	return s.courses, s.fail
}

// happen has an event happen to a learner now: its type, then nouns as "lesson=id" or "lesson=id/title".
func (s *site) happen(p *engine.Person, spec ...string) {
	s.Helper()
	ev := engine.Event{ID: fmt.Sprint(s.now(), spec), Type: spec[0], Location: locID, Time: s.now()}
	for _, w := range spec[1:] {
		kind, name, _ := strings.Cut(w, "=")
		id, title, _ := strings.Cut(name, "/")
		*map[string]**engine.Noun{"offer": &ev.Offer, "product": &ev.Product, "category": &ev.Category, "lesson": &ev.Lesson}[kind] = &engine.Noun{ID: id, Title: title}
	}
	*p, _, _, _ = engine.Plan(engine.NewSet(s.loc, nil), *p, ev, s.now())
	s.save(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.courses, _ = s.courses.After(&ev, ev.Time)
}

// Send implements LoginSender.
func (s *site) Send(_ context.Context, r LoginRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = append(s.mail, r)
	return s.sent
}

// asked returns the links that were asked for, and forgets them.
func (s *site) asked() []LoginRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.mail
	s.mail = nil
	return all
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = s.time.Add(d)
}

// Redeem implements Redeemer as the runner does: the redemption counts only if the commit is made.
func (s *site) Redeem(ctx context.Context, shard uint16, fn func(engine.Tx, time.Time) (engine.Redemption, error)) error {
	if s.fail != nil {
		return s.fail
	}
	var red engine.Redemption
	err := s.stores.For(shard).Update(ctx, func(tx engine.Tx) (err error) {
		red, err = fn(tx, s.now())
		return err
	})
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reds = append(s.reds, red)
	}
	return err
}

func (s *site) learner(id, name, email, product string) *engine.Person {
	s.Helper()
	p := &engine.Person{
		Key: engine.NewID(t0, engine.ShardOf(locID, id), locID, id), Location: locID,
		Contact:  engine.Contact{ID: id, FirstName: name, LastName: "Lovelace", Email: email},
		Offers:   map[string]*engine.Grant{"o-" + id: {Title: name + " offer", At: t0}},
		Products: map[string]*engine.Grant{"p-" + id: {Title: product, At: t0, Via: []string{"o-" + id}}},
	}
	s.save(p)
	return p
}

func (s *site) save(p *engine.Person) {
	s.Helper()
	s.update(p.Key, func(tx engine.Tx) error { return engine.SavePerson(tx, p) })
}

func (s *site) update(contact engine.ID, fn func(engine.Tx) error) {
	s.Helper()
	if err := s.stores.For(contact.Shard()).Update(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

// mint returns the path of a new link.
func (s *site) mint(p *engine.Person, req engine.LinkRequest) string {
	s.Helper()
	req.Location, req.Contact, req.Now = locID, p.Key, s.now()
	var path string
	s.update(p.Key, func(tx engine.Tx) error {
		_, u, err := s.links.Mint(tx, req)
		path = strings.TrimPrefix(u.Reveal(), s.loc.BaseURL)
		return err
	})
	return path
}

func (s *site) redemptions() []engine.Redemption {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]engine.Redemption(nil), s.reds...)
}

// requests returns what the server was asked.
func (s *site) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, ", ")
}

// dump returns all that is stored, to see whether something changed.
func (s *site) dump() string {
	s.Helper()
	var all []string
	for i, st := range s.stores.All() {
		for space, recs := range enginetest.Dump(s, st) {
			for k, v := range recs {
				all = append(all, fmt.Sprintf("%d %s %q: %q", i, space, k, v))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// A browser keeps cookies and does not follow redirects.
type browser struct {
	*site
	*http.Client
}

func (s *site) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// A reply is a response whose body was read.
type reply struct {
	*http.Response
	body string
}

// text is the page without its head.
func (r reply) text() string {
	_, body, _ := strings.Cut(r.body, "</head>")
	return body
}

func (b *browser) do(method, path string, body io.Reader, header ...string) reply {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.URL+path, body)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := b.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return reply{resp, string(text)}
}

func (b *browser) get(path string) reply { b.Helper(); return b.do("GET", path, nil) }

// post sends a form of a page.
func (b *browser) post(path string, fields url.Values, header ...string) reply {
	b.Helper()
	return b.do("POST", path, strings.NewReader(fields.Encode()), append(header, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")...)
}

// press presses the button of a link's page.
func (b *browser) press(link string) reply {
	b.Helper()
	form := url.Values{"t": {strings.TrimPrefix(link, "/l/")}}.Encode()
	return b.do("POST", "/l", strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// confirm opens a link's page and presses its button, with all that its form has.
func (b *browser) confirm(link string) reply {
	b.Helper()
	return b.post("/l", formOf(b.get(link), "/l"))
}

// formOf returns the hidden fields of a page's form.
func formOf(r reply, action string) url.Values {
	_, after, _ := strings.Cut(r.body, `action="`+action+`"`)
	form, _, _ := strings.Cut(after, "</form>")
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		fields.Set(m[1], html.UnescapeString(m[2]))
	}
	return fields
}

// cookie returns what the browser holds.
func (b *browser) cookie() string {
	u, _ := url.Parse(b.URL)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	return ""
}

func (b *browser) wants(r reply, status int, texts ...string) {
	b.Helper()
	if r.StatusCode != status {
		b.Errorf("%s %s: status %d, want %d\n%s", r.Request.Method, linkgen.Redact(r.Request.URL.Path), r.StatusCode, status, r.text())
	}
	for _, t := range texts {
		if !strings.Contains(r.body, t) {
			b.Errorf("%s: the page does not say %q:\n%s", r.Request.Method, t, r.text())
		}
	}
}

func (s *site) updateShard(shard uint16, fn func(engine.Tx) error) {
	s.Helper()
	if err := s.stores.For(shard).Update(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}
