package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

func writeProject(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lines(ps []engine.Problem) string {
	var b strings.Builder
	for _, p := range ps {
		p.File = filepath.Base(p.File)
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

func TestConfigWithoutFile(t *testing.T) {
	t.Parallel()
	c, ps := loadConfig(t.TempDir(), nil, nil)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if c.Location != "academy" || c.Name != "Academy" || c.BaseURL != "http://127.0.0.1:8080" || c.Links.TTL != 24*time.Hour {
		t.Errorf("defaults: %+v", c)
	}
}

func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{
		"latchkey.yaml": "name: File\nlisten: 127.0.0.1:1000\nsms: {from: +14155550100}\nemail: {smtp: \"smtp://u:$$p@localhost:2525\", from: a@b.example}\n",
		"pw":            "hunter2\n",
		"token":         testToken + "\n",
	})
	env := []string{"LATCHKEY_NAME=Env", "LATCHKEY_LISTEN=127.0.0.1:2000", "LATCHKEY_EMAIL_SMTP_PASSWORD_FILE=" + filepath.Join(dir, "pw"),
		"LATCHKEY_EVENTS_TOKEN_FILE=" + filepath.Join(dir, "token")}
	c, ps := loadConfig(dir, env, map[string]string{"listen": "127.0.0.1:3000"})
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if c.Name != "Env" || c.Listen != "127.0.0.1:3000" || c.SMS.From != "+14155550100" {
		t.Errorf("precedence: name %q, listen %q, from %q", c.Name, c.Listen, c.SMS.From)
	}
	if c.Email.SMTP.Host != "localhost" || c.Email.SMTP.Port != 2525 || c.Email.SMTP.Password.Reveal() != "hunter2" {
		t.Errorf("smtp: %s:%d", c.Email.SMTP.Host, c.Email.SMTP.Port)
	}
	if c.Events.Token.Reveal() != testToken {
		t.Error("events.token is not the file's")
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, want string }{
		{"a typing mistake", "lisen: 127.0.0.1:80\n", `latchkey.yaml:1:1: no setting "lisen"; did you mean listen?`},
		{"all at once", "timezone: Mars\nlinks:\n  ttl: 5\n  keep: none\n", "latchkey.yaml:1:11: timezone: no time zone \"Mars\"; write for instance Europe/London\n" +
			"latchkey.yaml:3:8: links.ttl: "},
		{"an unset variable", "sms: {twilio: {account_sid: \"${NO_SUCH}\"}}\n", "latchkey.yaml:1:29: sms.twilio.account_sid: the environment has no NO_SUCH"},
		{"a variable of no name", "events: {token: \"${EVENTS-TOKEN-OF-THE-SITE}\"}\n", "latchkey.yaml:1:17: events.token: behind ${ stands the name of a variable"},
		{"a default of a variable", "secrets: {crm: \"${CRM_SECRET:-none}\"}\n", "latchkey.yaml:1:16: secrets.crm: behind ${ stands"},
		{"a variable that does not end", "events: {token: \"${EVENTS_TOKEN_OF_THE_SITE\"}\n", "latchkey.yaml:1:17: events.token: behind ${ stands"},
		{"http off loopback", "base_url: http://go.example.com\n", "latchkey.yaml:1:11: base_url: http is for this machine only"},
		{"a language that is not spoken", "language: fr\n", `latchkey.yaml:1:11: language: "fr" is none of en, de`},
		{"a logo that is not there", "logo: logo.svg\n", "latchkey.yaml:1:7: logo: open "},
		{"a logo that is none", "logo: latchkey.yaml\n", "latchkey.yaml:1:7: logo: latchkey.yaml is neither a PNG nor an SVG"},
		{"a session that is never idle", "session: {idle: 2d, absolute: 1d}\n", "latchkey.yaml:1:17: session.idle: is longer than session.absolute"},
		{"a proxy that is none", "trusted_proxies: [10.0.0.0/8, proxy]\n", `latchkey.yaml:1:18: trusted_proxies: "proxy" is neither an address nor a network`},
		{"a menu of words", "portal: {menu: [courses]}\n", `latchkey.yaml:1:16: portal.menu: "courses" is no item of the menu`},
		{"an item that leads nowhere", "portal:\n  menu:\n    - {label: Help, url: \"https://a.test\"}\n    - {label: Courses}\n", "latchkey.yaml:4:7: portal.menu.1: an item of the menu leads to an app or to a url"},
		{"an app that is not there", "apps: {courses: {url: \"https://a.test\"}}\nportal: {menu: [{label: Courses, app: course}]}\n", "latchkey.yaml:2:39: portal.menu.0.app: there is no app course; there are courses"},
		{"a script in the menu", "portal: {menu: [{label: Help, url: \"javascript:alert(1)\"}]}\n", "portal.menu.0.url: \"javascript:alert(1)\" is no URL"},
		{"legacy without courses", "legacy: true\n", "latchkey.yaml:1:9: legacy: needs apps.courses.url"},
		{"legacy with another app", "legacy: true\napps:\n  courses: {url: \"https://a.test\"}\n  communities: {url: \"https://b.test\"}\n", "latchkey.yaml:4:3: apps.communities: with legacy: true there is only the app courses"},
		{"a host without TLS", "links: {embed: {hosts: [\"http://crm.acme.test\"]}}\n", `latchkey.yaml:1:24: links.embed.hosts: "http://crm.acme.test" is no site`},
		{"every host", "links: {embed: {hosts: [\"https://*.acme.test\"]}}\n", "is no site"},
		{"a key that can be guessed", "links: {embed: {hosts: [crm.acme.test], keys: {crm: secret}}}\n", "latchkey.yaml:1:53: links.embed.keys.crm: a secret for HS256 has at least 32 characters"},
		{"a private key", "links: {embed: {hosts: [crm.acme.test], keys: {crm: \"-----BEGIN PRIVATE KEY-----\"}}}\n", "links.embed.keys.crm: is no key in PEM"},
		{"hosts without keys", "links: {embed: {hosts: [crm.acme.test]}}\n", "latchkey.yaml:1:24: warning: links.embed.hosts: nobody can be let in there"},
		{"keys without hosts", "links: {embed: {keys: {crm: 0123456789abcdef0123456789abcdef}}}\n", "links.embed.keys: needs links.embed.hosts"},
		{"staff of nowhere", "links: {embed: {locations: [north]}}\n", "latchkey.yaml:1:28: links.embed.locations: there is no location north"},
		{"a prefix without plus", "login: {sms: {prefixes: [\"44\"]}}\n", `latchkey.yaml:1:25: login.sms.prefixes: "44" is not what a phone number begins with`},
		{"login links for longer than any", "login: {ttl: 60d}\n", "latchkey.yaml:1:14: login.ttl: is longer than links.max_ttl"},
		{"login links by SMS without a sender", "email: {from: a@a.test, smtp: {host: 127.0.0.1}}\nlogin: {sms: {prefixes: [\"+44\"]}}\n", "login.sms.prefixes: no SMS can be sent"},
		{"neither yes nor no", "login: {email: maybe}\n", `latchkey.yaml:1:16: login.email: "maybe" is neither true nor false`},
		{"an unknown way into an app", "apps: {courses: {url: https://a.test, sso: jtw}}\n", `latchkey.yaml:1:44: apps.courses.sso: "jtw" is none of jwt, thinkific, discourse, oidc, moodle, minted; did you mean jwt?`},
		{"staff without an address", "staff: {owner: [Olga]}\n", `latchkey.yaml:1:16: staff.owner: "Olga" is no mail address; write olga@example.com`},
		{"staff of two roles", "staff:\n  owner: [olga@acme.test]\n  support: [sue@acme.test, OLGA@acme.test]\n", "latchkey.yaml:3:12: staff.support: olga@acme.test is there twice, as owner too"},
		{"a role like none", "staff: {admin: [sue@acme.test]}\n", `no setting "staff.admin"; below staff there are operator, owner, support`},
		{"a menu without dashes", "portal: {menu: {label: Help, url: \"https://a.test\"}}\n", "latchkey.yaml:1:16: portal.menu: is a list: begin each of its items with a dash"},
		{"a misspelt label", "portal: {menu: [{labl: Help}]}\n", `no setting "portal.menu.0.labl"; did you mean portal.menu.0.label?`},
		{"a misspelt key of an app", "apps: {courses: {url: https://a.test, prodct: /p}}\n", `no setting "apps.courses.prodct"; did you mean apps.courses.product?`},
		{"a list for keys", "links: {embed: [crm.acme.test]}\n", "latchkey.yaml:1:16: links.embed: needs keys below it, not a list; there are hosts, keys, locations"},
		{"a role that there is not", "staff: {suport: [sue@acme.test]}\n", `no setting "staff.suport"; did you mean staff.support?`},
		{"the console over http", "admin: {url: \"http://ops.acme.test\"}\n", "latchkey.yaml:1:14: admin.url: http is for this machine only"},
		{"one key twice", "listen: 127.0.0.1:1\nname: A\nlisten: 127.0.0.1:2\n", "latchkey.yaml:3:1: listen: is here twice; the first is in line 1"},
		{"keys below a name", "custom: {a: {b: x}}\n", "latchkey.yaml:1:13: custom.a: takes a value, not keys"},
		{"a name with a dot", "custom: {a.b: x}\n", `latchkey.yaml:1:15: custom.a.b: a template could not name it: leave out the dot`},
		{"anybody on NATS", "nats: {users: {ops: \"\"}}\n", "latchkey.yaml:1:21: nats.users.ops: needs a password"},
		{"a location without a folder", "locations: [a, b]\n", "latchkey.yaml:1:12: locations: there is no folder a"},
		{"keys wanted", "email: hello\n", "latchkey.yaml:1:8: email: needs keys below it, not a value"},
		{"not YAML", "name: [\n", "latchkey.yaml:2:1: not YAML"},
		{"a token that can be guessed", "events: {token: hunter2}\n", "latchkey.yaml:1:17: events.token: a token has at least 16 letters"},
		{"half of twilio", "sms: {from: +14155550100, twilio: {account_sid: AC1}}\n", "sms.twilio: needs both"},
		{"a proxy that hides who comes", "base_url: https://learn.acme.test\n", "latchkey.yaml:1:11: warning: base_url: a proxy leads visitors to 127.0.0.1:8080, and all of them count as one"},
		{"real mail, local links", "email: {from: a@b.example, smtp: \"smtp://mx.example.com\"}\n", "warning: base_url: messages go to real people"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, ps := loadConfig(writeProject(t, map[string]string{"latchkey.yaml": tc.file}), nil, nil)
			if got := lines(ps); !strings.Contains(got, tc.want) {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestMenuOfALocation(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{
		"latchkey.yaml":   "locations: [a, b]\nportal: {menu: [{label: Help, url: \"https://help.test\"}, {label: Shop, url: \"https://shop.test\"}]}\n",
		"a/latchkey.yaml": "portal: {menu: [{label: Own, url: \"https://own.test\"}]}\nlinks: {embed: {hosts: [CRM.acme.test], locations: [b]}}\n",
		"b/latchkey.yaml": "name: B\n",
	})
	c, ps := loadConfig(dir, nil, nil)
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if m := c.Sites[0].Portal.Menu; len(m) != 1 || m[0].Label != "Own" {
		t.Errorf("the location's own menu: %+v", m)
	}
	if m := c.Sites[1].Portal.Menu; len(m) != 2 || m[1].URL != "https://shop.test" {
		t.Errorf("the menu of the file above: %+v", m)
	}
	if h := c.Sites[0].Links.Embed.Hosts; len(h) != 1 || h[0] != "https://crm.acme.test" {
		t.Errorf("hosts: %v", h)
	}
}

// TestConfigIssuer names who vouches for staff by a URL, as issuers are.
func TestConfigIssuer(t *testing.T) {
	t.Parallel()
	c, ps := loadConfig(writeProject(t, map[string]string{"latchkey.yaml": "links:\n  embed:\n    hosts: [crm.acme.test]\n" +
		"    keys: {\"https://crm.acme.test\": 0123456789abcdef0123456789abcdef}\n"}), nil, nil)
	if len(ps) > 0 || c.Links.Embed.Keys["https://crm.acme.test"].IsZero() {
		t.Errorf("%d keys\n%s", len(c.Links.Embed.Keys), lines(ps))
	}
}

// TestSenders holds what the start says of where messages go.
func TestSenders(t *testing.T) {
	t.Parallel()
	smtp, twilio := "email: {smtp: \"smtp://mail.test\"}\n", "sms: {from: \"+14155550100\", twilio: {account_sid: AC1, auth_token: x}}\n"
	for src, want := range map[string]string{
		"": "the outbox, the outbox", smtp: "mail.test, none: sms.twilio is not set", twilio: "none: email.smtp is not set, Twilio", smtp + twilio: "mail.test, Twilio",
	} {
		cfg, _ := loadConfig(writeProject(t, map[string]string{"latchkey.yaml": src}), nil, nil)
		if mail, text := cfg.senders(); mail+", "+text != want {
			t.Errorf("%q: %s, %s; want %s", src, mail, text, want)
		}
	}
}
