package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/console"
)

func (a *app) messagesCommand() *cli.Command {
	return &cli.Command{
		Name:  "messages",
		Usage: "see what was, or is to be, sent",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list messages, newest first",
				Description: "Examples:\n  latchkey messages list --state failed\n  latchkey messages list --contact ada@example.com --limit 5",
				Flags: append(append(clientFlags(), listFlags("message", console.MessageStates())...),
					&cli.StringFlag{Name: "run", Usage: "only of the run `ID`", Validator: isID}),
				Action: a.messagesList,
			},
			{
				Name: "show", Usage: "show one message: its state, attempts, links", ArgsUsage: "MESSAGE",
				Description: "MESSAGE is a message's id, as messages list shows it. Example:\n  latchkey messages show 06dkr1n8s00g0e9q2v7t4bm3xw",
				Flags:       clientFlags(), Action: a.messagesShow,
			},
			a.messagesRetryCommand(),
			{
				Name: "resend", Usage: "send a copy of a message that was sent, with new links", ArgsUsage: "MESSAGE",
				Description: "The copy is a message of its own, with its own id. While one is on its way no other is made. Example:\n" +
					"  latchkey messages resend 06dkr1n8s00g0e9q2v7t4bm3xw",
				Flags: clientFlags(), Action: a.messagesResend,
			},
		},
	}
}

func (a *app) messagesList(ctx context.Context, c *cli.Command) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var ms []console.Message
	if err := cl.do(ctx, http.MethodGet, "/v1/messages"+listQuery(c, "contact", "workflow", "state", "run", "before", "since", "until"), nil, &ms); err != nil {
		return err
	}
	return printList(a, c, ms, func(w io.Writer) {
		table(w, "MESSAGE\tMADE\tCHANNEL\tSTATE\tTO\tWORKFLOW\tSTEP\tSUBJECT", ms, func(m console.Message) string {
			return row(m.ID, stamp(m.At), m.Channel, m.State+heldSays(m.Held), m.To, m.Workflow, m.Step, m.Subject)
		})
		more(a, len(ms), c.Int("limit"), func() string { return ms[len(ms)-1].ID })
	})
}

func (a *app) messagesShow(ctx context.Context, c *cli.Command) error {
	id, err := oneID(c, "message")
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var m console.Message
	if err := cl.do(ctx, http.MethodGet, "/v1/messages/"+id, nil, &m); err != nil {
		return err
	}
	return a.print(c, m, func(w io.Writer) { showMessage(w, m) })
}

// heldSays says why a message that is due has not begun.
func heldSays(h *engine.Hold) string {
	switch {
	case h == nil:
		return ""
	case h.Until.IsZero():
		return ", held by " + h.By
	}
	return ", held until " + stamp(h.Until) + " by " + h.By
}

func showMessage(w io.Writer, m console.Message) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range [][2]string{
		{"message", m.ID}, {"channel", m.Channel}, {"class", m.Class}, {"to", m.To}, {"subject", m.Subject}, {"contact", m.Contact},
		{"workflow", m.Workflow}, {"step", m.Step}, {"run", m.Run}, {"made", stamp(m.At)}, {"state", m.State + heldSays(m.Held)}, {"since", stamp(m.Changed)},
		{"attempts", fmt.Sprint(m.Attempts)}, {"next", stamp(m.Next)}, {"error", m.Error}, {"links", strings.Join(m.Links, " ")},
		{"copy of", m.Of}, {"copies", strings.Join(m.Copies, " ")},
	} {
		if cells[1] != "" {
			fmt.Fprintln(tw, row(cells[0], cells[1]))
		}
	}
	tw.Flush()
	showAttempts(w, m.History)
	if m.Text != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimRight(printable(m.Text, "\n"), "\n"))
	}
}
