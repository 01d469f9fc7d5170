package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	defaultLimit = 100
	maxBody      = 16 << 20 // an import may be large
)

func (c Config) listMessages(r *http.Request) (any, error) {
	q, err := c.query(r.URL.Query(), MessageStates(), "limit", "before", "since", "until", "contact", "workflow", "run", "state")
	if err != nil {
		return nil, err
	}
	ms, err := c.Messages.Messages(r.Context(), q)
	if ms == nil {
		ms = []Message{}
	}
	return ms, err
}

func (c Config) showContact(r *http.Request) (any, error) {
	return c.Contacts.Contact(r.Context(), c.Location.ID, r.PathValue("ref"))
}

func (c Config) contactLinks(r *http.Request) (any, error) {
	ls, err := c.Links.OfContact(r.Context(), c.Location.ID, r.PathValue("ref"))
	if ls == nil {
		ls = []Link{}
	}
	return ls, err
}

func (c Config) importContacts(r *http.Request) (any, error) {
	var rows []Row
	if err := readBody(r, &rows); err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row.Contact.ID == "" && row.Contact.Email == "" {
			return nil, fmt.Errorf("%w: row %d: needs contact.id or contact.email", ErrInvalid, i+1)
		}
	}
	return c.Contacts.Import(r.Context(), c.Location.ID, rows)
}

func (c Config) newLink(r *http.Request) (any, error) {
	var n NewLink
	if err := readBody(r, &n); err != nil {
		return nil, err
	}
	if err := n.complete(); err != nil {
		return nil, err
	}
	if n.Kind == KindUser {
		if err := may(r, MakeUser); err != nil {
			return nil, err
		}
	}
	if n.Location == "" {
		n.Location = c.Location.ID
	}
	if n.Location != c.Location.ID {
		return nil, fmt.Errorf("%w: location %q", ErrNotFound, n.Location)
	}
	return c.Links.New(r.Context(), n)
}

// complete fills in the kind, and refuses what no kind of link has.
func (n *NewLink) complete() error {
	switch {
	case n.Kind == "" && n.Contact != "":
		n.Kind = KindLearner
	case n.Kind == "" && n.App != "":
		n.Kind = KindApp
	case n.Kind == "" || n.Kind == KindLearner && n.Contact == "":
		return fmt.Errorf("%w: contact is missing: an id or an e-mail address; or app, for a link for nobody in particular", ErrInvalid)
	case n.Kind == KindApp && n.App == "":
		return fmt.Errorf("%w: app is missing", ErrInvalid)
	case n.Kind != KindLearner && n.Kind != KindApp && n.Kind != KindUser:
		return fmt.Errorf("%w: no kind %q of links; there are %s, %s and %s", ErrInvalid, n.Kind, KindLearner, KindApp, KindUser)
	case n.Kind != KindLearner && n.Contact != "":
		return fmt.Errorf("%w: a link of kind %s is for no contact", ErrInvalid, n.Kind)
	}
	if n.Bind != "" && n.Bind != "browser" {
		return fmt.Errorf("%w: bind is \"browser\" or nothing", ErrInvalid)
	}
	return nil
}

var errTooLarge = errors.New("body is too large")

// readBody reads one JSON value, strictly.
func readBody(r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return fmt.Errorf("%w: one request takes %d MiB", errTooLarge, maxBody>>20)
		}
		return fmt.Errorf("%w: body: %v", ErrInvalid, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: body: more than one JSON value", ErrInvalid)
	}
	return nil
}
