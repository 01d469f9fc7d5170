package console

import (
	"fmt"
	"net/http"
	"slices"

	"latchkey/engine"
)

// This file is the admin API about many links at once.

func (c *Config) listLinks(r *http.Request) (any, error) {
	q, err := c.query(r.URL.Query(), nil, "limit", "before", "kind")
	if err != nil {
		return nil, err
	}
	kind, kinds := r.URL.Query().Get("kind"), []string{KindLearner, KindApp, KindUser, kindStaff}
	if kind != "" && !slices.Contains(kinds, kind) {
		return nil, fmt.Errorf("%w: no kind %q of links; there are %s", ErrInvalid, kind, and(kinds))
	}
	ls, err := c.Book.Recent(r.Context(), LinkQuery{Location: c.Location.ID, Kind: kind, Before: q.Before, Limit: q.Limit})
	if ls == nil {
		ls = []Link{}
	}
	return ls, err
}

func (c *Config) listSessions(r *http.Request) (any, error) {
	ss, err := c.Book.Sessions(r.Context(), c.Location.ID, r.PathValue("ref"))
	if ss == nil {
		ss = []LinkSession{}
	}
	return ss, err
}

// endMany ends all links and sessions of something.
func (c *Config) endMany(r *http.Request) (any, error) {
	var w What
	if err := readBody(r, &w); err != nil {
		return nil, err
	}
	return c.end(r, w)
}

func (c *Config) end(r *http.Request, w What) (Ended, error) {
	n := 0
	for _, set := range []bool{w.Contact != "", w.Run != "", w.Workflow != "", w.Location, w.Everything} {
		if set {
			n++
		}
	}
	if n != 1 {
		return Ended{}, fmt.Errorf("%w: one of contact, run, workflow, location: true and everything: true", ErrInvalid)
	}
	if w.Location || w.Everything {
		if err := may(r, RevokeAll); err != nil {
			return Ended{}, err
		}
	}
	if w.Everything && len(c.Others) > 0 && !whoOf(r.Context()).Everywhere {
		return Ended{}, fmt.Errorf("%w: everything ends what other locations have too: it needs a key to all of them", errRole)
	}
	return c.Book.End(r.Context(), c.Location.ID, w)
}

// ending returns what it takes to end a link of a kind: those of staff are for who makes them.
func ending(kind string) Action {
	switch kind {
	case KindUser:
		return MakeUser
	case kindStaff:
		return SignStaff
	}
	return RevokeLink
}

// revoke ends a link, and the sessions that it opened.
func (c Config) revoke(r *http.Request) (Link, error) {
	l, err := c.Links.Link(r.Context(), r.PathValue("id"))
	if err == nil {
		err = may(r, ending(l.Kind))
	}
	if err != nil {
		return Link{}, err
	}
	return c.Links.Revoke(r.Context(), l.ID)
}

// A LinkToken asks whether a URL's token is that of its link, and says so.
type LinkToken struct {
	Token   string `json:"token,omitempty"`
	Genuine bool   `json:"genuine"`
}

// checkLink tells a URL that was copied wrongly from one that does not open for what became of its link.
func (c Config) checkLink(r *http.Request) (any, error) {
	var t LinkToken
	if err := readBody(r, &t); err != nil {
		return nil, err
	}
	if _, err := c.Links.Link(r.Context(), r.PathValue("id")); err != nil {
		return nil, err
	}
	genuine, err := c.Genuine(r.Context(), r.PathValue("id"), engine.NewSecret(t.Token))
	return LinkToken{Genuine: genuine}, err
}
