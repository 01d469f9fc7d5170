package console

import (
	"errors"
	"net/http"
)

// This file is the pages about links: all of them, and one with its story.

const pageSize = 50

type linkList struct {
	Links []Link
	Kind  string
	Older string
}

func (c *Config) linksPage(r *http.Request) (any, error) {
	q := r.URL.Query()
	if id := q.Get("id"); id != "" {
		l, err := c.Links.Link(r.Context(), id)
		return linkList{Links: []Link{l}}, err
	}
	v := linkList{Kind: q.Get("kind")}
	var err error
	v.Links, err = c.Book.Recent(r.Context(), LinkQuery{Location: c.Location.ID, Kind: v.Kind, Before: q.Get("before"), Limit: pageSize})
	if err != nil {
		return nil, err
	}
	names := map[string]string{"": ""}
	for i, l := range v.Links {
		if _, known := names[l.Contact]; !known {
			if names[l.Contact], err = c.nameOf(r, l.Contact); err != nil {
				return nil, err
			}
		}
		v.Links[i].Name = names[l.Contact]
	}
	if len(v.Links) == pageSize {
		v.Older = v.Links[pageSize-1].ID
	}
	return v, err
}

type linkView struct {
	Link
	Trail  []TrailLine
	Person string // the contact's name
}

func (c *Config) linkPage(r *http.Request) (any, error) {
	l, err := c.Links.Link(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v := linkView{Link: l}
	if v.Trail, err = c.Book.Timeline(r.Context(), l.ID); err != nil {
		return nil, err
	}
	v.Person, err = c.nameOf(r, l.Contact)
	return v, err
}

// nameOf returns what people call a contact; "" if it is not known any more.
func (c *Config) nameOf(r *http.Request, key string) (string, error) {
	if key == "" {
		return "", nil
	}
	p, err := c.Contacts.Contact(r.Context(), c.Location.ID, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return personName(&p.Contact), nil
}

func (c *Config) revokeLink(r *http.Request) (any, string, error) {
	l, err := c.revoke(r)
	return l, "/links/" + l.ID + "?done=revoked", err
}
