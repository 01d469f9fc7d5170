package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/flowfile"
	"latchkey/engine/simulate"
)

func (a *app) testCommand() *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "run the tests of a project's workflows on a virtual clock", ArgsUsage: "[DIR]",
		Description: "Tests stand in workflows/*_test.yaml; latchkey help test says how they are written. Nothing is sent.\n" +
			"It exits with 1 if a test fails, and with 2 if a file has a mistake.\n\nExample:\n  latchkey test academy --run welcome",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "only the tests whose file or name matches this regular expression", Config: cli.StringConfig{TrimSpace: true}},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "tell what happened in each test"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			dir, err := oneDir(c)
			if err != nil {
				return err
			}
			only, err := regexp.Compile(c.String("run"))
			if err != nil {
				return usagef("--run: %w", err)
			}
			return a.test(ctx, dir, only, c.Bool("verbose"))
		},
	}
}

// A testRun is one call of latchkey test, and what came of it so far.
type testRun struct {
	*app
	only    *regexp.Regexp
	verbose bool
	several bool // locations

	found, ran, failed int
}

// test runs the tests of every location of a project.
func (a *app) test(ctx context.Context, dir string, only *regexp.Regexp, verbose bool) error {
	began := time.Now()
	cfg, err := a.config(dir, nil)
	if err != nil {
		return err
	}
	if problems := readProjects(cfg); mistakes(problems) { // what the tests speak of may not be there
		return a.report(dir, problems)
	}
	t := testRun{app: a, only: only, verbose: verbose, several: len(cfg.Sites) > 1}
	for _, site := range cfg.Sites {
		if err := t.site(ctx, site); err != nil {
			return err
		}
	}
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case t.ran == 0 && t.found > 0:
		return usagef("no test matches %q", only)
	case t.ran == 0:
		fmt.Fprintf(a.out, "no tests; write workflows/NAME_test.yaml (latchkey help test)\n")
	case t.failed > 0:
		fmt.Fprintf(a.out, "%d of %s failed, in %s\n", t.failed, count(t.ran, "test"), took)
		return fmt.Errorf("%w%w", silent{errShown}, errTestsFailed)
	default:
		fmt.Fprintf(a.out, "%s passed, in %s\n", count(t.ran, "test"), took)
	}
	return nil
}

// site runs the tests of one location.
func (t *testRun) site(ctx context.Context, cfg *Config) error {
	b, err := newWorkbench(cfg)
	if err != nil {
		return err
	}
	tests, problems := b.tests()
	if err := t.report(cfg.Dir, problems); err != nil {
		return err
	}
	t.found += len(tests)
	world := b.world(b.project.workflows)
	for i := range tests {
		name := testName(&tests[i])
		if t.several {
			name = cfg.Location + ": " + name
		}
		if !t.only.MatchString(name) {
			continue
		}
		t.ran++
		res, err := simulate.Run(ctx, world, &tests[i])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if res.Failure != nil {
			t.failed++
		}
		t.show(name, res, b.project)
	}
	return nil
}

var errTestsFailed = fmt.Errorf("tests failed")

// testName names a test by its file and its name.
func testName(t *engine.Test) string {
	return strings.TrimSuffix(filepath.Base(t.File), "_test.yaml") + ": " + t.Name
}

// show prints the line of one test, and the story of one that failed.
func (t *testRun) show(name string, res simulate.Result, p *project) {
	word := "ok  "
	if res.Failure != nil {
		word = "FAIL"
	}
	fmt.Fprintf(t.out, "%s  %s  (%s in %s)\n", word, name, span(res.Span), res.Took.Round(10*time.Microsecond))
	if f := res.Failure; f != nil {
		first, rest, long := strings.Cut(f.Msg, "\n")
		at := engine.Problem{Pos: f.Pos, Msg: first}
		at.File = filepath.Join(p.cfg.Dir, f.File)
		text := flowfile.Excerpt(at, p.sources[f.File])
		if long {
			text += rest + "\n"
		}
		fmt.Fprint(t.out, indented(text))
	}
	if t.verbose || res.Failure != nil {
		for _, l := range res.Story {
			fmt.Fprintf(t.out, "      %s  %s\n", simulate.Clock(l.At, p.loc), l.Text)
		}
	}
}

func indented(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// span writes how much time passed in a test.
func span(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	dur := engine.Duration{Days: int(d / (24 * time.Hour)), Rest: (d % (24 * time.Hour)).Round(time.Second)}
	return dur.String()
}
