package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
)

func (a *app) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "everything on one machine: NATS, store, engine, the learners' pages and yours", ArgsUsage: "[DIR]",
		Description: "Ctrl-C or SIGTERM ends it within seconds and loses nothing. Changed files take effect by themselves; SIGHUP has\nthem read at once.\n\nExample:\n  latchkey run academy",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "learners' `ADDRESS`"},
			&cli.StringFlag{Name: "admin-listen", Usage: "operators' `ADDRESS`"},
			&cli.StringFlag{Name: "nats-listen", Usage: "`ADDRESS` of the NATS server in the process"},
			&cli.StringFlag{Name: "data", Usage: "`FOLDER` of the store and the streams"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			hangUps := make(chan os.Signal, 1)
			signal.Notify(hangUps, syscall.SIGHUP)
			defer signal.Stop(hangUps)
			dir, err := oneDir(c)
			if err != nil {
				return err
			}
			flags := map[string]string{}
			for flag, key := range map[string]string{"listen": "listen", "admin-listen": "admin.listen", "nats-listen": "nats.listen", "data": "data", "log-level": "log.level"} {
				if c.IsSet(flag) {
					flags[key] = c.String(flag)
				}
			}
			cfg, err := a.config(dir, flags)
			if err != nil {
				return err
			}
			if problems := readProjects(cfg); mistakes(problems) {
				return a.report(dir, problems)
			}
			a.spareMemory()
			i, err := open(ctx, cfg, newLogger(cfg.Log, a.err))
			if err != nil {
				return err
			}
			defer i.close()
			i.hangUps = hangUps
			fmt.Fprintln(a.out, i.says())
			if err := i.invite(ctx, a.out); err != nil {
				return err
			}
			return i.serve(ctx)
		},
	}
}

// spareMemory has the collector run twice as often as by default: a server that shares its machine should stay small, and
// it costs a few per cent. GOGC in the environment wins.
func (a *app) spareMemory() {
	if envMap(a.env)["GOGC"] == "" {
		debug.SetGCPercent(50)
	}
}

// says tells where everything is.
func (i *instance) says() string {
	var b strings.Builder
	for _, s := range i.sites {
		fmt.Fprintf(&b, "%s runs with %s. ", s.cfg.Name, count(len(s.inForce().workflows), "workflow"))
	}
	b.WriteString("Ctrl-C ends it.\n")
	for _, s := range i.sites {
		fmt.Fprintf(&b, "  learners   %s%s\n", s.cfg.BaseURL, i.aside(s))
	}
	fmt.Fprintf(&b, "  you        %s\n", i.adminURL())
	if url := i.bus.URL(); url != "" {
		fmt.Fprintf(&b, "  NATS       %s\n", url)
	}
	if !i.cfg.adminOpen() {
		fmt.Fprintf(&b, "  API key    in %s/api.key\n", i.cfg.Keys)
	}
	for _, s := range i.sites {
		mail, text := s.cfg.senders()
		fmt.Fprintf(&b, "  mail       %s%s\n  SMS        %s%s\n", mail, i.aside(s), text, i.aside(s))
	}
	return strings.TrimRight(b.String(), "\n")
}

// senders says where mail and SMS go: to the outbox if neither has a sender.
func (c *Config) senders() (mail, text string) {
	mail, text = cmp.Or(c.Email.SMTP.Host, "none: email.smtp is not set"), "none: sms.twilio is not set"
	if c.SMS.Twilio.AccountSID != "" {
		text = "Twilio"
	}
	if c.Email.SMTP.Host+c.SMS.Twilio.AccountSID == "" {
		mail, text = "the outbox", "the outbox"
	}
	return mail, text
}

// invite prints a link that signs the owner in to the console, once: to a terminal, where whoever started the server reads it, or
// wherever the first start of a project writes. Nothing else ever prints one.
func (i *instance) invite(ctx context.Context, out io.Writer) error {
	if !i.firstRun && !isTerminal(out) {
		return nil
	}
	for _, s := range i.sites {
		url, err := s.greet(ctx, 0)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  sign in    %s%s\n", url, i.aside(s))
	}
	fmt.Fprintln(out, "             once, within 15 minutes; `latchkey signin` prints another")
	return nil
}

// aside names a location beside what is said of it, where there are several.
func (i *instance) aside(s *site) string {
	if len(i.sites) == 1 {
		return ""
	}
	return "  (" + s.cfg.Location + ")"
}

// freePorts finds ports that nobody listens on now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
