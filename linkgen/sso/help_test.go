package sso_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/enginetest"
	"latchkey/linkgen"
	"latchkey/linkgen/portal"
	"latchkey/linkgen/sso"
)

const locID = "academy"

// A site is the portal and the hand-off on a real server, with a learner who has access to one product.
type site struct {
	testing.TB
	*httptest.Server
	links  *linkgen.Links
	stores engine.Stores
	loc    *engine.Location
	portal *portal.Portal
	ada    *engine.Person
	logs   *syncBuffer
	keys   string

	mu      sync.Mutex
	sso     *sso.Handler
	apps    []sso.App
	ahead   time.Duration
	handed  []sso.HandOff
	counted map[string]int                                               // by an app's name and a result
	visitor func(*http.Request) (linkgen.Session, *engine.Person, error) // default the portal's
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

func newSite(t testing.TB, apps ...sso.App) *site {
	t.Helper()
	s := &site{TB: t, stores: enginetest.NewStores(4), logs: new(syncBuffer), keys: t.TempDir() + "/keys", counted: map[string]int{}}
	keys, err := linkgen.OpenKeys(s.keys)
	if err != nil {
		t.Fatal(err)
	}
	s.loc = &engine.Location{ID: locID, Name: "Acme Academy", Email: "hello@acme.test"}
	s.links = linkgen.New(keys, func(id string) (linkgen.Settings, bool) {
		return linkgen.Settings{BaseURL: s.loc.BaseURL}, id == locID
	})
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Server.Close)
	s.loc.BaseURL = s.URL
	location := func(id string) *engine.Location {
		switch id {
		case locID:
			return s.loc
		case "studio":
			return &engine.Location{ID: id, Name: "Film Studio", BaseURL: s.loc.BaseURL}
		}
		return nil
	}
	p := portal.New(portal.Config{Links: s.links, Stores: s.stores, Redeemer: s, Home: locID, Log: zerolog.New(s.logs), Now: s.now,
		Locations: location, Settings: func(string) portal.Settings {
			all := map[string]portal.App{}
			for _, a := range s.config() {
				all[a.Name] = portal.App{URL: a.URL}
			}
			return portal.Settings{Apps: all}
		}})
	s.visitor = p.SignedIn
	s.use(apps...)
	s.portal = p
	s.restart()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if sso.Serves(r.URL.Path) {
			s.handler().ServeHTTP(w, r)
			return
		}
		p.ServeHTTP(w, r)
	})
	s.ada = s.learner("c-17", "Ada", "ada@example.com", "go-101")
	return s
}

func (s *site) handler() *sso.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sso
}

// restart makes the hand-off anew.
func (s *site) restart() {
	s.Helper()
	p := s.portal
	h, err := sso.New(sso.Config{
		Links: s.links, Stores: s.stores, Keys: s.keys, Home: locID, Log: zerolog.New(s.logs), Now: s.now, Apps: s.config,
		Location: p.Locations, LeadOn: p.LeadOn,
		Visitor: func(r *http.Request) (linkgen.Session, *engine.Person, error) { return s.visitor(r) },
		Trouble: func(w http.ResponseWriter, r *http.Request, location string, why sso.Trouble) {
			p.Trouble(w, r, location, portal.Trouble(why))
		},
		Guess: p.MayGuess,
		Counted: func(a sso.App, result string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counted[a.Name+" "+result]++
		},
		HandedOff: func(_ context.Context, h sso.HandOff) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.handed = append(s.handed, h)
		},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sso = h
}

// use puts apps into force, of our location unless they say another.
func (s *site) use(apps ...sso.App) {
	for i := range apps {
		apps[i].Location = cmp.Or(apps[i].Location, locID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps = apps
}

func (s *site) config() []sso.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sso.App(nil), s.apps...)
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

func (s *site) handOffs() []sso.HandOff {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sso.HandOff(nil), s.handed...)
}

// Redeem implements portal.Redeemer as the runner does.
func (s *site) Redeem(ctx context.Context, shard uint16, fn func(engine.Tx, time.Time) (engine.Redemption, error)) error {
	return s.stores.For(shard).Update(ctx, func(tx engine.Tx) error {
		_, err := fn(tx, s.now())
		return err
	})
}

func (s *site) learner(id, name, email string, products ...string) *engine.Person {
	s.Helper()
	p := &engine.Person{
		Key: engine.NewID(s.now(), engine.ShardOf(locID, id), locID, id), Location: locID,
		Contact:  engine.Contact{ID: id, FirstName: name, LastName: "Lovelace", Email: email, Phone: "+14155550123"},
		Products: map[string]*engine.Grant{},
	}
	for _, product := range products {
		p.Products[product] = &engine.Grant{Title: product, At: s.now()}
	}
	s.save(p)
	return p
}

func (s *site) save(p *engine.Person) {
	s.Helper()
	if err := s.stores.For(p.Key.Shard()).Update(s.Context(), func(tx engine.Tx) error { return engine.SavePerson(tx, p) }); err != nil {
		s.Fatal(err)
	}
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

// signIn opens a link that was sent to an address of a learner, in a fresh browser unless one is given.
func (s *site) signIn(p *engine.Person, address string, in ...*browser) *browser {
	s.Helper()
	b := append(in, nil)[0]
	if b == nil {
		b = s.browser()
	}
	b.press(s.mint(p, engine.LinkRequest{Address: address}))
	return b
}

// mint returns the token of a new link.
func (s *site) mint(p *engine.Person, req engine.LinkRequest) (token string) {
	s.Helper()
	req.Location, req.Contact, req.Now = locID, p.Key, s.now()
	err := s.stores.For(p.Key.Shard()).Update(s.Context(), func(tx engine.Tx) error {
		_, u, err := s.links.Mint(tx, req)
		token = strings.TrimPrefix(u.Reveal(), s.loc.BaseURL+"/l/")
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return token
}

func (b *browser) press(token string) reply {
	b.Helper()
	r := b.do("POST", b.URL+"/l", url.Values{"t": {token}})
	if r.StatusCode != http.StatusSeeOther {
		b.Fatalf("the link lets nobody in: %d\n%s", r.StatusCode, r.body)
	}
	return r
}

// A reply is a response whose body was read.
type reply struct {
	*http.Response
	body string
}

// to is where a redirect leads.
func (r reply) to() string { return r.Header.Get("Location") }

// query returns a parameter of where a redirect leads.
func (r reply) query(name string) string {
	u, err := url.Parse(r.to())
	if err != nil {
		return ""
	}
	return u.Query().Get(name)
}

func (b *browser) do(method, address string, form url.Values, header ...string) reply {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.URL + address
	}
	req, err := http.NewRequestWithContext(b.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
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

func (b *browser) get(address string, header ...string) reply {
	b.Helper()
	return b.do("GET", address, nil, header...)
}

// wants checks the status and what the answer says.
func (b *browser) wants(r reply, status int, texts ...string) {
	b.Helper()
	if r.StatusCode != status {
		b.Errorf("status %d, want %d: %s\n%s", r.StatusCode, status, r.to(), r.body)
	}
	for _, t := range texts {
		if !strings.Contains(r.body, t) && !strings.Contains(r.to(), t) {
			b.Errorf("the answer does not say %q: %s\n%s", t, r.to(), r.body)
		}
	}
}
