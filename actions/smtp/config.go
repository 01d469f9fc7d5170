package smtp

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"latchkey/engine"
)

// A TLS policy says how a connection is protected.
type TLS string

// The policies. The empty one is Required, or Offer for a server on loopback.
const (
	Required TLS = "required" // STARTTLS with a certificate that verifies, or nothing is sent
	Offer    TLS = "offer"    // STARTTLS if the server has it, whatever its certificate
	None     TLS = "none"     // never
	Implicit TLS = "implicit" // TLS from the first byte (RFC 8314), usually port 465
)

// Config says which server takes our mail, and how. Only Host is needed.
type Config struct {
	Host     string
	Port     int // 0: 587, or 465 when implicit
	User     string
	Password engine.Secret
	TLS      TLS
	RootCAs  *x509.CertPool // nil: the system's
	HELO     string         // our name in EHLO; empty: the machine's

	Conns      int           // connections at most; 0: 8
	MaxPerConn int           // mails before a connection is replaced; 0: 200
	Idle       time.Duration // an unused connection is closed after it; 0: 30 s
	Timeout    time.Duration // for dialling and for each reply but the last; 0: 30 s
	// AcceptTimeout is for the reply after the final dot; 0: 10 min (RFC 5321 section 4.5.3.2.6).
	// When it ends the mail's fate is unknown, so it should not be short.
	AcceptTimeout time.Duration
}

// ParseURL reads smtp://user:password@host:port?tls=required|offer|none and smtps://… (implicit TLS).
// The password may hold %-escapes. An error never repeats the URL, which holds the password.
func ParseURL(s string) (Config, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Config{}, fmt.Errorf("smtp url: it cannot be read; write smtp://user:password@host:587, with %%-escapes in the password")
	}
	c := Config{Host: u.Hostname()}
	switch u.Scheme {
	case "smtp":
	case "smtps":
		c.TLS = Implicit
	default:
		return Config{}, fmt.Errorf("smtp url: it begins with %q, not with smtp:// or smtps://", u.Scheme+"://")
	}
	if p := u.Port(); p != "" {
		if c.Port, err = strconv.Atoi(p); err != nil || c.Port < 1 || c.Port > 65535 {
			return Config{}, fmt.Errorf("smtp url: port %q is not between 1 and 65535", p)
		}
	}
	if u.User != nil {
		c.User = u.User.Username()
		pw, _ := u.User.Password()
		c.Password = engine.NewSecret(pw)
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Config{}, fmt.Errorf("smtp url: nothing may follow the port but ?tls=…")
	}
	for key, v := range u.Query() {
		if key != "tls" || len(v) != 1 {
			return Config{}, fmt.Errorf("smtp url: %q is not known; only tls=required, offer or none", key)
		}
		if c.TLS == Implicit && TLS(v[0]) != Implicit {
			return Config{}, fmt.Errorf("smtp url: smtps:// and tls=%s contradict each other", v[0])
		}
		c.TLS = TLS(v[0])
	}
	return c, c.Check()
}

// Check returns what is wrong with the configuration, or nil.
func (c Config) Check() error {
	switch c.TLS {
	case "", Required, Offer, None, Implicit:
	default:
		return fmt.Errorf("smtp: tls %q is not one of required, offer, none, implicit", string(c.TLS))
	}
	switch {
	case c.Host == "":
		return fmt.Errorf("smtp: the host is missing")
	case strings.ContainsFunc(c.Host+c.HELO, notHostRune):
		return fmt.Errorf("smtp: host or helo holds a character that no host name has")
	case c.User == "" && !c.Password.IsZero():
		return fmt.Errorf("smtp: there is a password but no user")
	case c.User != "" && c.Password.IsZero():
		return fmt.Errorf("smtp: there is a user but no password")
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("smtp: port %d is not between 1 and 65535", c.Port)
	case c.Conns < 0 || c.MaxPerConn < 0 || c.Idle < 0 || c.Timeout < 0 || c.AcceptTimeout < 0:
		return fmt.Errorf("smtp: a limit is negative")
	}
	return nil
}

// notHostRune is true for what would break a command line or name a socket: spaces, controls, slashes and all
// beyond ASCII.
func notHostRune(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }

// withDefaults fills what was left at zero.
func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	defTime := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if c.TLS == "" {
		c.TLS = Required
		if c.loopback() {
			c.TLS = Offer
		}
	}
	if c.TLS == Implicit {
		def(&c.Port, 465)
	}
	def(&c.Port, 587)
	def(&c.Conns, 8)
	def(&c.MaxPerConn, 200)
	defTime(&c.Idle, 30*time.Second)
	defTime(&c.Timeout, 30*time.Second)
	defTime(&c.AcceptTimeout, 10*time.Minute)
	return c
}

// loopback reports whether nobody else can listen on the way to the server.
func (c Config) loopback() bool {
	if c.Host == "localhost" {
		return true
	}
	ip := net.ParseIP(c.Host)
	return ip != nil && ip.IsLoopback()
}

func (c Config) addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }
