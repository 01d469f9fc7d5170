package console

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file is the pages about the house itself: overview, dead letters, and what staff did.

type overview struct {
	Failed  []Message
	Runs    []runLine
	Charts  []chart
	Figures []figure
	Paused  bool
	Empty   bool // nothing has ever happened
}

type figure struct{ Name, Value string }

func (c *Config) overviewPage(r *http.Request) (any, error) {
	ctx := r.Context()
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var v overview
	for _, name := range slices.Sorted(maps.Keys(status)) {
		v.Figures = append(v.Figures, figure{name, fmt.Sprint(status[name])})
		if p, ok := status[name].(Pause); ok && p.Location == c.Location.ID {
			v.Paused = p.Paused
		}
	}
	day := 24 * time.Hour
	v.Failed, err = c.Messages.Messages(ctx, Query{Location: c.Location.ID, State: "failed", Limit: 5, Since: c.Now().Add(-7 * day)})
	if err != nil {
		return nil, err
	}
	runs, err := c.History.Runs(ctx, Query{Location: c.Location.ID, Limit: 8})
	if err != nil {
		return nil, err
	}
	if v.Runs, err = c.runLines(r, runs); err != nil {
		return nil, err
	}
	v.Empty = len(runs) == 0
	v.Charts, err = c.charts(ctx)
	return v, err
}

func (c *Config) pauseForm(r *http.Request) (any, string, error) {
	p, err := c.Sending.Pause(r.Context(), c.Location.ID, strings.TrimSpace(r.PostForm.Get("reason")))
	return p, "/?done=paused", err
}

func (c *Config) resumeForm(r *http.Request) (any, string, error) {
	p, err := c.Sending.Resume(r.Context(), c.Location.ID)
	return p, "/?done=resumed", err
}

type deadList struct {
	Letters []Letter
	Older   uint64
}

func (c *Config) deadPage(r *http.Request) (any, error) {
	q, err := c.filters(r, nil, "before", "since", "reason", "event")
	if err != nil {
		return nil, err
	}
	lq := LetterQuery{Limit: pageSize, Reason: r.URL.Query().Get("reason"), Event: r.URL.Query().Get("event"), Since: q.Since}
	if q.Before != "" {
		if lq.Before, err = letterNumber(q.Before); err != nil {
			return nil, err
		}
	}
	var v deadList
	v.Letters, err = c.Dead.Letters(r.Context(), lq)
	for i := range v.Letters {
		v.Letters[i].mask()
	}
	if len(v.Letters) == pageSize {
		v.Older = v.Letters[pageSize-1].Letter
	}
	return v, err
}

func (c *Config) letterPage(r *http.Request) (any, error) { return c.showDead(r) }

func (c *Config) replayForm(r *http.Request) (any, string, error) {
	v, err := c.replayOne(r)
	if err != nil {
		return nil, "", err
	}
	if one, ok := v.(Replayed); ok && one.Error != "" {
		return nil, "", fmt.Errorf("%w: it is still a dead letter: %s", ErrConflict, one.Error)
	}
	return v, "/dead?done=replayed", nil
}

type auditList struct {
	Entries []AuditEntry
	Seats   []Seat // for owners
	Older   string
}

func (c *Config) auditPage(r *http.Request) (any, error) {
	var v auditList
	var err error
	if c.Audit != nil {
		v.Entries, err = c.Audit.Entries(r.Context(), auditQuery(r))
	}
	if len(v.Entries) == pageSize {
		v.Older = v.Entries[pageSize-1].ID
	}
	if ro, ok := c.Staff.(Roster); ok && err == nil && whoOf(r.Context()).Role.May(SignStaff) {
		v.Seats, err = ro.SignedIn(r.Context())
	}
	return v, err
}

// signOutOther ends the session of another member of staff.
func (c *Config) signOutOther(r *http.Request) (any, string, error) {
	ro, ok := c.Staff.(Roster)
	if !ok {
		return nil, "", ErrNotFound
	}
	return nil, "/audit?done=out", ro.SignOut(r.Context(), r.PathValue("id"))
}

func auditQuery(r *http.Request) AuditQuery {
	q := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return AuditQuery{Limit: pageSize, Before: text("before"), Who: text("who"), Did: text("did"), On: text("on")}
}

func (c *Config) listAudit(r *http.Request) (any, error) {
	page, err := c.query(r.URL.Query(), nil, "limit", "before", "who", "did", "on")
	if err != nil {
		return nil, err
	}
	if c.Audit == nil {
		return []AuditEntry{}, nil
	}
	q := auditQuery(r)
	q.Limit = page.Limit
	es, err := c.Audit.Entries(r.Context(), q)
	if es == nil {
		es = []AuditEntry{}
	}
	return es, err
}

// Fits reports whether an entry is one that a query asks for.
func (q AuditQuery) Fits(e AuditEntry) bool {
	has := func(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }
	return has(e.Who, q.Who) && has(e.Did, q.Did) && has(e.On+" "+e.Contact+" "+e.Detail, q.On)
}
