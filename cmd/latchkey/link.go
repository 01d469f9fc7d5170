package main

import (
	"cmp"
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
				Name: "new", Usage: "make a login link for a contact, whose older ones stop working, or for an app", ArgsUsage: "[CONTACT]",
				Description: "CONTACT is an id or an e-mail address. Without one the link is to an app and carries no identity.\n\nExamples:\n" +
					"  latchkey link new ada@example.com --ttl 2h\n  latchkey link new --app courses",
				Flags: append(clientFlags(),
					&cli.StringFlag{Name: "ttl", Usage: "how long it works, for instance `2h`"},
					&cli.IntFlag{Name: "uses", Usage: "how often it works, `N` times"},
					&cli.BoolFlag{Name: "bind", Usage: "only in the first browser that uses it"},
					&cli.StringFlag{Name: "app", Usage: "the app that it is for, `NAME`"},
					&cli.StringFlag{Name: "to", Usage: "where it leads, for instance `product:go-101`"}),
				Action: a.linkNew,
			},
			{
				Name: "list", Usage: "list links, the newest first", Description: "Example:\n  latchkey link list --limit 20",
				Flags: append(clientFlags(),
					&cli.IntFlag{Name: "limit", Usage: "at most `N`", Value: 50},
					&cli.StringFlag{Name: "before", Usage: "only links made before that `LINK`"}),
				Action: a.linkList,
			},
			{
				Name: "show", Usage: "say what state a link is in, and why, and what happened to it", ArgsUsage: "LINK",
				Description: "LINK is a link's id. Example:\n  latchkey link show lnk_AZ2o3kQAAAEB",
				Flags:       clientFlags(), Action: a.linkShow,
			},
			{
				Name: "revoke", Usage: "end a link and the sessions that it opened, or all of somebody or something", ArgsUsage: "[LINK]",
				Description: "Examples:\n  latchkey link revoke lnk_AZ2o3kQAAAEB\n  latchkey link revoke --contact c-17",
				Flags: append(clientFlags(),
					&cli.StringFlag{Name: "contact", Usage: "all links and sessions of a `CONTACT`"},
					&cli.StringFlag{Name: "run", Usage: "all that messages of a `RUN` brought"},
					&cli.StringFlag{Name: "workflow", Usage: "all that messages of a `WORKFLOW` brought"},
					&cli.BoolFlag{Name: "all", Usage: "all of the location"}),
				Action: a.linkRevoke,
			},
		},
	}
}

func (a *app) linkNew(ctx context.Context, c *cli.Command) error {
	if n := c.Args().Len(); n > 1 || n == 0 && c.String("app") == "" {
		return usagef("link new takes one contact: an id or an e-mail address; or --app, for a link for nobody in particular")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l console.Link
	req := console.NewLink{Contact: c.Args().First(), App: c.String("app"), To: c.String("to"), TTL: c.String("ttl"), Uses: c.Int("uses")}
	if c.Bool("bind") {
		req.Bind = "browser"
	}
	if err := cl.do(ctx, http.MethodPost, "/v1/links", req, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) {
		fmt.Fprintln(w, l.URL)
		if l.Contact == "" {
			fmt.Fprintf(a.err, "%s: %s\n", l.ID, l.Says)
			return
		}
		fmt.Fprintf(a.err, "%s works until %s. Whoever has it is signed in as %s.\n", l.ID, stamp(l.Expires), c.Args().First())
	})
}

func (a *app) linkList(ctx context.Context, c *cli.Command) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var links []console.Link
	path := fmt.Sprintf("/v1/links?limit=%d&before=%s", c.Int("limit"), url.QueryEscape(c.String("before")))
	if err := cl.do(ctx, http.MethodGet, path, nil, &links); err != nil {
		return err
	}
	return a.print(c, links, func(w io.Writer) {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "LINK\tSTATE\tFOR\tMADE\tBY")
		for _, l := range links {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", l.ID, l.State, cmp.Or(l.Contact, l.App, l.Kind), stamp(l.Created), cmp.Or(l.Workflow, l.By, l.Channel))
		}
		tw.Flush()
	})
}

func (a *app) linkShow(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("link show takes one link's id")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	out := struct {
		console.Link
		Timeline []console.TrailLine `json:"timeline"`
	}{}
	path := "/v1/links/" + url.PathEscape(c.Args().First())
	if err := cl.do(ctx, http.MethodGet, path, nil, &out.Link); err != nil {
		return err
	}
	if err := cl.do(ctx, http.MethodGet, path+"/timeline", nil, &out.Timeline); err != nil {
		return err
	}
	return a.print(c, out, func(w io.Writer) {
		showLink(w, out.Link)
		fmt.Fprintln(w)
		for _, l := range out.Timeline {
			fmt.Fprintf(w, "%s  %s\n", stamp(l.At), l.Says)
		}
	})
}

func (a *app) linkRevoke(ctx context.Context, c *cli.Command) error {
	what := console.What{Contact: c.String("contact"), Run: c.String("run"), Workflow: c.String("workflow"), Location: c.Bool("all")}
	if many := what != (console.What{}); c.Args().Len() > 1 || many == c.Args().Present() {
		return usagef("link revoke takes one link's id, or one of --contact, --run, --workflow and --all")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	if c.Args().Present() {
		var l console.Link
		if err := cl.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(c.Args().First())+"/revoke", nil, &l); err != nil {
			return err
		}
		return a.print(c, l, func(w io.Writer) { showLink(w, l) })
	}
	var e console.Ended
	if err := cl.do(ctx, http.MethodPost, "/v1/revoke", what, &e); err != nil {
		return err
	}
	return a.print(c, e, func(w io.Writer) { fmt.Fprintln(w, e.Says) })
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
	row("kind", l.Kind)
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
