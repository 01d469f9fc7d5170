package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/console"
)

func (a *app) pauseCommand() *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "hold all messages back, until resume",
		Description: "At once and over restarts. Events are taken and waits go on meanwhile, links open. Examples:\n" +
			"  latchkey pause --reason 'the relay is being moved'\n  latchkey resume",
		Flags: append(clientFlags(), &cli.StringFlag{Name: "reason", Usage: "`TEXT` for whoever looks at it"}),
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.setSending(ctx, c, "/v1/pause", map[string]string{"reason": c.String("reason")}, func(p console.Pause) string {
				return "Sending is paused " + p.String()
			})
		},
	}
}

func (a *app) resumeCommand() *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "let messages go out again after pause",
		Description: "What is overdue goes out spread; what was held for longer than its workflow's hold_limit expires. Example:\n  latchkey resume",
		Flags:       clientFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.setSending(ctx, c, "/v1/resume", nil, func(p console.Pause) string {
				if p.Since.IsZero() {
					return "Sending was not paused."
				}
				p.Paused = true
				return "Sending goes on. It was paused " + p.String()
			})
		},
	}
}

func (a *app) setSending(ctx context.Context, c *cli.Command, path string, in any, says func(console.Pause) string) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var p console.Pause
	if err := cl.do(ctx, http.MethodPost, path, in, &p); err != nil {
		return err
	}
	return a.print(c, p, func(w io.Writer) { fmt.Fprintln(w, printable(says(p), "")) })
}

type adminSending struct{ *site }

// Pause implements console.Sending.
func (s adminSending) Pause(ctx context.Context, location, reason string) (console.Pause, error) {
	p, err := s.runner.Pause(ctx, location, reason)
	return pauseOf(location, &p), err
}

// Resume implements console.Sending.
func (s adminSending) Resume(ctx context.Context, location string) (console.Pause, error) {
	was, err := s.runner.Resume(ctx, location)
	return console.Pause{Location: location, Since: was.Since, Reason: was.Reason}, err
}

func pauseOf(location string, p *engine.Pause) console.Pause {
	if p == nil {
		return console.Pause{Location: location}
	}
	return console.Pause{Location: location, Paused: true, Since: p.Since, Reason: p.Reason}
}

// pause says whether the location's sending is paused.
func (s *site) pause() console.Pause {
	return pauseOf(s.cfg.Location, s.runner.Paused(s.cfg.Location))
}

// sendingSays is the line of /readyz.
func (s *site) sendingSays() string {
	if p := s.pause(); p.Paused {
		return "paused " + p.String()
	}
	return "ok"
}
