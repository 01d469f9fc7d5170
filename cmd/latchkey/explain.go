package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
)

func (a *app) explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "say what an event, or each event of a contact, caused, and why it caused nothing else", ArgsUsage: "EVENT|CONTACT",
		Description: "EVENT is the id that its publisher gave it: several events that share one are all shown.\n" +
			"CONTACT is an id or an e-mail address; it is looked for if there is no such event.\n\n" +
			"Examples:\n  latchkey explain order-4711\n  latchkey explain ada@example.com --limit 5",
		Flags: append(append(append(clientFlags(), pageFlags("events of a contact", "this record of an event")...), timeFlags()...),
			&cli.BoolFlag{Name: "contact", Usage: "it is a contact, even if an event has that id"}),
		Action: a.explain,
	}
}

// An explained event has the stories of the runs that it started.
type explained struct {
	console.Event
	Runs []console.RunStory `json:"runs"`
}

func (a *app) explain(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("explain takes one event's id, or one contact: an id or an e-mail address")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	events, dead, err := a.explainable(ctx, c, cl)
	if err != nil {
		return err
	}
	all, err := explainRuns(ctx, cl, events)
	if err != nil {
		return err
	}
	if c.String("output") != "text" {
		var list []any
		for _, l := range dead {
			list = append(list, map[string]any{"dead": l})
		}
		for _, e := range all {
			list = append(list, e)
		}
		return printList(a, c, list, nil)
	}
	for i, l := range dead {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		showDead(a.out, l)
	}
	for i, e := range all {
		if i+len(dead) > 0 {
			fmt.Fprintln(a.out)
		}
		showExplained(a.out, e)
	}
	return nil
}

// explainRuns fetches the stories of the runs that events started.
func explainRuns(ctx context.Context, cl *client, events []console.Event) ([]explained, error) {
	all := make([]explained, len(events))
	for i, e := range events {
		all[i] = explained{e, []console.RunStory{}}
		for _, d := range e.Decisions {
			if d.State == "" {
				continue // none started, or it is not kept any more
			}
			var s console.RunStory
			if err := cl.do(ctx, http.MethodGet, "/v1/runs/"+d.Run, nil, &s); err != nil {
				return nil, err
			}
			all[i].Runs = append(all[i].Runs, s)
		}
	}
	return all, nil
}

// showDead says of a dead letter what there is to say of its event.
func showDead(w io.Writer, l console.Letter) {
	fmt.Fprintln(w, row(l.Type+" "+l.ID))
	fmt.Fprintf(w, "  It is a dead letter since %s: it could not be used and caused nothing.\n", stamp(l.At))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  "+row("reason", l.Reason))
	fmt.Fprintln(tw, "  "+row("subject", l.Subject))
	if !l.Published.IsZero() {
		fmt.Fprintln(tw, "  "+row("published", stamp(l.Published)))
	}
	fmt.Fprintln(tw, "  "+row("mended?", fmt.Sprintf("latchkey dead replay %d", l.Letter)))
	tw.Flush()
}

// explainable returns the events to explain, and dead letters: those of that id, else those of that contact.
func (a *app) explainable(ctx context.Context, c *cli.Command, cl *client) (events []console.Event, dead []console.Letter, err error) {
	ref := c.Args().First()
	if !c.Bool("contact") {
		err = cl.do(ctx, http.MethodGet, "/v1/events/"+url.PathEscape(ref), nil, &events)
		if err != nil && !errors.Is(err, errNotFound) {
			return nil, nil, err
		}
		dead, derr := deadLetters(ctx, cl, url.Values{"event": {ref}})
		if derr != nil {
			return nil, nil, derr
		}
		if err == nil || len(dead) > 0 {
			return events, dead, nil
		}
	}
	v := url.Values{"contact": {ref}, "limit": {fmt.Sprint(c.Int("limit"))}}
	for _, name := range []string{"before", "since", "until"} {
		if s := c.String(name); s != "" {
			v.Set(name, s)
		}
	}
	switch cerr := cl.do(ctx, http.MethodGet, "/v1/events?"+v.Encode(), nil, &events); {
	case errors.Is(cerr, errNotFound) && err != nil:
		return nil, nil, fmt.Errorf("there is neither an event nor a contact %q: %w%s", ref, err, unprocessed(ctx, cl))
	case cerr != nil:
		return nil, nil, cerr
	}
	more(a, len(events), c.Int("limit"), func() string { return events[len(events)-1].Record })
	return events, nil, nil
}

// unprocessed says that an event may only not be known yet: those of a nearly full disk, or after a long stop, wait in the stream.
func unprocessed(ctx context.Context, cl *client) string {
	var status struct {
		Unprocessed int `json:"unprocessed"`
	}
	switch err := cl.do(ctx, http.MethodGet, "/v1/status", nil, &status); {
	case err != nil || status.Unprocessed == 0:
		return ""
	case status.Unprocessed == 1:
		return "; one event is not processed yet, /readyz says why"
	}
	return fmt.Sprintf("; %d events are not processed yet, /readyz says why", status.Unprocessed)
}

func showExplained(w io.Writer, e explained) {
	fmt.Fprintln(w, row(e.Type+" "+e.ID))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range [][2]string{
		{"happened", stamp(e.Time)}, {"applied", stamp(e.At)}, {"source", e.Source}, {"contact", e.Contact}, {"record", e.Record},
	} {
		if cells[1] != "" {
			fmt.Fprintln(tw, "  "+row(cells[0], cells[1]))
		}
	}
	if e.Duplicates > 0 {
		fmt.Fprintln(tw, "  "+row("again", fmt.Sprintf("delivered %d times more, the last at %s, and passed over as a duplicate", e.Duplicates, stamp(e.Again))))
	}
	for _, warning := range e.Warnings {
		fmt.Fprintln(tw, "  "+row("warning", warning))
	}
	tw.Flush()
	if len(e.Decisions) == 0 {
		fmt.Fprintln(w, "  No workflow had this trigger.")
	}
	showDecisions(w, "  ", e.Decisions)
	for _, s := range e.Runs {
		fmt.Fprintf(w, "  Run %s of %s:\n", s.ID, s.Workflow)
		showStory(w, "    ", s.Story)
	}
}
