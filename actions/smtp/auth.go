package smtp

import (
	"errors"
	"slices"

	gosmtp "github.com/wneessen/go-mail/smtp"

	"latchkey/engine"
)

// errNoAuth is the error of a login for which no way is both offered and safe.
var errNoAuth = errors.New("the server offers no login that is safe on this connection; use tls=required, or a server on loopback")

// login is an AUTH that picks its mechanism when it sees what the server offers. On a safe connection (verified TLS, or
// loopback) the most common ones come first; elsewhere only those that do not send the password.
type login struct {
	user     string
	password engine.Secret
	safe     func() bool
	gosmtp.Auth
}

// A way is a mechanism by its SASL name.
type way struct {
	name string
	auth gosmtp.Auth
}

// Start implements go-mail's smtp.Auth.
func (l *login) Start(server *gosmtp.ServerInfo) (string, []byte, error) {
	pw := l.password.Reveal()
	ways := []way{{"SCRAM-SHA-256", gosmtp.ScramSHA256Auth(l.user, pw)}, {"CRAM-MD5", gosmtp.CRAMMD5Auth(l.user, pw)}}
	if l.safe() {
		ways = append([]way{
			{"PLAIN", gosmtp.PlainAuth("", l.user, pw, server.Name, true)},
			{"LOGIN", gosmtp.LoginAuth(l.user, pw, server.Name, true)},
		}, ways...)
	}
	for _, w := range ways {
		if slices.Contains(server.Auth, w.name) {
			l.Auth = w.auth
			return w.auth.Start(server)
		}
	}
	return "", nil, errNoAuth
}
