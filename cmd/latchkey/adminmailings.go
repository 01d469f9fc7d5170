package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// adminMailings sends login mails and invitations by hand.
type adminMailings struct{ *site }

// Send implements console.Mailings. What would not be sent is refused at once, rather than be found in the history.
func (i adminMailings) Send(ctx context.Context, m console.Mailing) (console.Mailed, error) {
	p, err := i.person(ctx, m.Contact)
	if err != nil {
		return console.Mailed{}, err
	}
	flow, eventType, err := flowOf(m.Kind)
	if err == nil {
		err = i.mayMail(p, &m)
	}
	if err != nil {
		return console.Mailed{}, err
	}
	further := map[string]any{"staff": true, "by": m.By, "ttl": m.TTL, "bind": m.Bind}
	if m.Uses > 0 {
		further["uses"] = int64(m.Uses)
	}
	out, err := i.runner.StartByHand(ctx, runner.HandStart{
		Location: i.cfg.Location, Contact: p.Key, Workflow: flow, Type: eventType, Source: "latchkey", ID: rand.Text(),
		Custom: wishes(m.Channel, m.App, m.To, languageFor(p, "", i.inForce().loc), further),
	})
	switch {
	case errors.Is(err, runner.ErrNoPerson): // forgotten meanwhile
		return console.Mailed{}, fmt.Errorf("contact %q: %w", m.Contact, console.ErrNotFound)
	case err != nil:
		return console.Mailed{}, err
	case out.Decision.Run.IsZero():
		return console.Mailed{}, fmt.Errorf("%w: nothing is sent: %s", console.ErrConflict, out.Decision.Reason)
	}
	to := p.Contact.Email
	if m.Channel == "sms" {
		to = p.Contact.Phone
	}
	mailed := console.Mailed{Run: out.Decision.Run.String(), At: out.Decision.Run.Time(), Says: "On its way to " + console.Mask(to) + "."}
	if !out.Task.IsZero() {
		mailed.Message = out.Task.String()
	}
	return mailed, nil
}

func flowOf(kind string) (workflow, eventType string, err error) {
	switch kind {
	case console.MailLogin:
		return loginFlow, engine.EventLogin, nil
	case console.MailInvite:
		return inviteFlow, engine.EventInvite, nil
	}
	return "", "", fmt.Errorf("%w: kind is %s or %s, not %q", console.ErrInvalid, console.MailLogin, console.MailInvite, kind)
}

// mayMail returns why a message cannot be sent, or nil.
func (i adminMailings) mayMail(p *engine.Person, m *console.Mailing) error {
	cfg, c := i.inForce().cfg, &p.Contact
	if _, err := adminLinks(i).checkLink(console.NewLink{Kind: console.KindLearner, App: m.App, To: m.To, TTL: m.TTL, Uses: m.Uses, Bind: m.Bind}); err != nil {
		return err
	}
	address, consent, lacks := c.Email, c.Consent.Email, "e-mail address"
	switch m.Channel {
	case "email":
	case "sms":
		address, consent, lacks = c.Phone, c.Consent.SMS, "phone number"
	default:
		return fmt.Errorf("%w: channel is email or sms, not %q", console.ErrInvalid, m.Channel)
	}
	switch {
	case !cfg.canSend(m.Channel):
		return fmt.Errorf("%w: %s: latchkey.yaml has no server for it", console.ErrInvalid, m.Channel)
	case address == "":
		return fmt.Errorf("%w: the contact has no %s", console.ErrConflict, lacks)
	case consent != nil && !*consent:
		return fmt.Errorf("%w: the contact does not want messages by %s", console.ErrConflict, m.Channel)
	case !p.HasAccess():
		return fmt.Errorf("%w: the contact has no offer and no product, so that a link would let nobody in", console.ErrConflict)
	}
	return nil
}
