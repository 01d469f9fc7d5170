package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/wneessen/go-mail"
	gosmtp "github.com/wneessen/go-mail/smtp"
)

// A conn is one session with the server. One goroutine uses it at a time.
type conn struct {
	cfg      *Config
	client   *gosmtp.Client
	raw      net.Conn
	pipeline bool // the server takes commands in one go (RFC 2920)
	eightBit bool // the server takes 8-bit bodies (RFC 6152)

	tried     int // mails so far
	broken    bool
	idleSince time.Time

	made bytes.Buffer // the mail as go-mail makes it, and as it goes out; their memory serves the next one
	wire []byte
}

// dial opens a session: connect, EHLO, STARTTLS, AUTH. It ends when ctx does, even between two replies.
func dial(ctx context.Context, cfg *Config) (*conn, error) {
	c := &conn{cfg: cfg}
	unwatch := func() bool { return true }
	connect := func(dialCtx context.Context, network, addr string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(dialCtx, network, addr)
		if err != nil {
			return nil, err
		}
		c.raw, unwatch = raw, context.AfterFunc(ctx, func() { raw.Close() })
		return &shortReplies{Conn: raw, left: maxReply}, nil
	}
	mc, err := mail.NewClient(cfg.Host, cfg.session(connect)...)
	if err != nil {
		return nil, err
	}
	c.client, err = mc.DialToSMTPClientWithContext(ctx)
	unwatch()
	if err != nil {
		if c.raw != nil {
			c.raw.Close() // go-mail leaves it open
		}
		return nil, err
	}
	c.pipeline, _ = c.client.Extension("PIPELINING")
	c.eightBit, _ = c.client.Extension("8BITMIME")
	return c, nil
}

// session gives go-mail what it needs for one session.
func (c *Config) session(connect mail.DialContextFunc) []mail.Option {
	safe := c.loopback() || c.TLS == Required || c.TLS == Implicit // may the password be sent?
	conf := &tls.Config{ServerName: c.Host, RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12}
	policy := mail.NoTLS
	switch c.TLS {
	case Required:
		policy = mail.TLSMandatory
	case Offer: // any TLS is better than none, but the password goes only where the certificate verifies
		policy = mail.TLSOpportunistic
		conf.InsecureSkipVerify = true
		conf.VerifyConnection = func(s tls.ConnectionState) error {
			safe = safe || c.verifies(s)
			return nil
		}
	case Implicit:
		tcp := connect
		connect = func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := tcp(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			t := tls.Client(raw, conf)
			return t, t.HandshakeContext(ctx)
		}
	}
	opts := []mail.Option{
		mail.WithPort(c.Port), mail.WithTimeout(c.Timeout), mail.WithDialContextFunc(connect),
		mail.WithTLSPolicy(policy), mail.WithTLSConfig(conf),
	}
	if c.HELO != "" {
		opts = append(opts, mail.WithHELO(c.HELO))
	}
	if c.User != "" {
		opts = append(opts, mail.WithSMTPAuthCustom(&login{user: c.User, password: c.Password, safe: func() bool { return safe }}))
	}
	return opts
}

// verifies does the certificate check that tls.Config skips under Offer.
func (c *Config) verifies(s tls.ConnectionState) bool {
	if len(s.PeerCertificates) == 0 {
		return false
	}
	opts := x509.VerifyOptions{DNSName: c.Host, Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
	for _, cert := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(opts)
	return err == nil
}

// transact hands one mail over. It returns the server's text for it, or where it failed.
func (c *conn) transact(ctx context.Context, l letter) (string, stage, error) {
	c.tried++
	if err := c.render(l); err != nil {
		return "", stageCompose, err
	}
	unwatch := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer func() {
		if !unwatch() {
			c.broken = true
		}
	}()
	if at, err := c.envelope(l); err != nil {
		return "", at, err
	}
	return c.body()
}

// render puts the mail, as it goes over the wire, into c.wire.
func (c *conn) render(l letter) error {
	l.encode(c.eightBit)
	c.made.Reset()
	if _, err := l.msg.WriteTo(&c.made); err != nil {
		return err
	}
	c.wire = appendStuffed(c.wire[:0], c.made.Bytes())
	return nil
}

// appendStuffed appends a mail as DATA takes it: every line ends in CRLF, one that begins with a dot gets another, and a
// dot alone ends it all (RFC 5321 section 4.5.2).
func appendStuffed(wire, mail []byte) []byte {
	for len(mail) > 0 {
		line, rest, _ := bytes.Cut(mail, []byte{'\n'})
		if bytes.HasPrefix(line, []byte{'.'}) {
			wire = append(wire, '.')
		}
		wire = append(wire, bytes.TrimSuffix(line, []byte{'\r'})...)
		wire = append(wire, '\r', '\n')
		mail = rest
	}
	return append(wire, '.', '\r', '\n')
}

// A command is one line of a transaction, and the reply that lets it go on: 25 stands for 250 to 259.
type command struct {
	at   stage
	line string
	want int
}

// envelope sends MAIL, RCPT and DATA, and returns the first that was refused.
func (c *conn) envelope(l letter) (stage, error) {
	from := "MAIL FROM:<" + l.from + ">"
	if c.eightBit {
		from += " BODY=8BITMIME"
	}
	commands := []command{{stageMail, from, 250}, {stageRcpt, "RCPT TO:<" + l.to + ">", 25}, {stageData, "DATA", 354}}
	send := c.oneByOne
	if c.pipeline {
		send = c.atOnce
	}
	c.deadline(c.cfg.Timeout)
	at, err := send(commands)
	if err != nil {
		c.reset()
	}
	return at, err
}

func (c *conn) oneByOne(commands []command) (stage, error) {
	for _, cmd := range commands {
		if err := c.write(cmd.line); err != nil {
			return cmd.at, err
		}
		if err := c.reply(cmd.want); err != nil {
			return cmd.at, err
		}
	}
	return "", nil
}

// atOnce sends all commands before it reads the first reply. Each gets its own.
func (c *conn) atOnce(commands []command) (at stage, failed error) {
	lines := make([]string, len(commands))
	for i, cmd := range commands {
		lines[i] = cmd.line
	}
	if err := c.write(lines...); err != nil {
		return commands[0].at, err
	}
	for _, cmd := range commands {
		err := c.reply(cmd.want)
		switch {
		case failed == nil && err != nil:
			at, failed = cmd.at, err
		case failed != nil && err == nil && cmd.at == stageData:
			c.broken = true // it waits for the body of a mail to nobody (RFC 2920 section 3.1): leave without the dot
		}
		if c.broken {
			break
		}
	}
	return at, failed
}

// write sends lines in one go. If that fails the session is over.
func (c *conn) write(lines ...string) error {
	w := c.client.Text.W
	for _, line := range lines {
		w.WriteString(line) // an error stays in the writer, and Flush returns it
		w.WriteString("\r\n")
	}
	err := w.Flush()
	if err != nil {
		c.broken = true
	}
	return err
}

// reply reads one reply. If there is none, or it is 421, the session is over.
func (c *conn) reply(want int) error {
	code, _, err := c.client.Text.ReadResponse(want)
	if err != nil && (code == 0 || code == 421) {
		c.broken = true
	}
	return err
}

// body sends the mail itself. Until its last byte has left, nothing was accepted.
func (c *conn) body() (string, stage, error) {
	w := c.client.Text.W
	c.deadline(c.cfg.Timeout)
	n, err := w.Write(c.wire)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		c.broken = true
		if n == len(c.wire) && w.Buffered() == 0 {
			return "", stageDot, err
		}
		return "", stageBody, err
	}
	c.deadline(c.cfg.AcceptTimeout)
	code, receipt, err := c.client.Text.ReadResponse(250)
	if err != nil && (code < 400 || code == 421) {
		c.broken = true
	}
	return receipt, stageDot, err
}

// reset makes the server forget a transaction that was refused. After an accepted one there is none to forget.
func (c *conn) reset() {
	if !c.broken && (c.write("RSET") != nil || c.reply(250) != nil) {
		c.broken = true
	}
}

func (c *conn) deadline(d time.Duration) { c.raw.SetDeadline(time.Now().Add(d)) }

// quit ends the session in order, if the server is quick about it.
func (c *conn) quit() {
	if !c.broken {
		c.deadline(time.Second)
		_ = c.client.Quit()
	}
	c.raw.Close()
}
