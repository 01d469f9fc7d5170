package main

import (
	"context"
	"errors"
	"fmt"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// adminControl does what operators ask the console for.
type adminControl struct{ *site }

// RetryMessage implements console.Control.
func (i adminControl) RetryMessage(ctx context.Context, location, id string) (any, error) {
	return i.message(ctx, location, id, i.runner.RetryTask)
}

// ResendMessage implements console.Control.
func (i adminControl) ResendMessage(ctx context.Context, location, id string) (any, error) {
	return i.message(ctx, location, id, i.runner.ResendTask)
}

// CancelRun implements console.Control.
func (i adminControl) CancelRun(ctx context.Context, location, id string) (any, error) {
	return i.run(ctx, location, id, i.runner.CancelRun)
}

// RetryRun implements console.Control.
func (i adminControl) RetryRun(ctx context.Context, location, id string) (any, error) {
	return i.run(ctx, location, id, i.runner.RetryRun)
}

func (i adminControl) message(ctx context.Context, location, id string, do func(context.Context, string, engine.ID) (*engine.Task, error)) (any, error) {
	key, err := parseID("message", id)
	if err != nil {
		return nil, err
	}
	t, err := do(ctx, location, key)
	if err != nil {
		return nil, controlError("message "+id, err)
	}
	return i.messageOf(*t), nil
}

func (i adminControl) run(ctx context.Context, location, id string, do func(context.Context, string, engine.ID) (*engine.Run, error)) (any, error) {
	key, err := parseID("run", id)
	if err != nil {
		return nil, err
	}
	run, err := do(ctx, location, key)
	if err != nil {
		return nil, controlError("run "+id, err)
	}
	return console.RunOf(run), nil
}

func controlError(what string, err error) error {
	if errors.Is(err, runner.ErrNotKept) {
		return fmt.Errorf("%s: %w", what, console.ErrNotFound)
	}
	if state, ok := errors.AsType[*runner.StateError](err); ok {
		return fmt.Errorf("%w: %s: %w", console.ErrConflict, what, state)
	}
	return err
}
