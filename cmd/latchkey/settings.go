package main

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"latchkey/actions/smtp"
	"latchkey/engine"
	"latchkey/engine/console"
)

// A setting is one key of latchkey.yaml. Its environment variable is LATCHKEY_ and the key in capitals.
type setting struct {
	key    string // with "*" for a name that the user chooses
	list   bool   // takes a list; set gets its items joined by commas
	secret bool   // may also be given as a file by LATCHKEY_…_FILE
	whole  bool   // is for all locations, not for the file of one among several
	set    func(c *Config, name, value string) error
}

// settings is every key there is, pageSettings those of pages among them. Values come as they were written, never as YAML numbers or dates.
func settings() []setting {
	return append(pageSettings(), []setting{
		{key: "locations", list: true, whole: true, set: func(c *Config, _, v string) error { c.Folders = list(v); return nil }},
		{key: "location", set: func(c *Config, _, v string) error { return setLocation(&c.Location, v) }},
		{key: "name", set: text(func(c *Config) *string { return &c.Name })},
		{key: "timezone", set: func(c *Config, _, v string) (err error) { c.Zone, err = loadZone(v); return }},
		{key: "base_url", set: func(c *Config, _, v string) (err error) { c.BaseURL, err = baseURL(v); return }},
		{key: "listen", whole: true, set: address(func(c *Config) *string { return &c.Listen })},
		{key: "admin.listen", whole: true, set: address(func(c *Config) *string { return &c.Admin.Listen })},
		{key: "admin.hosts", whole: true, list: true, set: func(c *Config, _, v string) error { c.Admin.Hosts = list(v); return nil }},
		{key: "admin.url", whole: true, set: func(c *Config, _, v string) (err error) { c.Admin.URL, err = baseURL(v); return }},
		{key: "data", whole: true, set: text(func(c *Config) *string { return &c.Data })},
		{key: "keys", whole: true, set: text(func(c *Config) *string { return &c.Keys })},
		{key: "partitions", whole: true, set: func(c *Config, _, v string) (err error) { c.Partitions, err = between(v, 1, 64); return }},
		{key: "nats.listen", whole: true, set: address(func(c *Config) *string { return &c.NATS.Listen })},
		{key: "nats.users.*", secret: true, set: setUser},
		{key: "nats.url", whole: true, set: text(func(c *Config) *string { return &c.NATS.URL })},
		{key: "nats.creds", whole: true, set: text(func(c *Config) *string { return &c.NATS.Creds })},
		{key: "nats.context", whole: true, set: text(func(c *Config) *string { return &c.NATS.Context })},
		{key: "nats.user", whole: true, set: text(func(c *Config) *string { return &c.NATS.User })},
		{key: "nats.password", whole: true, secret: true, set: secret(func(c *Config) *engine.Secret { return &c.NATS.Password })},
		{key: "nats.tls.ca", whole: true, set: text(func(c *Config) *string { return &c.NATS.TLS.CA })},
		{key: "nats.tls.cert", whole: true, set: text(func(c *Config) *string { return &c.NATS.TLS.Cert })},
		{key: "nats.tls.key", whole: true, set: text(func(c *Config) *string { return &c.NATS.TLS.Key })},
		{key: "email.from", set: mailbox(func(c *Config) *string { return &c.Email.From })},
		{key: "email.reply_to", set: mailbox(func(c *Config) *string { return &c.Email.ReplyTo })},
		{key: "email.smtp", secret: true, set: func(c *Config, _, v string) error { return setSMTP(&c.Email, v) }},
		{key: "email.smtp.host", set: text(func(c *Config) *string { return &c.Email.SMTP.Host })},
		{key: "email.smtp.port", set: func(c *Config, _, v string) (err error) { c.Email.SMTP.Port, err = between(v, 1, 65535); return }},
		{key: "email.smtp.user", set: text(func(c *Config) *string { return &c.Email.SMTP.User })},
		{key: "email.smtp.password", secret: true, set: secret(func(c *Config) *engine.Secret { return &c.Email.SMTP.Password })},
		{key: "email.smtp.tls", set: func(c *Config, _, v string) error { c.Email.SMTP.TLS = smtp.TLS(v); return nil }},
		{key: "email.connections", set: func(c *Config, _, v string) (err error) { c.Email.SMTP.Conns, err = between(v, 1, 100); return }},
		{key: "sms.from", set: phone(func(c *Config) *string { return &c.SMS.From })},
		{key: "sms.twilio.account_sid", set: text(func(c *Config) *string { return &c.SMS.Twilio.AccountSID })},
		{key: "sms.twilio.auth_token", secret: true, set: secret(func(c *Config) *engine.Secret { return &c.SMS.Twilio.AuthToken })},
		{key: "sms.twilio.base_url", set: text(func(c *Config) *string { return &c.SMS.Twilio.BaseURL })},
		{key: "links.ttl", set: length(func(c *Config) *time.Duration { return &c.Links.TTL })},
		{key: "links.max_ttl", set: length(func(c *Config) *time.Duration { return &c.Links.MaxTTL })},
		{key: "links.uses", set: func(c *Config, _, v string) error { return countOr(&c.Links.Uses, v, "unlimited") }},
		{key: "links.keep", set: func(c *Config, _, v string) error { return countOr(&c.Links.Keep, v, "all") }},
		{key: "links.supersede", set: oneOf(func(c *Config) *string { return &c.Links.Supersede }, "on_handoff", "on_mint")},
		{key: "trusted_proxies", whole: true, list: true, set: setProxies},
		{key: "events.token", secret: true, set: setToken},
		{key: "custom.*", set: setCustom},
		{key: "secrets.*", set: setSecret},
		{key: "retention.events", whole: true, set: length(func(c *Config) *time.Duration { return &c.Retain.Events })},
		{key: "retention.history", whole: true, set: length(func(c *Config) *time.Duration { return &c.Retain.History })},
		{key: "retention.dead", whole: true, set: length(func(c *Config) *time.Duration { return &c.Retain.Dead })},
		{key: "retention.dedup", whole: true, set: length(func(c *Config) *time.Duration { return &c.Retain.Dedup })},
		{key: "log.level", whole: true, set: oneOf(func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error")},
		{key: "log.format", whole: true, set: oneOf(func(c *Config) *string { return &c.Log.Format }, "auto", "text", "json")},
	}...)
}

type setter = func(c *Config, name, value string) error

func text(at func(*Config) *string) setter {
	return func(c *Config, _, v string) error { *at(c) = v; return nil }
}

func secret(at func(*Config) *engine.Secret) setter {
	return func(c *Config, _, v string) error { *at(c) = engine.NewSecret(v); return nil }
}

func appKey(at func(*AppConfig) *string) setter {
	return ofApp(func(a *AppConfig, v string) error { *at(a) = v; return nil })
}

// ofApp changes one app.
func ofApp(change func(a *AppConfig, v string) error) setter {
	return func(c *Config, name, v string) error {
		if !locationPattern.MatchString(name) || len(name) > 64 {
			return fmt.Errorf("%q is no name of an app; use a-z, 0-9 and -, for instance courses", name)
		}
		a := c.Apps[name]
		if err := change(&a, v); err != nil {
			return err
		}
		c.Apps[name] = a
		return nil
	}
}

func setPKCE(a *AppConfig, v string) error {
	if v != "required" && v != "optional" {
		return fmt.Errorf("%q is none of required, optional", v)
	}
	a.NoPKCE = v == "optional"
	return nil
}

func length(at func(*Config) *time.Duration) setter {
	return func(c *Config, _, v string) error {
		d, err := engine.ParseDuration(v)
		*at(c) = d.Fixed()
		return err
	}
}

// setUser takes one who may publish events.
func setUser(c *Config, name, v string) error {
	if v == "" {
		return errors.New("needs a password")
	}
	c.NATS.Users = append(c.NATS.Users, NATSUser{User: name, Password: engine.NewSecret(v)})
	return nil
}

// setCustom takes a text that templates name.
func setCustom(c *Config, name, v string) error {
	if strings.Contains(name, ".") {
		return errors.New("a template could not name it: leave out the dot")
	}
	c.Custom[name] = v
	return nil
}

// setSecret takes a secret that workflows name.
func setSecret(c *Config, name, v string) error {
	if !secretName.MatchString(name) {
		return errors.New("a secret's name is letters, digits, - and _")
	}
	if strings.TrimSpace(v) == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("a secret is a text on one line")
	}
	c.Secrets[name] = engine.NewSecret(v)
	return nil
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// setToken takes a token that cannot be guessed.
func setToken(c *Config, _, v string) error {
	if len(v) < minKey || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("a token has at least %d letters, digits and signs, and no spaces", minKey)
	}
	c.Events.Token = engine.NewSecret(v)
	return nil
}

func address(at func(*Config) *string) setter {
	return func(c *Config, _, v string) error {
		if _, port, err := net.SplitHostPort(v); err != nil || port == "" {
			return fmt.Errorf("%q is no address; write host:port, for instance 127.0.0.1:8080", v)
		}
		*at(c) = v
		return nil
	}
}

func mailbox(at func(*Config) *string) setter {
	return func(c *Config, _, v string) error {
		if _, err := mail.ParseAddress(v); err != nil {
			return fmt.Errorf("%q is no mail address; write you@example.com, or Name <you@example.com>", v)
		}
		*at(c) = v
		return nil
	}
}

// staffRole takes the addresses of those who have a role.
func staffRole(role console.Role) setter {
	return func(c *Config, _, v string) error {
		var all []string
		for _, a := range list(v) {
			if at, err := mail.ParseAddress(a); err != nil || at.Address != a {
				return fmt.Errorf("%q is no mail address; write olga@example.com", a)
			}
			all = append(all, a)
		}
		c.Staff[role] = all
		return nil
	}
}

func oneOf(at func(*Config) *string, words ...string) setter {
	return func(c *Config, _, v string) error {
		for _, w := range words {
			if v == w {
				*at(c) = v
				return nil
			}
		}
		return fmt.Errorf("%q is none of %s", v, strings.Join(words, ", "))
	}
}

var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func phone(at func(*Config) *string) setter {
	return func(c *Config, _, v string) error {
		if !phonePattern.MatchString(v) {
			return fmt.Errorf("%q is no phone number; write it as +14155550100", v)
		}
		*at(c) = v
		return nil
	}
}

var (
	locationPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	brandPattern    = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

func setLocation(at *string, v string) error {
	if !locationPattern.MatchString(v) || len(v) > 64 {
		return fmt.Errorf("%q is no id; use a-z, 0-9 and -, for instance academy", v)
	}
	*at = v
	return nil
}

func setBrand(c *Config, _, v string) error {
	if !brandPattern.MatchString(v) {
		return fmt.Errorf("%q is no colour; write it as \"#0b6e4f\"", v)
	}
	c.Brand = v
	return nil
}

func loadZone(v string) (*time.Location, error) {
	if v == "" || strings.EqualFold(v, "local") {
		return time.UTC, fmt.Errorf("%q is no time zone; write for instance Europe/London", v)
	}
	z, err := time.LoadLocation(v)
	if err != nil {
		return time.UTC, fmt.Errorf("no time zone %q; write for instance Europe/London", v)
	}
	return z, nil
}

func baseURL(v string) (string, error) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%q is no base URL; write for instance https://go.example.com", v)
	}
	if u.Path != "" && u.Path != "/" {
		return "", fmt.Errorf("%q has a path; links need a host of their own", v)
	}
	return strings.TrimRight(v, "/"), nil
}

// setSMTP reads smtp://user:pass@host:port?tls=offer, or smtps:// for TLS from the first byte.
func setSMTP(e *EmailConfig, v string) error {
	c, err := smtp.ParseURL(v)
	if err != nil {
		return err
	}
	c.Conns = e.SMTP.Conns
	e.SMTP = c
	return nil
}

func between(v string, low, high int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return low, fmt.Errorf("%q is no number from %d to %d", v, low, high)
	}
	return n, nil
}

// countOr reads a number above zero, or the word that stands for no limit, which is 0.
func countOr(at *int, v, word string) error {
	if v == word {
		*at = 0
		return nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither a number above zero nor the word %q", v, word)
	}
	*at = n
	return nil
}

func list(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

func addressOf(mailbox string) string {
	a, err := mail.ParseAddress(mailbox)
	if err != nil {
		return ""
	}
	return a.Address
}
