package main

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen"
	"latchkey/linkgen/portal"
	"latchkey/linkgen/sso"
)

// This file leads learners into the apps: what latchkey.yaml says of them, and how the hand-off is wired.

// apps returns the location's apps, by name.
func (c *Config) apps() []sso.App {
	var out []sso.App
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		a := c.Apps[name]
		out = append(out, sso.App{
			Location: c.Location, Name: name, URL: strings.TrimRight(a.URL, "/"),
			Product: a.Product, Category: a.Category, Lesson: a.Lesson, Login: a.Login,
			SSO: a.SSO, Secret: a.Secret, Audience: a.Audience, Param: a.Param, Client: a.Client,
			Redirects: a.Redirects, Logout: a.Logout, NoPKCE: a.NoPKCE, Mint: a.Mint,
		})
	}
	return out
}

// checkApps reports what is wrong with them.
func (c *Config) checkApps(report reporter) {
	clients := map[string]string{}
	for _, a := range c.apps() {
		for _, m := range a.Check() {
			report("apps."+a.Name+"."+m.Key, false, "%s", m.Text)
		}
		if a.SSO != sso.OIDC {
			continue
		}
		if other, ok := clients[a.ClientID()]; ok {
			report("apps."+a.Name+".client_id", false, "apps.%s has the same one", other)
		}
		clients[a.ClientID()] = a.Name
	}
}

// openSSO makes the handler that leads learners on. Its visitors are the portal's.
func (i *instance) openSSO(p *portal.Portal) (*sso.Handler, error) {
	return sso.New(sso.Config{
		Links: i.links, Stores: i.stores, Keys: i.cfg.Keys, Home: i.sites[0].cfg.Location, Log: i.log, Now: i.cfg.Now,
		Apps: func() (all []sso.App) {
			for _, s := range i.sites {
				all = append(all, s.inForce().cfg.apps()...)
			}
			return all
		},
		Location: i.engineLocation,
		Courses:  i.runner.Courses,
		HandedOff: func(_ context.Context, h sso.HandOff) {
			i.trail.Note(h.Session.Link, linkgen.TrailEntry{At: h.At, What: linkgen.HandedOff, Why: h.App, Device: h.Session.Device, Address: h.Session.Address})
		},
		Counted: i.metrics.ledOn,
		Guess:   p.MayGuess,
		Visitor: p.SignedIn,
		LeadOn:  p.LeadOn,
		Trouble: func(w http.ResponseWriter, r *http.Request, location string, why sso.Trouble) {
			p.Trouble(w, r, cmp.Or(location, i.sites[0].cfg.Location), portal.Trouble(why))
		},
	})
}

// engineLocation returns a location as it is in force, or nil.
func (i *instance) engineLocation(id string) *engine.Location {
	if s := i.site(id); s != nil {
		return s.inForce().loc
	}
	return nil
}

// ssoOr leads what is for the hand-off there. It takes requests from other sites' pages, as is its purpose: what they may ask
// is checked by its own rules.
func ssoOr(h *sso.Handler, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sso.Serves(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// sweepSSO removes codes, tokens and nonces that are over.
func (i *instance) sweepSSO(ctx context.Context) {
	if err := i.sso.Sweep(ctx, i.cfg.Now()); err != nil && ctx.Err() == nil {
		i.log.Error().Err(err).Msg("old sign-ins are not removed, trying again later")
	}
}
