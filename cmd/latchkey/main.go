// Command latchkey turns course events into messages with login links, and lets learners in by them.
//
// This package owns the command line, the configuration file, and the wiring of everything else (serve.go). It
// decides nothing about events, workflows, links or messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones on machines that have none

	"github.com/urfave/cli/v3"

	"latchkey/engine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a library logs there what requests say; what matters of it we log
	a := &app{env: os.Environ(), in: os.Stdin, out: os.Stdout, err: os.Stderr}
	code := a.run(ctx, os.Args)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and failed
	exitUsage  = 2 // wrong usage, or mistakes in files
)

// An app is one call of the command.
type app struct {
	env      []string
	in       io.Reader
	out, err io.Writer
}

// errUsage marks an error that the user mends by typing something else; errShown one that was printed already.
var (
	errUsage = errors.New("usage")
	errShown = errors.New("shown")
)

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w%w", silent{errUsage}, fmt.Errorf(format, args...))
}

// silent keeps a mark in an error without a word of it in the text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// run carries out one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	err := root.Run(ctx, onlyHelp(root, args))
	switch {
	case err == nil:
		return exitOK
	case !errors.Is(err, errShown):
		fmt.Fprintln(a.err, "latchkey:", err)
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// onlyHelp leaves of a command line with --help the commands and that flag: whoever adds it to what they were typing
// wants the command's help.
func onlyHelp(root *cli.Command, args []string) []string {
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return args
	}
	path, cmd := args[:1:1], root
	for _, arg := range args[1:] {
		sub := cmd.Command(arg)
		if sub == nil {
			break
		}
		path, cmd = append(path, arg), sub
	}
	return append(path, "--help")
}

func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:            "latchkey",
		Usage:           "course events in, messages with login links out",
		Description:     "Start with:  latchkey demo\nThen:        latchkey help workflow",
		Reader:          a.in,
		Writer:          a.out,
		ErrWriter:       a.err,
		HideHelpCommand: true,
		ExitErrHandler:  func(context.Context, *cli.Command, error) {}, // run decides
		Commands: []*cli.Command{
			a.runCommand(), a.demoCommand(), a.checkCommand(), a.testCommand(), a.backtestCommand(), a.publishCommand(),
			a.linkCommand(), a.keyCommand(), a.signinCommand(), a.contactsCommand(), a.runsCommand(), a.messagesCommand(), a.explainCommand(), a.deadCommand(),
			a.pauseCommand(), a.resumeCommand(), a.backupCommand(), a.restoreCommand(),
			a.benchCommand(), a.versionCommand(), a.helpCommand(),
		},
	}
	eachCommand(root, func(c *cli.Command) {
		c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
			if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
				return usagef("%s has no flag --%s; %s", c.FullName(), name, suggestFlag(c, name))
			}
			says := strings.Replace(err.Error(), " for flag -", " for --", 1)
			return usagef("%s: %s; %s --help shows how", c.FullName(), says, c.FullName())
		}
		c.HideHelpCommand = true
		act := c.Action
		if act == nil {
			c.Action = group
			return
		}
		c.Action = func(ctx context.Context, c *cli.Command) error {
			switch {
			case c.ArgsUsage == "" && c.Args().Present():
				return usagef("%s takes nothing, and so not %q", c.FullName(), c.Args().First())
			case slices.Contains(c.Args().Slice(), ""): // a script's variable, as a rule: it must not pass for none
				return usagef("%s: an argument is empty", c.FullName())
			}
			return act(ctx, c)
		}
	})
	return root
}

// group is what a command with subcommands does without one of them.
func group(_ context.Context, c *cli.Command) error {
	if !c.Args().Present() {
		if c.Root() == c {
			return cli.ShowRootCommandHelp(c)
		}
		return cli.ShowSubcommandHelp(c)
	}
	var names []string
	for _, sub := range c.Commands {
		names = append(names, sub.Name)
	}
	if best := engine.Nearest(c.Args().First(), names); best != "" {
		return usagef("no command %q; did you mean %s?", c.Args().First(), best)
	}
	return usagef("no command %q; %s --help lists them", c.Args().First(), c.FullName())
}

func suggestFlag(c *cli.Command, name string) string {
	var names []string
	for _, f := range c.Flags {
		names = append(names, f.Names()...)
	}
	if best := engine.Nearest(name, names); best != "" {
		return "did you mean --" + best + "?"
	}
	return c.FullName() + " --help lists them"
}

func eachCommand(c *cli.Command, fn func(*cli.Command)) {
	fn(c)
	for _, sub := range c.Commands {
		eachCommand(sub, fn)
	}
}

// oneDir reads the single optional argument DIR.
func oneDir(c *cli.Command) (string, error) {
	switch c.Args().Len() {
	case 0:
		return ".", nil
	case 1:
		return c.Args().First(), nil
	}
	return "", usagef("%s takes one folder, not %d", c.Name, c.Args().Len())
}
