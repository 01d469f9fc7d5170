package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"latchkey/engine"
)

// invitePattern is the form Invite of the page Client Portal.
const invitePattern = "POST /portal/invite"

// An inviteForm is what the form holds.
type inviteForm struct {
	Email, First, Last, ID, Offer, OfferTitle string
}

func readInvite(r *http.Request) inviteForm {
	text := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	return inviteForm{text("email"), text("first_name"), text("last_name"), text("id"), text("offer"), text("offer_title")}
}

// row is the learner whom the form describes.
func (f inviteForm) row() Row {
	row := Row{Contact: engine.Contact{ID: f.ID, Email: f.Email, FirstName: f.First, LastName: f.Last}}
	if f.Offer != "" {
		row.Offers = []engine.Noun{{ID: f.Offer, Title: f.OfferTitle}}
	}
	return row
}

// invite takes the form. One that is refused is shown again as it was filled in.
func (c *Config) invite(w http.ResponseWriter, r *http.Request) {
	r, ok := c.formOf(w, r, "/portal")
	if !ok {
		return
	}
	f, to := readInvite(r), ""
	_, err := c.do(r, Invite, "invited a learner", func() (any, error) {
		m, err := c.inviteOne(r, f)
		to = contactPath(m.Contact) + "?done=invited"
		return m, err
	})
	switch {
	case errors.Is(err, errRole):
		c.problem(w, r, "/portal", err)
	case err != nil:
		c.showPortal(w, r, err, func(v *portalView) error { v.Invite, v.Refused = f, true; return nil })
	default:
		http.Redirect(w, r, c.within(to), http.StatusSeeOther)
	}
}

// inviteOne adds a learner, or finds them, and has an invitation sent.
func (c *Config) inviteOne(r *http.Request, f inviteForm) (Mailed, error) {
	if f.Email == "" {
		return Mailed{}, fmt.Errorf("%w: an e-mail address is missing", ErrInvalid)
	}
	row := f.row()
	if f.Offer == "" {
		if err := c.holdsSome(r, row.Contact.ID, row.Contact.Email); err != nil {
			return Mailed{}, err
		}
	}
	if _, err := c.Contacts.Import(r.Context(), c.Location.ID, []Row{row}); err != nil {
		return Mailed{}, err
	}
	return c.mail(r, Mailing{Contact: cmp.Or(row.Contact.ID, row.Contact.Email), Kind: MailInvite})
}

// holdsSome returns nil if one of those that are named is a contact who holds an offer or product: who does not is not added, as the
// invitation would be refused then.
func (c *Config) holdsSome(r *http.Request, refs ...string) error {
	for _, ref := range refs {
		if ref == "" {
			continue
		}
		p, err := c.Contacts.Contact(r.Context(), c.Location.ID, ref)
		if err == nil && p.HasAccess() {
			return nil
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("%w: the contact has no offer and no product, so that a link would let nobody in: say which offer they get", ErrConflict)
}
