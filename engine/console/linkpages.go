package console

import (
	"errors"
	"fmt"
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
	l, err := c.Links.Revoke(r.Context(), r.PathValue("id"))
	return l, "/links/" + l.ID + "?done=revoked", err
}

// endPage asks before all links of something end: it cannot be undone.
func (c *Config) endMany(r *http.Request) (any, error) {
	var w What
	if err := readBody(r, &w); err != nil {
		return nil, err
	}
	return c.end(r, w)
}

func (c *Config) end(r *http.Request, w What) (Ended, error) {
	n := 0
	for _, set := range []bool{w.Contact != "", w.Run != "", w.Workflow != "", w.Location} {
		if set {
			n++
		}
	}
	if n != 1 {
		return Ended{}, fmt.Errorf("%w: one of contact, run, workflow and location: true", ErrInvalid)
	}
	if w.Location {
		if _, err := c.do(r, RevokeAll, "", func() (any, error) { return nil, nil }); err != nil {
			return Ended{}, err
		}
	}
	return c.Book.End(r.Context(), c.Location.ID, w)
}

func (c *Config) listLinks(r *http.Request) (any, error) {
	q, err := c.query(r.URL.Query(), nil, "limit", "before", "type")
	if err != nil {
		return nil, err
	}
	ls, err := c.Book.Recent(r.Context(), LinkQuery{Location: c.Location.ID, Kind: q.Type, Before: q.Before, Limit: q.Limit})
	if ls == nil {
		ls = []Link{}
	}
	return ls, err
}
