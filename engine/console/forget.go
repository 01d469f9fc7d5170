package console

import (
	"context"
	"fmt"
	"net/http"
)

// A Forgetter removes learners.
type Forgetter interface {
	// Forget removes all that there is of a contact; dry only counts it. Returns ErrNotFound.
	Forget(ctx context.Context, location, ref string, dry bool) (Removed, error)
}

// Removed counts what was, or would be, removed of a contact. It names them by the key alone.
type Removed struct {
	Contact string `json:"contact"`
	DryRun  bool   `json:"dry_run,omitempty"`
	// Pending says that something is still under way: the server goes on until all is done, also after a restart.
	Pending    bool `json:"pending,omitempty"`
	Contacts   int  `json:"contacts"` // the contact, and those that it absorbed
	Directory  int  `json:"directory"`
	Identities int  `json:"identities"` // of past events
	Runs       int  `json:"runs"`
	Messages   int  `json:"messages"`
	History    int  `json:"history"` // events and what was decided
	Notices    int  `json:"notices"` // not published yet
	Links      int  `json:"links"`
	Sessions   int  `json:"sessions"`
	Outbox     int  `json:"outbox"`
	Events     int  `json:"events"`    // messages of COURSES
	Dead       int  `json:"dead"`      // of COURSES_DEAD
	Published  int  `json:"published"` // of LATCHKEY
}

func (c Config) forgetContact(r *http.Request) (any, error) {
	dry := false
	for name, v := range r.URL.Query() {
		if name != "dry_run" || len(v) != 1 || v[0] != "true" && v[0] != "false" {
			return nil, fmt.Errorf("%w: there is only the parameter dry_run, which is true or false", ErrInvalid)
		}
		dry = v[0] == "true"
	}
	return c.Forgetter.Forget(r.Context(), c.Location.ID, r.PathValue("ref"), dry)
}
