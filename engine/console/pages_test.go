package console_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
)

var pageNow = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// An office is a house with staff: what the pages ask beyond what the API does.
type office struct {
	*house
	staff    map[string]console.Who // by what they hold
	notes    []console.AuditEntry
	mailed   []string
	mailings []console.Mailing
	empty    bool
	others   []console.Place
	kind     string // of links
	queries  []any  // for links and entries of the audit list
}

func newOffice() *office {
	return &office{house: &house{}, kind: console.KindLearner, staff: map[string]console.Who{
		"olga": {Name: "olga@acme.test", Role: console.Owner, Session: true},
		"otto": {Name: "otto@acme.test", Role: console.Operator, Session: true},
		"sue":  {Name: "sue@acme.test", Role: console.Support, Session: true},
	}}
}

func (o *office) Known(_ context.Context, p console.Proof) (console.Who, bool, error) {
	for _, held := range []engine.Secret{p.Key, p.Session} {
		if who, ok := o.staff[held.Reveal()]; ok {
			return who, true, nil
		}
	}
	return console.Who{}, false, nil
}

func (o *office) Ask(_ context.Context, address string) error {
	o.mailed = append(o.mailed, address)
	return nil
}

func (o *office) Enter(_ context.Context, e console.Entry) (engine.Secret, console.Who, error) {
	for _, given := range []engine.Secret{e.Token, e.Key} {
		if who, ok := o.staff[strings.TrimPrefix(given.Reveal(), "token-")]; ok {
			return engine.NewSecret(strings.TrimPrefix(given.Reveal(), "token-")), who, nil
		}
	}
	return engine.Secret{}, console.Who{}, fmt.Errorf("%w: that key is not known here", console.ErrRefused)
}

func (o *office) Leave(_ context.Context, s engine.Secret) error {
	delete(o.staff, s.Reveal())
	return nil
}

func (o *office) SignedIn(context.Context) ([]console.Seat, error) {
	return []console.Seat{{ID: "ses_1", Who: "sue@acme.test", Role: console.Support, Device: "Firefox on Linux", Created: pageNow, Seen: pageNow}}, o.err
}

func (o *office) SignOut(_ context.Context, id string) error { return o.note("sign out %s", id) }

func (o *office) Note(_ context.Context, e console.AuditEntry) error {
	o.notes = append(o.notes, e)
	return nil
}

func (o *office) Entries(_ context.Context, q console.AuditQuery) ([]console.AuditEntry, error) {
	o.queries = append(o.queries, q)
	if o.empty {
		return nil, nil
	}
	return []console.AuditEntry{{ID: "1", At: pageNow, Who: "olga@acme.test", Did: "revoked a link", On: "lnk_1", Detail: "for k"},
		{At: pageNow, Who: "otto@acme.test", Did: "revoked all links and sessions", On: "workflow welcome"}}, nil
}

func (o *office) Search(_ context.Context, q console.PeopleQuery) ([]engine.Person, error) {
	if o.empty {
		return nil, o.err
	}
	return []engine.Person{*adaPerson()}, o.note("search %q", q.Text)
}

func adaPerson() *engine.Person {
	return &engine.Person{Location: "academy", Since: pageNow.Add(-72 * time.Hour), Tags: []string{"vip"},
		Contact: engine.Contact{ID: "c-1", Email: "ada@example.com", Phone: "+14155550123", FirstName: "Ada", LastName: `<b>L"`},
		Offers:  map[string]*engine.Grant{"gold": {Title: "Gold", At: pageNow}, "old": {At: pageNow, Removed: true}}}
}

func (o *office) Contact(_ context.Context, location, ref string) (*engine.Person, error) {
	return adaPerson(), o.note("contact %s %s", location, ref)
}

func (o *office) aLink() console.Link {
	return console.Link{ID: "lnk_1", Kind: o.kind, Says: "This link does not work: it expired.", State: "expired", Contact: "k", App: "courses", Created: pageNow, Workflow: "welcome", Run: "r1"}
}

func (o *office) Link(_ context.Context, id string) (console.Link, error) {
	return o.aLink(), o.note("link %s", id)
}

func (o *office) OfContact(context.Context, string, string) ([]console.Link, error) {
	if o.empty {
		return nil, o.err
	}
	return []console.Link{o.aLink(), {ID: "lnk_2", State: "ok"}}, o.err
}

func (o *office) Recent(_ context.Context, q console.LinkQuery) ([]console.Link, error) {
	o.queries = append(o.queries, q)
	if o.empty {
		return nil, o.err
	}
	return []console.Link{o.aLink()}, o.err
}

func (o *office) Timeline(context.Context, string) ([]console.TrailLine, error) {
	return []console.TrailLine{{At: pageNow, What: "minted", Says: "It was made by workflow welcome."}}, o.err
}

func (o *office) Sessions(context.Context, string, string) ([]console.LinkSession, error) {
	if o.empty {
		return nil, o.err
	}
	return []console.LinkSession{{ID: "ses_1", Link: "lnk_1", Device: "Firefox on Linux", Created: pageNow, Seen: pageNow}}, o.err
}

func (o *office) End(_ context.Context, location string, w console.What) (console.Ended, error) {
	return console.Ended{On: "x"}, o.note("end %s %+v", location, w)
}

func (o *office) Send(_ context.Context, m console.Mailing) (console.Mailed, error) {
	o.mailings = append(o.mailings, m)
	return console.Mailed{Run: "r9", At: pageNow}, o.note("mail %s %s %s", m.Kind, m.Channel, m.Contact)
}

func (o *office) handler() http.Handler {
	h := o.house
	return console.Handler(console.Config{
		Messages: h, Contacts: contactsOf{o}, Links: linksOf{o}, History: past{h}, Dead: goodGrave{grave{h}}, Control: hand{h}, Sending: h, Forgetter: h,
		Mailings: o, Staff: o, Audit: o, People: o, Book: o,
		Status: func(context.Context) (map[string]any, error) {
			return map[string]any{"due": 7, "paused": console.Pause{}}, h.err
		},
		Workflows: func() []*engine.Workflow { return o.flows() },
		Apps:      func() []console.App { return []console.App{{Name: "courses", URL: "https://learn.acme.test"}} },
		Counts: func(context.Context, console.Query) (console.Counts, error) {
			return console.Counts{Events: []time.Time{pageNow.Add(-time.Hour), pageNow.Add(-30 * time.Hour)}}, nil
		},
		Genuine: func(_ context.Context, id string, token engine.Secret) (bool, error) {
			return id == "lnk_1" && token.Reveal() == "right", nil
		},
		SignIn: func(_ context.Context, address string) (console.SignIn, error) {
			return console.SignIn{For: address, URL: "https://ops.acme.test/signin/secret"}, nil
		},
		Now:      func() time.Time { return pageNow },
		Location: &engine.Location{ID: "academy", BaseURL: "https://learn.acme.test"}, Name: func() string { return `Acme <i>&` }, Others: o.others,
	})
}

func (o *office) flows() []*engine.Workflow {
	if o.empty {
		return nil
	}
	return []*engine.Workflow{{ID: "welcome", Name: "Welcome", Status: engine.Live, Source: []byte("name: Welcome\nsteps: [<script>]\n"),
		Triggers: []engine.Trigger{{Type: "new_sign_up", Filters: []engine.Filter{{Noun: "offer", AnyOf: []string{"gold"}}}}},
		Steps:    []engine.Step{{ID: "email-1", Kind: "email", Line: 4}}}}
}

// contactsOf and linksOf are those of the office where it has its own, else the house's.
type contactsOf struct{ *office }
type linksOf struct{ *office }

func (c contactsOf) Import(ctx context.Context, location string, rows []console.Row) (console.ImportResult, error) {
	return c.house.Import(ctx, location, rows)
}

func (l linksOf) New(_ context.Context, n console.NewLink) (console.Link, error) {
	made := console.Link{ID: "lnk_9", Kind: n.Kind, Says: "This link works until tomorrow.", State: "ok", URL: "https://learn.acme.test/l/SECRET", App: n.App, To: n.To}
	if n.Kind == console.KindLearner {
		made.Contact = "k"
	}
	return made, l.note("new %+v", n)
}

// A goodGrave gives its dead back.
type goodGrave struct{ grave }

func (g goodGrave) Replay(_ context.Context, numbers []uint64) ([]console.Replayed, error) {
	return []console.Replayed{{}}, g.note("replay %v", numbers)
}

// as makes a request with somebody's session.
func (o *office) as(who, method, target string, form url.Values) *http.Response {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if who != "" {
		r.AddCookie(&http.Cookie{Name: console.Cookie("academy", false), Value: who})
	}
	w := httptest.NewRecorder()
	o.handler().ServeHTTP(w, r)
	return w.Result()
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

var everyPage = []string{"/", "/workflows", "/workflows/welcome", "/runs", "/runs/r1", "/messages", "/messages/m1", "/contacts", "/contacts?q=ada",
	"/contacts/k", "/links", "/links/lnk_1", "/portal", "/portal?contact=k", "/dead", "/dead/7", "/audit"}

// TestPages: each page shows something, in the frame, to an owner; nothing runs in it but our script; whoever is not signed in
// is led to the sign-in page.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		for _, path := range everyPage {
			o := newOffice()
			o.empty = empty
			if empty && path == "/workflows/welcome" {
				continue
			}
			res := o.as("olga", "GET", path, nil)
			body := text(res)
			if res.StatusCode != 200 {
				t.Errorf("%s: %d %s", path, res.StatusCode, body)
			}
			for _, want := range []string{"<nav", "<h1>", "olga@acme.test", "Acme &lt;i&gt;&amp;", "</html>"} {
				if !strings.Contains(body, want) {
					t.Errorf("%s lacks %s", path, want)
				}
			}
			for _, bad := range []string{"<b>L", "<script>]", "ZgotmplZ", "<i>&"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s has %s", path, bad)
				}
			}
			if h := res.Header; !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer, strict-origin" {
				t.Errorf("%s: headers %v", path, h)
			}
			if res := o.as("", "GET", path, nil); res.StatusCode != 303 || !strings.HasPrefix(res.Header.Get("Location"), "/signin") {
				t.Errorf("%s to nobody: %d %s", path, res.StatusCode, res.Header.Get("Location"))
			}
		}
	}
}

// asBody makes a request to the API with somebody's session.
func (o *office) asBody(who, method, target, body string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.AddCookie(&http.Cookie{Name: console.Cookie("academy", false), Value: who})
	w := httptest.NewRecorder()
	o.handler().ServeHTTP(w, r)
	return w.Result()
}
