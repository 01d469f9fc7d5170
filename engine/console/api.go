package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"latchkey/engine"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxBody      = 16 << 20 // an import may be large
)

func (c Config) listMessages(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := Query{
		Location: c.Location.ID, Limit: defaultLimit,
		Before: v.Get("before"), Contact: v.Get("contact"), Run: v.Get("run"), State: v.Get("state"),
	}
	for key := range v {
		switch key {
		case "limit", "before", "contact", "run", "state":
		default:
			return nil, fmt.Errorf("%w: no parameter %q; there are limit, before, contact, run and state", ErrInvalid, key)
		}
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxLimit {
			return nil, fmt.Errorf("%w: limit is a number from 1 to %d", ErrInvalid, maxLimit)
		}
		q.Limit = n
	}
	if !knownState(q.State) {
		return nil, fmt.Errorf("%w: no state %q; there are due, sending, sent, unknown, failed, suppressed and expired", ErrInvalid, q.State)
	}
	ms, err := c.Messages.Messages(r.Context(), q)
	if ms == nil {
		ms = []Message{}
	}
	return ms, err
}

func knownState(s string) bool {
	switch engine.TaskState(s) {
	case "", engine.TaskDue, engine.TaskSending, engine.TaskSent, engine.TaskUnknown, engine.TaskFailed, engine.TaskSuppressed, engine.TaskExpired:
		return true
	}
	return false
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
