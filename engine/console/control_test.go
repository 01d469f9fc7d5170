package console_test

import "context"

// A hand does what operators ask for.
type hand struct{ *house }

func (h hand) RetryMessage(_ context.Context, location, id string) (any, error) {
	return "done", h.note("retry %s %s", location, id)
}

func (h hand) ResendMessage(_ context.Context, location, id string) (any, error) {
	return "done", h.note("resend %s %s", location, id)
}

func (h hand) CancelRun(_ context.Context, location, id string) (any, error) {
	return "done", h.note("cancel %s %s", location, id)
}

func (h hand) RetryRun(_ context.Context, location, id string) (any, error) {
	return "done", h.note("go on %s %s", location, id)
}
