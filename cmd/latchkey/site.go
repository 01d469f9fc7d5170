package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"latchkey/actions"
	"latchkey/actions/outbox"
	"latchkey/actions/smtp"
	"latchkey/actions/twilio"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/triggers"
)

// A site is one location of an instance: how its messages leave, and its files that are in force. What all locations share
// is the instance's.
type site struct {
	*instance
	cfg     *Config // as it was at the start; project has what may change since
	mailer  actions.Mailer
	texter  actions.Texter
	staff   actions.Budget // of mails to them
	project atomic.Pointer[project]
	files   files
	webhook *triggers.Webhook
	post    *staffPost
}

// site returns the location of that id, or nil.
func (i *instance) site(location string) *site {
	for _, s := range i.sites {
		if s.cfg.Location == location {
			return s
		}
	}
	return nil
}

func (i *instance) openSites(context.Context) error {
	i.outbox = outbox.New(i.stores, outbox.Options{Mint: i.renewLink, Now: i.cfg.Now})
	i.http = actions.NewHTTPClient()
	i.onClose(i.http.CloseIdleConnections)
	var wrong []string
	for _, cfg := range i.cfg.Sites {
		cfg.Now, cfg.Day = i.cfg.Now, i.cfg.Day // given beside the files
		s := &site{instance: i, cfg: cfg, post: newStaffPost()}
		if err := s.openSenders(); err != nil {
			return err
		}
		if !s.openProject() {
			wrong = append(wrong, cfg.Dir)
		}
		s.webhook = triggers.NewWebhook(i.bus, cfg.Location, i.log)
		i.sites = append(i.sites, s)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%wthe project has mistakes; latchkey check %s shows them", silent{errUsage}, strings.Join(wrong, " and "))
	}
	return nil
}

// openSenders chooses how messages leave: as configured, or to the outbox if nothing is.
func (s *site) openSenders() error {
	s.mailer, s.texter = s.outbox.Mailer(), s.outbox.Texter()
	if s.cfg.Email.SMTP.Host != "" {
		m, err := smtp.New(s.cfg.Email.SMTP)
		if err != nil {
			return err
		}
		s.onClose(func() { m.Close() })
		s.mailer = m
	}
	if s.cfg.SMS.Twilio.AccountSID != "" {
		c := s.cfg.SMS.Twilio
		c.From = s.cfg.SMS.From
		t, err := twilio.New(c)
		if err != nil {
			return err
		}
		s.onClose(func() { t.Close() })
		s.texter = t
	}
	return nil
}

// deps is what actions work with under a configuration.
func (s *site) deps(cfg *Config) actions.Deps {
	return actions.Deps{
		Mailer: s.mailer, Texter: s.texter, HTTP: s.http, Notified: &s.staff,
		From: cfg.Email.From, ReplyTo: cfg.Email.ReplyTo, TextFrom: cfg.SMS.From,
		LoginLink: s.links.Mint, Settle: s.links.Settle, Sent: s.links.Sent,
	}
}

// openProject reads the location's files, and reports whether they can be used.
func (s *site) openProject() bool {
	s.files.logo = s.cfg.Logo
	s.files.seen = s.lookAt()
	p := readProject(s.cfg, s.deps(s.cfg))
	logProblems(s.logger(), p.problems)
	s.project.Store(p)
	s.files.state.Store(&filesState{ReadAt: s.cfg.Now(), InForce: true})
	return !mistakes(p.problems)
}

// logger is for what concerns the location's files, which are named by their path in its folder: each location may have one of
// that name.
func (s *site) logger() zerolog.Logger {
	if s.cfg == s.instance.cfg { // it is the only one
		return s.log
	}
	return s.log.With().Str("location", s.cfg.Location).Logger()
}

// inForce returns the project that is in force.
func (s *site) inForce() *project { return s.project.Load() }

var errWhichLocation = errors.New("which location?")

// asked returns the location that a request to the admin listener is about. Where there is but one it need not be named.
func (i *instance) asked(r *http.Request) (*site, error) {
	id := r.URL.Query().Get("location")
	if id == "" && len(i.sites) == 1 {
		return i.sites[0], nil
	}
	ids := i.cfg.names()
	if id == "" {
		return nil, fmt.Errorf("%w ?location= is one of %s; commands have --location", errWhichLocation, strings.Join(ids, ", "))
	}
	if s := i.site(id); s != nil {
		return s, nil
	}
	if near := engine.Nearest(id, ids); near != "" {
		return nil, fmt.Errorf("no location %q; did you mean %s?", id, near)
	}
	return nil, fmt.Errorf("no location %q; there are %s", id, strings.Join(ids, ", "))
}

// allLocations marks the context of a request that names no location and is about all of them.
type allLocations struct{}

// perLocation hands a request to the handler of the location that it names, without that name.
func (i *instance) perLocation(of func(*site) http.Handler) http.Handler {
	handlers := make(map[*site]http.Handler, len(i.sites))
	for _, s := range i.sites {
		handlers[s] = of(s)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := i.asked(r)
		if errors.Is(err, errWhichLocation) && (r.URL.Path == "/v1/status" || console.IsAsset(r.URL.Path)) {
			s, err = i.sites[0], nil // any answers for all
			r = r.WithContext(context.WithValue(r.Context(), allLocations{}, true))
		}
		switch {
		case errors.Is(err, errWhichLocation) && r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/v1/"):
			console.Choose(w, i.places())
			return
		case errors.Is(err, errWhichLocation):
			console.WriteProblem(w, http.StatusBadRequest, err.Error())
			return
		case err != nil:
			console.WriteProblem(w, http.StatusNotFound, err.Error())
			return
		}
		if r.URL.Query().Has("location") {
			r = r.Clone(r.Context())
			q := r.URL.Query()
			q.Del("location")
			r.URL.RawQuery = q.Encode()
		}
		handlers[s].ServeHTTP(w, r)
	})
}

// places lists the locations for who chooses one.
func (i *instance) places() (all []console.Place) {
	for _, s := range i.sites {
		all = append(all, console.Place{ID: s.cfg.Location, Name: s.inForce().loc.Name})
	}
	return all
}

// console is the console of one location.
func (s *site) console() http.Handler {
	others := slices.DeleteFunc(s.places(), func(p console.Place) bool { return p.ID == s.cfg.Location })
	return console.Handler(console.Config{
		Messages: adminMessages{s}, Contacts: adminContacts{s}, Links: adminLinks{s}, History: adminHistory{s}, Status: s.status,
		People: adminContacts{s}, Book: adminBook{s}, Staff: adminStaff{s}, Audit: adminAudit{s}, SignIn: s.signIn, Genuine: s.genuine,
		Open: s.cfg.adminOpen(), Secure: s.adminSecure(),
		Workflows: func() []*engine.Workflow { return s.inForce().set().Workflows }, Apps: s.apps, View: s.viewURL, Counts: s.counts,
		Forgetter: adminContacts{s}, Dead: adminDead{s}, Control: adminControl{s}, Sending: adminSending{s}, Mailings: adminMailings{s}, Now: s.cfg.Now,
		Location: s.inForce().loc, Name: func() string { return s.inForce().loc.Name }, Others: others,
	})
}

// guardedEvents takes events from those who have a location's token, for that location. It is nil if none has one.
func (i *instance) guardedEvents() http.Handler {
	var guarded []*site
	for _, s := range i.sites {
		if !s.cfg.Events.Token.IsZero() {
			guarded = append(guarded, s)
		}
	}
	if len(guarded) == 0 {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		holds := func(s *site) bool { return triggers.HasToken(r, s.cfg.Events.Token) }
		n := max(0, slices.IndexFunc(guarded, holds)) // whoever holds none is refused by the first
		guarded[n].webhook.Guard(guarded[n].cfg.Events.Token).ServeHTTP(w, r)
	})
}
