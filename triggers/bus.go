package triggers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/synadia-io/orbit.go/natscontext"

	"latchkey/engine"
)

// Config says which NATS to use: with URL or Context set one that runs elsewhere, else one in the process.
type Config struct {
	URL      string // one or more, joined by commas
	Context  string // name of a context of the nats CLI, or the path of its file
	Creds    string // path of a credentials file
	User     string
	Password engine.Secret
	Inbox    string // prefix of the subjects that answers come to; empty is _INBOX. A location's user needs InboxOf
	// TLS names PEM files. Elsewhere: CA checks the server, Cert and Key are the client's. In the process: Cert and
	// Key are the server's, and with CA clients must show a certificate that it signed.
	TLS TLS

	Listen string // in the process: host:port; port 0 takes any; "" serves this process only
	Dir    string // in the process: where JetStream keeps its files
	Users  []User // in the process: who may connect; none means anybody who can reach it

	EventsAge time.Duration // how long COURSES and LATCHKEY keep a message; default 30 days
	DeadAge   time.Duration // how long COURSES_DEAD does; default 30 days

	Logger zerolog.Logger
}

// TLS names PEM files.
type TLS struct{ CA, Cert, Key string }

// A User may connect to the server in the process. The password may be given as its bcrypt hash.
type User struct {
	Name     string
	Password engine.Secret
	Location string // may speak of this location alone; empty is of all. See permissions
}

const (
	connectTimeout = 5 * time.Second
	requestTimeout = 5 * time.Second // of one call to JetStream
	defaultAge     = 30 * 24 * time.Hour
)

// A Bus is a connection to NATS and, unless it runs elsewhere, the server itself.
type Bus struct {
	cfg Config
	log zerolog.Logger
	srv *server.Server // nil if it runs elsewhere
	nc  *nats.Conn
	js  jetstream.JetStream

	stopHealing func() // nil if the server runs elsewhere

	onRefusal atomic.Pointer[context.CancelCauseFunc] // ends what waits for an answer that cannot come
}

// Open starts the server if it is to run in the process, and connects. Errors name the setting that is to be
// changed: a port that is taken, a listener that anybody could reach, an unreachable server, an unknown context.
// ctx bounds the start only.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	if cfg.EventsAge <= 0 {
		cfg.EventsAge = defaultAge
	}
	if cfg.DeadAge <= 0 {
		cfg.DeadAge = defaultAge
	}
	b := &Bus{cfg: cfg, log: cfg.Logger}
	if err := b.connect(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// connect sets nc and js.
func (b *Bus) connect(ctx context.Context) (err error) {
	opts := b.options()
	var settings natscontext.Settings
	switch {
	case b.cfg.Context != "" && b.cfg.URL != "":
		return errors.New("nats.url and nats.context are both set: give one of them")
	case b.cfg.Context != "":
		opts, err = b.clientOptions(opts)
		if err != nil {
			return err
		}
		b.nc, settings, err = natscontext.Connect(b.cfg.Context, opts...)
		if err != nil {
			return fmt.Errorf("nats.context %q: %w", b.cfg.Context, bare(err))
		}
	case b.cfg.URL != "":
		opts, err = b.clientOptions(opts)
		if err != nil {
			return err
		}
		b.nc, err = nats.Connect(b.cfg.URL, opts...)
		if err != nil {
			return fmt.Errorf("nats.url %s: %w", redact(b.cfg.URL), bare(err))
		}
	default:
		srv, login, full, err := startServer(ctx, b.cfg)
		if err != nil {
			return err
		}
		b.srv = srv
		b.heal(full)
		b.nc, err = nats.Connect("", append(opts, nats.InProcessServer(srv), login)...)
		if err != nil {
			return fmt.Errorf("nats server in the process: %w", err)
		}
	}
	return b.openJetStream(settings)
}

// heal starts what opens the streams again after a full disk.
func (b *Bus) heal(full <-chan struct{}) {
	h := &healer{srv: b.srv, conf: *b.srv.JetStreamConfig(), dir: b.cfg.Dir, full: full, log: b.log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); h.run(ctx) }()
	b.stopHealing = func() { cancel(); <-done }
}

// openJetStream honours the domain or API prefix of a nats CLI context.
func (b *Bus) openJetStream(s natscontext.Settings) (err error) {
	opts := []jetstream.JetStreamOpt{jetstream.WithDefaultTimeout(requestTimeout), jetstream.WithPublishAsyncMaxPending(maxPending)}
	switch {
	case s.JSAPIPrefix != "":
		b.js, err = jetstream.NewWithAPIPrefix(b.nc, s.JSAPIPrefix, opts...)
	case s.JSDomain != "":
		b.js, err = jetstream.NewWithDomain(b.nc, s.JSDomain, opts...)
	default:
		b.js, err = jetstream.New(b.nc, opts...)
	}
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	return nil
}

// options are those of every connection.
func (b *Bus) options() []nats.Option {
	return []nats.Option{
		nats.Name("latchkey"),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), // a publish that cannot be sent now is an error now
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn().Err(err).Msg("disconnected from nats")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			b.log.Info().Str("server", nc.ConnectedServerName()).Msg("connected to nats again")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if cancel := b.onRefusal.Load(); cancel != nil && errors.Is(err, nats.ErrPermissionViolation) {
				(*cancel)(err)
			}
			b.log.Warn().Err(err).Msg("nats")
		}),
	}
}

// clientOptions are those of a connection to a server elsewhere.
func (b *Bus) clientOptions(opts []nats.Option) ([]nats.Option, error) {
	c := b.cfg
	if c.Creds != "" {
		opts = append(opts, nats.UserCredentials(c.Creds))
	}
	if c.User != "" {
		opts = append(opts, nats.UserInfo(c.User, c.Password.Reveal()))
	}
	if c.Inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.Inbox))
	}
	if c.TLS.CA != "" {
		opts = append(opts, nats.RootCAs(c.TLS.CA))
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return nil, errors.New("nats.tls: cert and key belong together: give both or none")
	}
	if c.TLS.Cert != "" {
		opts = append(opts, nats.ClientCert(c.TLS.Cert, c.TLS.Key))
	}
	return opts, nil
}

// bare returns an error without the address that it is about, which may hold a password.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// redact removes passwords and tokens from a list of URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, s := range list {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			list[i] = "(not a URL)"
			continue
		}
		if u.User != nil {
			u.User = url.User("redacted")
		}
		list[i] = u.String()
	}
	return strings.Join(list, ",")
}

// URL returns where clients reach the server in the process; "" if they cannot. For one elsewhere it is the address that
// is connected to now, without secrets.
func (b *Bus) URL() string {
	switch {
	case b.srv == nil:
		return redact(b.nc.ConnectedUrl())
	case b.srv.Addr() == nil:
		return ""
	}
	return b.srv.ClientURL()
}

// Healthy returns nil while the connection stands.
func (b *Bus) Healthy() error {
	if s := b.nc.Status(); s != nats.CONNECTED {
		return fmt.Errorf("nats: %s", strings.ToLower(s.String()))
	}
	return nil
}

// Close ends the connection and waits until the server in the process has put its files in order. Call it when nothing publishes any more.
func (b *Bus) Close() {
	if b.nc != nil {
		b.nc.Close() // ends also what listens for the publisher's answers; CleanupPublisher right after a publish would leave it
	}
	if b.srv != nil {
		b.stopHealing()
		b.srv.Shutdown()
		b.srv.WaitForShutdown()
	}
}
