package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/actions/outbox"
	"latchkey/engine"
	"latchkey/examples"
	"latchkey/examples/coursesite"
)

func (a *app) demoCommand() *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "the example academy: events in, mails with login links out, pages to open",
		Description: "Everything is real and lives in a temporary folder; messages go to the outbox page and to nobody. It takes free\n" +
			"ports if its own are taken.\n\nExamples:\n  latchkey demo\n  latchkey demo --once",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "open one of the links, press its button, say what the learner sees, and end"},
			&cli.DurationFlag{Name: "day", Value: 10 * time.Second, Usage: "how long a day of waiting lasts, `TIME`"},
			&cli.StringFlag{Name: "log-level", Value: "warn", Usage: "debug, info, warn or error"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Duration("day") <= 0 {
				return usagef("--day: %v is no length of a day", c.Duration("day"))
			}
			d, err := a.openDemo(ctx, c)
			if err != nil {
				return err
			}
			defer d.close()
			return d.run(ctx, c.Bool("once"))
		},
	}
}

// A demo is one run of the example academy.
type demo struct {
	*instance
	app        *app
	dir        string
	courseSite net.Listener // of the example that links for the app courses lead to
	mu         sync.Mutex
	shown      []outbox.Message // messages in the order in which they went out
	events     []engine.Event
}

func (a *app) openDemo(ctx context.Context, c *cli.Command) (_ *demo, err error) {
	d := &demo{app: a}
	if d.dir, err = os.MkdirTemp("", "latchkey-demo-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(d.dir)
		}
	}()
	academy, err := fs.Sub(examples.Academy, "academy")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(d.dir, academy); err != nil {
		return nil, err
	}
	ports, err := demoPorts()
	if err != nil {
		return nil, err
	}
	cfg, problems := loadConfig(d.dir, nil, map[string]string{
		"listen": ports[0], "base_url": "http://" + ports[0], "admin.listen": ports[1], "nats.listen": ports[2],
		"apps.courses.url": "http://" + ports[3], "log.level": c.String("log-level"),
	})
	if err := a.report(d.dir, problems); err != nil {
		return nil, err
	}
	cfg.Day = c.Duration("day")
	if d.events, err = a.readEvents(filepath.Join(d.dir, "events.jsonl"), "", cfg.Location); err != nil {
		return nil, err
	}
	if d.courseSite, err = listen("the course site", ports[3]); err != nil {
		return nil, err
	}
	d.instance, err = open(ctx, cfg, newLogger(cfg.Log, a.err))
	if err != nil {
		d.courseSite.Close()
	}
	return d, err
}

func (d *demo) close() {
	d.instance.close()
	d.courseSite.Close()
	os.RemoveAll(d.dir)
}

// demoPorts returns the example's own addresses, or others if one of them is taken.
func demoPorts() ([]string, error) {
	own := []string{"127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:4222", "127.0.0.1:8090"}
	for _, addr := range own {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			ports, err := freePorts(len(own))
			if err != nil {
				return nil, err
			}
			for i, p := range ports {
				own[i] = fmt.Sprintf("127.0.0.1:%d", p)
			}
			return own, nil
		}
		l.Close()
	}
	return own, nil
}

// run serves, publishes the events, prints what goes out, and stays until ctx ends; with once, until it has come in by
// one of its own links.
func (d *demo) run(ctx context.Context, once bool) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		var site sync.WaitGroup
		site.Go(func() {
			courses := coursesite.New(d.cfg.BaseURL, "http://"+d.courseSite.Addr().String(), "")
			_ = serveHTTP(serving, d.courseSite, courses, d.log) // it ends as the rest does
		})
		err := d.serve(serving)
		stop() // a part that failed ends the waiting below
		site.Wait()
		done <- err
	}()
	unsubscribe := d.outbox.Subscribe(d.show)
	defer unsubscribe()

	err := d.play(serving)
	if err == nil && once {
		err = d.comeIn(serving)
	}
	if err == nil && !once {
		if err := d.pointTheWay(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case err = <-done:
			return err
		}
	}
	stop()
	if served := <-done; err == nil || errors.Is(err, context.Canceled) {
		err = served
	}
	return err
}

// play publishes the events and waits until all that they caused at once is out.
func (d *demo) play(ctx context.Context) error {
	select {
	case <-d.runner.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Fprintf(d.app.out, "%s is open. %s happen on the course site:\n\n", d.cfg.Name, count(len(d.events), "event"))
	for n := range d.events {
		d.events[n].ID = fmt.Sprintf("%s-%s", d.events[n].ID, rand.Text()[:6])
		d.events[n].Time = time.Now().UTC()
	}
	if _, err := d.bus.PublishEvents(ctx, d.events); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return d.awaitQuiet(within)
}

// awaitQuiet returns when the last event was taken and nothing is due.
func (d *demo) awaitQuiet(ctx context.Context) error {
	for {
		off, err := d.runner.Offsets(ctx, "COURSES")
		if err != nil {
			return err
		}
		if off.Seq >= uint64(len(d.events)) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := d.runner.Idle(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.window()):
		return d.runner.Idle(ctx)
	}
}

// window is how long it takes until all that is gathered has started.
func (d *demo) window() (longest time.Duration) {
	in := d.sites[0].inForce()
	for _, w := range in.workflows {
		longest = max(longest, w.Gathers(in.loc))
	}
	return longest
}

// show prints one message as it goes out, with its live link: that is what the demo is for.
func (d *demo) show(m outbox.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = append(d.shown, m)
	what := m.Subject
	if m.Channel == outbox.SMS {
		what = strings.Join(strings.Fields(m.Text), " ") // placeholders stand for the links
		what = strings.TrimSpace(what[:min(len(what), max(0, strings.Index(what, "login-link:")))])
	}
	fmt.Fprintf(d.app.out, "  %-5s  to %-18s  %s\n", m.Channel, m.To, what)
	for _, l := range m.Links {
		fmt.Fprintf(d.app.out, "         %s\n", l.Now.URL.Reveal())
	}
}

// demoSignIn is how long the demo's own sign-in link works.
const demoSignIn = 12 * time.Hour

func (d *demo) pointTheWay(ctx context.Context) error {
	console, err := d.sites[0].greet(ctx, demoSignIn)
	if err != nil {
		return err
	}
	admin := "http://" + dialable(d.adminListener.Addr().String())
	fmt.Fprintf(d.app.out, `
Open a link from above, press the button, and you are that learner; the one for a first lesson leads on into the course site.
  %-28s  every message as its reader sees it
  %-28s  what a learner sees
  %-28s  a course site of 120 lines, which takes learners in: examples/coursesite
  %-28s  a day of waiting lasts %v here: an SMS follows to whoever has not come in
Publish more:  latchkey publish new_sign_up --nats %s --contact c-you --email you@example.com --offer gold=Gold
Ctrl-C ends it and leaves nothing behind.

Your own console: press Continue there, once:
  %s

`, admin+"/outbox", d.cfg.BaseURL, "http://"+d.courseSite.Addr().String(), "", d.cfg.Day, d.bus.URL(), console)
	return nil
}
