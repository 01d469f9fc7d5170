package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"latchkey/engine"
)

// DeadLetters finds events that could not be used, and puts them back.
type DeadLetters interface {
	// Letters returns at most q.Limit letters without data, newest first.
	Letters(ctx context.Context, q LetterQuery) ([]Letter, error)
	// Letter returns ErrNotFound for a number that is not, or no more, there.
	Letter(ctx context.Context, number uint64) (Letter, error)
	// Replay puts the originals back into the stream of events, in the order of their numbers.
	Replay(ctx context.Context, numbers []uint64) ([]Replayed, error)
}

// LetterQuery selects dead letters. Zero fields select all.
type LetterQuery struct {
	Limit  int
	Before uint64
	Since  time.Time
	Reason string // a part of it
	Event  string // the publisher's id
}

// A Letter is one line of GET /v1/dead. Addresses and secrets in it are masked.
type Letter struct {
	Letter    uint64              `json:"letter"`
	At        time.Time           `json:"at"` // when it became one
	Location  string              `json:"location"`
	Type      string              `json:"type"`
	ID        string              `json:"id"`
	Reason    string              `json:"reason"`
	Subject   string              `json:"subject"`
	Published time.Time           `json:"published,omitzero"`
	Sequence  uint64              `json:"sequence,omitempty"` // of the original in COURSES
	Truncated bool                `json:"truncated,omitempty"`
	Header    map[string][]string `json:"header,omitempty"`
	Data      string              `json:"data,omitempty"`
}

// Replayed is what became of one letter that was to be replayed.
type Replayed struct {
	Letter Letter `json:"letter"`
	Error  string `json:"error,omitempty"` // why it is still a dead letter
}

func (l *Letter) mask() {
	l.ID, l.Reason, l.Subject, l.Type, l.Data = Mask(l.ID), Mask(l.Reason), Mask(l.Subject), Mask(l.Type), maskData(l.Data)
	header := make(map[string][]string, len(l.Header)) // the map is its owner's
	for name, values := range l.Header {
		masked := make([]string, len(values))
		for i, v := range values {
			masked[i] = Mask(v)
			if engine.NamesSecret(name) {
				masked[i] = hidden
			}
		}
		header[name] = masked
	}
	l.Header = header
}

// MaxReplay is how many letters one request replays.
const MaxReplay = 500

func (c Config) listDead(r *http.Request) (any, error) {
	v := r.URL.Query()
	page, err := c.query(v, nil, "limit", "before", "since", "reason", "event")
	if err != nil {
		return nil, err
	}
	q := LetterQuery{Limit: page.Limit, Reason: v.Get("reason"), Event: v.Get("event"), Since: page.Since}
	if page.Before != "" {
		if q.Before, err = letterNumber(page.Before); err != nil {
			return nil, err
		}
	}
	list, err := c.Dead.Letters(r.Context(), q)
	if list == nil {
		list = []Letter{}
	}
	for i := range list {
		list[i].mask()
	}
	return list, err
}

func letterNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: %q is no dead letter's number", ErrInvalid, Mask(s))
	}
	return n, nil
}

func (c Config) showDead(r *http.Request) (any, error) {
	n, err := letterNumber(r.PathValue("letter"))
	if err != nil {
		return nil, err
	}
	l, err := c.Dead.Letter(r.Context(), n)
	l.mask()
	return l, err
}

func (c Config) replayOne(r *http.Request) (any, error) {
	n, err := letterNumber(r.PathValue("letter"))
	if err != nil {
		return nil, err
	}
	if _, err := c.Dead.Letter(r.Context(), n); err != nil {
		return nil, err
	}
	res, err := c.replay(r.Context(), []uint64{n})
	if err != nil {
		return nil, err
	}
	return res[0], nil
}

func (c Config) replayMany(r *http.Request) (any, error) {
	var body struct {
		Letters []uint64 `json:"letters"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if n := len(body.Letters); n == 0 || n > MaxReplay {
		return nil, fmt.Errorf("%w: letters: 1 to %d numbers", ErrInvalid, MaxReplay)
	}
	return c.replay(r.Context(), body.Letters)
}

func (c Config) replay(ctx context.Context, numbers []uint64) ([]Replayed, error) {
	res, err := c.Dead.Replay(ctx, numbers)
	for i := range res {
		res[i].Letter.mask()
		res[i].Error = Mask(res[i].Error)
	}
	return res, err
}

// ReadWhen reads a time of a filter: RFC 3339, a date (UTC), or how long ago ("3d").
func ReadWhen(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if d, err := engine.ParseDuration(s); err == nil {
		return now.Add(-d.Fixed()), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time; write how long ago (3d), a date (2026-11-02) or 2026-11-02T08:00:00Z", s)
}
