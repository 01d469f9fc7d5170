package triggers

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"
)

const (
	// maxPayload leaves an event of MaxEvent room for headers, here and in its dead letter.
	maxPayload   = 2 << 20
	startTimeout = 10 * time.Second
	ownUser      = "latchkey-in-process"
)

// startServer starts nats-server in the process with JetStream that flushes to disk before it confirms. It returns the
// option by which this process logs in, and a channel that tells when its disk is full.
func startServer(ctx context.Context, cfg Config) (*server.Server, nats.Option, <-chan struct{}, error) {
	opts, login, err := serverOptions(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("nats server: %w", err)
	}
	log := &serverLog{log: cfg.Logger.With().Str("part", "nats-server").Logger(), fatal: make(chan string, 1), full: make(chan struct{}, 1)}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // returns when it listens, or after a fatal error
	err = waitReady(ctx, srv, log.fatal)
	if err == nil {
		return srv, login, log.full, nil
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	return nil, nil, nil, explainStart(cfg, err)
}

func waitReady(ctx context.Context, srv *server.Server, fatal <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		select {
		case msg := <-fatal:
			return errors.New(msg)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		default:
		}
		if srv.ReadyForConnections(25 * time.Millisecond) {
			return nil
		}
	}
}

// explainStart finds out whether the server could not start because of its port, which its error tells in words only.
func explainStart(cfg Config, err error) error {
	if cfg.Listen != "" {
		l, lerr := net.Listen("tcp", cfg.Listen)
		if lerr == nil {
			l.Close()
		} else if errors.Is(lerr, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(cfg.Listen)
			return fmt.Errorf("nats.listen: port %s is taken (%s): end what uses it, choose another port, or set nats.url to use that server", port, cfg.Listen)
		} else {
			return fmt.Errorf("nats.listen: %w", lerr)
		}
	}
	return fmt.Errorf("nats server: %w", err)
}

func serverOptions(cfg Config) (*server.Options, nats.Option, error) {
	if cfg.Dir == "" {
		return nil, nil, errors.New("nats server: no folder for its data")
	}
	opts := &server.Options{
		ServerName: "latchkey", NoSigs: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: cfg.Dir, SyncAlways: true, DisableJetStreamBanner: true,
	}
	if err := setListen(opts, cfg); err != nil {
		return nil, nil, err
	}
	if cfg.TLS != (TLS{}) {
		tc, err := serverTLS(cfg.TLS)
		if err != nil {
			return nil, nil, err
		}
		opts.TLSConfig, opts.TLSTimeout = tc, connectTimeout.Seconds()
	}
	login := func(*nats.Options) error { return nil }
	if len(cfg.Users) > 0 {
		password := rand.Text()
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // the server warns of plain ones
		if err != nil {
			return nil, nil, fmt.Errorf("nats server: %w", err)
		}
		opts.Users = []*server.User{{Username: ownUser, Password: string(hash)}}
		for i, u := range cfg.Users {
			if u.Name == "" || u.Name == ownUser || u.Password.IsZero() {
				return nil, nil, fmt.Errorf("nats.users[%d]: a user needs a name and a password", i)
			}
			opts.Users = append(opts.Users, &server.User{Username: u.Name, Password: u.Password.Reveal(), Permissions: u.permissions()})
		}
		login = nats.UserInfo(ownUser, password)
	}
	return opts, login, nil
}

// InboxOf returns the prefix of the subjects that a location's user gets answers at: one of its own, since in a common one
// it would read what others are sent.
func InboxOf(user string) string { return "_INBOX_" + user }

// permissions lets a location's user publish its events, and read what Latchkey publishes of it: live, or by the one durable
// consumer of LATCHKEY that is named as the location. It is nil for one who may do everything.
func (u User) permissions() *server.Permissions {
	if u.Location == "" {
		return nil
	}
	own, consumer := StreamOut+"."+u.Location, "latchkey."+u.Location+".>"
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			subjectPrefix + u.Location + ".>",
			"$JS.API.INFO", "$JS.API.STREAM.INFO." + StreamOut,
			"$JS.API.CONSUMER.CREATE." + own + "." + consumer,
			"$JS.API.CONSUMER.INFO." + own, "$JS.API.CONSUMER.MSG.NEXT." + own, "$JS.API.CONSUMER.DELETE." + own,
			"$JS.ACK." + own + ".>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{consumer, InboxOf(u.Name) + ".>"}},
	}
}

// setListen refuses what would let anybody on the network publish events, which send mails with login links.
func setListen(opts *server.Options, cfg Config) error {
	if cfg.Listen == "" {
		opts.DontListen = true
		return nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("nats.listen %q: want host:port", cfg.Listen)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("nats.listen %q: %q is not a port", cfg.Listen, port)
	}
	opts.Host, opts.Port = host, int(n)
	if host == "" {
		opts.Host = "0.0.0.0"
	}
	if n == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if !loopback(host) && (len(cfg.Users) == 0 || cfg.TLS.Cert == "") {
		return fmt.Errorf("nats.listen %s can be reached from other machines: that needs nats.users and nats.tls (cert and key), or listen on 127.0.0.1", cfg.Listen)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func serverTLS(files TLS) (*tls.Config, error) {
	if files.Cert == "" || files.Key == "" {
		return nil, errors.New("nats.tls: a server needs cert and key")
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("nats.tls: %w", err)
	}
	tc := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, fmt.Errorf("nats.tls.ca: %w", err)
		}
		tc.ClientCAs, tc.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !tc.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("nats.tls.ca: %s has no certificate", files.CA)
		}
	}
	return tc, nil
}

// serverLog passes the server's log on. Its notices are details here; its errors mostly concern a single client.
type serverLog struct {
	log   zerolog.Logger
	fatal chan string // the first fatal error; the server calls Fatalf and goes on
	full  chan struct{}
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) warn(line string) {
	l.log.Warn().Msg(line)
	if saysFull(line) {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
