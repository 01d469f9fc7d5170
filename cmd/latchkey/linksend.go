package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
)

func (a *app) linkSendCommand() *cli.Command {
	return &cli.Command{
		Name: "send", Usage: "send a contact a login link, to the address on file", ArgsUsage: "CONTACT",
		Description: "CONTACT is an id or an e-mail address. The message is made of templates/login.md (.txt for SMS), or invite.md, if the\n" +
			"project has them.\n\nExamples:\n  latchkey link send ada@example.com\n  latchkey link send c-17 --invite --to product:go-101",
		Flags: policyFlags(
			&cli.BoolFlag{Name: "sms", Usage: "by SMS rather than by e-mail"},
			&cli.BoolFlag{Name: "invite", Usage: "as an invitation"}),
		Action: a.linkSend,
	}
}

func (a *app) linkSend(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("link send takes one contact: an id or an e-mail address")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	m := console.Mailing{Kind: console.MailLogin, Channel: "email", App: c.String("app"), To: c.String("to"),
		TTL: c.String("ttl"), Uses: c.Int("uses")}
	if c.Bool("bind") {
		m.Bind = "browser"
	}
	if c.Bool("invite") {
		m.Kind = console.MailInvite
	}
	if c.Bool("sms") {
		m.Channel = "sms"
	}
	var sent console.Mailed
	if err := cl.do(ctx, http.MethodPost, "/v1/contacts/"+url.PathEscape(c.Args().First())+"/send", m, &sent); err != nil {
		return err
	}
	return a.print(c, sent, func(w io.Writer) {
		fmt.Fprintln(w, sent.Says)
		if sent.Message != "" {
			fmt.Fprintf(a.err, "latchkey messages show %s tells what becomes of it.\n", sent.Message)
		}
	})
}
