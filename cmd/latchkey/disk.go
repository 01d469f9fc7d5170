package main

import (
	"context"
	"fmt"
	"net/http"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// leastFree is how much of the data folder's disk must be free for events to be taken. What is kept back is for those who
// open links, for messages under way, and for the stream, where events wait meanwhile.
const leastFree = 0.05

// diskLow returns an error while the disk of the data folder is nearly full. A disk that tells nothing is not.
func (c *Config) diskLow() error {
	free, err := freeOf(c.Data)
	if err != nil || free >= leastFree {
		return nil
	}
	return fmt.Errorf("the disk of %s is %.1f %% free: no events are taken below %.0f %%", c.Data, 100*free, 100*leastFree)
}

// A sparingHandler hands no events over while the disk is low: they stay in the stream and are not acknowledged.
type sparingHandler struct {
	*runner.Runner
	low func() error
}

// Handle implements triggers.Handler.
func (h sparingHandler) Handle(ctx context.Context, b engine.Batch) error {
	if err := h.low(); err != nil {
		return err
	}
	return h.Runner.Handle(ctx, b)
}

// whileRoom refuses events over HTTP while the disk is low: their publisher can wait.
func whileRoom(low func() error, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := low(); err != nil {
			w.Header().Set("Retry-After", "60")
			console.WriteProblem(w, http.StatusServiceUnavailable, "the disk is nearly full: publish it again later")
			return
		}
		next.ServeHTTP(w, r)
	})
}
