package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
)

func (a *app) forgetCommand() *cli.Command {
	return &cli.Command{
		Name: "forget", Usage: "remove all that is stored of one contact", ArgsUsage: "CONTACT",
		Description: "CONTACT is an id, an e-mail address or a key. Profile, access, history, messages, links and sessions go, and the messages of all\n" +
			"streams that are about them. Their waits end and nothing more is sent. It cannot be undone. An event that comes later makes\n" +
			"them known anew, so remove them on the course site first. A backup that is restored forgets them again; older backups\n" +
			"hold them as long as you keep those.\n\n" +
			"Examples:\n  latchkey contacts forget ada@example.com --dry-run\n  latchkey contacts forget c-17",
		Flags:  append(clientFlags(), &cli.BoolFlag{Name: "dry-run", Usage: "only say what there is"}),
		Action: a.contactsForget,
	}
}

func (a *app) contactsForget(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("contacts forget takes one contact: an id, an e-mail address or a key")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	cl.http = &http.Client{Timeout: 2 * time.Minute}
	path := "/v1/contacts/" + url.PathEscape(c.Args().First()) + "/forget"
	if c.Bool("dry-run") {
		path += "?dry_run=true"
	}
	var r console.Removed
	if err := cl.do(ctx, http.MethodPost, path, nil, &r); err != nil {
		return err
	}
	return a.print(c, r, func(w io.Writer) { showRemoved(w, r) })
}

func showRemoved(w io.Writer, r console.Removed) {
	if r.Pending {
		fmt.Fprintf(w, "Contact %s is being forgotten. The server goes on with it, also after a restart: its log says when it is done.\n", r.Contact)
		return
	}
	head := "Contact %s is forgotten. Removed were:\n"
	if r.DryRun {
		head = "Of contact %s there are now:\n"
	}
	fmt.Fprintf(w, head, r.Contact)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range []struct {
		n    int
		what string
	}{
		{r.Contacts, "contacts: their profile, access and ledger of starts"},
		{r.Directory, "entries of the directory of ids and addresses"},
		{r.Identities, "identities of past events"},
		{r.Runs, "runs"}, {r.Messages, "messages"}, {r.Outbox, "messages in the outbox"}, {r.History, "events in the history"},
		{r.Notices, "notices not published yet"}, {r.Links, "links"}, {r.Sessions, "sessions"},
		{r.Events, "events in the stream COURSES"}, {r.Dead, "dead letters"}, {r.Published, "messages of the stream LATCHKEY"},
	} {
		fmt.Fprintf(tw, "  %d\t%s\n", line.n, line.what)
	}
	tw.Flush()
}
