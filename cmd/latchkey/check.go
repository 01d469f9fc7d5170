package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"latchkey/actions"
)

func (a *app) checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "read a project's files and name every mistake", ArgsUsage: "[DIR]",
		Description: "Nothing is started and nothing is sent. It exits with 2 if there is a mistake.\n\nExample:\n  latchkey check academy",
		Action: func(_ context.Context, c *cli.Command) error {
			dir, err := oneDir(c)
			if err != nil {
				return err
			}
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				return usagef("%s is no folder", dir)
			}
			cfg, problems := loadConfig(dir, a.env, nil)
			if err := a.report(dir, append(problems, readProjects(cfg)...)); err != nil {
				return err
			}
			for _, site := range cfg.Sites {
				p := readProject(site, checkDeps(site))
				fmt.Fprintf(a.out, "%s: %s, %s: no mistake\n", site.Location, count(len(p.workflows), "workflow"),
					count(len(p.templates.Names("email"))+len(p.templates.Names("sms")), "template"))
			}
			return nil
		},
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// checkDeps is what reading files needs of a running instance: nothing that sends.
func checkDeps(cfg *Config) actions.Deps {
	return actions.Deps{From: cfg.Email.From, TextFrom: cfg.SMS.From}
}
