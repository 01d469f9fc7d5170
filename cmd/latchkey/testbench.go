package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/flowfile"
	"latchkey/engine/runner"
	"latchkey/engine/simulate"
	"latchkey/linkgen"
	"latchkey/triggers"
)

// A workbench is what a project's tests run on: its real templates, actions and links, and senders that keep what they get. It
// is for one goroutine.
type workbench struct {
	cfg     *Config
	project *project
	links   *linkgen.Links
	sent    map[engine.ID]simulate.Content
	blind   bool // its messages are for nobody, and links lead nowhere
}

// newWorkbench reads a project for tests.
func newWorkbench(cfg *Config) (*workbench, error) {
	keys, err := linkgen.TemporaryKeys()
	if err != nil {
		return nil, err
	}
	b := &workbench{cfg: cfg, sent: map[engine.ID]simulate.Content{}}
	b.links = linkgen.New(keys, func(location string) (linkgen.Settings, bool) {
		return cfg.linkSettings(), location == cfg.Location
	})
	b.project = readProject(cfg, b.deps())
	return b, nil
}

// deps is what the actions work with.
func (b *workbench) deps() actions.Deps {
	d := actions.Deps{
		Mailer: benchMailer{b}, Texter: benchTexter{b}, HTTP: &http.Client{Transport: benchHTTP{b}},
		From: b.cfg.Email.From, ReplyTo: b.cfg.Email.ReplyTo, TextFrom: b.cfg.SMS.From,
		LoginLink: b.links.Mint, Settle: b.links.Settle,
	}
	if b.blind {
		d.LoginLink, d.Settle = noLink, noSettle
	}
	return d
}

type benchMailer struct{ *workbench }

// Send implements actions.Mailer.
func (b benchMailer) Send(_ context.Context, m actions.Mail) (actions.Receipt, error) {
	head := http.Header{}
	head.Set("From", m.From)
	head.Set("Reply-To", m.ReplyTo)
	b.keep(m.TaskID, simulate.Content{Text: m.Text, HTML: m.HTML, Header: head}, m.Links)
	return actions.Receipt{}, nil
}

type benchTexter struct{ *workbench }

// Send implements actions.Texter.
func (b benchTexter) Send(_ context.Context, t actions.Text) (actions.Receipt, error) {
	b.keep(t.TaskID, simulate.Content{Text: t.Body}, t.Links)
	return actions.Receipt{}, nil
}

func (b *workbench) keep(task engine.ID, c simulate.Content, links []actions.Link) {
	if b.blind {
		return
	}
	for _, l := range links {
		c.Links = append(c.Links, simulate.Link{ID: l.ID, URL: l.URL})
	}
	b.sent[task] = c
}

// Take implements simulate.Sink.
func (b *workbench) Take(task engine.ID) (simulate.Content, bool) {
	c, ok := b.sent[task]
	delete(b.sent, task)
	return c, ok
}

// world is what simulations of some workflows need.
func (b *workbench) world(flows []*engine.Workflow) simulate.Config {
	return simulate.Config{
		Set: engine.NewSet(b.project.loc, flows), Actions: b.project.catalog.Actions, Sink: b,
		Terms: func(kind string) engine.Terms { return runner.DefaultChannel(kind).Terms() },
		Open:  b.open, AccessLost: b.links.RevokeContact,
	}
}

// open lets a contact in by a link, as the portal does.
func (b *workbench) open(ctx context.Context, stores engine.Stores, url engine.Secret, now time.Time) (red engine.Redemption, err error) {
	_, text, _ := strings.Cut(url.Reveal(), "/l/")
	tok, err := linkgen.ParseToken(text)
	if err != nil {
		return red, &simulate.Refused{Reason: string(linkgen.Unknown)}
	}
	door, err := b.links.Look(ctx, stores, tok, now)
	if err != nil {
		return red, err
	}
	shard := tok.Selector().Shard()
	err = stores.For(shard).Update(ctx, func(tx engine.Tx) error {
		red, err = b.links.Redeem(tx, linkgen.Visit{Token: tok, Door: door, Fresh: linkgen.NewSID(shard), Now: now, Browser: linkgen.NewSID(shard)})
		return err
	})
	if refused, ok := errors.AsType[*linkgen.Refusal](err); ok {
		return red, &simulate.Refused{Reason: string(refused.Reason)}
	}
	return red, err
}

// tests reads the project's test files.
func (b *workbench) tests() ([]engine.Test, []engine.Problem) {
	decoder := &triggers.Decoder{}
	fsys := sourceFS{openProjectFS(b.cfg.Dir), nil, b.project.sources}
	return flowfile.LoadTestDir(fsys, "workflows", &flowfile.TestProject{
		Catalog: b.project.catalog, Location: b.project.loc, Workflows: b.project.workflows, Templates: b.project.templates.Names,
		Event: func(trigger string, data map[string]any) (engine.Event, error) {
			body, err := json.Marshal(data)
			if err != nil {
				return engine.Event{}, err
			}
			ev, err := decoder.Decode(triggers.Message{Subject: "courses." + b.cfg.Location + "." + trigger, Data: body, Seq: 1})
			ev.ID, ev.Source, ev.Time, ev.Ordinal = "", "", time.Time{}, 0
			return ev, err
		},
	})
}
