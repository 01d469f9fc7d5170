package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"latchkey/engine"
)

// This file is the page Client Portal, where links are made by hand: Actions, Generate Magic Link, choose contact or app,
// Generate.

type portalView struct {
	BaseURL string
	Apps    []App
	Form    NewLink
	Made    *Link  // just now: the only time that its address is shown
	Name    string // of the contact that it is for
	User    *Link  // the staff link, if there is one
	CanSend bool
}

func (c *Config) portalBody(r *http.Request) (*portalView, error) {
	v := &portalView{BaseURL: c.Location.BaseURL, Apps: c.Apps(), CanSend: c.Mailings != nil}
	q := r.URL.Query()
	v.Form = NewLink{Kind: or(q.Get("kind"), KindLearner), Contact: q.Get("contact"), App: q.Get("app"), To: q.Get("to")}
	links, err := c.Book.Recent(r.Context(), LinkQuery{Location: c.Location.ID, Kind: KindUser, Limit: 1})
	if len(links) > 0 {
		v.User = &links[0]
	}
	return v, err
}

func (c *Config) portalPage(r *http.Request) (any, error) { return c.portalBody(r) }

// generate makes a link and shows its address, this once. It answers the POST itself: the address must not be in another one.
func (c *Config) generate(w http.ResponseWriter, r *http.Request) {
	r, ok := c.signedIn(w, r)
	if !ok {
		return
	}
	if err := readForm(w, r); err != nil {
		c.problem(w, r, "/portal", err)
		return
	}
	n := linkForm(r)
	action := MakeLink
	if n.Kind == KindUser {
		action = MakeUser
	}
	made, err := c.do(r, action, "made a link", func() (any, error) {
		if err := n.complete(); err != nil {
			return nil, err
		}
		n.Location = c.Location.ID
		return c.Links.New(r.Context(), n)
	})
	if errors.Is(err, errRole) {
		c.problem(w, r, "/portal", err)
		return
	}
	v, bodyErr := c.portalBody(r)
	if bodyErr != nil {
		c.problem(w, r, "/portal", bodyErr)
		return
	}
	p, status := c.page(r, "Client Portal", "/portal"), http.StatusOK
	p.Done, v.Form, p.Body = "", n, v
	if l, ok := made.(Link); ok && err == nil {
		v.Made = &l
		if v.Name, err = c.nameOf(r, l.Contact); err != nil {
			c.problem(w, r, "/portal", err)
			return
		}
	} else {
		status, p.Wrong = wrong(err)
	}
	p.render(w, status, "portal")
}

func linkForm(r *http.Request) NewLink {
	f := r.PostForm
	text := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	n := NewLink{Kind: or(text("kind"), KindLearner), Contact: text("contact"), App: text("app"), To: text("to"), TTL: text("ttl"), Bind: text("bind")}
	if n.Kind != KindLearner { // what the other kinds have no use for is left in the form, perhaps
		n.Contact, n.Bind = "", ""
	}
	if n.Kind == KindUser {
		n = NewLink{Kind: KindUser}
	}
	if uses, err := strconv.Atoi(text("uses")); err == nil {
		n.Uses = uses
	}
	return n
}

var errNoEmail = fmt.Errorf("%w: an e-mail address is missing", ErrInvalid)

// wrong returns the status and the words of an error that a form is shown again with.
func wrong(err error) (int, string) {
	says := Mask(err.Error())
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound, upper(says) + "."
	case errors.Is(err, ErrInvalid):
		return http.StatusBadRequest, upper(trimMark(says, ErrInvalid)) + "."
	case errors.Is(err, ErrConflict):
		return http.StatusConflict, upper(trimMark(says, ErrConflict)) + "."
	}
	return http.StatusInternalServerError, "That did not work: " + says
}

// invite adds a learner, or finds them, and has an invitation sent.
func (c *Config) invite(r *http.Request) (any, string, error) {
	f := r.PostForm
	text := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	row := Row{Contact: engine.Contact{ID: text("id"), Email: text("email"), FirstName: text("first_name"), LastName: text("last_name")}}
	if id := text("offer"); id != "" {
		row.Offers = []engine.Noun{{ID: id, Title: text("offer_title")}}
	}
	if row.Contact.Email == "" {
		return nil, "", errNoEmail
	}
	if _, err := c.Contacts.Import(r.Context(), c.Location.ID, []Row{row}); err != nil {
		return nil, "", err
	}
	ref := or(row.Contact.ID, row.Contact.Email)
	m, err := c.mail(r, Mailing{Contact: ref, Kind: MailInvite})
	return m, contactPath(m.Contact) + "?done=invited", err
}
