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
	if n.Contact == "" {
		return nil, fmt.Errorf("%w: contact is missing: an id or an e-mail address", ErrInvalid)
	}
	if n.Location == "" {
		n.Location = c.Location.ID
	}
	if n.Location != c.Location.ID {
		return nil, fmt.Errorf("%w: location %q", ErrNotFound, n.Location)
	}
	return c.Links.New(r.Context(), n)
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
