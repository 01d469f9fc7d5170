package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Sending pauses all that a location sends, and resumes it.
type Sending interface {
	// Pause may be called again: since when stays, the reason is the new one.
	Pause(ctx context.Context, location, reason string) (Pause, error)
	// Resume returns the pause that it ended, with Paused false; one without Since if there was none.
	Resume(ctx context.Context, location string) (Pause, error)
}

// A Pause says whether a location's sending is, or was until now, paused.
type Pause struct {
	Location string    `json:"location"`
	Paused   bool      `json:"paused"`
	Since    time.Time `json:"since,omitzero"`
	Reason   string    `json:"reason,omitempty"`
}

// String is for the page that shows the status.
func (p Pause) String() string {
	if !p.Paused {
		return "no"
	}
	says := "since " + p.Since.UTC().Format("2 Jan 15:04 MST")
	if p.Reason != "" {
		says += ": " + p.Reason
	}
	return says
}

// maxReason is how many characters a reason may have.
const maxReason = 200

// reasonOf reads the body of a pause, which may be absent.
func reasonOf(r *http.Request) (string, error) {
	var body struct {
		Reason string `json:"reason"`
	}
	if r.ContentLength != 0 {
		if err := readBody(r, &body); err != nil {
			return "", err
		}
	}
	reason := strings.TrimSpace(body.Reason)
	if utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return "", fmt.Errorf("%w: reason is one line of at most %d characters", ErrInvalid, maxReason)
	}
	return reason, nil
}

func (c Config) pause(r *http.Request) (any, error) {
	reason, err := reasonOf(r)
	if err != nil {
		return nil, err
	}
	return c.Sending.Pause(r.Context(), c.Location.ID, reason)
}

func (c Config) resume(r *http.Request) (any, error) {
	return c.Sending.Resume(r.Context(), c.Location.ID)
}
