package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

const rootConfig = `locations: [academy, sites/studio]
base_url: http://127.0.0.1:%[1]d
listen: 127.0.0.1:%[1]d
admin: {listen: "127.0.0.1:%[2]d"}
nats: {listen: "127.0.0.1:%[3]d", users: {ops: ops-password}}
email: {smtp: "smtp://%[4]s?tls=none"}
sms: {from: "+14155550100", twilio: {account_sid: ACtest, auth_token: sesame, base_url: "%[5]s"}}
log: {level: debug, format: json}
`

// newTwoLocations is a world of two locations. What both have is in the file above them.
func newTwoLocations(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, map[string]string{
		"academy/latchkey.yaml":             "name: Acme Academy\nemail: {from: Acme <hello@acme.test>}\nevents: {token: " + testToken + "-academy}\n",
		"academy/workflows/hello.yaml":      helloWorkflow,
		"sites/studio/latchkey.yaml":        "name: Film Studio\nemail: {from: Studio <hi@studio.test>}\nevents: {token: " + testToken + "-studio}\nnats: {users: {film: film-password}}\n",
		"sites/studio/workflows/hello.yaml": helloWorkflow,
	})
	config := fmt.Sprintf(rootConfig, w.ports[0], w.ports[1], w.ports[2], w.mailAt, w.twilio.URL)
	if err := os.WriteFile(filepath.Join(w.dir, "latchkey.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestLocations has one contact id in two locations of one process: each knows its own only.
func TestLocations(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	w.start()
	nc := w.natsAs(nats.UserInfo("ops", "ops-password"))
	for _, e := range []struct{ location, address string }{{"academy", "ada"}, {"studio", "bob"}} {
		data := strings.ReplaceAll(adaGold, "ada@", e.address+"@")
		if _, err := nc.Request("courses."+e.location+".offer_access_granted", []byte(data), patience); err != nil {
			t.Fatal(err)
		}
	}
	byTo := map[string]mailParts{}
	for _, m := range w.waitMails(2) {
		byTo[addressOf(m.to)] = m
	}
	for to, from := range map[string]string{"ada@example.com": "hello@acme.test", "bob@example.com": "hi@studio.test"} {
		if m := byTo[to]; !strings.Contains(m.from, from) {
			t.Errorf("mail to %s from %q, want %s", to, m.from, from)
		}
	}
	letsIn(t, "academy", links(byTo["ada@example.com"].text)[0], "Acme Academy")
	letsIn(t, "studio", links(byTo["bob@example.com"].text)[0], "Film Studio")
	w.eachKnowsItsOwn()
	w.statusOfEach()
	if page := w.metricsPage(); !strings.Contains(page, `latchkey_events_total{location="studio",result="started",trigger="offer_access_granted"} 1`) {
		t.Error("the metrics do not tell the locations apart")
	}
}

// natsAs connects a raw client.
func (w *world) natsAs(opts ...nats.Option) *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect(w.natsURL(), opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

// eachKnowsItsOwn asks the admin API for what each location has.
func (w *world) eachKnowsItsOwn() {
	w.t.Helper()
	for _, path := range []string{"/v1/messages", "/v1/runs", "/v1/contacts/c-1", "/v1/events"} {
		if status, answer := w.do(http.MethodGet, path, ""); status != http.StatusBadRequest || !strings.Contains(answer, "academy, studio") {
			w.t.Errorf("%s without a location: %d %s", path, status, answer)
		}
		for location, own := range map[string]string{"academy": "ada@example.com", "studio": "bob@example.com"} {
			other := map[string]string{"academy": "bob@", "studio": "ada@"}[location]
			status, answer := w.do(http.MethodGet, path+"?location="+location, "")
			named := strings.Contains(answer, own) || strings.Contains(path, "events") || strings.Contains(path, "runs")
			if status != http.StatusOK || !named || strings.Contains(answer, other) {
				w.t.Errorf("%s of %s: %d %s", path, location, status, answer)
			}
		}
	}
	for _, at := range []struct{ location, other string }{{"academy", "studio"}, {"studio", "academy"}} {
		for _, m := range w.messages("?location=" + at.location) {
			if m.Channel != "email" {
				continue
			}
			for _, path := range []string{"/v1/messages/" + m.ID, "/v1/runs/" + m.Run, "/v1/links/" + m.Links[0]} {
				if status, _ := w.do(http.MethodGet, path+"?location="+at.location, ""); status != http.StatusOK {
					w.t.Errorf("%s in %s: %d", path, at.location, status)
				}
				if status, answer := w.do(http.MethodGet, path+"?location="+at.other, ""); status != http.StatusNotFound {
					w.t.Errorf("%s of %s in %s: %d %s", path, at.location, at.other, status, answer)
				}
			}
			if status, _ := w.do(http.MethodPost, "/v1/links/"+m.Links[0]+"/revoke?location="+at.other, ""); status != http.StatusNotFound {
				w.t.Errorf("%s ended a link of %s: %d", at.other, at.location, status)
			}
		}
	}
	if status, answer := w.do(http.MethodGet, "/v1/runs?location=studoi", ""); status != http.StatusNotFound || !strings.Contains(answer, "did you mean studio") {
		w.t.Errorf("a slip: %d %s", status, answer)
	}
}

// statusOfEach asks for the status of all locations, and of one.
func (w *world) statusOfEach() {
	w.t.Helper()
	for query, want := range map[string][]string{"": {"academy", "studio"}, "?location=studio": {"studio"}, "?location=academy": {"academy"}} {
		var status map[string]any
		w.ask(http.MethodGet, "/v1/status"+query, "", &status)
		var named []string
		for _, location := range []string{"academy", "studio"} {
			_, files := status["files "+location]
			_, paused := status["paused "+location]
			if files || paused {
				named = append(named, location)
			}
		}
		if !slices.Equal(named, want) {
			w.t.Errorf("/v1/status%s tells of %v, want %v", query, named, want)
		}
	}
}

// TestLocationOfHTTPEvent has a token lead to its own location.
func TestLocationOfHTTPEvent(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	w.start()
	for token, want := range map[string]int{"-studio": http.StatusAccepted, "-nobody": http.StatusUnauthorized} {
		status, answer := w.portalDo("/v1/events/offer_access_granted", adaGold, func(h http.Header) { h.Set("Authorization", "Bearer "+testToken+token) })
		if status != want {
			t.Errorf("token %s: %d %s", token, status, answer)
		}
	}
	if m := w.waitMails(1)[0]; !strings.Contains(m.from, "hi@studio.test") {
		t.Errorf("from %q", m.from)
	}
	if status, answer := w.do(http.MethodPost, "/v1/events/offer_access_granted", adaGold); status != http.StatusBadRequest || !strings.Contains(answer, "which location") {
		t.Errorf("admin listener, no location: %d %s", status, answer)
	}
	if status, answer := w.do(http.MethodPost, "/v1/events/offer_access_granted?location=academy", adaGold); status != http.StatusAccepted {
		t.Errorf("admin listener: %d %s", status, answer)
	}
	w.waitMails(2)
}

// TestLocationOfNATSUser has a location's user publish its events and read what is published of it, and nothing else.
func TestLocationOfNATSUser(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	w.start()
	refused := make(chan error, 16)
	nc := w.natsAs(nats.UserInfo("film", "film-password"), nats.CustomInboxPrefix("_INBOX_film"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	redeemed, err := nc.SubscribeSync("latchkey.studio.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Request("courses.studio.offer_access_granted", []byte(adaGold), patience); err != nil {
		t.Fatal(err)
	}
	if _, err := redeemed.NextMsg(patience); err != nil {
		t.Errorf("it reads nothing of its own: %v", err)
	}
	for _, subject := range []string{"courses.academy.offer_access_granted", "$JS.API.STREAM.DELETE.COURSES", "$JS.API.STREAM.MSG.GET.COURSES",
		"$JS.API.CONSUMER.CREATE.LATCHKEY.studio.latchkey.academy.>", "$JS.API.CONSUMER.CREATE.LATCHKEY.studio", "latchkey.studio.link.redeemed"} {
		if err := nc.Publish(subject, []byte(adaGold)); err != nil {
			t.Fatal(err)
		}
		if err := <-refused; !strings.Contains(err.Error(), subject) {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, subject := range []string{"latchkey.academy.>", "courses.>", "_INBOX.>"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := <-refused; !strings.Contains(err.Error(), subject) {
			t.Errorf("%s: %v", subject, err)
		}
	}
	w.waitMails(1)
}

// TestPublishAsLocationUser publishes by the command as a location's user: with that user's inbox it goes well, and without, or into
// another location, the command says what it may not do.
//
// Red when publishConfig leaves out Inbox, and when PublishEvents leaves out context.Cause.
func TestPublishAsLocationUser(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	w.start()
	as := func(location, inbox string) (code int, errs string) {
		code, _, errs = w.command("publish", "offer_access_granted", "--dir="+w.dir, "--contact=ada", "--email=ada@example.com", "--offer=gold",
			"--location="+location, "--nats="+strings.Replace(w.natsURL(), "//", "//film:film-password@", 1), "--inbox-prefix="+inbox)
		return code, errs
	}
	if code, errs := as("studio", "_INBOX_film"); code != exitOK {
		t.Errorf("exit %d: %s", code, errs)
	}
	w.waitMails(1)
	if code, errs := as("academy", "_INBOX_film"); code != exitFailed || !strings.Contains(errs, `Publish to "courses.academy.offer_access_granted"`) {
		t.Errorf("into another location: exit %d: %s", code, errs)
	}
	if code, errs := as("studio", ""); code != exitFailed || !strings.Contains(errs, `Subscription to "_INBOX.`) {
		t.Errorf("without its inbox: exit %d: %s", code, errs)
	}
}

// TestLocationFiles puts the change of one location in force, and says whose mistakes there are.
func TestLocationFiles(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	i, _ := w.start()
	before := i.site("studio").files.state.Load()
	if err := os.WriteFile(filepath.Join(w.dir, "sites/studio/workflows/hello.yaml"), []byte(helloWorkflow+"\nnonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wait("the mistake", func() bool { return i.site("studio").files.state.Load() != before })
	if s := i.site("studio").files.state.Load(); s.InForce || len(s.Mistakes) == 0 {
		t.Errorf("studio's files: %+v", s)
	}
	for line := range strings.Lines(w.wholeLog()) {
		if strings.Contains(line, "workflows/hello.yaml") && !strings.Contains(line, `"location":"studio"`) {
			t.Error("whose file is it?", line)
		}
	}
	if s := i.site("academy").files.state.Load(); !s.InForce {
		t.Errorf("academy's files: %+v", s)
	}
}

// TestLocationReload changes the settings of two locations. A mistake in those of one keeps them as they were, and no other's; and
// what another location has is taken by who asks for it first, and by the next when that one lets go.
//
// Red when again takes all problems of loadConfig; when taken leaves out theirs, or filed; and when readChanged leaves out its second loop.
func TestLocationReload(t *testing.T) {
	t.Parallel()
	w := newTwoLocations(t)
	signals := make(chan os.Signal, 1)
	w.hangUps = signals
	i, _ := w.start()
	const academy, studio = "academy/latchkey.yaml", "sites/studio/latchkey.yaml"
	file := func(name, more string) string {
		id := strings.ToLower(name[strings.LastIndex(name, " ")+1:])
		users := ""
		if id == "studio" {
			users = "nats: {users: {film: film-password}}\n"
		}
		return "name: " + name + "\nemail: {from: Us <us@acme.test>}\nevents: {token: " + testToken + "-" + id + "}\n" + users + more
	}
	client := func(id string) string {
		return "apps: {lms: {url: https://lms.test, sso: oidc, secret: 0123456789abcdef, client_id: " + id + ", redirects: [https://lms.test/cb]}}\n"
	}
	for _, c := range []struct {
		name    string
		files   map[string]string
		names   string            // in force then
		mistake map[string]string // by location
	}{
		{"one is wrong", map[string]string{academy: file("One Academy", ""), studio: file("One Studio", "brand: nonsense\n")}, "One Academy, Film Studio",
			map[string]string{"studio": "latchkey.yaml:5:8: brand"}},
		{"it is no YAML", map[string]string{academy: file("Two Academy", client("a")), studio: "name: [\n"}, "Two Academy, Film Studio",
			map[string]string{"studio": "not YAML"}},
		{"it is mended", map[string]string{studio: file("Three Studio", "")}, "Two Academy, Three Studio", nil},
		{"it claims what is another's", map[string]string{studio: file("Four Studio", client("a"))}, "Two Academy, Three Studio",
			map[string]string{"studio": "client_id: apps.lms of academy has the same one"}},
		{"which goes on", map[string]string{academy: file("Five Academy", client("a"))}, "Five Academy, Three Studio",
			map[string]string{"studio": "client_id: apps.lms of academy has the same one"}},
		{"and lets go, with a mistake", map[string]string{academy: file("Six Academy", client("b")+"brand: nonsense\n")}, "Five Academy, Three Studio",
			map[string]string{"academy": "brand", "studio": "client_id: apps.lms of academy has the same one"}},
		{"and without", map[string]string{academy: file("Seven Academy", client("b"))}, "Seven Academy, Four Studio", nil},
		{"both at once", map[string]string{academy: file("Eight Academy", client("c")), studio: file("Eight Studio", client("c"))}, "Seven Academy, Four Studio",
			map[string]string{"academy": "client_id: apps.lms of studio has the same one", "studio": "client_id: apps.lms of academy has the same one"}},
		{"one lets go", map[string]string{academy: file("Eight Academy", client("b"))}, "Eight Academy, Eight Studio", nil},
		{"a token of another", map[string]string{academy: strings.Replace(file("Nine Academy", client("b")), "-academy", "-studio", 1), studio: file("Nine Studio", "")},
			"Eight Academy, Nine Studio", map[string]string{"academy": "events.token: studio has the same one"}},
		{"the folder goes", map[string]string{studio: "", academy: file("Ten Academy", "")}, "Ten Academy, Nine Studio", map[string]string{"studio": "is not there any more"}},
	} {
		names := slices.Sorted(maps.Keys(c.files))
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(w.dir, name+".next"), []byte(c.files[name]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names { // one right after the other, so that none is read without the rest
			from, to := filepath.Join(w.dir, name+".next"), filepath.Join(w.dir, name)
			if c.files[name] == "" {
				from, to = filepath.Join(w.dir, "sites"), filepath.Join(w.dir, "gone")
			}
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		differs := func() (got string) {
			if names := i.site("academy").inForce().cfg.Name + ", " + i.site("studio").inForce().cfg.Name; names != c.names {
				got = names
			}
			for _, s := range i.sites {
				state, want := s.files.state.Load(), c.mistake[s.cfg.Location]
				if said := strings.Join(state.Mistakes, "\n"); state.InForce != (want == "") || !strings.Contains(said, want) || state.InForce == (said != "") {
					got += "; " + s.cfg.Location + ": " + said
				}
			}
			return got
		}
		if !comes(func() bool { return differs() == "" }) {
			t.Fatalf("%s: %s", c.name, differs())
		}
		before := [2]*filesState{i.sites[0].files.state.Load(), i.sites[1].files.state.Load()}
		signals <- syscall.SIGHUP // and so it stays when all are read again
		if !comes(func() bool {
			return i.sites[0].files.state.Load() != before[0] && i.sites[1].files.state.Load() != before[1]
		}) || differs() != "" {
			t.Fatalf("%s, read again: %s", c.name, differs())
		}
	}
}

func TestLocationMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		root string
		part string
		want string
	}{
		{"what is for all", "", "listen: 127.0.0.1:1\n", "latchkey.yaml:1:9: listen: is for all locations; it belongs to the latchkey.yaml of the folder above"},
		{"what is for one", "name: Both\n", "", "latchkey.yaml:2:7: name: with locations, it belongs to the latchkey.yaml of each folder"},
		{"one id twice", "", "location: academy\n", "locations: academy and studio are both the location academy"},
		{"one token twice", "", "events: {token: sesame-sesame-sesame}\n", "latchkey.yaml:1:17: events.token: academy has the same one"},
		{"one NATS user twice", "", "nats: {users: {film: other}}\n", "latchkey.yaml:1:22: nats.users.film: academy has a user of that name"},
		{"a NATS user of all", "nats: {users: {ops: one}}\n", "nats: {users: {ops: two}}\n", "nats.users.ops: the latchkey.yaml above has a user of that name"},
		{"one client twice", "apps: {lms: {url: https://a.test, sso: oidc, secret: 0123456789abcdef, client_id: lms, redirects: [https://a.test/cb]}}\n", "",
			"apps.lms.client_id: apps.lms of academy has the same one"},
		{"locations in a location", "", "locations: [x]\n", "latchkey.yaml:1:12: locations: is for all locations"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := writeProject(t, map[string]string{
				"latchkey.yaml": "locations: [academy, studio]\n" + tt.root, "studio/latchkey.yaml": tt.part,
				"academy/latchkey.yaml": "name: A\nevents: {token: sesame-sesame-sesame}\nnats: {users: {film: one}}\n",
			})
			_, problems := loadConfig(dir, nil, nil)
			if got := lines(problems); !strings.Contains(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
