package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen/sso"
	"latchkey/triggers"
)

// This file is about several locations (sub-accounts) in one process: the folders that `locations:` names. What the
// latchkey.yaml above them says of mail, SMS, links and the like is their default; a location's own file wins.

// readLocations reads the file of each location.
func (r *configReader) readLocations() {
	for _, key := range []string{"location", "name", "events.token"} {
		if p, ok := r.pos[key]; ok {
			r.report(p, "%s: with locations, it belongs to the latchkey.yaml of each folder", key)
		}
	}
	r.c.wrong = slices.Clip(r.problems) // what follows concerns single locations
	taken := map[string]string{}
	var parts []*configReader
	for _, folder := range r.c.Folders {
		dir := filepath.Join(r.c.Dir, folder)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			r.reportKey("locations", false, "there is no folder %s here", folder)
			continue
		}
		part := newConfigReader(r.c.part(dir), dir)
		part.part = true
		part.open()
		if id := filepath.Base(dir); part.c.Location == "" {
			if err := setLocation(&part.c.Location, id); err != nil {
				part.reportKey("location", false, "the folder's name %v", err)
			}
		}
		part.c.finishLocation(part.reportKey)
		part.findUsers(r)
		part.c.wrong = slices.Clip(part.problems)
		if other, ok := taken[part.c.Location]; ok {
			r.reportKey("locations", false, "%s and %s are both the location %s", other, folder, part.c.Location)
		}
		taken[part.c.Location] = folder
		part.findShared(r)
		r.c.Sites = append(r.c.Sites, part.c)
		parts = append(parts, part)
	}
	for _, part := range parts {
		n := len(part.problems)
		part.findEmbedded(r.c.names())
		part.c.wrong = append(part.c.wrong, part.problems[n:]...)
		r.problems = append(r.problems, part.problems...)
	}
}

// findEmbedded reports locations whose staff shall open a user link, and that are not there.
func (r *configReader) findEmbedded(ids []string) {
	for _, id := range r.c.Links.Embed.Locations {
		if !slices.Contains(ids, id) {
			r.reportKey("links.embed.locations", false, "there is no location %s; there are %s", id, strings.Join(ids, ", "))
		}
	}
}

// A claim is something that only one location may have.
type claim struct{ what, value string }

const (
	claimID     = "location"
	claimToken  = "events.token"
	claimUser   = "nats.users"
	claimClient = "client_id"
)

// claims returns what a location has of that, and the setting that says so.
func (c *Config) claims() map[claim]string {
	all := map[claim]string{{claimID, c.Location}: "location"}
	if token := c.Events.Token; !token.IsZero() {
		all[claim{claimToken, token.Reveal()}] = "events.token"
	}
	for _, u := range c.NATS.Users {
		all[claim{claimUser, u.User}] = "nats.users." + u.User
	}
	for _, a := range c.apps() {
		if a.SSO == sso.OIDC {
			all[claim{claimClient, a.ClientID()}] = "apps." + a.Name + ".client_id"
		}
	}
	return all
}

// taken says that another has it, by a setting of theirs.
func (c claim) taken(whose, by string) string {
	switch c.what {
	case claimID:
		return "another folder is the location " + whose
	case claimToken:
		return whose + " has the same one; whose event it is would be a guess"
	case claimUser:
		return whose + " has a user of that name; choose another name"
	}
	return strings.TrimSuffix(by, ".client_id") + " of " + whose + " has the same one"
}

// findShared reports what would let somebody speak for a location who belongs to another one.
func (r *configReader) findShared(root *configReader) {
	mine := r.c.claims()
	for _, cl := range slices.SortedFunc(maps.Keys(mine), func(a, b claim) int { return strings.Compare(mine[a], mine[b]) }) {
		for _, other := range root.c.Sites {
			if by, ok := other.claims()[cl]; ok && cl.what != claimID { // which is told above
				r.reportKey(mine[cl], false, "%s", cl.taken(other.Location, by))
			}
		}
	}
}

// findUsers reports NATS users of a location that may speak for all.
func (r *configReader) findUsers(root *configReader) {
	for _, u := range r.c.NATS.Users {
		if slices.ContainsFunc(root.c.NATS.Users, func(o NATSUser) bool { return o.User == u.User }) {
			r.reportKey("nats.users."+u.User, false, "%s", claim{claimUser, u.User}.taken("the latchkey.yaml above", ""))
		}
	}
}

// part returns what a location in dir has before its own file is read.
func (c *Config) part(dir string) *Config {
	p := *c
	p.Dir, p.File, p.source, p.wrong = dir, "", nil, nil
	p.Location, p.Name, p.Folders = "", "", nil
	p.Apps, p.Custom = maps.Clone(c.Apps), maps.Clone(c.Custom)
	p.Staff = maps.Clone(c.Staff)
	p.Links.Embed.Keys = maps.Clone(c.Links.Embed.Keys)
	p.NATS.Users = nil // those of the file above may speak for every location
	p.Events.Token = engine.Secret{}
	p.Sites = []*Config{&p}
	return &p
}

// names are the ids of the locations, as their folders were named.
func (c *Config) names() []string {
	var ids []string
	for _, s := range c.Sites {
		ids = append(ids, s.Location)
	}
	return ids
}

// label names the locations in one word, in an order of its own.
func (c *Config) label() string {
	ids := c.names()
	slices.Sort(ids)
	return strings.Join(ids, "+")
}

// oneLocation returns the location that a flag names, or the only one. Another server may have one that is not configured here.
func (c *Config) oneLocation(flag string) (string, error) {
	if flag == "" && len(c.Sites) > 1 {
		return "", usagef("which location? --location is one of %s", strings.Join(c.names(), ", "))
	}
	if flag == "" {
		return c.Location, nil
	}
	return flag, nil
}

// natsLogin returns who may publish events of a location to the server in the process: somebody who may speak of all, or of
// that one.
func (c *Config) natsLogin(location string) (user string, password engine.Secret, inbox string) {
	if len(c.NATS.Users) > 0 {
		return c.NATS.Users[0].User, c.NATS.Users[0].Password, ""
	}
	for _, s := range c.Sites {
		if s != c && s.Location == location && len(s.NATS.Users) > 0 {
			return s.NATS.Users[0].User, s.NATS.Users[0].Password, triggers.InboxOf(s.NATS.Users[0].User)
		}
	}
	return "", engine.Secret{}, ""
}

// readProjects reads the files of every location and returns what is wrong with them, their names as seen from the
// project's folder.
func readProjects(cfg *Config) (problems []engine.Problem) {
	for _, site := range cfg.Sites {
		for _, p := range readProject(site, checkDeps(site)).problems {
			if below, err := filepath.Rel(cfg.Dir, site.Dir); err == nil && below != "." && !filepath.IsAbs(p.File) {
				p.File = filepath.Join(below, p.File)
			}
			problems = append(problems, p)
		}
	}
	return problems
}
