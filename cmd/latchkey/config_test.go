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
		{"http off loopback", "base_url: http://go.example.com\n", "latchkey.yaml:1:11: base_url: http is for this machine only"},
		{"a later key", "trusted_proxies: [10.0.0.1]\n", "latchkey.yaml:1:1: trusted_proxies: not yet in this version"},
		{"a location without a folder", "locations: [a, b]\n", "latchkey.yaml:1:12: locations: there is no folder a"},
		{"keys wanted", "email: hello\n", "latchkey.yaml:1:8: email: needs keys below it, not a value"},
		{"not YAML", "name: [\n", "latchkey.yaml:2:1: not YAML"},
		{"a token that can be guessed", "events: {token: hunter2}\n", "latchkey.yaml:1:17: events.token: a token has at least 16 letters"},
		{"half of twilio", "sms: {from: +14155550100, twilio: {account_sid: AC1}}\n", "sms.twilio: needs both"},
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
