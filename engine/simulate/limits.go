package simulate

import (
	"errors"
	"time"

	"latchkey/engine"
)

func retryFor(kind string) time.Duration {
	if kind == "sms" {
		return 4 * time.Hour
	}
	return 24 * time.Hour
}

func stateOf(err error, hold bool) engine.TaskState {
	switch {
	case err == nil:
		return engine.TaskSent
	case engine.IsUnknown(err) && hold:
		return engine.TaskUnknown
	case engine.IsFinal(err):
		return engine.TaskFailed
	case errors.Is(err, engine.ErrSuppressed):
		return engine.TaskSuppressed
	}
	return engine.TaskDue
}
