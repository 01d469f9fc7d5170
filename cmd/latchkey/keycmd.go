package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
)

func (a *app) keyCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "dir", Usage: "the project's `FOLDER`", Value: "."},
		outputFlag(),
	}
	return &cli.Command{
		Name: "key", Usage: "make, list and end API keys",
		Description: "Keys are files of the project's keys folder, so this works on the machine that has it, whether or not a server runs;\na server hears of it with the next request.",
		Commands: []*cli.Command{
			{
				Name: "new", Usage: "make a key; it is shown this once", ArgsUsage: "[NAME]",
				Description: "NAME says in the audit list whose key it is. Example:\n  latchkey key new helpdesk --role support --location academy",
				Flags: append(slices.Clone(flags),
					&cli.StringFlag{Name: "role", Usage: "`ROLE`: owner, operator or support", Value: "support"},
					&cli.StringSliceFlag{Name: "location", Usage: "`ID` of a location that it is for, or *; may be repeated (default: the only one)"}),
				Action: a.keyNew,
			},
			{Name: "list", Usage: "list keys", Description: "Example:\n  latchkey key list", Flags: flags, Action: a.keyList},
			{
				Name: "revoke", Usage: "end a key, at once", ArgsUsage: "ID",
				Description: "Sessions of the pages that began with it end too. Example:\n  latchkey key revoke KQ3ZB7MA",
				Flags:       flags, Action: a.keyRevoke,
			},
		},
	}
}

func (a *app) keyNew(_ context.Context, c *cli.Command) error {
	if c.Args().Len() > 1 {
		return usagef("key new takes one name")
	}
	cfg, err := a.config(c.String("dir"), nil)
	if err != nil {
		return err
	}
	k := keyFile{Name: strings.TrimSpace(c.Args().First()), Role: console.Role(c.String("role")), Locations: c.StringSlice("location")}
	if k.Name == "" {
		k.Name = string(k.Role)
	}
	if len(k.Locations) == 0 {
		one, err := cfg.oneLocation("")
		if err != nil {
			return err
		}
		k.Locations = []string{one}
	}
	for _, l := range k.Locations {
		if l != "*" && !slices.Contains(cfg.names(), l) {
			return usagef("no location %q; there are %s, and * for all", l, strings.Join(cfg.names(), ", "))
		}
	}
	if !slices.Contains(console.Roles(), k.Role) {
		return usagef("no role %q; there are owner, operator and support", k.Role)
	}
	made, key, err := makeKeyFile(cfg.Keys, k, time.Now())
	if err != nil {
		return err
	}
	out := struct {
		*keyFile
		Key string `json:"key"`
	}{made, key.Reveal()}
	return a.print(c, out, func(w io.Writer) {
		fmt.Fprintln(w, key.Reveal())
		fmt.Fprintf(a.err, "Key %s, %s in %s. It is shown this once: `latchkey key revoke %s` ends it.\n", made.ID, made.Role, strings.Join(made.Locations, ", "), made.ID)
	})
}

func (a *app) keyList(_ context.Context, c *cli.Command) error {
	cfg, err := a.config(c.String("dir"), nil)
	if err != nil {
		return err
	}
	keys, wrong := listKeyFiles(cfg.Keys)
	if keys == nil {
		keys = []*keyFile{}
	}
	if err := printList(a, c, keys, func(w io.Writer) {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "ID\tNAME\tROLE\tLOCATIONS\tMADE")
		fmt.Fprintln(tw, "-\tkeys/api.key\towner\t*\t")
		for _, k := range keys {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, strings.Join(k.Locations, ","), stamp(k.Made))
		}
		tw.Flush()
	}); err != nil {
		return err
	}
	return wrong
}

func (a *app) keyRevoke(_ context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("key revoke takes one key's id; latchkey key list shows them")
	}
	cfg, err := a.config(c.String("dir"), nil)
	if err != nil {
		return err
	}
	id := c.Args().First()
	if err := dropKeyFile(cfg.Keys, id); errors.Is(err, errNoKey) {
		return fmt.Errorf("there is no key with that id; latchkey key list shows them")
	} else if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "Key %s has ended.\n", id)
	return nil
}

func (a *app) signinCommand() *cli.Command {
	return &cli.Command{
		Name: "signin", Usage: "print a link that signs you in to the console, once", ArgsUsage: "[ADDRESS]",
		Description: "Without ADDRESS, the owner: whoever can read the keys folder is that anyway. With it, a member of staff in latchkey.yaml.\n\nExample:\n  latchkey signin\n  latchkey signin olga@acme.test",
		Flags:       clientFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 {
				return usagef("signin takes one address")
			}
			cl, err := a.client(c)
			if err != nil {
				return err
			}
			var s console.SignIn
			if err := cl.do(ctx, http.MethodPost, "/v1/signin", map[string]string{"email": c.Args().First()}, &s); err != nil {
				return err
			}
			return a.print(c, s, func(w io.Writer) {
				fmt.Fprintln(w, s.URL)
				fmt.Fprintf(a.err, "It signs in %s, once, for 15 minutes.\n", s.For)
			})
		},
	}
}
