package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/console"
)

// What operators have done about messages and runs.

func (a *app) messagesRetryCommand() *cli.Command {
	return &cli.Command{
		Name: "retry", Usage: "try messages again that were not sent", ArgsUsage: "[MESSAGE ...]",
		Description: "Each stays the same message, with the same Message-ID; its run is not moved by it. One that waits for its next attempt is tried\n" +
			"now. Instead of ids, --state chooses messages; without --yes they are counted only. Examples:\n" +
			"  latchkey messages retry 06dkr1n8s00g0e9q2v7t4bm3xw\n" +
			"  latchkey messages retry --state failed --since 1h --workflow welcome --yes",
		Flags: append(append(clientFlags(), listFlags("message", []string{
			string(engine.TaskUnknown), string(engine.TaskFailed), string(engine.TaskSuppressed), string(engine.TaskExpired), string(engine.TaskDue),
		})...), &cli.BoolFlag{Name: "yes", Usage: "try the chosen ones again, and do not only count them"}),
		Action: a.messagesRetry,
	}
}

func (a *app) messagesRetry(ctx context.Context, c *cli.Command) error {
	ids := c.Args().Slice()
	switch {
	case len(ids) == 0 && c.String("state") == "":
		return usagef("messages retry takes messages' ids, or --state")
	case len(ids) > 0 && c.String("state") != "":
		return usagef("messages retry takes messages' ids or --state, not both")
	}
	for _, id := range ids {
		if isID(id) != nil {
			return usagef("%q is no message's id; those are 26 letters and digits, as messages list shows them", id)
		}
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if ids, err = chosenMessages(ctx, c, cl); err != nil {
			return err
		}
		if !c.Bool("yes") {
			fmt.Fprintf(a.err, "%s chosen; --yes tries them again.\n", counted(len(ids), "message is", "messages are"))
			return nil
		}
	}
	return a.retryEach(ctx, c, cl, ids)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// chosenMessages returns the ids of all messages that the flags choose, the oldest first, at most --limit of them if it is given.
func chosenMessages(ctx context.Context, c *cli.Command, cl *client) (ids []string, err error) {
	v := url.Values{"limit": {fmt.Sprint(console.MaxLimit)}}
	for _, name := range []string{"contact", "workflow", "state", "before", "since", "until"} {
		if s := c.String(name); s != "" {
			v.Set(name, s)
		}
	}
	most := -1
	if c.IsSet("limit") {
		most = c.Int("limit")
	}
	for {
		var page []console.Message
		if err := cl.do(ctx, http.MethodGet, "/v1/messages?"+v.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, m := range page {
			if len(ids) == most {
				break
			}
			ids = append([]string{m.ID}, ids...)
		}
		if len(page) < console.MaxLimit || len(ids) == most {
			return ids, nil
		}
		v.Set("before", page[len(page)-1].ID)
	}
}

// retryEach goes on past messages that cannot be tried again, and fails at the end if there were any.
func (a *app) retryEach(ctx context.Context, c *cli.Command, cl *client, ids []string) error {
	done, failed := []console.Message{}, 0
	bar := a.progress(len(ids), "messages")
	var last error
	for _, id := range ids {
		var m console.Message
		if last = cl.do(ctx, http.MethodPost, "/v1/messages/"+id+"/retry", nil, &m); last != nil {
			if ctx.Err() != nil || len(ids) == 1 {
				return last
			}
			failed++
			fmt.Fprintln(a.err, row(last.Error()))
		} else {
			done = append(done, m)
		}
		bar.add(1)
	}
	bar.done()
	err := printList(a, c, done, func(w io.Writer) {
		for _, m := range done {
			fmt.Fprintln(w, row("message "+m.ID+" is "+m.State))
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %s not tried again", failed, counted(len(ids), "message was", "messages were"))
	}
	return err
}

func (a *app) messagesResend(ctx context.Context, c *cli.Command) error {
	id, err := oneID(c, "message")
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var m console.Message
	if err := cl.do(ctx, http.MethodPost, "/v1/messages/"+id+"/resend", nil, &m); err != nil {
		return err
	}
	return a.print(c, m, func(w io.Writer) { fmt.Fprintln(w, row("message "+m.ID+", a copy of "+m.Of+", is "+m.State)) })
}

// runsControl is runs cancel and runs retry.
func (a *app) runsControl(ctx context.Context, c *cli.Command) error {
	id, err := oneID(c, "run")
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var r console.Run
	if err := cl.do(ctx, http.MethodPost, "/v1/runs/"+id+"/"+c.Name, nil, &r); err != nil {
		return err
	}
	says := "run " + r.ID + " is " + r.State
	if r.End != "" {
		says += ": " + r.End
	}
	return a.print(c, r, func(w io.Writer) { fmt.Fprintln(w, row(says)) })
}

// showAttempts lists the attempts of a message, unless the one there was says no more than its state.
func showAttempts(w io.Writer, tries []engine.Try) {
	if len(tries) == 0 || len(tries) == 1 && tries[0].Times == 0 {
		return
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := 0
	for _, y := range tries {
		if y.N > last+1 {
			fmt.Fprintln(tw, row(fmt.Sprintf("%d more", y.N-last-1)))
		}
		last = max(last, y.N)
		name := fmt.Sprintf("attempt %d", y.N)
		if y.N == 0 {
			name = "not counted"
		}
		if y.Times > 1 {
			name += fmt.Sprintf(", %d times", y.Times)
		}
		fmt.Fprintln(tw, row(name, stamp(y.At), y.Result, y.Error))
	}
	tw.Flush()
}
