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

func (a *app) linkCommand() *cli.Command {
	return &cli.Command{
		Name:  "link",
		Usage: "make, look at and end login links",
		Commands: []*cli.Command{
			{
				Name: "new", Usage: "make a login link for a contact; older ones stop working", ArgsUsage: "CONTACT",
				Description: "CONTACT is an id or an e-mail address. Example:\n  latchkey link new ada@example.com --ttl 2h",
				Flags: append(clientFlags(),
					&cli.StringFlag{Name: "ttl", Usage: "how long it works, for instance `2h`"},
					&cli.IntFlag{Name: "uses", Usage: "how often it works, `N` times"},
					&cli.StringFlag{Name: "app", Usage: "the app that it is for, `NAME`"},
					&cli.StringFlag{Name: "to", Usage: "where it leads, for instance `product:go-101`"}),
				Action: a.linkNew,
			},
			{
				Name: "show", Usage: "say what state a link is in, and why", ArgsUsage: "LINK",
				Description: "LINK is a link's id. Example:\n  latchkey link show lnk_AZ2o3kQAAAEB",
				Flags:       clientFlags(),
				Action:      func(ctx context.Context, c *cli.Command) error { return a.linkDo(ctx, c, http.MethodGet, "") },
			},
			{
				Name: "revoke", Usage: "end a link and the sessions that it opened", ArgsUsage: "LINK",
				Description: "Example:\n  latchkey link revoke lnk_AZ2o3kQAAAEB",
				Flags:       clientFlags(),
				Action:      func(ctx context.Context, c *cli.Command) error { return a.linkDo(ctx, c, http.MethodPost, "/revoke") },
			},
		},
	}
}

func (a *app) linkNew(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("link new takes one contact: an id or an e-mail address")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l console.Link
	req := console.NewLink{Contact: c.Args().First(), App: c.String("app"), To: c.String("to"), TTL: c.String("ttl"), Uses: c.Int("uses")}
	if err := cl.do(ctx, http.MethodPost, "/v1/links", req, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) {
		fmt.Fprintln(w, l.URL)
		fmt.Fprintf(a.err, "%s works until %s. Whoever has it is signed in as %s.\n", l.ID, stamp(l.Expires), c.Args().First())
	})
}

func (a *app) linkDo(ctx context.Context, c *cli.Command, method, suffix string) error {
	if c.Args().Len() != 1 {
		return usagef("link %s takes one link's id", c.Name)
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l console.Link
	if err := cl.do(ctx, method, "/v1/links/"+url.PathEscape(c.Args().First())+suffix, nil, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) { showLink(w, l) })
}

func showLink(w io.Writer, l console.Link) {
	fmt.Fprintln(w, l.Says)
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(k, v string) {
		if v != "" {
			fmt.Fprintf(tw, "%s\t%s\n", k, v)
		}
	}
	row("link", l.ID)
	row("contact", l.Contact)
	row("app", l.App)
	row("to", l.To)
	row("sent by", l.Channel)
	row("workflow", l.Workflow)
	row("run", l.Run)
	row("step", l.Step)
	row("made", stamp(l.Created))
	row("expires", stamp(l.Expires))
	uses := fmt.Sprint(l.Uses)
	if l.MaxUses > 0 {
		uses += fmt.Sprintf(" of %d", l.MaxUses)
	}
	row("uses", uses)
	tw.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2 Jan 2006 15:04:05 MST")
}
