package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/console"
)

func (a *app) runsCommand() *cli.Command {
	return &cli.Command{
		Name:  "runs",
		Usage: "see what workflows did and do, run by run",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list runs, newest first",
				Description: "Examples:\n  latchkey runs list --contact ada@example.com\n  latchkey runs list --workflow welcome --state waiting",
				Flags:       append(clientFlags(), listFlags("run", console.RunStates())...),
				Action:      a.runsList,
			},
			{
				Name: "show", Usage: "tell one run from its event to its end", ArgsUsage: "RUN",
				Description: "RUN is a run's id, as runs list shows it. Example:\n  latchkey runs show 06dkr1n8s00g0e9q2v7t4bm3xw",
				Flags:       clientFlags(), Action: a.runsShow,
			},
			{
				Name: "cancel", Usage: "end a run; its message that is due is not sent", ArgsUsage: "RUN",
				Description: "Example:\n  latchkey runs cancel 06dkr1n8s00g0e9q2v7t4bm3xw",
				Flags:       clientFlags(), Action: a.runsControl,
			},
			{
				Name: "retry", Usage: "have a run go on that a message stopped (on_error: stop)", ArgsUsage: "RUN",
				Description: "The message is tried again; if it is sent, the run takes its next step. Example:\n  latchkey runs retry 06dkr1n8s00g0e9q2v7t4bm3xw",
				Flags:       clientFlags(), Action: a.runsControl,
			},
		},
	}
}

// listFlags are the filters that lists of runs and of messages have in common.
func listFlags(noun string, states []string) []cli.Flag {
	return append(append(pageFlags(noun+"s", "this "+noun), timeFlags()...),
		&cli.StringFlag{Name: "contact", Usage: "only of `CONTACT`, an id or an e-mail address"},
		&cli.StringFlag{Name: "workflow", Usage: "only of the workflow `NAME`"},
		&cli.StringFlag{Name: "state", Usage: "only in `STATE`: " + strings.Join(states, ", "), Validator: func(s string) error {
			if slices.Contains(states, s) {
				return nil
			}
			if best := engine.Nearest(s, states); best != "" {
				return fmt.Errorf("no state %q; did you mean %s?", s, best)
			}
			return fmt.Errorf("no state %q; there are %s", s, strings.Join(states, ", "))
		}})
}

// pageFlags choose a part of a list that is newest first.
func pageFlags(nouns, before string) []cli.Flag {
	return []cli.Flag{
		limitFlag(nouns),
		&cli.StringFlag{Name: "before", Usage: "only older than " + before + ", an `ID`", Validator: isID},
	}
}

func limitFlag(nouns string) cli.Flag {
	return &cli.IntFlag{Name: "limit", Usage: "at most `N` " + nouns, Value: 20, Validator: func(n int) error {
		if n < 1 || n > console.MaxLimit {
			return fmt.Errorf("--limit is a number from 1 to %d", console.MaxLimit)
		}
		return nil
	}}
}

// timeFlags choose a stretch of time.
func timeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "since", Usage: "only since `TIME`: how long ago (3d), a date, or 2026-11-02T08:00:00Z", Validator: isWhen},
		&cli.StringFlag{Name: "until", Usage: "only before `TIME`, written likewise", Validator: isWhen},
	}
}

func isWhen(s string) error {
	_, err := console.ReadWhen(s, time.Time{})
	return err
}

func isID(s string) error {
	if _, err := engine.ParseID(s); err != nil {
		return fmt.Errorf("%q is no id; those are 26 letters and digits, as lists show them", s)
	}
	return nil
}

// listQuery returns what the flags of a list ask for.
func listQuery(c *cli.Command, names ...string) string {
	v := url.Values{}
	for _, name := range names {
		if s := c.String(name); s != "" {
			v.Set(name, s)
		}
	}
	v.Set("limit", fmt.Sprint(c.Int("limit")))
	return "?" + v.Encode()
}

// oneID reads the single argument of a command that takes the id of a noun.
func oneID(c *cli.Command, noun string) (string, error) {
	if c.Args().Len() != 1 {
		return "", usagef("%ss %s takes one %s's id", noun, c.Name, noun)
	}
	id := c.Args().First()
	if isID(id) != nil {
		return "", usagef("%q is no %s's id; those are 26 letters and digits, as %ss list shows them", id, noun, noun)
	}
	return id, nil
}

func (a *app) runsList(ctx context.Context, c *cli.Command) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var runs []console.Run
	if err := cl.do(ctx, http.MethodGet, "/v1/runs"+listQuery(c, "contact", "workflow", "state", "before", "since", "until"), nil, &runs); err != nil {
		return err
	}
	return printList(a, c, runs, func(w io.Writer) {
		table(w, "RUN\tSTARTED\tWORKFLOW\tSTATE\tEVENT\tCONTACT", runs, func(r console.Run) string {
			state := r.State
			if r.At != "" {
				state += " in " + r.At
			}
			if !r.Until.IsZero() {
				state += " until " + stamp(r.Until)
			}
			return row(r.ID, stamp(r.Started), r.Workflow, state, r.Event.Type+" "+r.Event.ID, r.Contact)
		})
		more(a, len(runs), c.Int("limit"), func() string { return runs[len(runs)-1].ID })
	})
}

func (a *app) runsShow(ctx context.Context, c *cli.Command) error {
	id, err := oneID(c, "run")
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var s console.RunStory
	if err := cl.do(ctx, http.MethodGet, "/v1/runs/"+id, nil, &s); err != nil {
		return err
	}
	return a.print(c, s, func(w io.Writer) {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, row("run", s.ID))
		fmt.Fprintln(tw, row("workflow", s.Workflow+", version "+s.Version))
		fmt.Fprintln(tw, row("contact", named(s.Name, s.Contact)))
		fmt.Fprintln(tw, row("event", s.Event.Type+" "+s.Event.ID))
		fmt.Fprintln(tw, row("state", s.State))
		tw.Flush()
		fmt.Fprintln(w)
		showStory(w, "", s.Story)
		showOthers(w, s)
	})
}

func named(name, key string) string {
	if name == "" {
		return key
	}
	return name + ", " + key
}

// showStory prints the sentences of a story, each behind its time.
func showStory(w io.Writer, indent string, story []console.Line) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range story {
		fmt.Fprintln(tw, indent+row(stamp(l.At), l.Says))
	}
	tw.Flush()
}

// showOthers says what the other workflows made of the run's event.
func showOthers(w io.Writer, s console.RunStory) {
	others := slices.DeleteFunc(slices.Clone(s.Decisions), func(d console.Decision) bool { return d.Run == s.ID })
	if len(others) == 0 {
		return
	}
	fmt.Fprint(w, "\nThe same event and other workflows:\n")
	showDecisions(w, "  ", others)
}

func showDecisions(w io.Writer, indent string, ds []console.Decision) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range ds {
		fmt.Fprintln(tw, indent+row(d.Workflow, d.Says))
	}
	tw.Flush()
}

// table prints a head and a row for each of things, in columns.
func table[T any](w io.Writer, head string, things []T, line func(T) string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(things) > 0 {
		fmt.Fprintln(tw, head)
	}
	for _, t := range things {
		fmt.Fprintln(tw, line(t))
	}
	tw.Flush()
}

// row joins the cells of one line. What publishers wrote may not break out of its cell.
func row(cells ...string) string {
	for i, s := range cells {
		cells[i] = printable(s, "")
	}
	return strings.Join(cells, "\t")
}

// printable puts blanks for control characters, which would command the terminal, but for those to keep.
func printable(s, keep string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune(keep, r) {
			return ' '
		}
		return r
	}, s)
}

// more tells on standard error that a list was cut, or that it is empty.
func more(a *app, n, limit int, last func() string) {
	switch {
	case n == 0:
		fmt.Fprintln(a.err, "There are none.")
	case n == limit:
		fmt.Fprintf(a.err, "These are the newest %d; --before %s shows those before.\n", n, last())
	}
}

// printList writes a list in the form that --output asks for; jsonl is one thing a line.
func printList[T any](a *app, c *cli.Command, list []T, text func(io.Writer)) error {
	if c.String("output") != "jsonl" {
		return a.print(c, list, text)
	}
	for _, v := range list {
		if err := a.print(c, v, nil); err != nil {
			return err
		}
	}
	return nil
}
