package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/templates"
)

//go:embed reference/*.md
var referenceFiles embed.FS

// topics lists the reference's pages in the order to read them.
var topics = []struct{ name, about string }{
	{"start", "from nothing to a mail with a login link"},
	{"config", "latchkey.yaml: every key"},
	{"events", "what to publish on NATS, and in which form"},
	{"workflow", "workflow files: triggers, steps, expressions"},
	{"test", "tests of workflows, on a virtual clock"},
	{"template", "the << >> language of messages"},
	{"links", "login links: how long they live, what ends them"},
	{"portal", "the learners' pages: progress, look, languages, sessions"},
	{"sso", "the way into the course site: tokens, OpenID, Discourse, Moodle"},
	{"console", "the pages for your staff: signing in, roles, keys, links by hand"},
	{"runs", "what happened: runs, messages, why an event started nothing"},
	{"operation", "backup and restore, metrics, health"},
	{"commands", "the command line, its exit codes"},
}

func (a *app) helpCommand() *cli.Command {
	return &cli.Command{
		Name:        "help",
		Usage:       "print a page of the reference",
		ArgsUsage:   "[TOPIC]",
		Description: "Example:\n  latchkey help workflow",
		Action: func(_ context.Context, c *cli.Command) error {
			if !c.Args().Present() {
				return a.listTopics(c)
			}
			name := c.Args().First()
			b, err := fs.ReadFile(referenceFiles, "reference/"+name+".md")
			if err == nil {
				fmt.Fprint(a.out, string(b))
				if name == "template" {
					a.templateTables()
				}
				return nil
			}
			for _, sub := range c.Root().Commands {
				if sub.Name == name {
					return cli.ShowSubcommandHelp(sub)
				}
			}
			var names []string
			for _, t := range topics {
				names = append(names, t.name)
			}
			if best := engine.Nearest(name, names); best != "" {
				return usagef("no topic %q; did you mean %s?", name, best)
			}
			return usagef("no topic %q; there are %s", name, strings.Join(names, ", "))
		},
	}
}

func (a *app) listTopics(c *cli.Command) error {
	fmt.Fprintln(a.out, "latchkey help TOPIC prints a page of the reference:")
	fmt.Fprintln(a.out)
	for _, t := range topics {
		fmt.Fprintf(a.out, "  %-10s %s\n", t.name, t.about)
	}
	fmt.Fprintln(a.out)
	fmt.Fprintln(a.out, "latchkey --help lists the commands.")
	return nil
}

// templateTables prints what templates may name, from the tables that they are checked against.
func (a *app) templateTables() {
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "\nFields\n")
	for _, f := range defaultConfig("").templateFields() {
		fmt.Fprintf(tw, "    %s\t%s\n", f.Path, f.Doc)
	}
	fmt.Fprint(tw, "    custom.NAME\tyour own values of latchkey.yaml\n")
	fmt.Fprint(tw, "\nFilters\n")
	for _, f := range templates.Filters() {
		fmt.Fprintf(tw, "    %s\t%s\n", f.Usage, f.Doc)
	}
	tw.Flush()
}
