package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"latchkey/actions/outbox"
	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/console"
	"latchkey/engine/flowfile"
	"latchkey/engine/runner"
	"latchkey/linkgen"
	"latchkey/linkgen/portal"
	"latchkey/linkgen/sso"
	"latchkey/triggers"
)

// An instance is one running Latchkey: every part, made in the order of the fields.
type instance struct {
	cfg *Config // as it was at the start; project has what may change since
	log zerolog.Logger

	metrics        *metrics
	portalListener net.Listener
	adminListener  net.Listener
	keys           *linkgen.Keys
	apiKey         engine.Secret
	firstRun       bool // of the project: there was no key
	stores         *boltstore.Stores
	links          *linkgen.Links
	trail          *linkgen.Trail
	bus            *triggers.Bus
	outbox         *outbox.Outbox
	http           *http.Client // of webhooks
	sites          []*site      // one for each location, in the order of the configuration
	runner         *runner.Runner
	portal         *portal.Portal
	sso            *sso.Handler
	consumer       *triggers.Consumer
	caughtUp       chan struct{}    // closed once the consumer has handled what came while nothing ran
	hangUps        <-chan os.Signal // has the files read again; nil if nobody asks by signal
	forgetter      forgetter
	logins         *loginDesk
	closers        []func() // in the order of opening
}

// open makes every part and starts none. What was opened is closed again if a later part fails.
func open(ctx context.Context, cfg *Config, log zerolog.Logger) (_ *instance, err error) {
	i := &instance{cfg: cfg, log: log, metrics: newMetrics(), caughtUp: make(chan struct{})}
	defer func() {
		if err != nil {
			i.close()
		}
	}()
	for _, part := range []func(context.Context) error{
		i.openListeners, i.openKeys, i.openStores, i.openBus, i.openSites, i.openRunner, i.openLogins, i.openPortal, i.openConsumer, i.openForgotten,
	} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return i, nil
}

func (i *instance) onClose(fn func()) { i.closers = append(i.closers, fn) }

// close ends what open made, the last first.
func (i *instance) close() {
	for n := len(i.closers) - 1; n >= 0; n-- {
		i.closers[n]()
	}
	i.closers = nil
}

func (i *instance) openListeners(context.Context) (err error) {
	if i.portalListener, err = listen("listen", i.cfg.Listen); err != nil {
		return err
	}
	i.onClose(func() { i.portalListener.Close() })
	if i.adminListener, err = listen("admin.listen", i.cfg.Admin.Listen); err != nil {
		return err
	}
	i.onClose(func() { i.adminListener.Close() })
	return nil
}

func (i *instance) openKeys(context.Context) (err error) {
	if i.keys, err = linkgen.OpenKeys(i.cfg.Keys); err != nil {
		return err
	}
	_, absent := os.Stat(filepath.Join(i.cfg.Keys, "api.key"))
	i.firstRun = errors.Is(absent, fs.ErrNotExist)
	i.apiKey, err = openAPIKey(i.cfg.Keys)
	return err
}

func (i *instance) openStores(context.Context) (err error) {
	i.stores, err = boltstore.Open(filepath.Join(i.cfg.Data, "store"), boltstore.Options{
		Partitions: i.cfg.Partitions, OnCommit: i.metrics.committed, Logger: i.log,
	})
	if err != nil {
		return err
	}
	i.onClose(func() {
		if err := i.stores.Close(); err != nil {
			i.log.Error().Err(err).Msg("close store")
		}
	})
	if err := dropUnfinished(i.cfg.Data); err != nil {
		return fmt.Errorf("remove what a restore left behind: %w", err)
	}
	if err := linkgen.Ignore(i.cfg.Data); err != nil { // as on a full disk, where links open all the same
		i.log.Warn().Err(err).Msg("data is not kept out of git")
	}
	i.trail = linkgen.NewTrail(i.stores)
	i.links = linkgen.New(i.keys, func(location string) (linkgen.Settings, bool) {
		s := i.site(location)
		if s == nil {
			return linkgen.Settings{}, false
		}
		return s.inForce().cfg.linkSettings(), true
	})
	return nil
}

func (c *Config) linkSettings() linkgen.Settings {
	s := linkgen.Settings{BaseURL: c.BaseURL, TTL: c.Links.TTL, MaxTTL: c.Links.MaxTTL, Uses: c.Links.Uses,
		Keep: c.Links.Keep, Supersede: linkgen.Supersede(c.Links.Supersede),
		Idle: c.Session.Idle, Life: c.Session.Absolute}
	if s.Keep == 0 {
		s.Keep = linkgen.KeepAll
	}
	return s
}

func (i *instance) openBus(ctx context.Context) (err error) {
	if i.bus, err = triggers.Open(ctx, i.cfg.busConfig(i.log)); err != nil {
		return err
	}
	i.onClose(i.bus.Close)
	return i.bus.EnsureStreams(ctx)
}

// busConfig says which NATS this configuration uses.
func (c *Config) busConfig(log zerolog.Logger) triggers.Config {
	t := triggers.Config{
		URL: c.NATS.URL, Context: c.NATS.Context, Creds: c.NATS.Creds, User: c.NATS.User, Password: c.NATS.Password,
		TLS: triggers.TLS(c.NATS.TLS), Listen: c.NATS.Listen, Dir: filepath.Join(c.Data, "nats"),
		EventsAge: c.Retain.Events, DeadAge: c.Retain.Dead, Logger: log,
	}
	for _, u := range c.NATS.Users {
		t.Users = append(t.Users, triggers.User{Name: u.User, Password: u.Password})
	}
	for _, s := range c.Sites {
		for _, u := range s.NATS.Users {
			if s != c {
				t.Users = append(t.Users, triggers.User{Name: u.User, Password: u.Password, Location: s.Location})
			}
		}
	}
	return t
}

func (i *instance) openRunner(ctx context.Context) (err error) {
	i.runner, err = runner.New(runner.Config{
		Stores:   i.stores,
		Catalog:  i.liveCatalog(),
		CaughtUp: i.caughtUp,
		Compile: func(_ context.Context, location, id string, source []byte) (*engine.Workflow, error) {
			s := i.site(location)
			if s == nil {
				return nil, fmt.Errorf("location %s is not configured", location)
			}
			p := s.inForce()
			return flowfile.LoadPinned(id, source, p.catalog, p.loc)
		},
		Publisher:  i.bus,
		Dead:       i.bus.Dead,
		AccessLost: i.links.RevokeContact,
		Now:        i.cfg.Now,
		Logger:     i.log,
		Meter:      i.metrics.of,
		Dedup:      i.cfg.Retain.Dedup,
		History:    i.cfg.Retain.History,
		Channels: map[string]runner.Channel{
			"email": {Workers: i.cfg.Email.SMTP.Conns, Probe: i.cfg.probe},
			"sms":   {Probe: i.cfg.probe},
		},
	})
	if err != nil {
		return err
	}
	for _, s := range i.sites {
		if err := i.runner.SetWorkflows(ctx, s.inForce().set()); err != nil {
			return err
		}
	}
	return nil
}

func (i *instance) openConsumer(context.Context) error {
	id, err := i.stores.ID()
	if err != nil {
		return err
	}
	i.consumer, err = triggers.NewConsumer(i.bus, triggers.ConsumerConfig{
		Handler: sparingHandler{i.runner, i.cfg.diskLow}, StoreID: id, Logger: i.log, Buried: i.metrics.buried,
		Known:    func(location string) bool { return i.site(location) != nil },
		CaughtUp: func() { close(i.caughtUp) },
	})
	return err
}

// serve runs every part until ctx ends or one of them fails. Events are no longer taken before messages under way
// are done with.
func (i *instance) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	start("engine", i.runner.Run)
	start("events", i.consumer.Run)
	for _, s := range i.sites {
		start("events over HTTP", s.webhook.Run)
		start("sign-in mail", s.mailStaff)
	}
	start("timelines", i.trail.Run)
	start("housekeeping", i.keepHouse)
	start("forgetting", i.keepForgetting)
	start("login links", i.logins.run)
	start("files", i.watchFiles)
	start("portal", func(ctx context.Context) error {
		return serveHTTP(ctx, i.portalListener, i.portalHandler(), i.log)
	})
	start("admin", func(ctx context.Context) error {
		return serveHTTP(ctx, i.adminListener, i.adminHandler(), i.log)
	})
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keepHouse removes, once an hour, links and outbox messages that are older than the history that is kept.
func (i *instance) keepHouse(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Hour):
		}
		now := i.cfg.Now()
		before := now.Add(-i.cfg.Retain.History)
		if err := i.links.Sweep(ctx, i.stores, before, now); err != nil && ctx.Err() == nil {
			i.log.Error().Err(err).Msg("old links are not removed, trying again later")
		}
		i.sweepSSO(ctx)
		if _, err := i.outbox.Prune(ctx, before); err != nil && ctx.Err() == nil {
			i.log.Error().Err(err).Msg("old outbox messages are not removed, trying again later")
		}
	}
}

func (i *instance) openPortal(context.Context) (err error) {
	i.portal = portal.New(portal.Config{
		Links: i.links, Stores: i.stores, Redeemer: i.runner, Home: i.sites[0].cfg.Location, Log: i.log, Now: i.cfg.Now,
		Opened: i.metrics.linkOpened, Courses: i.runner.Courses, Settings: i.portalSettings, Client: portal.ClientBehind(i.cfg.Proxies),
		Mail:  evenSender{i.logins},
		Trail: i.trail, Staff: i.consoleStaff, Console: i.consoleURL,
		Locations: i.engineLocation,
	})
	i.sso, err = i.openSSO(i.portal)
	return err
}

func (i *instance) portalHandler() http.Handler {
	var origins []string
	for _, s := range i.sites {
		origins = append(origins, originOf(s.cfg.BaseURL))
	}
	h := ssoOr(i.sso, sameOriginOr(i.portal.Foreign, i.portal, origins...))
	if events := i.guardedEvents(); events != nil {
		h = eventsOr(whileRoom(i.cfg.diskLow, events), h)
	}
	return accessLog("portal", i.log, h)
}

// eventsOr leads /v1/events to events. No page of another site can post there in a visitor's name, as no browser adds the
// token by itself; so programs that send an Origin pass.
func eventsOr(events, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/events" || strings.HasPrefix(r.URL.Path, "/v1/events/") {
			events.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func (i *instance) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", i.readyz)
	mux.Handle("GET /v1/backup", i.forStaff(console.SaveAll, http.HandlerFunc(i.backup)))
	mux.Handle("GET /metrics", i.forStaff(console.SeeHouse, i.metrics.handler(i)))
	pages := i.forStaff(console.Mailbox, i.outbox.Handler())
	mux.Handle("/outbox", pages)
	mux.Handle("/outbox/", pages)
	events := whileRoom(i.cfg.diskLow, i.perLocation(func(s *site) http.Handler { return s.forStaff(console.Publish, s.webhook) }))
	mux.Handle("POST /v1/events", events)
	mux.Handle("POST /v1/events/{trigger}", events)
	mux.Handle("/", i.perLocation((*site).console))
	hosts := i.cfg.Admin.Hosts
	if u, err := url.Parse(i.cfg.Admin.URL); err == nil && u.Host != "" {
		hosts = append(slices.Clone(hosts), u.Host)
	}
	return accessLog("admin", i.log, onlyHosts(adminHosts(i.adminListener, hosts), sameOrigin(mux)))
}

// openAPIKey reads keys/api.key, and makes it on the first run.
func openAPIKey(dir string) (engine.Secret, error) {
	return readOrMake(filepath.Join(dir, "api.key"))
}
