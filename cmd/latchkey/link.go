package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
	"latchkey/linkgen"
)

func (a *app) linkCommand() *cli.Command {
	return &cli.Command{
		Name:  "link",
		Usage: "make, look at and end login links",
		Commands: []*cli.Command{
			{
				Name: "new", Usage: "make a login link for a contact; older ones stop working", ArgsUsage: "[CONTACT]",
				Description: "CONTACT is an id or an e-mail address. Without one, --app makes a link for a menu: it carries no identity and opens\n" +
					"the app for whoever is signed in. Examples:\n  latchkey link new ada@example.com --ttl 2h\n  latchkey link new --app courses",
				Flags:  policyFlags(),
				Action: a.linkNew,
			},
			a.linkSendCommand(),
			{
				Name: "user", Usage: "make the location's link for its own staff; the older one stops working",
				Description: "It is for a sidebar, inside the hosts of links.embed, and for nobody else. Example:\n  latchkey link user",
				Flags:       clientFlags(),
				Action:      a.linkUser,
			},
			{
				Name: "list", Usage: "list a contact's links, newest first", ArgsUsage: "CONTACT",
				Description: "Example:\n  latchkey link list ada@example.com",
				Flags:       clientFlags(),
				Action:      a.linkList,
			},
			{
				Name: "show", Usage: "say what state a link is in, why, and what happened to it", ArgsUsage: "LINK",
				Description: "LINK is a link's id, or its whole URL as a learner sent it. Example:\n  latchkey link show lnk_AZ2o3kQAAAEB",
				Flags:       clientFlags(),
				Action:      a.linkShow,
			},
			a.linkRevokeCommand(),
		},
	}
}

// policyFlags says, beside which server is meant, what a link that is made by hand is like.
func policyFlags(further ...cli.Flag) []cli.Flag {
	return slices.Concat(clientFlags(), further, []cli.Flag{
		&cli.StringFlag{Name: "ttl", Usage: "how long it works, for instance `2h`"},
		&cli.IntFlag{Name: "uses", Usage: "how often it works, `N` times", HideDefault: true, Validator: aboveZero},
		&cli.StringFlag{Name: "app", Usage: "the app that it is for, `NAME`"},
		&cli.StringFlag{Name: "to", Usage: "where it leads, for instance `product:go-101`"},
		&cli.BoolFlag{Name: "bind", Usage: "it works only in the browser that it is first used in"},
	})
}

func aboveZero(n int) error {
	if n < 1 {
		return errors.New("it is a number above zero")
	}
	return nil
}

func (a *app) linkRevokeCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "end links, and the sessions that they opened", ArgsUsage: "[LINK]",
		Description: "One link, or all of a contact, a run, a workflow, the location or the whole server, at once. What is made afterwards\n" +
			"works. Examples:\n  latchkey link revoke lnk_AZ2o3kQAAAEB\n  latchkey link revoke --contact ada@example.com",
		Flags: append(clientFlags(),
			&cli.StringFlag{Name: "contact", Usage: "all links and sessions of `CONTACT`"},
			&cli.StringFlag{Name: "run", Usage: "all of `RUN`"},
			&cli.StringFlag{Name: "workflow", Usage: "all of `NAME`"},
			&cli.BoolFlag{Name: "whole-location", Usage: "all of the location, those of its staff too"},
			&cli.BoolFlag{Name: "everything", Usage: "all of all locations"}),
		Action: a.linkRevoke,
	}
}

func (a *app) linkNew(ctx context.Context, c *cli.Command) error {
	bare := c.Args().Len() == 0 && c.IsSet("app")
	if c.Args().Len() != 1 && !bare {
		return usagef("link new takes one contact: an id or an e-mail address; or none, with --app")
	}
	req := console.NewLink{Contact: c.Args().First(), App: c.String("app"), To: c.String("to"), TTL: c.String("ttl"), Uses: c.Int("uses")}
	if c.Bool("bind") {
		req.Bind = "browser"
	}
	says := "Whoever has it is signed in as " + c.Args().First() + "."
	if bare {
		says = "It signs nobody in: it opens the app for whoever is."
	}
	return a.makeLink(ctx, c, req, says)
}

func (a *app) linkUser(ctx context.Context, c *cli.Command) error {
	if c.Args().Present() {
		return usagef("link user takes no arguments")
	}
	return a.makeLink(ctx, c, console.NewLink{Kind: console.KindUser}, "The one made before does not work any more.")
}

// makeLink has a link made. Its URL is all of stdout, the rest is for people.
func (a *app) makeLink(ctx context.Context, c *cli.Command, req console.NewLink, says string) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l console.Link
	if err := cl.do(ctx, http.MethodPost, "/v1/links", req, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) {
		fmt.Fprintln(w, l.URL)
		until := "until " + stamp(l.Expires)
		if l.Expires.IsZero() {
			until = "until it is revoked"
		}
		fmt.Fprintf(a.err, "%s works %s. %s\n", l.ID, until, says)
	})
}

func (a *app) linkList(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("link list takes one contact: an id or an e-mail address")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var ls []console.Link
	if err := cl.do(ctx, http.MethodGet, "/v1/contacts/"+url.PathEscape(c.Args().First())+"/links", nil, &ls); err != nil {
		return err
	}
	return printList(a, c, ls, func(w io.Writer) {
		if len(ls) == 0 {
			fmt.Fprintln(a.err, "There are none.")
			return
		}
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "LINK\tMADE\tSTATE\tUSES\tBY\tFOR")
		for _, l := range ls {
			by := l.Channel
			if l.Workflow != "" {
				by += ", " + l.Workflow
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, stamp(l.Created), l.State, usesOf(l), by, strings.TrimSpace(l.App+" "+l.To))
		}
		tw.Flush()
	})
}

// linkID returns the id of a link that is given by it, by its URL or by the end of that, which is not repeated: it may be live. wrong
// says what keeps the URL as it is from opening.
func linkID(text string) (id, wrong string) {
	token, ok := tokenIn(text)
	if !ok {
		return text, ""
	}
	const half = 12
	if len(token) < half {
		return "a URL that is cut short", "is cut short"
	}
	switch id = "lnk_" + token[:half]; {
	case len(token) < wholeToken:
		wrong = "is cut short"
	case len(token) > wholeToken:
		wrong = "goes on where the link ends"
	}
	return id, wrong
}

// linkToken returns the whole token of a URL; "" if it is none.
func linkToken(text string) string {
	token, _ := tokenIn(text)
	if _, err := linkgen.ParseToken(token); err != nil {
		return ""
	}
	return token
}

const wholeToken = 36 // characters

// tokenIn returns what stands in a URL where a token does, or a token that stands alone.
func tokenIn(text string) (token string, ok bool) {
	if _, err := linkgen.ParseToken(text); err == nil {
		return text, true
	}
	before, token, ok := strings.Cut(text, "/l/")
	if plain, err := url.PathUnescape(text); err == nil && !ok {
		before, token, ok = strings.Cut(plain, "/l/")
	}
	if !ok {
		return "", false
	}
	wrapped := strings.Count(before, "://") > 1 // in an URL of a mail gateway's, whose is what follows
	token = strings.TrimFunc(token, func(r rune) bool { return strings.ContainsRune(" \t\r\n<>\"'.,;)(", r) })
	token, _, _ = strings.Cut(token, "?")
	token, _, _ = strings.Cut(token, "#")
	if wrapped {
		token, _, _ = strings.Cut(token, "&")
		token = token[:min(len(token), wholeToken)]
	}
	return token, true
}

func (a *app) oneLink(c *cli.Command) (id string, err error) {
	if c.Args().Len() != 1 {
		return "", usagef("link %s takes one link: its id, or its URL", c.Name)
	}
	id, wrong := linkID(c.Args().First())
	if wrong != "" {
		a.wrongURL(wrong)
	}
	return id, nil
}

func (a *app) wrongURL(why string) {
	fmt.Fprintf(a.err, "This URL %s: as it is, nobody can open it. Of the link itself:\n", why)
}

func (a *app) linkShow(ctx context.Context, c *cli.Command) error {
	id, err := a.oneLink(c)
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l shownLink
	path := "/v1/links/" + url.PathEscape(id)
	if err := cl.do(ctx, http.MethodGet, path, nil, &l.Link); err != nil {
		return err
	}
	if err := cl.do(ctx, http.MethodGet, path+"/timeline", nil, &l.Timeline); err != nil {
		return err
	}
	if token := linkToken(c.Args().First()); token != "" {
		var t console.LinkToken
		if err := cl.do(ctx, http.MethodPost, path+"/check", console.LinkToken{Token: token}, &t); err != nil {
			return err
		}
		if !t.Genuine {
			a.wrongURL("has a wrong character in it")
		}
	}
	return a.print(c, l, func(w io.Writer) {
		showLink(w, l.Link)
		fmt.Fprintln(w)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, e := range l.Timeline {
			fmt.Fprintf(tw, "%s\t%s\n", stamp(e.At), e.Says)
		}
		tw.Flush()
	})
}

// A shownLink is a link and what happened to it.
type shownLink struct {
	console.Link
	Timeline []console.TrailLine `json:"timeline"`
}

var errRevokeWhat = usagef("link revoke takes one link, or one of --contact, --run, --workflow, --whole-location and --everything")

func (a *app) linkRevoke(ctx context.Context, c *cli.Command) error {
	w := console.What{Contact: c.String("contact"), Run: c.String("run"), Workflow: c.String("workflow"),
		Location: c.Bool("whole-location"), Everything: c.Bool("everything")}
	if w != (console.What{}) {
		return a.linkRevokeMany(ctx, c, w)
	}
	if !c.Args().Present() {
		return errRevokeWhat
	}
	id, err := a.oneLink(c)
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var l console.Link
	if err := cl.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(id)+"/revoke", nil, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) { showLink(w, l) })
}

func (a *app) linkRevokeMany(ctx context.Context, c *cli.Command, w console.What) error {
	n := 0
	for _, set := range []bool{w.Contact != "", w.Run != "", w.Workflow != "", w.Location, w.Everything, c.Args().Present()} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errRevokeWhat
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var done console.Ended
	if err := cl.do(ctx, http.MethodPost, "/v1/revoke", w, &done); err != nil {
		return err
	}
	return a.print(c, done, func(out io.Writer) { fmt.Fprintln(out, done.Says) })
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
	if l.Kind != console.KindLearner {
		row("kind", l.Kind)
	}
	row("contact", strings.TrimSpace(l.Contact+" "+l.Who))
	row("app", l.App)
	row("to", l.To)
	row("in", l.In)
	row("sent by", l.Channel)
	row("made by", l.By)
	row("workflow", l.Workflow)
	row("run", l.Run)
	row("step", l.Step)
	row("made", stamp(l.Created))
	row("expires", stamp(l.Expires))
	row("uses", usesOf(l))
	if l.Sessions > 0 {
		row("sessions", fmt.Sprint(l.Sessions))
	}
	row("bound to", l.Bind)
	tw.Flush()
}

func usesOf(l console.Link) string {
	uses := fmt.Sprint(l.Uses)
	if l.MaxUses > 0 {
		uses += fmt.Sprintf(" of %d", l.MaxUses)
	}
	return uses
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2 Jan 2006 15:04:05 MST")
}
