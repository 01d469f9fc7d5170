package main

import (
	"bytes"
	"reflect"
	"slices"
	"strings"

	"latchkey/engine"
)

// This file reads settings again while an instance runs, each location's for itself: one with a mistake keeps its own as they were, and
// no other's.

// again reads the location's configuration as it was read before. What is wrong with those of others is not its concern.
func (i *site) again() (*Config, []engine.Problem) {
	all := i.instance.cfg
	whole, _ := loadConfig(all.Dir, all.env, all.flags)
	fresh, problems := whole, slices.Clone(whole.wrong)
	if n := slices.IndexFunc(whole.Sites, func(c *Config) bool { return c.Dir == i.cfg.Dir }); n >= 0 {
		fresh = whole.Sites[n]
	} else if !mistakes(problems) {
		problems = append(problems, engine.Problem{Pos: engine.Pos{File: all.File, Line: 1, Col: 1},
			Msg: "locations: " + i.cfg.Dir + " is not there any more. Restart if that is meant"})
	}
	i.files.clash = false
	if fresh != whole {
		taken := i.taken(fresh, whole)
		i.files.clash = len(taken) > 0
		problems = slices.Concat(problems, fresh.wrong, taken)
	}
	if how := i.lost(fresh); how != "" && !mistakes(problems) {
		problems = append(problems, engine.Problem{Pos: engine.Pos{File: i.cfg.File, Line: 1, Col: 1},
			Msg: "the file is " + how + "; without it every setting would be the default. Restart if that is meant"})
	}
	return fresh, problems
}

// lost says how a location's settings were lost: a full disk, too, leaves a file empty that is saved; "" if they were not.
func (i *site) lost(fresh *Config) string {
	switch {
	case i.cfg.File != "" && fresh.File == "":
		return "gone"
	case len(bytes.TrimSpace(i.cfg.source)) > 0 && len(bytes.TrimSpace(fresh.source)) == 0:
		return "empty"
	}
	return ""
}

// taken returns what a fresh configuration claims though another location has it: in force, since its own file may be kept from
// taking effect, or in its file, unless this one has it in force already and so was first.
func (i *site) taken(fresh, whole *Config) (problems []engine.Problem) {
	claims, mine := fresh.claims(), i.inForce().cfg.claims()
	for _, other := range i.sites {
		if other == i {
			continue
		}
		theirs, filed := other.inForce().cfg.claims(), map[claim]string{}
		if n := slices.IndexFunc(whole.Sites, func(c *Config) bool { return c.Dir == other.cfg.Dir }); n >= 0 {
			filed = whole.Sites[n].claims()
		}
		for cl, key := range claims {
			by, taken := theirs[cl]
			if _, first := mine[cl]; !taken && !first {
				by, taken = filed[cl]
			}
			if taken {
				problems = append(problems, engine.Problem{Pos: fresh.at(key), Msg: key + ": " + cl.taken(other.cfg.Location, by)})
			}
		}
	}
	slices.SortFunc(problems, func(a, b engine.Problem) int { return strings.Compare(a.Msg, b.Msg) })
	return problems
}

// changedBy returns the configuration with those settings of a fresh one that may change while it is in use, and the
// keys of other settings that differ.
func (c *Config) changedBy(fresh *Config) (_ *Config, restart []string) {
	next := *c
	next.Name, next.Zone, next.Language, next.Brand, next.Support = fresh.Name, fresh.Zone, fresh.Language, fresh.Brand, fresh.Support
	next.Links, next.Apps, next.Custom, next.Secrets = fresh.Links, fresh.Apps, fresh.Custom, fresh.Secrets
	next.Legacy, next.Portal, next.Login = fresh.Legacy, fresh.Portal, fresh.Login
	next.Session, next.Logo, next.logo = fresh.Session, fresh.Logo, fresh.logo
	next.source, next.Staff = fresh.source, fresh.Staff
	next.Email.From, next.Email.ReplyTo, next.SMS.From = fresh.Email.From, fresh.Email.ReplyTo, fresh.SMS.From
	for _, fixed := range []struct {
		key       string
		was, will any
	}{
		{"location", c.Location, fresh.Location},
		{"locations", c.Folders, fresh.Folders},
		{"base_url", c.BaseURL, fresh.BaseURL},
		{"listen", c.Listen, fresh.Listen},
		{"admin", c.Admin, fresh.Admin},
		{"data", c.Data, fresh.Data},
		{"keys", c.Keys, fresh.Keys},
		{"partitions", c.Partitions, fresh.Partitions},
		{"nats", c.NATS, fresh.NATS},
		{"email.smtp", c.Email.SMTP, fresh.Email.SMTP},
		{"sms.twilio", c.SMS.Twilio, fresh.SMS.Twilio},
		{"events", c.Events, fresh.Events},
		{"trusted_proxies", c.Proxies, fresh.Proxies},
		{"retention", c.Retain, fresh.Retain},
		{"log", c.Log, fresh.Log},
	} {
		if !reflect.DeepEqual(fixed.was, fixed.will) {
			restart = append(restart, fixed.key)
		}
	}
	return &next, restart
}
