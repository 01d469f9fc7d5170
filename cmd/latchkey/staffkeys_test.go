package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/engine"
	"latchkey/engine/console"
)

// TestKeys: keys with roles, off this machine. One that is gone ends its sessions.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": staffed})
	i, _ := w.start(func(c *Config) { c.Admin.Listen = fmt.Sprintf("0.0.0.0:%d", w.ports[1]) })
	keys := map[string]engine.Secret{}
	var files []*keyFile
	for _, role := range console.Roles() {
		name := string(role)
		k, key, err := makeKeyFile(i.cfg.Keys, keyFile{Name: name, Role: role, Locations: []string{"academy"}}, w.now())
		if err != nil {
			t.Fatal(err)
		}
		keys[name], files = key, append(files, k)
	}
	_, elsewhere, err := makeKeyFile(i.cfg.Keys, keyFile{Name: "elsewhere", Role: console.Owner, Locations: []string{"film"}}, w.now())
	if err != nil {
		t.Fatal(err)
	}
	keys["elsewhere"] = elsewhere
	keys["cut short"] = engine.NewSecret(keys["owner"].Reveal()[:len(keys["owner"].Reveal())-1])
	keys["of another id"] = engine.NewSecret(strings.Replace(keys["owner"].Reveal(), files[0].ID, files[1].ID, 1) + "x")
	keys["a path"] = engine.NewSecret("lkk_../../latchkey_x")
	for _, c := range []struct {
		method, path, body             string
		owner, operator, support, none int
	}{
		{"GET", "/v1/messages", "", 200, 200, 200, 401},
		{"POST", "/v1/pause", "", 200, 200, 403, 401},
		{"POST", "/v1/resume", "", 200, 200, 403, 401},
		{"GET", "/metrics", "", 200, 200, 403, 401},
		{"GET", "/v1/backup", "", 200, 200, 403, 401},
		{"GET", "/outbox", "", 200, 403, 403, 401},
		{"POST", "/v1/events/new_sign_up", `{"contact": {"id": "x"}}`, 202, 202, 403, 401},
		{"POST", "/v1/signin", "", 200, 403, 403, 401},
		{"GET", "/contacts", "", 200, 200, 200, 200}, // the sign-in page, in the end
		{"POST", "/healthz", "", 404, 404, 404, 401},
	} {
		want := map[string]int{"owner": c.owner, "operator": c.operator, "support": c.support}
		for name, key := range keys {
			status, body := w.do(c.method, c.path, c.body, header("Authorization", "Bearer "+key.Reveal()))
			expect, known := want[name]
			if !known {
				expect = c.none
			}
			if status != expect || !known && c.path == "/contacts" && !strings.Contains(body, "Mail me a sign-in link") {
				t.Errorf("%s %s with the key %s: %d, want %d: %s", c.method, c.path, name, status, expect, tail(body, 200))
			}
		}
	}
	browser := w.clerk()
	browser.open("/signin/key", url.Values{"key": {keys["support"].Reveal()}})
	browser.wants("by key", map[string]int{"/contacts": 200, "/audit": 403, "/outbox": 403})
	if status, where, _ := w.clerk().open("/outbox", nil, header("Accept", "text/html")); status != 303 || where != "/signin" {
		t.Errorf("the outbox to nobody: %d %s", status, where)
	}
	for _, k := range files {
		if k.Name == "support" {
			if err := dropKeyFile(i.cfg.Keys, k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	browser.wants("its key is gone", map[string]int{"/contacts": 303})
	if status, _ := w.do("GET", "/v1/messages", "", header("Authorization", "Bearer "+keys["support"].Reveal())); status != 401 {
		t.Errorf("a key that is gone: %d", status)
	}
	if err := os.Chmod(filepath.Join(keyDir(i.cfg.Keys), files[0].ID+".yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readKeyFile(i.cfg.Keys, files[0].ID); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key file that others read: %v", err)
	}
}

// TestKeysWhereNoneIsNeeded: on this machine a key counts for what it says, too. One that is gone, or is for another location, opens less
// than none at all, as whoever holds it is no more than it was.
func TestKeysWhereNoneIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": staffed})
	i, _ := w.start()
	keys := map[string]string{"none": "", "unknown": "lkk_AAAAAAAA_BBBBBBBB"}
	for name, f := range map[string]keyFile{"support": {Role: console.Support, Locations: []string{"academy"}}, "elsewhere": {Role: console.Owner, Locations: []string{"film"}},
		"gone": {Role: console.Support, Locations: []string{"academy"}}} {
		f.Name = name
		k, key, err := makeKeyFile(i.cfg.Keys, f, w.now())
		if err != nil {
			t.Fatal(err)
		}
		if keys[name] = key.Reveal(); name == "gone" {
			if err := dropKeyFile(i.cfg.Keys, k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range map[string][4]int{"none": {200, 200, 200, 202}, "support": {200, 403, 403, 202}, "gone": {401, 401, 401, 202}, "elsewhere": {401, 401, 401, 202},
		"unknown": {401, 401, 401, 202}} {
		for n, c := range []struct{ method, path, body string }{
			{"GET", "/v1/messages", ""}, {"POST", "/v1/resume", ""}, {"GET", "/metrics", ""}, {"POST", "/v1/events/new_sign_up", `{"contact": {"id": "x"}}`},
		} {
			var edits []func(*http.Request)
			if keys[name] != "" {
				edits = append(edits, header("Authorization", "Bearer "+keys[name]))
			}
			if status, says := w.do(c.method, c.path, c.body, edits...); status != want[n] {
				t.Errorf("%s %s with the key %s: %d, want %d: %s", c.method, c.path, name, status, want[n], tail(says, 200))
			}
		}
	}
}

// refusedForms fills in the forms of the page Client Portal wrongly: they come back as they were filled in, in the page's own words.
func (c *clerk) refusedForms() {
	c.w.t.Helper()
	for _, tc := range []struct {
		path string
		form url.Values
		says []string
	}{
		{"/portal/invite", url.Values{"email": {"nobody at all"}, "first_name": {"Grace"}, "last_name": {"Hopper"}, "id": {"c-77"}, "offer": {"gold"}, "offer_title": {"Gold"}},
			[]string{`value="nobody at all"`, `value="Grace"`, `value="Hopper"`, `value="c-77"`, `value="gold"`, `value="Gold"`, "<details open><summary>Invite"}},
		{"/portal/invite", url.Values{"email": {"fay@example.com"}, "first_name": {"Fay"}}, []string{"no offer and no product", `value="fay@example.com"`, `value="Fay"`}},
		{"/portal", url.Values{"contact": {"eve@example.com"}, "ttl": {"soon"}, "to": {"product:go-101"}}, []string{"Works for: ", `value="soon"`, `value="product:go-101"`, `value="eve@example.com"`}},
		{"/portal", url.Values{"contact": {"eve@example.com"}, "to": {"go-101"}}, []string{"Leads to: product:", `value="go-101"`}},
		{"/portal", url.Values{"contact": {"eve@example.com"}, "uses": {"two"}}, []string{"Uses is a number above zero"}},
	} {
		status, _, body := c.open(tc.path, tc.form)
		if status != 400 && status != 409 {
			c.w.t.Errorf("%s %v: %d", tc.path, tc.form, status)
		}
		for _, text := range tc.says {
			if !strings.Contains(body, text) {
				c.w.t.Errorf("%s %v: the page lacks %q", tc.path, tc.form, text)
			}
		}
	}
	if status, _ := c.w.do(http.MethodGet, "/v1/contacts/fay@example.com", ""); status != http.StatusNotFound {
		c.w.t.Errorf("who was not invited was added all the same: %d", status)
	}
}

// TestConsoleSends: an invitation adds a learner and mails them a link that lets in; a login mail goes to who is there. Both are noted,
// and what stands of a contact in the audit list goes with them.
func TestConsoleSends(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": staffed + "partitions: " + partitions + "\n"})
			w.start()
			otto := w.clerk()
			var s console.SignIn
			w.ask(http.MethodPost, "/v1/signin", `{"email": "otto@acme.test"}`, &s)
			otto.open("/signin", url.Values{"t": {s.URL[strings.LastIndexByte(s.URL, '/')+1:]}})
			status, where, body := otto.open("/portal/invite", url.Values{"email": {"eve@example.com"}, "first_name": {"Eve"}, "offer": {"gold"}, "offer_title": {"Title of gold"}})
			if status != 303 || !strings.HasSuffix(where, "?done=invited") {
				t.Fatal(status, where, body)
			}
			if status, _, body := otto.open(where, nil); status != 200 || !strings.Contains(body, "The invitation is on its way") || !strings.Contains(body, "Title of gold") {
				t.Errorf("after it: %d", status)
			}
			w.waitMails(1)
			letsIn(t, "the invitation", w.linksTo("eve")[0], "Title of gold")
			contact, _, _ := strings.Cut(where, "?")
			if status, where, body := otto.open(contact+"/send", url.Values{"kind": {"login"}}); status != 303 || !strings.HasSuffix(where, "?done=sent") {
				t.Fatal(status, where, body)
			}
			w.waitMails(2)
			if status, _, body := otto.open("/portal/invite", url.Values{"email": {""}}); status != 400 || !strings.Contains(body, "An e-mail address is missing") {
				t.Errorf("without an address: %d", status)
			}
			otto.refusedForms()
			if status, _, _ := otto.open("/contacts/nobody/send", url.Values{"kind": {"login"}}); status != 404 {
				t.Errorf("to nobody: %d", status)
			}
			_, _, list := otto.open("/audit", nil)
			for _, did := range []string{"invited a learner", "sent a login message", "signed in"} {
				if !strings.Contains(list, did) {
					t.Errorf("the list lacks %q", did)
				}
			}
			key := strings.TrimPrefix(contact, "/contacts/")
			w.ask(http.MethodPost, "/v1/contacts/"+key+"/forget", "", new(console.Removed))
			var left []console.AuditEntry
			w.ask(http.MethodGet, "/v1/audit", "", &left)
			for _, e := range left {
				if e.Contact != "" || strings.Contains(e.Detail, key) || e.Did != "forgot a contact" && strings.Contains(e.On, key) {
					t.Errorf("left of who was forgotten: %+v", e)
				}
			}
		})
	}
}
