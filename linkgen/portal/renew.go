package portal

import (
	"net/http"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A renewal is the button of a dead link's page that asks for a new one.
type renewal struct {
	Token string
	Who   string // where the new one goes, masked
}

// renewChannel returns how a link's contact is sent a new one at their own wish, or nothing if that cannot be.
func (p *Portal) renewChannel(link linkgen.Link) string {
	set := p.settings(link.Location)
	switch {
	case p.Mail == nil || link.Kind != linkgen.Learner:
		return ""
	case set.Login.SMS && (link.Channel == "sms" || !set.Login.Email):
		return "sms"
	case set.Login.Email:
		return "email"
	}
	return ""
}

// renewalOf returns the button for a link that lets nobody in; nil if a new one would not either, or none can be sent.
func (p *Portal) renewalOf(t *tongue, d linkgen.Door, text string) *renewal {
	channel := p.renewChannel(d.Link)
	if channel == "" || d.Reason == linkgen.NoAccess || d.Person == nil {
		return nil
	}
	to := d.Person.Contact
	if channel == "sms" {
		to = engine.Contact{Phone: to.Phone}
	} else {
		to = engine.Contact{Email: to.Email}
	}
	if to.Email == "" && to.Phone == "" {
		return nil
	}
	return &renewal{text, t.mask(&to)}
}

// renew has a new link sent to the holder of an old one, to the address on file, and to the same place. The old link says
// only who that is: it is answered alike whatever it is.
func (p *Portal) renew(w http.ResponseWriter, r *http.Request) {
	f, ok := p.readForm(w, r, maxBody, "t")
	if !ok || !p.mayAsk(w, r) {
		return
	}
	door := linkgen.Door{Reason: linkgen.Unknown}
	if tok, err := linkgen.ParseToken(f.get("t")); err == nil {
		if door, err = p.Links.Look(r.Context(), p.Stores, tok, p.Now()); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	loc := p.location(door.Link.Location)
	t := speak(r, loc, nil)
	channel := p.renewChannel(door.Link)
	if channel == "" || door.Person == nil {
		p.tell(w, t, loc, http.StatusAccepted, "renewed")
		return
	}
	d := destinationOf(p.settings(loc.ID), door.Link.App, door.Link.To, door.Link.In)
	err := p.Mail.Send(r.Context(), LoginRequest{Location: loc.ID, Contact: door.Person.Key, App: d.App, To: d.To, In: d.In, Channel: channel,
		Lang: t.tag.String(), Client: p.client(r), Reason: string(door.Reason)})
	p.asked(w, r, loc, t, err, "renewed")
}
