package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/flowfile"
	"latchkey/templates"
	"latchkey/triggers"
)

// A project is the files of one location, read and checked.
type project struct {
	cfg       *Config
	loc       *engine.Location
	workflows []*engine.Workflow
	builtins  []*engine.Workflow // those that every project has; see builtin.go
	templates *actions.Library
	catalog   *engine.Catalog   // with these templates and settings
	sources   map[string][]byte // each file as it was read, by its path in the project
	problems  []engine.Problem
}

// config reads the configuration of a folder and shows what is wrong with it. The error is shown already.
func (a *app) config(dir string, flags map[string]string) (*Config, error) {
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, usagef("%s is no folder", dir)
	}
	cfg, problems := loadConfig(dir, a.env, flags)
	if err := a.report(dir, problems); err != nil {
		return nil, err
	}
	return cfg, nil
}

// readProject reads templates and workflows. deps lacks what only a running instance has; nothing that reads files
// asks for it.
func readProject(cfg *Config, deps actions.Deps) *project {
	return readProjectHolding(nil, cfg, deps)
}

// readProjectHolding is readProject with some files as they were before.
func readProjectHolding(held map[string][]byte, cfg *Config, deps actions.Deps) *project {
	p := &project{cfg: cfg, loc: cfg.EngineLocation(), sources: map[string][]byte{}}
	fsys := sourceFS{openProjectFS(cfg.Dir), held, p.sources}
	deps.Options = cfg.templateOptions()
	var problems []engine.Problem
	p.templates, problems = actions.ReadTemplates(fsys, "templates", deps.Options)
	p.problems = append(p.problems, problems...)
	deps.Templates, deps.Secrets = layered{p.templates, builtinTemplates(deps)}, cfg.Secrets
	deps.Login = actions.LoginPolicy{TTL: cfg.Login.TTL, Uses: cfg.Login.Uses}
	p.catalog = catalog(deps)
	p.workflows, problems = flowfile.LoadDir(fsys, "workflows", p.catalog, p.loc)
	p.problems = append(p.problems, problems...)
	p.addBuiltins()
	p.problems = append(p.problems, p.checkChannels()...)
	sortProblems(p.problems)
	return p
}

// catalog gathers what workflows may speak of.
func catalog(deps actions.Deps) *engine.Catalog {
	return &engine.Catalog{Triggers: triggers.Catalogue(), Actions: actions.Catalog(deps), Notices: actions.Notices(deps)}
}

func (c *Config) templateOptions() templates.Options {
	apps := []string{}
	for name := range c.Apps {
		apps = append(apps, name)
	}
	return templates.Options{Fields: c.templateFields(), MaxTTL: c.Links.MaxTTL, Apps: apps}
}

// templateFields is the table of fields with the project's own in it, and without those that it cannot have.
func (c *Config) templateFields() templates.Fields {
	var fields templates.Fields
	for name := range c.Custom {
		fields = append(fields, templates.Field{Path: "custom." + name, Sure: true, Doc: "from latchkey.yaml"})
	}
	for _, f := range templates.DefaultFields() {
		switch f.Path {
		case "location.address", "location.logo", "unsubscribe_url": // not yet in this version
			continue
		case "custom": // each key stands above, so that a typing mistake is found
			continue
		case "support.email":
			f.Sure = c.Support != ""
		case "location.brand":
			f.Sure = c.Brand != ""
		case "location.email", "location.base_url":
			f.Sure = true
		}
		fields = append(fields, f)
	}
	return fields
}

// checkChannels finds steps whose channel has no sender while the other has one: then nothing goes to the outbox.
func (p *project) checkChannels() []engine.Problem {
	mail, text := p.cfg.Email.SMTP.Host != "", p.cfg.SMS.Twilio.AccountSID != ""
	if mail == text {
		return nil
	}
	kind, lacks := "sms", "sms.twilio"
	if text {
		kind, lacks = "email", "email.smtp"
	}
	var out []engine.Problem
	for _, w := range p.workflows {
		eachStep(w.Steps, func(s engine.Step) {
			if s.Kind == kind || kind == "email" && s.Kind == "notify" {
				out = append(out, engine.Problem{Pos: engine.Pos{File: "workflows/" + w.ID + ".yaml", Line: s.Line, Col: 1},
					Msg: fmt.Sprintf("%s: cannot be sent: latchkey.yaml has no %s", s.Kind, lacks)})
			}
		})
	}
	return out
}

func eachStep(steps []engine.Step, fn func(engine.Step)) {
	for _, s := range steps {
		fn(s)
		for _, l := range s.Lists() {
			eachStep(l.Steps, fn)
		}
	}
}

func sortProblems(ps []engine.Problem) {
	slices.SortStableFunc(ps, func(a, b engine.Problem) int {
		switch {
		case a.File != b.File:
			if a.File < b.File {
				return -1
			}
			return 1
		case a.Line != b.Line:
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
}

// report shows problems with the lines that they stand in, and returns an error if one of them is a mistake.
func (a *app) report(dir string, problems []engine.Problem) error {
	mistakes := 0
	for _, p := range problems {
		if !p.Warning {
			mistakes++
		}
		a.showProblem(a.err, dir, p)
	}
	switch mistakes {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%wone mistake", silent{errUsage})
	}
	return fmt.Errorf("%w%d mistakes", silent{errUsage}, mistakes)
}

func (a *app) showProblem(w io.Writer, dir string, p engine.Problem) {
	if filepath.Base(p.File) == "latchkey.yaml" {
		fmt.Fprintln(w, p) // its lines may hold secrets
		return
	}
	if !filepath.IsAbs(p.File) {
		p.File = filepath.Join(dir, p.File) // so that an editor finds it from here
	}
	src, _ := readFile(p.File) // without it the problem is shown by itself
	fmt.Fprint(w, flowfile.Excerpt(p, src))
}

// mistakes reports whether a problem is more than a warning.
func mistakes(ps []engine.Problem) bool {
	return slices.ContainsFunc(ps, func(p engine.Problem) bool { return !p.Warning })
}

// logProblems is report for a running instance.
func logProblems(log zerolog.Logger, problems []engine.Problem) {
	for _, p := range problems {
		ev := log.Error()
		if p.Warning {
			ev = log.Warn()
		}
		ev.Str("file", p.File).Int("line", p.Line).Int("col", p.Col).Msg(p.Msg)
	}
}
