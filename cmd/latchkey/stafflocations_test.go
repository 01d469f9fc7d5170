package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"latchkey/engine/console"
)

// TestStaffOfTwoLocations: the staff, links, sessions and keys of one location are nothing in the other; who is named above both is
// one of each.
func TestStaffOfTwoLocations(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	for file, staff := range map[string]string{"latchkey.yaml": "staff: {owner: [boss@acme.test]}\n", "academy/latchkey.yaml": "staff: {operator: [otto@acme.test]}\n",
		"sites/studio/latchkey.yaml": "staff: {operator: [stella@studio.test]}\n"} {
		f, err := os.OpenFile(filepath.Join(w.dir, file), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(staff)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	i, _ := w.start()
	nc := w.natsAs(nats.UserInfo("ops", "ops-password"))
	if _, err := nc.Request("courses.studio.offer_access_granted", []byte(adaGold), patience); err != nil {
		t.Fatal(err)
	}
	w.waitMails(1)
	c := w.clerk()
	if status, _, body := c.open("/", nil); status != 200 || !strings.Contains(body, "/?location=studio") || strings.Contains(body, "<nav") {
		t.Errorf("without a location: %d %s", status, body)
	}
	link := func(location, address string) (where, token string) {
		t.Helper()
		var s console.SignIn
		w.ask(http.MethodPost, "/v1/signin?location="+location, fmt.Sprintf(`{"email": %q}`, address), &s)
		u, err := url.Parse(s.URL)
		if err != nil || u.Query().Get("location") != location {
			t.Fatalf("the link leads to %q", u.RawQuery)
		}
		return s.URL, u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	}
	if status, _ := w.do(http.MethodPost, "/v1/signin?location=studio", `{"email": "otto@acme.test"}`); status != 400 {
		t.Errorf("somebody of the other location: %d", status)
	}
	_, token := link("academy", "otto@acme.test")
	if status, _, _ := c.open("/signin?location=studio", url.Values{"t": {token}}); status != 403 {
		t.Errorf("the other location's link: %d", status)
	}
	if status, where, _ := c.open("/signin?location=academy", url.Values{"t": {token}}); status != 303 || where != "/?location=academy" {
		t.Errorf("%d %s", status, where)
	}
	c.wants("of the academy", map[string]int{"/?location=academy": 200, "/audit?location=academy": 200, "/?location=studio": 303, "/contacts?location=studio": 303,
		"/v1/contacts/c-1?location=studio": 200 /* the API is open here */, "/contacts/c-1?location=academy": 404})
	_, _, body := c.open("/?location=academy", nil)
	if strings.Contains(body, "paused studio") || !strings.Contains(body, "paused academy") {
		t.Error("the overview tells of the other location")
	}
	for _, location := range []string{"academy", "studio"} {
		boss := w.clerk()
		_, token := link(location, "boss@acme.test")
		if status, _, _ := boss.open("/signin?location="+location, url.Values{"t": {token}}); status != 303 {
			t.Errorf("who is named above, in %s: %d", location, status)
		}
		boss.wants("named above", map[string]int{"/portal?location=" + location: 200})
	}
	stray := w.clerk() // who is named above, but signed in to the academy alone
	_, token = link("academy", "boss@acme.test")
	if status, _, _ := stray.open("/signin?location=studio", url.Values{"t": {token}}); status != 403 {
		t.Errorf("a link for the academy opens the studio: %d", status)
	}
	if status, _, _ := stray.open("/signin?location=academy", url.Values{"t": {token}}); status != 303 {
		t.Fatal(status)
	}
	u, _ := url.Parse(w.admin("/"))
	stray.jar.SetCookies(u, []*http.Cookie{{Name: console.Cookie("studio", false), Value: stray.held()}})
	stray.wants("a session of the academy", map[string]int{"/contacts?location=academy": 200, "/contacts?location=studio": 303})
	both := w.clerk()
	key := strings.TrimSpace(readText(t, filepath.Join(i.cfg.Keys, "api.key")))
	for _, location := range []string{"academy", "studio"} {
		if status, _, _ := both.open("/signin/key?location="+location, url.Values{"key": {key}, "next": {"/contacts"}}); status != 303 {
			t.Errorf("by api.key in %s: %d", location, status)
		}
	}
	both.wants("in both at once", map[string]int{"/contacts?location=academy": 200, "/contacts?location=studio": 200})
	var entries []console.AuditEntry
	_, answer := w.do(http.MethodGet, "/v1/audit?location=studio", "")
	if err := json.Unmarshal([]byte(answer), &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Who+e.Detail, "otto") {
			t.Errorf("the studio's list has %+v", e)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A sign-in link leads where latchkey.yaml says, whatever Host a request names, and none but ours may be named. An adminURL that leaves
// admin.url out turns this red, as does an onlyHosts that lets every Host pass; so does a cookie that the console's enter names, or makes
// Secure, by r.TLS != nil.
func TestAttack11ConsoleHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": staffed})
	i, _ := w.start(func(c *Config) { c.Admin.URL = "https://ops.acme.test" })
	c := w.clerk()
	for n, edit := range [][]func(*http.Request){
		{host("ops.acme.test")}, {host(fmt.Sprintf("localhost:%d", w.ports[1])), header("X-Forwarded-Host", "evil.example"), header("Forwarded", "host=evil.example")},
	} {
		if status, _, _ := c.open("/signin/mail", url.Values{"email": {[]string{"sue@acme.test", "otto@acme.test"}[n]}}, edit...); status != 200 {
			t.Fatal(status)
		}
		if m := w.waitMails(n + 1)[n]; !strings.Contains(m.text, "\nhttps://ops.acme.test/signin/") || strings.Contains(m.text, "evil") || strings.Contains(m.text, "localhost") {
			t.Error("the mail leads elsewhere")
		}
	}
	if status, _, _ := c.open("/signin/mail", url.Values{"email": {"olga@acme.test"}}, host("evil.example")); status != 421 {
		t.Errorf("another Host: %d", status)
	}
	var s console.SignIn
	status, answer := w.do(http.MethodPost, "/v1/signin", "", header("Authorization", "Bearer "+i.apiKey.Reveal()))
	if err := json.Unmarshal([]byte(answer), &s); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.admin("/signin"), strings.NewReader(url.Values{"t": {s.URL[strings.LastIndexByte(s.URL, '/')+1:]}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-latchkey_staff_academy=") || !strings.Contains(got, "; Secure") || !strings.Contains(got, "; HttpOnly") {
		t.Error("the cookie is not for https alone")
	}
}
