package main

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"latchkey/actions/smtp"
	"latchkey/actions/twilio"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// A Config is latchkey.yaml, resolved: flag over environment over file over default. Nothing asks the
// environment or the file again.
type Config struct {
	Dir  string // the project's folder; relative paths in the file are relative to it
	File string // its latchkey.yaml, as shown in messages; "" if there is none

	Location string
	Name     string
	Zone     *time.Location
	Language string // of learners whose own is not known
	Brand    string
	Logo     string // path of a picture
	BaseURL  string
	Listen   string
	Admin    AdminConfig
	Data     string
	Keys     string
	NATS     NATSConfig
	Email    EmailConfig
	SMS      SMSConfig
	Links    LinksConfig
	Session  SessionConfig
	Apps     map[string]AppConfig
	Legacy   bool // learners go straight to the app "courses"
	Portal   PortalConfig
	Login    LoginConfig
	Proxies  []netip.Prefix // whose X-Forwarded-For is believed
	Events   EventsConfig
	Staff    map[console.Role][]string // addresses
	Custom   map[string]string
	Secrets  map[string]engine.Secret // that workflows name
	Support  string
	Retain   RetainConfig
	Log      LogConfig

	// Day is how long a day of a wait lasts; 0 is a calendar day. For the demo.
	Day time.Duration
	// Now is the clock. It must not be nil.
	Now func() time.Time
	// Partitions is how many files the store is split into. It is fixed when the store is made.
	Partitions int

	// Folders are those of locations, as written; Sites are their configurations, or this one alone if there are none.
	Folders []string
	Sites   []*Config

	logo   string                      // the picture, as a data: URI
	source []byte                      // the file as it was read
	wrong  []engine.Problem            // what is wrong with it, whatever other locations have
	at     func(key string) engine.Pos // where a setting stands
	env    []string                    // what it was read with, to read it again
	flags  map[string]string
	probe  time.Duration // how soon a channel that went down is first tried again; 0 is the runner's default
}

// AdminConfig is the listener for operators: console, admin API, outbox, health.
type AdminConfig struct {
	Listen string
	URL    string   // where staff reach the pages; "" is http and Listen
	Hosts  []string // further Host names that it answers for
}

// NATSConfig is either an embedded server (Listen) or one that runs elsewhere (URL or Context).
type NATSConfig struct {
	Listen   string
	Users    []NATSUser
	URL      string
	Creds    string
	Context  string
	User     string
	Password engine.Secret
	TLS      TLSConfig
}

// NATSUser may publish to the embedded server.
type NATSUser struct {
	User     string
	Password engine.Secret
}

// TLSConfig names files in PEM.
type TLSConfig struct{ CA, Cert, Key string }

// EmailConfig says how mail leaves. Without SMTP.Host it goes to the outbox.
type EmailConfig struct {
	From    string
	ReplyTo string
	SMTP    smtp.Config
}

// SMSConfig says how SMS leave. Without Twilio.AccountSID they go to the outbox.
type SMSConfig struct {
	From   string
	Twilio twilio.Config
}

// LinksConfig is the location's default policy for login links.
type LinksConfig struct {
	TTL       time.Duration
	Uses      int // 0 is unlimited
	Keep      int // families that live at a time; 0 is all
	Supersede string
	MaxTTL    time.Duration
	Embed     EmbedConfig
}

// SessionConfig is for how long learners stay signed in.
type SessionConfig struct {
	Idle     time.Duration // without a page seen
	Absolute time.Duration
}

// AppConfig is one app that links may be for. See sso.App.
type AppConfig struct {
	URL, Product, Category, Lesson, Login string
	SSO, Audience, Param, Client, Mint    string
	Secret                                engine.Secret
	Redirects, Logout                     []string
	NoPKCE                                bool
}

// EventsConfig opens POST /v1/events on the portal's listener for those who have the token; without one it is only on the
// admin listener.
type EventsConfig struct{ Token engine.Secret }

// RetainConfig says how long things are kept.
type RetainConfig struct{ Events, History, Dead, Dedup time.Duration }

// LogConfig says what is logged, and how.
type LogConfig struct{ Level, Format string }

func defaultConfig(dir string) *Config {
	day := 24 * time.Hour
	return &Config{
		Dir:        dir,
		Location:   "academy",
		Name:       "",
		Zone:       time.UTC,
		BaseURL:    "",
		Listen:     "127.0.0.1:8080",
		Admin:      AdminConfig{Listen: "127.0.0.1:8081"},
		Data:       "data",
		Keys:       "keys",
		NATS:       NATSConfig{Listen: "127.0.0.1:4222"},
		Email:      EmailConfig{SMTP: smtp.Config{Conns: 8}},
		Links:      LinksConfig{TTL: day, Keep: 1, Supersede: "on_handoff", MaxTTL: 30 * day},
		Apps:       map[string]AppConfig{},
		Session:    SessionConfig{Idle: linkgen.SessionIdle, Absolute: linkgen.SessionLife},
		Login:      LoginConfig{Email: true, TTL: loginTTL, Uses: 1, PerHour: 300, SMS: LoginSMSConfig{PerHour: 30}},
		Staff:      map[console.Role][]string{},
		Custom:     map[string]string{},
		Secrets:    map[string]engine.Secret{},
		Retain:     RetainConfig{Events: 30 * day, History: 90 * day, Dead: 30 * day, Dedup: 90 * day},
		Log:        LogConfig{Level: "info", Format: "auto"},
		Partitions: 1,
		Now:        time.Now,
	}
}

// A reporter adds a problem of a key.
type reporter func(key string, warning bool, format string, args ...any)

// finish fills what depends on other keys and checks what spans several, but for what belongs to one location. at finds
// where a key stands.
func (c *Config) finish(report reporter) {
	if c.BaseURL == "" {
		c.BaseURL = "http://" + c.Listen
	}
	if u, err := url.Parse(c.Admin.URL); err == nil && u.Scheme == "http" && !loopbackHost(u.Hostname()) {
		report("admin.url", false, "http is for this machine only: whoever reads along would be signed in as your staff")
	}
	if c.NATS.URL != "" && c.NATS.Context != "" {
		report("nats.context", false, "either nats.url or nats.context, not both")
	}
	c.Data, c.Keys = c.path(c.Data), c.path(c.Keys)
	for _, p := range []*string{&c.NATS.Creds, &c.NATS.TLS.CA, &c.NATS.TLS.Cert, &c.NATS.TLS.Key} {
		*p = c.path(*p)
	}
}

// finishLocation is finish for what belongs to one location.
func (c *Config) finishLocation(report reporter) {
	if c.Name == "" {
		c.Name = title(c.Location)
	}
	if c.Email.From == "" {
		c.Email.From = c.Name + " <hello@" + c.Location + ".test>"
		if c.Email.SMTP.Host != "" {
			report("email.from", false, "needed once email.smtp is set: who the mail comes from")
		}
	}
	if c.SMS.From == "" {
		c.SMS.From = "+15005550006"
		if c.SMS.Twilio.AccountSID != "" {
			report("sms.from", false, "needed once sms.twilio is set: the number that SMS come from")
		}
	}
	if (c.SMS.Twilio.AccountSID == "") != c.SMS.Twilio.AuthToken.IsZero() {
		report("sms.twilio", false, "needs both account_sid and auth_token")
	}
	if c.Email.SMTP.Host != "" {
		if err := c.Email.SMTP.Check(); err != nil {
			report("email.smtp", false, "%v", err)
		}
	}
	c.finishStaff(report)
	u, _ := url.Parse(c.BaseURL)
	if u.Scheme == "http" && !loopbackHost(u.Hostname()) {
		report("base_url", false, "http is for this machine only; a link that leaves it begins with https")
	}
	real := c.Email.SMTP.Host != "" && !loopbackHost(c.Email.SMTP.Host) || c.SMS.Twilio.AccountSID != "" && c.SMS.Twilio.BaseURL == ""
	if real && loopbackHost(u.Hostname()) {
		report("base_url", true, "messages go to real people, but their links lead to %s, which only this machine can open", u.Host)
	}
	if loopbackAddr(c.Listen) && !loopbackHost(u.Hostname()) && len(c.Proxies) == 0 {
		report("base_url", true, "a proxy leads visitors to %s, and all of them count as one, who may ask for a login link 6 times an hour: "+
			"set trusted_proxies, for instance to [127.0.0.1]", c.Listen)
	}
	if c.Links.TTL > c.Links.MaxTTL {
		report("links.ttl", false, "is longer than links.max_ttl")
	}
	if c.Session.Idle > c.Session.Absolute {
		report("session.idle", false, "is longer than session.absolute")
	}
	c.finishLogo(report)
	c.finishPortal(report)
	c.finishLogin(report)
	c.checkApps(report)
}

// finishStaff reports who has two roles: which one counts would be a guess.
func (c *Config) finishStaff(report reporter) {
	has := map[string]console.Role{}
	for _, role := range console.Roles() {
		for _, a := range c.Staff[role] {
			a = engine.NormalAddress(a)
			if other, twice := has[a]; twice {
				report("staff."+string(role), false, "%s is there twice, as %s too", a, other)
			}
			has[a] = role
		}
	}
}

// path makes a path of the file absolute to the project's folder.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Dir, p)
}

// EngineLocation is what the rest of the house knows of the location.
func (c *Config) EngineLocation() *engine.Location {
	loc := &engine.Location{
		ID: c.Location, Name: c.Name, Email: addressOf(c.Email.From), Support: c.Support, Brand: c.Brand, Logo: c.logo, Language: c.Language,
		BaseURL: strings.TrimRight(c.BaseURL, "/"), Zone: c.Zone, Custom: c.Custom, Day: c.Day,
	}
	for name := range c.Apps {
		loc.Apps = append(loc.Apps, name)
	}
	return loc
}

// title makes a name of an id: "my-academy" is "My Academy".
func title(id string) string {
	words := strings.Split(id, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// adminOpen reports whether the admin listener needs no key, but for its pages: it can be reached from this machine alone. Where
// latchkey.yaml names it as others reach it, a proxy leads them here, whose requests come from this machine too.
func (c *Config) adminOpen() bool {
	if !loopbackAddr(c.Admin.Listen) {
		return false
	}
	for _, h := range c.Admin.Hosts {
		if !loopbackHost(hostOnly(h)) {
			return false
		}
	}
	u, err := url.Parse(c.Admin.URL)
	return err == nil && (u.Host == "" || loopbackHost(u.Hostname()))
}

// hostOnly is a host without its port, if it has one.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func loopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}
