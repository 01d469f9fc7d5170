package console

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"
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
	Invite  inviteForm // as it was typed
	Refused bool       // so that it is shown again
}

func (c *Config) portalBody(r *http.Request) (*portalView, error) {
	v := &portalView{BaseURL: c.Location.BaseURL, Apps: c.Apps(), CanSend: c.Mailings != nil}
	q := r.URL.Query()
	v.Form = NewLink{Kind: cmp.Or(q.Get("kind"), KindLearner), Contact: q.Get("contact"), App: q.Get("app"), To: q.Get("to")}
	links, err := c.Book.Recent(r.Context(), LinkQuery{Location: c.Location.ID, Kind: KindUser, Limit: 1})
	if len(links) > 0 {
		v.User = &links[0]
	}
	return v, err
}

func (c *Config) portalPage(r *http.Request) (any, error) { return c.portalBody(r) }

// generate makes a link and shows its address, this once. It answers the POST itself: the address must not be in another one.
func (c *Config) generate(w http.ResponseWriter, r *http.Request) {
	r, ok := c.formOf(w, r, "/portal")
	if !ok {
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
	c.showPortal(w, r, err, func(v *portalView) (bodyErr error) {
		v.Form = n
		if l, ok := made.(Link); ok && err == nil {
			v.Made = &l
			v.Name, bodyErr = c.nameOf(r, l.Contact)
		}
		return bodyErr
	})
}

// showPortal answers a form of the page with the page: what it made, or what was wrong and all that was typed.
func (c *Config) showPortal(w http.ResponseWriter, r *http.Request, err error, fill func(*portalView) error) {
	v, bodyErr := c.portalBody(r)
	if bodyErr == nil {
		bodyErr = fill(v)
	}
	if bodyErr != nil {
		c.problem(w, r, "/portal", bodyErr)
		return
	}
	p, status := c.page(r, "Client Portal", "/portal"), http.StatusOK
	p.Done, p.Body = "", v
	if err != nil {
		status, p.Wrong = wrong(err)
	}
	p.render(w, status, "portal")
}

func linkForm(r *http.Request) NewLink {
	f := r.PostForm
	text := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	n := NewLink{Kind: cmp.Or(text("kind"), KindLearner), Contact: text("contact"), App: text("app"), To: text("to"), TTL: text("ttl"), Bind: text("bind")}
	if n.Kind != KindLearner { // what the other kinds have no use for is left in the form, perhaps
		n.Contact, n.Bind = "", ""
	}
	if n.Kind == KindUser {
		n = NewLink{Kind: KindUser}
	}
	if uses := text("uses"); uses != "" {
		var err error
		if n.Uses, err = strconv.Atoi(uses); err != nil || n.Uses == 0 {
			n.Uses = -1 // which is refused; 0 would be as many as links.uses says
		}
	}
	return n
}

// labels are the forms' words for what the API names otherwise.
var labels = map[string]string{"ttl: ": "Works for: ", "to is ": "Leads to: "}

// wrong returns the status and the words of an error that a form is shown again with.
func wrong(err error) (int, string) {
	says := Mask(err.Error())
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound, upper(says) + "."
	case errors.Is(err, ErrInvalid):
		says = trimMark(says, ErrInvalid)
		for name, label := range labels {
			if rest, ok := strings.CutPrefix(says, name); ok {
				says = label + rest
			}
		}
		return http.StatusBadRequest, upper(says) + "."
	case errors.Is(err, ErrConflict):
		return http.StatusConflict, upper(trimMark(says, ErrConflict)) + "."
	}
	return http.StatusInternalServerError, "That did not work: " + says
}
