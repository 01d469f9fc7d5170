package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
	"latchkey/engine"
)

// A cut is temporary until the final dot has left, and unknown from then on until the reply is here.
func TestCuts(t *testing.T) {
	t.Parallel()
	for _, pipelining := range []string{"PIPELINING", "8BITMIME"} { // the second alone means: one command at a time
		for command, want := range map[string]string{"CONNECT": "down", "EHLO": "down", "MAIL": "down", "RCPT": "temporary", "DATA": "temporary", ".": "unknown"} {
			t.Run(pipelining+" "+command, func(t *testing.T) {
				t.Parallel()
				s := &script{extensions: []string{pipelining}, replies: func(_ int, c string) (string, bool) { return "", c == command }}
				_, err := mailer(t, s.listen(t), nil).Send(t.Context(), letterTo("ada@example.com"))
				if marks(err) != want {
					t.Errorf("%s: %v", marks(err), err)
				}
			})
		}
	}
}

func TestSinkCutsAfterTheDot(t *testing.T) {
	t.Parallel()
	srv, m := listen(t, sink.Options{Answer: func(at sink.Stage, _ sink.Mail) sink.Answer { return sink.Answer{Cut: at == sink.Dot} }}, nil)
	_, err := m.Send(t.Context(), letterTo("ada@example.com"))
	if n, _ := srv.Taken(); marks(err) != "unknown" || n != 1 {
		t.Errorf("%s with %d taken: %v", marks(err), n, err)
	}
}

func TestReplyThatNeverComesIsUnknown(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := &script{replies: func(_ int, c string) (string, bool) {
		if c == "." {
			<-hang
		}
		return "", false
	}}
	m := mailer(t, s.listen(t), func(c *Config) { c.AcceptTimeout = 50 * time.Millisecond })
	t.Cleanup(func() { close(hang) })
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); marks(err) != "unknown" {
		t.Errorf("%s: %v", marks(err), err)
	}
}

// An accepted mail is accepted, whatever becomes of the connection: we do not even ask for RSET.
func TestAcceptedThoughTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, replies := range map[string]func(int, string) (string, bool){
		"RSET fails":    func(_ int, c string) (string, bool) { return "451 not now", c == "RSET" },
		"RSET cuts":     func(_ int, c string) (string, bool) { return "", c == "RSET" },
		"closes at 250": func(_ int, c string) (string, bool) { return "250 ok!", c == "." },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{replies: replies}
			m := mailer(t, s.listen(t), nil)
			for range 3 {
				if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
					t.Error(err)
				}
			}
			if _, taken := s.counts(); taken != 3 {
				t.Errorf("%d mails for 3", taken)
			}
		})
	}
}

// After a refusal RSET is asked for; if that fails the connection goes, and nothing else is lost.
func TestRefusalWithABrokenReset(t *testing.T) {
	t.Parallel()
	s := &script{replies: func(conn int, c string) (string, bool) {
		switch {
		case c == "RCPT" && conn == 1:
			return "550 no", true
		case c == "DATA" && conn == 1:
			return "503 no recipients", true
		case c == "RSET":
			return "451 not now", true
		}
		return "", false
	}, extensions: []string{"PIPELINING"}}
	m := mailer(t, s.listen(t), nil)
	if _, err := m.Send(t.Context(), letterTo("bad@example.com")); marks(err) != "final" || !strings.Contains(err.Error(), "550 no") {
		t.Error(err)
	}
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Error(err)
	}
	if conns, taken := s.counts(); conns != 2 || taken != 1 {
		t.Errorf("%d taken on %d connections", taken, conns)
	}
}

// A server may answer 354 though it refused the only recipient. No dot may follow.
func TestDataForNobody(t *testing.T) {
	t.Parallel()
	s := &script{extensions: []string{"PIPELINING"}, replies: func(conn int, c string) (string, bool) { return "550 no", c == "RCPT" && conn == 1 }}
	m := mailer(t, s.listen(t), nil)
	start := time.Now()
	if _, err := m.Send(t.Context(), letterTo("bad@example.com")); marks(err) != "final" {
		t.Error(err)
	}
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Error(err)
	}
	if conns, taken := s.counts(); conns != 2 || taken != 1 || time.Since(start) > 4*time.Second {
		t.Errorf("%d taken on %d connections in %v", taken, conns, time.Since(start))
	}
}

// A kept connection that the server has closed meanwhile, with or without saying so, costs nothing but a new one.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{"silently": "", "with 421": "421 idle too long!"} {
		for _, pipelining := range []string{"PIPELINING", "HELP"} {
			t.Run(name+" "+pipelining, func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				mails := map[int]int{}
				s := &script{extensions: []string{pipelining}, replies: func(conn int, c string) (string, bool) {
					mu.Lock()
					defer mu.Unlock()
					if c == "MAIL" {
						mails[conn]++
					}
					return reply, c == "MAIL" && mails[conn] == 2
				}}
				m := mailer(t, s.listen(t), nil)
				for i := range 4 {
					if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
						t.Errorf("mail %d: %v", i, err)
					}
				}
				if conns, taken := s.counts(); taken != 4 || conns != 4 {
					t.Errorf("%d taken on %d connections", taken, conns)
				}
			})
		}
	}
}

// A server that closes each session at once must not be asked for ever.
func TestStaleIsRetriedOnce(t *testing.T) {
	t.Parallel()
	first := true
	s := &script{replies: func(_ int, c string) (string, bool) {
		if c == "." {
			first = false
		}
		return "", c == "MAIL" && !first
	}}
	m := mailer(t, s.listen(t), nil)
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); marks(err) != "down" {
		t.Error(err)
	}
	if conns, _ := s.counts(); conns != 2 {
		t.Errorf("%d connections", conns)
	}
}

func TestOneRoundTripForTheEnvelope(t *testing.T) {
	t.Parallel()
	s := &script{extensions: []string{"PIPELINING", "8BITMIME"}}
	m := mailer(t, s.listen(t), nil)
	for range 2 {
		if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := []string{"EHLO", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA"}; !slices.Equal(s.seen, want) {
		t.Errorf("%v", s.seen)
	}
}

func TestTLSAndLogin(t *testing.T) {
	t.Parallel()
	conf, pool := certificate(t, "127.0.0.1")
	_, strangers := certificate(t, "127.0.0.1")
	login := map[string]string{"relay": "s3cret"}
	as := func(password string, policy TLS, roots *x509.CertPool) func(*Config) {
		return func(c *Config) {
			c.TLS, c.RootCAs = policy, roots
			if password != "" {
				c.User, c.Password = "relay", engine.NewSecret(password)
			}
		}
	}
	tests := map[string]struct {
		opts   sink.Options
		change func(*Config)
		want   string
		tls    bool
	}{
		"STARTTLS":                       {sink.Options{TLS: conf}, as("", Required, pool), "ok", true},
		"STARTTLS, stranger":             {sink.Options{TLS: conf}, as("", Required, strangers), "down", false},
		"STARTTLS needed, not offered":   {sink.Options{}, as("", Required, pool), "down", false},
		"offer, not offered":             {sink.Options{}, as("", Offer, pool), "ok", false},
		"offer":                          {sink.Options{TLS: conf}, as("", Offer, pool), "ok", true},
		"offer, stranger":                {sink.Options{TLS: conf}, as("", Offer, strangers), "ok", true},
		"none":                           {sink.Options{TLS: conf}, as("", None, nil), "ok", false},
		"implicit":                       {sink.Options{TLS: conf, Implicit: true}, as("", Implicit, pool), "ok", true},
		"implicit, stranger":             {sink.Options{TLS: conf, Implicit: true}, as("", Implicit, strangers), "down", false},
		"login over TLS":                 {sink.Options{TLS: conf, Logins: login}, as("s3cret", Required, pool), "ok", true},
		"login over implicit TLS":        {sink.Options{TLS: conf, Implicit: true, Logins: login}, as("s3cret", Implicit, pool), "ok", true},
		"login on loopback in the clear": {sink.Options{Logins: login}, as("s3cret", None, nil), "ok", false},
		"wrong password":                 {sink.Options{TLS: conf, Logins: login}, as("wrong", Required, pool), "down", false},
		"no login":                       {sink.Options{TLS: conf, Logins: login}, as("", Required, pool), "down", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var got []sink.Mail
			tc.opts.OnMail = func(m sink.Mail) { mu.Lock(); defer mu.Unlock(); got = append(got, m) }
			_, m := listen(t, tc.opts, tc.change)
			_, err := m.Send(t.Context(), letterTo("ada@example.com"))
			if marks(err) != tc.want || err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Fatalf("%s: %v", marks(err), err)
			}
			if err == nil && (got[0].TLS != tc.tls && !tc.opts.Implicit || (got[0].User == "relay") != (tc.opts.Logins != nil)) {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// Which login is picked, where the server is not on loopback: never one that shows the password.
func TestLoginMechanism(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		offered string
		safe    bool
		want    string
	}{
		{"PLAIN LOGIN", true, "PLAIN"}, {"LOGIN CRAM-MD5", true, "LOGIN"}, {"CRAM-MD5", true, "CRAM-MD5"},
		{"PLAIN LOGIN", false, ""}, {"PLAIN CRAM-MD5 LOGIN", false, "CRAM-MD5"}, {"PLAIN SCRAM-SHA-256 CRAM-MD5", false, "SCRAM-SHA-256"},
		{"XOAUTH2", true, ""},
	} {
		l := &login{user: "u", password: engine.NewSecret("p"), safe: func() bool { return tc.safe }}
		got, _, err := l.Start(serverInfo(strings.Fields(tc.offered)))
		if got != tc.want || (err != nil) != (tc.want == "") || err != nil && !errors.Is(err, errNoAuth) {
			t.Errorf("%s, safe %v: %q, %v", tc.offered, tc.safe, got, err)
		}
	}
}

func TestVerifies(t *testing.T) {
	t.Parallel()
	conf, pool := certificate(t, "mail.acme.test")
	leaf, err := x509.ParseCertificate(conf.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, ServerName: "mail.acme.test"}
	good := &Config{Host: "mail.acme.test", RootCAs: pool}
	other := &Config{Host: "other.test", RootCAs: pool}
	if !good.verifies(state) || other.verifies(state) || (&Config{Host: "mail.acme.test"}).verifies(state) || good.verifies(tls.ConnectionState{}) {
		t.Error("a certificate is judged wrongly")
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"smtp://mail.acme.test", "mail.acme.test:587 required   true"},
		{"smtp://127.0.0.1:1025", "127.0.0.1:1025 offer   true"},
		{"smtp://localhost", "localhost:587 offer   true"},
		{"smtp://[::1]:25", "[::1]:25 offer   true"},
		{"smtp://u%40x:p%2Fw@h.test:2525?tls=offer", "h.test:2525 offer u@x p/w true"},
		{"smtps://u:p@h.test", "h.test:465 implicit u p true"},
		{"smtp://h.test?tls=none", "h.test:587 none   true"},
		{"smtp://h.test?tls=maybe", "maybe"},
		{"smtps://h.test?tls=none", "contradict"},
		{"smtp://h.test?ssl=1", `"ssl"`},
		{"smtp://h.test:99999", "port"},
		{"smtp://user@h.test", "no password"},
		{"smtp://h.test/path", "nothing may follow"},
		{"http://h.test", "smtp://"},
		{"smtp://", "host is missing"},
		{"smtp://u:hunter2%zz@h.test", "cannot be read"},
	} {
		c, err := ParseURL(tc.in)
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", tc.in, err)
			}
			continue
		}
		c = c.withDefaults()
		if got := fmt.Sprintf("%s %s %s %s %v", c.addr(), c.TLS, c.User, c.Password.Reveal(), c.Check() == nil); got != tc.want {
			t.Errorf("%s: %s", tc.in, got)
		}
	}
}

// A server that accepts and says nothing: the context ends the wait, whether for the greeting or for a reply.
func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{"CONNECT": "temporary", "EHLO": "temporary", "MAIL": "temporary", "DATA": "temporary", ".": "unknown"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			hang := make(chan struct{})
			s := &script{replies: func(_ int, c string) (string, bool) {
				if c == command {
					cancel()
					<-hang
				}
				return "", false
			}}
			m := mailer(t, s.listen(t), nil)
			t.Cleanup(func() { close(hang) }) // before the server's own
			start := time.Now()
			_, err := m.Send(ctx, letterTo("ada@example.com"))
			if marks(err) != want || time.Since(start) > 3*time.Second {
				t.Errorf("%s after %v: %v", marks(err), time.Since(start), err)
			}
			if want == "temporary" && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// A deadline that passes before there is a connection is the server's fault.
func TestDeadlineIsDown(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := &script{replies: func(int, string) (string, bool) { <-hang; return "", false }}
	m := mailer(t, s.listen(t), nil)
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := m.Send(ctx, letterTo("ada@example.com")); marks(err) != "down" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: %v", marks(err), err)
	}
}
