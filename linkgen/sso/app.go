package sso

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"latchkey/engine"
)

// The ways into an app, as `sso` in latchkey.yaml names them. None is "".
const (
	JWT       = "jwt"
	Thinkific = "thinkific"
	Discourse = "discourse"
	OIDC      = "oidc"
	Moodle    = "moodle"
	Minted    = "minted"
)

// ways are the words that `sso` may be.
var ways = []string{JWT, Thinkific, Discourse, OIDC, Moodle, Minted}

// Limits of what is shared with a site. HS256 wants a key as long as its hash.
const (
	minSecret = 16
	minHMAC   = 32
)

// An App is what latchkey.yaml says of one app. Check says what it must be.
type App struct {
	Location, Name string

	URL                       string // of the site; no slash at the end
	Product, Category, Lesson string // paths with {product}, {category}, {lesson}
	Login                     string // path where signing in begins, with {to} or {path}; default by SSO

	SSO       string
	Secret    engine.Secret // shared with the site
	Audience  string        // aud of a JWT; default URL
	Param     string        // that carries a JWT; default "token"
	Client    string        // OpenID's client id; default "location.app"
	Redirects []string      // OpenID's redirect URIs, compared letter by letter
	Logout    []string      // where OpenID's end_session may lead; default URL
	NoPKCE    bool          // OpenID without PKCE, for sites that cannot
	Mint      string        // the server that is asked by `minted`
}

// ClientID returns OpenID's client id.
func (a *App) ClientID() string {
	if a.Client != "" {
		return a.Client
	}
	return a.Location + "." + a.Name
}

// audience returns whom a JWT is for.
func (a *App) audience() string {
	if a.Audience != "" {
		return a.Audience
	}
	return a.URL
}

// A Mistake is something wrong with one key of an app.
type Mistake struct{ Key, Text string }

// uses says which keys belong to which ways, beside url and the patterns.
var uses = map[string][]string{
	"secret":    {JWT, Thinkific, Discourse, OIDC, Moodle, Minted},
	"audience":  {JWT},
	"param":     {JWT},
	"login":     {JWT, OIDC, Discourse},
	"client_id": {OIDC},
	"redirects": {OIDC},
	"logout":    {OIDC},
	"pkce":      {OIDC},
	"mint":      {Minted},
}

// Check returns what is wrong with an app of latchkey.yaml.
func (a *App) Check() []Mistake {
	var out []Mistake
	wrong := func(key, format string, args ...any) { out = append(out, Mistake{key, fmt.Sprintf(format, args...)}) }
	if a.SSO != "" && !slices.Contains(ways, a.SSO) {
		hint := ""
		if near := engine.Nearest(a.SSO, ways); near != "" {
			hint = "; did you mean " + near + "?"
		}
		wrong("sso", "%q is none of %s%s", a.SSO, strings.Join(ways, ", "), hint)
		return out
	}
	a.checkURLs(wrong)
	a.checkSecret(wrong)
	for _, key := range []string{"secret", "audience", "param", "login", "client_id", "redirects", "logout", "pkce", "mint"} {
		if a.has(key) && !slices.Contains(uses[key], a.SSO) {
			wrong(key, "is for sso: %s", strings.Join(uses[key], ", "))
		}
	}
	if a.SSO == OIDC && len(a.Redirects) == 0 {
		wrong("redirects", "sso: oidc needs the site's redirect URIs")
	}
	if a.SSO == Minted && a.Mint == "" {
		wrong("mint", "sso: minted needs the address of the server that is asked")
	}
	if strings.ContainsFunc(a.Param, func(r rune) bool { return !wordRune(r) }) {
		wrong("param", "%q is no name of a parameter; use letters, digits, - and _", a.Param)
	}
	if strings.ContainsFunc(a.Client, func(r rune) bool { return !wordRune(r) && r != '.' }) {
		wrong("client_id", "%q is no client id; use letters, digits, ., - and _", a.Client)
	}
	return out
}

func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

func (a *App) has(key string) bool {
	switch key {
	case "secret":
		return !a.Secret.IsZero()
	case "audience":
		return a.Audience != ""
	case "param":
		return a.Param != ""
	case "login":
		return a.Login != ""
	case "client_id":
		return a.Client != ""
	case "redirects":
		return len(a.Redirects) > 0
	case "logout":
		return len(a.Logout) > 0
	case "pkce":
		return a.NoPKCE
	}
	return a.Mint != ""
}

func (a *App) checkURLs(wrong func(key, format string, args ...any)) {
	switch {
	case a.URL != "":
		if err := checkURL(a.URL); err != nil {
			wrong("url", "%v", err)
		} else if u, _ := url.Parse(a.URL); u.RawQuery != "" || u.Fragment != "" {
			wrong("url", "%q: leave out what begins at ? or #", a.URL)
		}
	case a.SSO != "" || a.Product != "" || a.Category != "" || a.Lesson != "":
		wrong("url", "needed: the address of the site, for instance https://learn.example.com")
	}
	for key, list := range map[string][]string{"redirects": a.Redirects, "logout": a.Logout} {
		for _, v := range list {
			if err := checkURL(v); err != nil {
				wrong(key, "%v", err)
			} else if strings.Contains(v, "#") || strings.ContainsAny(v, "*") {
				wrong(key, "%q: it is compared letter by letter, without * or #", v)
			}
		}
	}
	if a.Mint != "" {
		if err := checkURL(a.Mint); err != nil {
			wrong("mint", "%v", err)
		}
	}
	for _, p := range []struct {
		key, text string
		names     []string
	}{
		{"product", a.Product, []string{"product"}},
		{"category", a.Category, []string{"product", "category"}},
		{"lesson", a.Lesson, []string{"product", "category", "lesson"}},
		{"login", a.Login, []string{"to", "path"}},
	} {
		if err := checkPattern(p.text, p.names); err != nil {
			wrong(p.key, "%v", err)
		}
	}
}

func (a *App) checkSecret(wrong func(key, format string, args ...any)) {
	n := len(a.Secret.Reveal())
	switch {
	case a.SSO == "" || a.SSO == JWT && n == 0:
	case n == 0:
		wrong("secret", "sso: %s needs the secret that the site and Latchkey share", a.SSO)
	case a.SSO == JWT && n < minHMAC:
		wrong("secret", "has %d characters; HS256 needs at least %d. Without one, tokens are signed with a key pair", n, minHMAC)
	case n < minSecret:
		wrong("secret", "has %d characters; at least %d are needed", n, minSecret)
	}
}

// checkURL reports whether an address of a site can be used: https, or http on this machine, with a host and no user.
func checkURL(v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is no address; write for instance https://learn.example.com", v)
	case u.User != nil:
		return errors.New("an address holds no user or password")
	case strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }):
		return fmt.Errorf("%q is no address; it has a sign that addresses do not have", v)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%q: http is for this machine only; who is signed in there could be overheard", v)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
