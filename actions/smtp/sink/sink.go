// Package sink is an SMTP server that takes every mail and delivers none: for tests, and for measuring how fast mails
// go out. It counts, can show what it took, and can be told to refuse or to break off. It is no mail server: it
// resolves, relays and keeps nothing.
package sink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// A Stage is the point of the conversation at which Options.Answer is asked.
type Stage string

// The stages.
const (
	Connect Stage = "connect" // before the greeting; only Cut is heeded, and no mail is given
	Sender  Stage = "sender"  // MAIL FROM
	Rcpt    Stage = "rcpt"    // RCPT TO
	Dot     Stage = "dot"     // the final dot came: the whole mail is here
)

// An Answer says what to do. The zero Answer means: go on as if nothing were.
type Answer struct {
	Code int    // a reply of 400 to 599
	Text string // its text
	Cut  bool   // close the connection instead of replying. At Dot the mail was taken by then, and counts.
}

// A Mail is what the sink took.
type Mail struct {
	From, To string    // of the envelope; To is the last recipient
	Data     []byte    // header and bodies with dots unstuffed; nil without Options.OnMail
	At       time.Time // when it was taken
	TLS      bool      // it came through TLS
	User     string    // who had logged in, if anybody
}

// Options says how a sink behaves. All may be left out.
type Options struct {
	TLS      *tls.Config                      // offers STARTTLS
	Implicit bool                             // TLS from the first byte instead
	Logins   map[string]string                // user -> password: offers AUTH PLAIN and LOGIN, and demands it
	Answer   func(at Stage, mail Mail) Answer // called by several goroutines at once
	OnMail   func(mail Mail)                  // likewise, for each mail taken, before the client is told
}

// A Sink is a running server. Its methods may be called at any time.
type Sink struct {
	opts   Options
	server *gosmtp.Server
	socket net.Listener
	done   chan struct{}

	mu     sync.Mutex
	counts map[string]int
	taken  int
	last   time.Time
	conns  int
}

// Listen starts a sink at addr ("127.0.0.1:0" for any free port). Close ends it.
func Listen(addr string, opts Options) (*Sink, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("smtp sink: %w", err)
	}
	s := &Sink{opts: opts, socket: l, counts: map[string]int{}, done: make(chan struct{})}
	l = &listener{l, s}
	if opts.Implicit {
		l = tls.NewListener(l, opts.TLS)
	}
	s.server = gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return &session{sink: s, conn: c}, nil
	}))
	s.server.Domain = "sink.test"
	s.server.TLSConfig = opts.TLS
	s.server.AllowInsecureAuth = true
	s.server.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are what a sink is for
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l)
	}()
	return s, nil
}

// Addr is the address it listens at, host:port.
func (s *Sink) Addr() string { return s.socket.Addr().String() }

// Close ends the server and its connections. It may be called again.
func (s *Sink) Close() error {
	s.socket.Close() // go-smtp does not know of it until it serves
	err := s.server.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) || errors.Is(err, gosmtp.ErrServerClosed) {
		return nil
	}
	return err
}

// Counts returns how many mails each recipient got.
func (s *Sink) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Taken returns how many mails were taken, and when the last one was.
func (s *Sink) Taken() (n int, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken, s.last
}

// Conns returns how many connections were made so far.
func (s *Sink) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// errCut is never seen by a client: the connection is closed before it.
var errCut = errors.New("cut")

// A listener counts connections, and ends those that Answer wants ended.
type listener struct {
	net.Listener
	sink *Sink
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.sink.mu.Lock()
		l.sink.conns++
		l.sink.mu.Unlock()
		if f := l.sink.opts.Answer; f == nil || !f(Connect, Mail{}).Cut {
			return c, nil
		}
		c.Close()
	}
}

// take counts a mail, and gives it to OnMail.
func (s *Sink) take(m Mail) {
	s.mu.Lock()
	s.counts[m.To]++
	s.taken++
	s.last = m.At
	s.mu.Unlock()
	if s.opts.OnMail != nil {
		s.opts.OnMail(m)
	}
}

// A session is one client's; go-smtp calls it from one goroutine.
type session struct {
	sink *Sink
	conn *gosmtp.Conn
	mail Mail
	user string
}

func (s *session) ask(at Stage) error {
	if s.sink.opts.Answer == nil {
		return nil
	}
	a := s.sink.opts.Answer(at, s.mail)
	switch {
	case a.Cut:
		if at == Dot {
			s.sink.take(s.mail) // before the client can know
		}
		s.conn.Conn().Close()
		return errCut
	case a.Code != 0:
		return &gosmtp.SMTPError{Code: a.Code, EnhancedCode: gosmtp.EnhancedCode{a.Code / 100, 0, 0}, Message: a.Text}
	}
	return nil
}

// Mail implements gosmtp.Session.
func (s *session) Mail(from string, _ *gosmtp.MailOptions) error {
	if len(s.sink.opts.Logins) > 0 && s.user == "" {
		return &gosmtp.SMTPError{Code: 530, EnhancedCode: gosmtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	_, secure := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, TLS: secure, User: s.user}
	return s.ask(Sender)
}

// Rcpt implements gosmtp.Session.
func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.mail.To = to
	return s.ask(Rcpt)
}

// Data implements gosmtp.Session.
func (s *session) Data(r io.Reader) error {
	var err error
	if s.sink.opts.OnMail != nil || s.sink.opts.Answer != nil {
		s.mail.Data, err = io.ReadAll(r)
	} else {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return err
	}
	s.mail.At = time.Now()
	if err := s.ask(Dot); err != nil {
		return err
	}
	s.sink.take(s.mail)
	return nil
}

// Reset implements gosmtp.Session.
func (s *session) Reset() { s.mail = Mail{} }

// Logout implements gosmtp.Session.
func (s *session) Logout() error { return nil }

// AuthMechanisms implements gosmtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if len(s.sink.opts.Logins) == 0 {
		return nil
	}
	return []string{sasl.Plain, "LOGIN"}
}

// Auth implements gosmtp.AuthSession.
func (s *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if want, ok := s.sink.opts.Logins[user]; !ok || want != password {
			return gosmtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	if mech == "LOGIN" {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// A loginServer is the server's side of AUTH LOGIN, which go-sasl has for clients only.
type loginServer struct {
	check func(user, password string) error
	user  string
	step  int
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
