package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen/portal"
)

// This file is about the settings of the learners' pages and what they lead to.

// PortalConfig is about the client portal.
type PortalConfig struct{ Menu []MenuItem }

// MenuItem is one line of the client portal's menu: App or URL.
type MenuItem struct{ Label, App, URL string }

// LoginConfig says who may ask for a login link on the pages.
type LoginConfig struct {
	Email   bool
	TTL     time.Duration // how long a link works that somebody asked for
	Uses    int           // how often; 0 is unlimited
	PerHour int           // messages of a location in an hour, SMS among them
	SMS     LoginSMSConfig
}

// LoginSMSConfig says which phones are sent login links that somebody asked for. Without a prefix none is.
type LoginSMSConfig struct {
	Prefixes []string // what a number begins with, for instance +44
	PerHour  int
}

// EmbedConfig is about the user link, which a location's staff open in a sidebar of another site.
type EmbedConfig struct {
	Hosts     []string                 // origins whose pages may embed it
	Keys      map[string]engine.Secret // by issuer: an HS256 secret, or a public key in PEM
	Locations []string                 // further locations whose staff may open it
}

const maxMenu = 20 // items

// pageSettings are the keys that are about pages, who sees them and where they lead.
func pageSettings() []setting {
	return []setting{
		{key: "language", set: oneOf(func(c *Config) *string { return &c.Language }, portal.Languages()...)},
		{key: "brand", set: setBrand},
		{key: "logo", set: func(c *Config, _, v string) error { c.Logo = c.path(v); return nil }},
		{key: "staff.owner", list: true, set: staffRole(console.Owner)},
		{key: "staff.operator", list: true, set: staffRole(console.Operator)},
		{key: "staff.support", list: true, set: staffRole(console.Support)},
		{key: "links.embed.hosts", list: true, set: func(c *Config, _, v string) (err error) { c.Links.Embed.Hosts, err = origins(v); return }},
		{key: "links.embed.keys.*", set: setEmbedKey},
		{key: "links.embed.locations", list: true, set: func(c *Config, _, v string) error { c.Links.Embed.Locations = list(v); return nil }},
		{key: "legacy", set: yesNo(func(c *Config) *bool { return &c.Legacy })},
		{key: "portal.menu", list: true, set: resetMenu},
		{key: "portal.menu.*.label", set: menuKey(func(m *MenuItem) *string { return &m.Label })},
		{key: "portal.menu.*.app", set: menuKey(func(m *MenuItem) *string { return &m.App })},
		{key: "portal.menu.*.url", set: menuKey(func(m *MenuItem) *string { return &m.URL })},
		{key: "login.email", set: yesNo(func(c *Config) *bool { return &c.Login.Email })},
		{key: "login.ttl", set: length(func(c *Config) *time.Duration { return &c.Login.TTL })},
		{key: "login.uses", set: func(c *Config, _, v string) error { return countOr(&c.Login.Uses, v, "unlimited") }},
		{key: "login.per_hour", set: func(c *Config, _, v string) (err error) { c.Login.PerHour, err = between(v, 1, 1_000_000); return }},
		{key: "login.sms.prefixes", list: true, set: setPrefixes},
		{key: "login.sms.per_hour", set: func(c *Config, _, v string) (err error) { c.Login.SMS.PerHour, err = between(v, 1, 1_000_000); return }},
		{key: "apps.*.url", set: appKey(func(a *AppConfig) *string { return &a.URL })},
		{key: "apps.*.product", set: appKey(func(a *AppConfig) *string { return &a.Product })},
		{key: "apps.*.category", set: appKey(func(a *AppConfig) *string { return &a.Category })},
		{key: "apps.*.lesson", set: appKey(func(a *AppConfig) *string { return &a.Lesson })},
		{key: "apps.*.login", set: appKey(func(a *AppConfig) *string { return &a.Login })},
		{key: "apps.*.sso", set: appKey(func(a *AppConfig) *string { return &a.SSO })},
		{key: "apps.*.secret", secret: true, set: ofApp(func(a *AppConfig, v string) error { a.Secret = engine.NewSecret(v); return nil })},
		{key: "apps.*.audience", set: appKey(func(a *AppConfig) *string { return &a.Audience })},
		{key: "apps.*.param", set: appKey(func(a *AppConfig) *string { return &a.Param })},
		{key: "apps.*.client_id", set: appKey(func(a *AppConfig) *string { return &a.Client })},
		{key: "apps.*.redirects", list: true, set: ofApp(func(a *AppConfig, v string) error { a.Redirects = list(v); return nil })},
		{key: "apps.*.logout", list: true, set: ofApp(func(a *AppConfig, v string) error { a.Logout = list(v); return nil })},
		{key: "apps.*.pkce", set: ofApp(setPKCE)},
		{key: "apps.*.mint", set: appKey(func(a *AppConfig) *string { return &a.Mint })},
		{key: "session.idle", set: length(func(c *Config) *time.Duration { return &c.Session.Idle })},
		{key: "session.absolute", set: length(func(c *Config) *time.Duration { return &c.Session.Absolute })},
		{key: "support.email", set: mailbox(func(c *Config) *string { return &c.Support })},
	}
}

// finishPortal checks what spans several keys of the pages.
func (c *Config) finishPortal(report reporter) {
	for i, m := range c.Portal.Menu {
		key := "portal.menu." + strconv.Itoa(i)
		switch {
		case m.Label == "":
			report(key, false, "an item of the menu needs a label")
		case (m.App == "") == (m.URL == ""):
			report(key, false, "an item of the menu leads to an app or to a url: name one of them")
		case m.App != "" && !hasApp(c.Apps, m.App):
			report(key+".app", false, "there is no app %s; %s", m.App, appNames(c.Apps))
		}
	}
	if c.Legacy {
		c.finishLegacy(report)
	}
	if len(c.Links.Embed.Keys) > 0 && len(c.Links.Embed.Hosts) == 0 {
		report("links.embed.keys", false, "needs links.embed.hosts: the sites whose pages may show the user link")
	}
	if e := c.Links.Embed; len(e.Hosts) > 0 && len(e.Keys)+len(e.Locations) == 0 {
		report("links.embed.hosts", true, "nobody can be let in there: links.embed.keys has no key of a host that vouches for staff")
	}
}

// finishLogo reads the picture.
func (c *Config) finishLogo(report reporter) {
	if c.logo = ""; c.Logo == "" {
		return
	}
	f, err := os.Open(c.Logo)
	if err != nil {
		report("logo", false, "%v", err)
		return
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err == nil {
		c.logo, err = portal.Logo(src)
	}
	if err != nil {
		report("logo", false, "%s %v", filepath.Base(c.Logo), err)
	}
}

// finishLegacy checks a location whose learners go straight to its course library.
func (c *Config) finishLegacy(report reporter) {
	if c.Apps["courses"].URL == "" {
		report("legacy", false, "needs apps.courses.url: where learners are sent")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		if name != "courses" {
			report("apps."+name, false, "with legacy: true there is only the app courses")
		}
	}
	if len(c.Portal.Menu) > 0 {
		report("portal.menu", false, "with legacy: true there is no client portal, and no menu")
	}
}

func hasApp(apps map[string]AppConfig, name string) bool {
	_, ok := apps[name]
	return ok
}

func appNames(apps map[string]AppConfig) string {
	if len(apps) == 0 {
		return "apps is empty"
	}
	return "there are " + strings.Join(slices.Sorted(maps.Keys(apps)), ", ")
}

// resetMenu makes room for the items that follow.
func resetMenu(c *Config, _, v string) error {
	c.Portal.Menu = nil
	if v != "" {
		return fmt.Errorf("%q is no item of the menu; write {label: Courses, app: courses} or {label: Help, url: \"https://…\"}", v)
	}
	return nil
}

func menuKey(at func(*MenuItem) *string) setter {
	return func(c *Config, name, v string) error {
		i, err := between(name, 0, maxMenu-1)
		if err != nil {
			return fmt.Errorf("the menu is a list of at most %d items", maxMenu)
		}
		items := slices.Clone(c.Portal.Menu)
		for len(items) <= i {
			items = append(items, MenuItem{})
		}
		if at(&items[i]) == &items[i].URL {
			if u, err := url.Parse(v); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
				return fmt.Errorf("%q is no URL; write for instance https://help.example.com", v)
			}
		}
		*at(&items[i]) = v
		c.Portal.Menu = items
		return nil
	}
}

func yesNo(at func(*Config) *bool) setter {
	return func(c *Config, _, v string) error {
		switch v {
		case "true", "false":
			*at(c) = v == "true"
			return nil
		}
		return fmt.Errorf("%q is neither true nor false", v)
	}
}

// setProxies reads addresses and networks of proxies.
func setProxies(c *Config, _, v string) error {
	c.Proxies = nil
	for _, s := range list(v) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return fmt.Errorf("%q is neither an address nor a network; write for instance 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		c.Proxies = append(c.Proxies, p.Masked())
	}
	return nil
}

// setPrefixes reads what phone numbers begin with.
func setPrefixes(c *Config, _, v string) error {
	c.Login.SMS.Prefixes = nil
	for _, s := range list(v) {
		if len(s) < 2 || len(s) > 8 || s[0] != '+' || s[1] < '1' || strings.Trim(s[1:], "0123456789") != "" {
			return fmt.Errorf("%q is not what a phone number begins with; write for instance +44", s)
		}
		c.Login.SMS.Prefixes = append(c.Login.SMS.Prefixes, s)
	}
	return nil
}

// origins reads the sites whose pages may embed something.
func origins(v string) ([]string, error) {
	var all []string
	for _, s := range list(v) {
		text := s
		if !strings.Contains(s, "://") {
			text = "https://" + s
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" ||
			strings.ContainsAny(u.Host, "*;,'\" ") || u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())) {
			return nil, fmt.Errorf("%q is no site; write for instance https://crm.example.com. http is for this machine only", s)
		}
		all = append(all, u.Scheme+"://"+strings.ToLower(u.Host))
	}
	return all, nil
}

// setEmbedKey takes the key of somebody who vouches for staff.
func setEmbedKey(c *Config, name, v string) error {
	if strings.Contains(v, "-----BEGIN") {
		block, _ := pem.Decode([]byte(strings.TrimSpace(v)))
		if block == nil {
			return errors.New("is no key in PEM")
		}
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return errors.New("is no public key in PEM; it begins with -----BEGIN PUBLIC KEY-----")
		}
	} else if len(v) < 32 {
		return errors.New("a secret for HS256 has at least 32 characters")
	}
	keys := maps.Clone(c.Links.Embed.Keys)
	if keys == nil {
		keys = map[string]engine.Secret{}
	}
	keys[name] = engine.NewSecret(v)
	c.Links.Embed.Keys = keys
	return nil
}

// portalSettings is what the pages know of a location's settings.
func (i *instance) portalSettings(location string) portal.Settings {
	s := i.site(location)
	if s == nil {
		return portal.Settings{}
	}
	c := s.inForce().cfg
	out := portal.Settings{
		Legacy: c.Legacy, Apps: map[string]portal.App{}, Embed: c.embed(),
		Login: portal.Login{Email: c.sendsLogins("email"), SMS: c.sendsLogins("sms")},
	}
	for name, a := range c.Apps {
		out.Apps[name] = portal.App{URL: a.URL, Product: a.Product, Category: a.Category, Lesson: a.Lesson}
	}
	for _, m := range c.Portal.Menu {
		out.Menu = append(out.Menu, portal.MenuItem(m))
	}
	for _, id := range c.Links.Embed.Locations {
		if other := i.site(id); other != nil && id != location {
			e := other.inForce().cfg.embed()
			if out.Embed.Locations == nil {
				out.Embed.Locations = map[string]*portal.Embed{}
			}
			out.Embed.Locations[id] = &e
		}
	}
	return out
}

// embed is who may embed the location's user link by its own settings.
func (c *Config) embed() portal.Embed {
	e := portal.Embed{Hosts: c.Links.Embed.Hosts}
	for _, name := range slices.Sorted(maps.Keys(c.Links.Embed.Keys)) {
		k := portal.EmbedKey{Issuer: name}
		if v := c.Links.Embed.Keys[name]; strings.Contains(v.Reveal(), "-----BEGIN") {
			k.PEM = strings.TrimSpace(v.Reveal())
		} else {
			k.Secret = v
		}
		e.Keys = append(e.Keys, k)
	}
	return e
}

// consoleStaff returns who is signed in to a location's console in the browser that a request of the learners' pages comes from, or
// nothing. Where both have a host of their own, nobody is.
func (i *instance) consoleStaff(r *http.Request, location string) (string, error) {
	s := i.site(location)
	if s == nil {
		return "", nil
	}
	c, err := r.Cookie(s.staffCookie())
	if err != nil {
		return "", nil // there is none
	}
	who, ok, err := adminStaff{s}.Known(r.Context(), console.Proof{Session: engine.NewSecret(c.Value)})
	if err != nil || !ok || !who.Role.May(console.ViewAs) {
		return "", err
	}
	return who.Name, nil
}

// viewURL returns where staff see what a contact sees. Where the console has a host of its own, the portal cannot tell who they
// are, and where there is no client portal there is nothing to see.
func (s *site) viewURL(contact engine.ID) string {
	base, err := url.Parse(s.cfg.BaseURL)
	own, ownErr := url.Parse(s.adminURL())
	if err != nil || ownErr != nil || base.Hostname() != own.Hostname() || s.inForce().cfg.Legacy {
		return ""
	}
	return strings.TrimRight(s.cfg.BaseURL, "/") + portal.ViewPath(s.cfg.Location, contact)
}

// consoleURL returns where a location's console is.
func (i *instance) consoleURL(location string) string {
	if len(i.sites) == 1 {
		return i.adminURL()
	}
	return i.adminURL() + "/?location=" + location
}
