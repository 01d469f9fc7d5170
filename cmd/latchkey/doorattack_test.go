package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// form posts a form to the learners' pages with these headers; Host counts too.
func (w *world) form(path string, fields url.Values, header ...string) (int, http.Header, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, strings.TrimSuffix(portalURL(w), "/")+path, strings.NewReader(fields.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for n := 0; n+1 < len(header); n += 2 {
		if header[n] == "Host" {
			req.Host = header[n+1]
		}
		req.Header.Set(header[n], header[n+1])
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// TestAttack11SpoofedHostIsNotMailed asks for links with hosts that are not ours: what is mailed begins with base_url.
//
// Red when linkgen's Token.url takes another base than it is given.
func TestAttack11SpoofedHostIsNotMailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "trusted_proxies: [127.0.0.0/8]"})
	w.start()
	w.learners("", "ada", "bob", "eve")
	spoof := []string{"X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test;proto=https", "X-Forwarded-Proto", "https", "X-Original-Host", "evil.test"}
	for n, host := range []string{"evil.test", "evil.test:8080", fmt.Sprintf("127.0.0.1:%d@evil.test", w.ports[0])} {
		id := []string{"ada", "bob", "eve"}[n]
		status, header, body := w.form("/login", url.Values{"address": {id + "@example.com"}}, append(spoof, "Host", host, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n))...)
		if status != http.StatusAccepted && status != http.StatusBadRequest || strings.Contains(body+fmt.Sprint(header), "evil") {
			t.Errorf("%s: %d %v\n%s", host, status, header, body)
		}
	}
	for _, m := range w.waitMails(2) {
		if l := links(m.html); len(l) != 1 || !strings.HasPrefix(l[0], portalURL(w)+"l/") || strings.Contains(m.html+m.text+m.subject, "evil") {
			t.Errorf("%s is mailed %v", m.to, l)
		}
	}
}

// TestAttack15ForeignPosts has pages of other sites post each form of the learners' pages, with and without the visitor's cookie. Nothing
// is done, and no mail goes out. Our own pages may.
//
// Red when portalHandler serves i.portal without sameOriginOr, and when /login is let past it (AddInsecureBypassPattern).
func TestAttack15ForeignPosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "trusted_proxies: [127.0.0.0/8]"})
	i, _ := w.start()
	w.learners("", "ada")
	var made console.Link
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada", "ttl": "1h"}`, &made)
	token := made.URL[strings.LastIndexByte(made.URL, '/')+1:]
	own := strings.TrimSuffix(portalURL(w), "/")
	forms := map[string]url.Values{"/l": {"t": {token}}, "/l/new": {"t": {token}}, "/login": {"address": {"ada@example.com"}},
		"/logout": {}, "/l/staff": {"t": {token}, "assertion": {"x"}}, "/staff/logout": {"location": {"academy"}}}
	for path, fields := range forms {
		for _, h := range [][]string{{"Origin", "https://evil.test"}, {"Origin", "null"}, {"Origin", own + ".evil.test"}, {"Origin", "http://localhost:" + own[strings.LastIndexByte(own, ':')+1:]},
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none-of-these", "Origin", "https://evil.test"}} {
			for _, cookie := range []string{"", "latchkey=x"} {
				status, header, body := w.form(path, fields, append(h, "Cookie", cookie)...)
				if status != http.StatusForbidden || header.Get("Set-Cookie") != "" || !strings.Contains(body, "That came from another site") {
					t.Errorf("%s, %v: %d\n%s", path, h, status, body)
				}
			}
		}
	}
	if n := len(i.logins.queue); n != 0 || len(w.messages("")) != 0 {
		t.Errorf("a foreign page had %d links asked for, %d sent", n, len(w.messages("")))
	}
	for _, h := range [][]string{{"Origin", own}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, nil} {
		if status, _, _ := w.form("/l", forms["/l"], h...); status != http.StatusSeeOther {
			t.Errorf("our own page, %v: %d", h, status)
		}
	}
}

// A wire passes SMTP on, and keeps what the client says.
type wire struct {
	net.Listener
	mu   sync.Mutex
	said []string
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c, to)
		}
	}()
	return w
}

func (w *wire) pass(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() { io.Copy(c, s); c.Close() }()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(strings.ToUpper(line), "RCPT ") || strings.HasPrefix(strings.ToUpper(line), "MAIL ") {
			w.mu.Lock()
			w.said = append(w.said, strings.TrimRight(line, "\r\n"))
			w.mu.Unlock()
		}
		if _, err := s.Write([]byte(line)); err != nil {
			return
		}
	}
}

// TestAttack18OnTheWire has events and the login form bring addresses that programs read differently. What stands on the wire are addresses of
// contacts, each whole and alone, without a parameter.
//
// Red when actions/smtp sends to m.To as it is, instead of what CheckAddress makes of it (l.to = m.To in compose).
func TestAttack18OnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": strings.Replace(helloWorkflow, "  - sms: 'Come in: <<login_url>>'\n", "", 1), "extra": "trusted_proxies: [127.0.0.0/8]"})
	wire := newWire(t, w.mailAt)
	config := filepath.Join(w.dir, "latchkey.yaml")
	src, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(src), w.mailAt, wire.Addr().String())), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	nc := w.connect()
	odd := []string{"eve@evil.test,ada@example.com", `"ada@example.com"@evil.test`, "ada＠example.com", "ada@example．com", "ada@example.com> SIZE=1 BODY=8BITMIME", "ada@example.com\r\nRCPT TO:<eve@evil.test>",
		"ada@example.com\x00", "ada\u0131@example.com", "<ada@example.com>", "Ada <ada@example.com>", "a@b@c", "ada@[127.0.0.1]", "ada@example.com NOTIFY=SUCCESS", "ADA@EXAMPLE.COM"}
	w.send(nc, "offer_access_granted", "e0", `{"contact": {"id": "ada", "email": "Ada@Example.com"}, "offer": {"id": "gold"}}`)
	for n, a := range odd {
		w.send(nc, "offer_access_granted", fmt.Sprint("o", n), fmt.Sprintf(`{"contact": {"id": "odd-%d", "email": %q}, "offer": {"id": "gold"}}`, n, a))
		w.form("/login", url.Values{"address": {a}}, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n))
	}
	w.send(nc, "offer_access_granted", "last", `{"contact": {"id": "zoe", "email": "zoe@example.com"}, "offer": {"id": "gold"}}`)
	w.wait("zoe's mail", func() bool { return slices.Contains(wire.heard(), "RCPT TO:<zoe@example.com>") })
	allowed := []string{"RCPT TO:<Ada@example.com>", "RCPT TO:<ADA@example.com>", "RCPT TO:<zoe@example.com>"}
	for _, line := range wire.heard() {
		if strings.HasPrefix(line, "RCPT") && !slices.Contains(allowed, line) {
			t.Errorf("on the wire: %q", line)
		}
	}
}

func (w *wire) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

// TestHostVouchesForNoConsole takes the session of a member of staff whom another site vouched for to the console: it lets nobody in there,
// whatever their role.
func TestHostVouchesForNoConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "staff: {owner: [sam@acme.test]}"})
	i, _ := w.start()
	for via, want := range map[string]bool{"link": true, linkgen.ViaHost: false} {
		sid := linkgen.NewSID(0)
		err := i.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
			_, err := i.links.BeginStaff(tx, linkgen.StaffEntry{Now: w.now(), Location: "academy", Email: "sam@acme.test", Via: via, Fresh: sid})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		who, ok, err := adminStaff{i.sites[0]}.Known(t.Context(), console.Proof{Session: sid})
		if err != nil || ok != want {
			t.Errorf("%s: %+v, %v, %v", via, who, ok, err)
		}
	}
}

// TestStaffViewAsLearner opens a learner's link in a browser that is signed in to the console.
func TestStaffViewAsLearner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "staff: {support: [sam@acme.test]}"})
	i, _ := w.start()
	w.learners("", "ada")
	var made console.Link
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada", "ttl": "1h", "uses": 1}`, &made)
	sid := linkgen.NewSID(0)
	err := i.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
		_, err := i.links.BeginStaff(tx, linkgen.StaffEntry{Now: w.now(), Location: "academy", Email: "sam@acme.test", Via: "link", Fresh: sid})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t)
	u, _ := url.Parse(portalURL(w))
	p.Jar.SetCookies(u, []*http.Cookie{{Name: console.Cookie("academy", false), Value: sid.Reveal(), Path: "/"}})
	_, door := p.open(http.MethodGet, made.URL, nil)
	if says := strings.Join(door.text, "\n"); !strings.Contains(says, "You are signed in as sam@acme.test (staff)") {
		t.Errorf("the page says\n%s", says)
	}
	status, says := p.press(made.URL)
	if status != http.StatusOK || !strings.Contains(says, "You, sam@acme.test, see this page as Ada sees it.") {
		t.Errorf("%d\n%s", status, says)
	}
	letsIn(t, "the learner, after staff looked", made.URL, "Gold")
	var audit []console.AuditEntry
	w.ask(http.MethodGet, "/v1/audit", "", &audit)
	if !slices.ContainsFunc(audit, func(e console.AuditEntry) bool { return e.Who == "sam@acme.test" && e.Did == "viewed as learner" }) {
		t.Errorf("audit: %+v", audit)
	}
}

// TestViewAsLearnerByButton follows the button of a contact's page with the console's session, as support. Where the console has another
// host than the portal, which then cannot tell who they are, there is no button; nor for who would see nothing.
func TestViewAsLearnerByButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "staff: {support: [sam@acme.test]}"})
	_, stop := w.start()
	w.learners("", "ada")
	w.askNobody()
	link := regexp.MustCompile(`href="([^"]*/view/[^"]*)"`)
	button := func(contact string) string {
		sam := w.clerk()
		var s console.SignIn
		w.ask(http.MethodPost, "/v1/signin", `{"email": "sam@acme.test"}`, &s)
		sam.open("/signin", url.Values{"t": {s.URL[strings.LastIndexByte(s.URL, '/')+1:]}})
		_, _, body := sam.open("/contacts/"+contact, nil)
		if !strings.Contains(body, contact) {
			t.Fatalf("no page of %s: %s", contact, body)
		}
		if m := link.FindStringSubmatch(body); m != nil {
			p := newPerson(t)
			u, _ := url.Parse(portalURL(w))
			p.Jar.SetCookies(u, sam.jar.Cookies(u))
			_, door := p.open(http.MethodGet, html.UnescapeString(m[1]), nil)
			status, pg := p.open(http.MethodPost, portalURL(w)+"view", door.form.values)
			if says := strings.Join(pg.text, "\n"); status != http.StatusOK || !strings.Contains(says, "You, sam@acme.test, see this page as Ada sees it.") {
				t.Errorf("%d\n%s", status, says)
			}
			return m[1]
		}
		return ""
	}
	if at := button("ada"); !strings.HasPrefix(at, w.config().BaseURL+"/view/") {
		t.Errorf("the button leads to %q", at)
	}
	if at := button("none"); at != "" {
		t.Errorf("who holds nothing has a button to %s", at)
	}
	if _, out, _ := w.command("link", "list", "ada", "--server="+w.admin("")); strings.Contains(out, "lnk_") {
		t.Errorf("a view made a link: %s", out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	i, _ := w.start(func(c *Config) { c.Admin.URL = "https://ops.acme.test" })
	if at := i.sites[0].viewURL(engine.NewID(w.now(), 0, "x")); at != "" {
		t.Errorf("from another host: %s", at)
	}
}

// TestLegacyLeadsToTheLibrary opens a link in a location whose learners have no client portal.
func TestLegacyLeadsToTheLibrary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": `legacy: true
apps: {courses: {url: "http://127.0.0.1:9/library"}}`})
	w.start()
	w.learners("", "ada")
	var made console.Link
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada", "ttl": "1h"}`, &made)
	p := newPerson(t)
	var went []string
	p.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		went = append(went, r.URL.String())
		if r.URL.Port() == "9" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	_, door := p.open(http.MethodGet, made.URL, nil)
	status, on := p.open(http.MethodPost, portalURL(w)+"l", door.form.values)
	if status != http.StatusOK || len(went) != 1 || !strings.HasPrefix(went[0], portalURL(w)+"go/courses") {
		t.Fatalf("%d, by %v\n%s", status, went, strings.Join(on.text, "\n"))
	}
	p.open(http.MethodGet, portalURL(w)+"go/courses", nil)
	if !strings.HasPrefix(went[len(went)-1], "http://127.0.0.1:9/library") {
		t.Errorf("the link leads to %v", went)
	}
	went = nil
	if p.open(http.MethodGet, portalURL(w), nil); len(went) != 2 || !strings.HasPrefix(went[1], "http://127.0.0.1:9/library") {
		t.Errorf("/ leads to %v", went)
	}
	for _, path := range []string{"sessions", "p/gold", "staff"} {
		if status, pg := p.open(http.MethodGet, portalURL(w)+path, nil); status != http.StatusNotFound {
			t.Errorf("/%s: %d\n%s", path, status, strings.Join(pg.text, "\n"))
		}
	}
}
