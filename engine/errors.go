package engine

import (
	"errors"
	"time"
)

// Final or temporary is a property of an error: the adapter that knows marks it, the engine reads it once.
// An error without a mark is temporary.

type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// Final marks an error that trying again cannot mend (an SMTP 550, a bad number). nil stays nil.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &finalError{err}
}

// IsFinal reports whether err is marked by Final.
func IsFinal(err error) bool {
	var e *finalError
	return errors.As(err, &e)
}

type unknownError struct{ err error }

func (e *unknownError) Error() string { return e.err.Error() }
func (e *unknownError) Unwrap() error { return e.err }

// Unknown marks an effect that may or may not have happened: the connection broke after the final dot, or a
// reply never came. nil stays nil.
func Unknown(err error) error {
	if err == nil {
		return nil
	}
	return &unknownError{err}
}

// IsUnknown reports whether err is marked by Unknown.
func IsUnknown(err error) bool {
	var e *unknownError
	return errors.As(err, &e)
}

type laterError struct {
	err   error
	after time.Duration
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// Later marks a temporary error whose sender said when to try again (Retry-After). nil stays nil.
func Later(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &laterError{err, after}
}

// LaterBy returns the wait that err was marked with, and whether it was.
func LaterBy(err error) (time.Duration, bool) {
	var e *laterError
	if errors.As(err, &e) {
		return e.after, true
	}
	return 0, false
}

type downError struct{ err error }

func (e *downError) Error() string { return e.err.Error() }
func (e *downError) Unwrap() error { return e.err }

// Down marks a temporary error that concerns the channel and not the message: the server cannot be reached,
// or refuses our login or our sender address. The next message would fare the same. nil stays nil.
func Down(err error) error {
	if err == nil {
		return nil
	}
	return &downError{err}
}

// IsDown reports whether err is marked by Down.
func IsDown(err error) bool {
	var e *downError
	return errors.As(err, &e)
}
