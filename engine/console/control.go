package console

import (
	"context"
	"net/http"
)

// Control does what operators ask for. Asked twice, it does it once. Each returns the message or the run as it is then;
// ErrNotFound for one that is not, or no more, in the history; ErrConflict, which names its state, if it cannot be done in that.
type Control interface {
	// RetryMessage tries a message again that is over and was not sent: the same one.
	RetryMessage(ctx context.Context, location, id string) (any, error)
	// ResendMessage sends a copy of a message that was sent, or may have been.
	ResendMessage(ctx context.Context, location, id string) (any, error)
	// CancelRun ends a run.
	CancelRun(ctx context.Context, location, id string) (any, error)
	// RetryRun has a run go on that a message stopped.
	RetryRun(ctx context.Context, location, id string) (any, error)
}

// steering is one method of a Control.
type steering = func(k Control, ctx context.Context, location, id string) (any, error)

func (c Config) control(do steering) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		return do(c.Control, r.Context(), c.Location.ID, r.PathValue("id"))
	}
}
