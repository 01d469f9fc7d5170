package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/runner"
	"latchkey/linkgen"
	"latchkey/linkgen/portal"
	"latchkey/templates"
)

// This file sends login links that visitors ask for. Whoever asks learns nothing: a request is stored before anyone is looked up,
// and all that comes of it goes to the address on file.

const (
	warnEvery = 10 * time.Minute
	loginTTL  = 15 * time.Minute // of a link, where latchkey.yaml does not say
	loginLate = time.Hour        // when nobody waits for a link any more
)

// loginRates are how often a contact is sent links that somebody asked for who gave an address.
var loginRates = []engine.Rate{{N: 1, In: time.Minute}, {N: 3, In: time.Hour}, {N: 6, In: 24 * time.Hour}}

// holderRates are those of who holds a link, if a dead one. They have room beside what anybody may ask for who knows an address: a
// stranger who fills the form in all day does not keep its owner from the button of their own link.
var holderRates = []engine.Rate{{N: 2, In: time.Minute}, {N: 6, In: time.Hour}, {N: 12, In: 24 * time.Hour}}

// ratesOf returns how often the contact of a request is sent links.
func ratesOf(r *portal.LoginRequest) []engine.Rate {
	if r.Contact.IsZero() {
		return loginRates
	}
	return holderRates
}

// What becomes of a request, as the metric has it.
const (
	loginStarted   = "started"
	loginOff       = "off"       // the location does not send that
	loginBusy      = "busy"      // the queue was full
	loginClient    = "client"    // the visitor's address asked too often
	loginUnknown   = "unknown"   // no contact
	loginAmbiguous = "ambiguous" // several
	loginPrefix    = "prefix"    // a phone number that is not to be sent to
	loginNoAccess  = "no access" // a link would let nobody in
	loginTooOften  = "too often" // for the contact
	loginBudget    = "budget"    // of the location
	loginOverdue   = "late"      // it waited too long: nothing ran, or it is from a backup
	loginFailed    = "failed"    // the store, or the budget, could not be had
	loginRepeated  = "repeated"  // it was started just before the process died
	loginRefused   = "refused"   // the workflow refused it
)

// A loginDesk takes the requests of all locations, and serves one after the other.
type loginDesk struct {
	*instance
	sealer   *linkgen.Sealer
	startRun func(context.Context, runner.HandStart) (runner.HandStarted, error)
	waiting  atomic.Int64 // requests that are in the store, or about to be
	queue    chan []byte  // keys of those that are to be worked off; has room for all that wait
	clients  clientLimits
	warned   map[string]time.Time // when it was last told that a budget is used up; run's alone
}

var _ portal.LoginSender = (*loginDesk)(nil)

// Send implements portal.LoginSender.
func (d *loginDesk) Send(ctx context.Context, r portal.LoginRequest) error {
	if !d.clients.allow(r.Client, d.cfg.Now()) {
		d.tell(&r, loginClient, engine.ID{}, nil)
		return portal.ErrTooOften
	}
	if d.waiting.Add(1) > loginQueue {
		d.waiting.Add(-1)
		d.tell(&r, loginBusy, engine.ID{}, nil)
		return portal.ErrBusy
	}
	err := d.keep(ctx, r)
	if err != nil {
		d.waiting.Add(-1)
	}
	return err
}

// tell counts and logs a result. Nothing says whose address it was.
func (d *loginDesk) tell(r *portal.LoginRequest, result string, who engine.ID, cause error) {
	d.metrics.loginAsked(r.Location, channelOf(r), result)
	level := zerolog.InfoLevel
	switch result {
	case loginFailed:
		level = zerolog.ErrorLevel
	case loginUnknown, loginClient, loginBusy: // a flood of them is in the metric
		level = zerolog.DebugLevel
	case loginBudget:
		level = d.budgetLevel(r)
	}
	ev := d.log.WithLevel(level).Str("location", r.Location).Str("channel", channelOf(r)).Str("reason", r.Reason).Str("result", result)
	if !who.IsZero() {
		ev = ev.Stringer("contact", who)
	}
	if cause != nil {
		ev = ev.AnErr("cause", cause)
	}
	ev.Msg("login link asked for")
}

// budgetLevel warns of a budget that is used up, once in a while.
func (d *loginDesk) budgetLevel(r *portal.LoginRequest) zerolog.Level {
	key, now := r.Location+" "+channelOf(r), d.cfg.Now()
	if last, ok := d.warned[key]; ok && now.Sub(last) < warnEvery {
		return zerolog.DebugLevel
	}
	d.warned[key] = now
	return zerolog.WarnLevel
}

// channelOf is "email" unless a request says "sms".
func channelOf(r *portal.LoginRequest) string {
	if r.Channel == "sms" {
		return "sms"
	}
	return "email"
}

// decide returns what becomes of a request, and for whom.
func (d *loginDesk) decide(ctx context.Context, a *loginAsked) (result string, who engine.ID, err error) {
	if d.cfg.Now().Sub(a.ID.Time()) > loginLate {
		return loginOverdue, who, nil
	}
	channel := channelOf(&a.LoginRequest)
	s := d.site(a.Location)
	if s == nil || !s.inForce().cfg.sendsLogins(channel) {
		return loginOff, who, nil
	}
	cfg := s.inForce().cfg
	p, result, err := s.whoAsks(ctx, a)
	if p == nil {
		return result, who, err
	}
	who = p.Key
	if channel == "sms" && p.Contact.Phone != "" && !slices.ContainsFunc(cfg.Login.SMS.Prefixes, func(x string) bool { return strings.HasPrefix(p.Contact.Phone, x) }) {
		return loginPrefix, who, nil
	}
	if a.Owner.IsZero() { // else that is done, and the process died before the run was stored, or just after
		if result, err := d.permit(ctx, a, p, cfg); result != "" {
			return result, who, err
		}
	}
	return d.start(ctx, a, p, languageFor(p, a.Lang, s.inForce().loc))
}

// permit looks at what limits the contact and the location, and takes a message out of the location's budget. It returns why there
// is none, or nothing.
func (d *loginDesk) permit(ctx context.Context, a *loginAsked, p *engine.Person, cfg *Config) (string, error) {
	now := d.cfg.Now()
	if p.AskedRoom(ratesOf(&a.LoginRequest), now).After(now) {
		return loginTooOften, nil
	}
	if !p.HasAccess() { // nothing is sent: it is decided by the workflow, and kept, why
		return "", nil
	}
	a.Owner = p.Key
	ok, err := d.spend(ctx, a, cfg.Login, now)
	switch {
	case errors.Is(err, errForgotten):
		return loginUnknown, nil
	case err != nil:
		return loginFailed, err
	case !ok:
		return loginBudget, nil
	}
	return "", nil
}

// start starts the run that sends the link.
func (d *loginDesk) start(ctx context.Context, a *loginAsked, p *engine.Person, language string) (result string, who engine.ID, err error) {
	out, err := d.startRun(ctx, runner.HandStart{
		Location: a.Location, Contact: p.Key, Workflow: loginFlow, Type: engine.EventLogin, Source: "latchkey", ID: a.ID.String(),
		Custom: wishes(channelOf(&a.LoginRequest), a.App, a.To, language, map[string]any{"reason": a.Reason, "in": a.In}), Rates: ratesOf(&a.LoginRequest),
	})
	who = p.Key
	switch {
	case errors.Is(err, runner.ErrNoPerson): // forgotten meanwhile
		return loginUnknown, engine.ID{}, nil
	case err != nil:
		return loginFailed, who, err
	case out.Repeated:
		return loginRepeated, who, nil
	case !out.Decision.Until.IsZero():
		return loginTooOften, who, nil
	case out.Decision.Run.IsZero() && !p.HasAccess():
		return loginNoAccess, who, nil
	case out.Decision.Run.IsZero():
		return loginRefused, who, errors.New(out.Decision.Reason)
	}
	return loginStarted, who, nil
}

// finishLogin checks what spans several keys of login.
func (c *Config) finishLogin(report reporter) {
	if c.Login.TTL > c.Links.MaxTTL && c.Login.TTL != loginTTL {
		report("login.ttl", false, "is longer than links.max_ttl")
	}
	if len(c.Login.SMS.Prefixes) > 0 && !c.canSend("sms") {
		report("login.sms.prefixes", false, "no SMS can be sent: latchkey.yaml has no sms.twilio")
	}
}

// sendsLogins reports whether visitors may ask for links by a channel.
func (c *Config) sendsLogins(channel string) bool {
	if channel == "sms" {
		return len(c.Login.SMS.Prefixes) > 0 && c.canSend(channel)
	}
	return c.Login.Email && c.canSend(channel)
}

// canSend reports whether messages of a channel leave: both go to the outbox if neither has a sender.
func (c *Config) canSend(channel string) bool {
	mail, text := c.Email.SMTP.Host != "", c.SMS.Twilio.AccountSID != ""
	if channel == "sms" {
		return text || !mail
	}
	return mail || !text
}

// whoAsks finds the one contact that a request is about; nil, and what became of it, if there is not exactly one.
func (s *site) whoAsks(ctx context.Context, r *loginAsked) (*engine.Person, string, error) {
	keys, err := []engine.ID{cmp.Or(r.Owner, r.Contact)}, error(nil)
	if keys[0].IsZero() {
		keys, err = s.holders(ctx, r.Address)
	}
	switch {
	case err != nil:
		return nil, loginFailed, err
	case len(keys) == 0:
		return nil, loginUnknown, nil
	case len(keys) > 1:
		return nil, loginAmbiguous, nil
	}
	p, err := s.runner.Person(ctx, r.Location, keys[0])
	switch {
	case err != nil:
		return nil, loginFailed, err
	case p == nil:
		return nil, loginUnknown, nil
	}
	return p, "", nil
}

// wishes are the custom of an event that asks for a link.
func wishes(channel, app, to, language string, further map[string]any) engine.Custom {
	c := engine.Custom{"channel": channel, "language": language, "app": app, "to": to}
	for name, v := range further {
		c[name] = v
	}
	for name, v := range c {
		if v == "" {
			delete(c, name)
		}
	}
	return c
}

// languageFor returns the language of a message that somebody asked for: the contact's, that of the page, or the location's.
func languageFor(p *engine.Person, page string, loc *engine.Location) string {
	for _, tag := range []string{p.Contact.Locale, page, loc.Language} {
		base, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(tag), "_", "-"), "-")
		if slices.Contains(templates.Languages(), base) {
			return base
		}
	}
	return "en"
}
