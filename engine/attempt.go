package engine

import (
	"slices"
	"time"
	"unicode/utf8"
)

// A Retry says how long, and how often, an action is tried while its errors are temporary. A field that is zero is as its
// channel has it.
type Retry struct {
	For      time.Duration // from the first attempt on
	Attempts int           // at most, the first included
}

// An OnUnknown says what becomes of an effect that may or may not have happened. "" is as its channel has it.
type OnUnknown string

// What becomes of an unknown outcome.
const (
	UnknownResend OnUnknown = "resend" // tried again, so that it may happen twice
	UnknownHold   OnUnknown = "hold"   // not tried again; an operator decides
)

// A Try is an attempt that is over and was not the task's last, or several in a row that ended alike.
type Try struct {
	N      int       `json:"n"` // which attempt; 0 for one that did not count, as its channel was down
	At     time.Time `json:"at"`
	Result string    `json:"result"` // "temporary", "down", or a state of a task that is over
	Error  string    `json:"error,omitempty"`
	Times  int       `json:"times,omitempty"` // how many, if more than one; At and Error are the last one's
}

// The results of a Try that are no state of a task.
const (
	TryTemporary = "temporary" // an error that another attempt may mend
	TryDown      = "down"      // the channel was down: it did not count
)

const (
	triesFirst = 3   // how many of a task's tries are kept from its beginning
	triesLast  = 10  // and how many from its end
	tryError   = 300 // bytes of an error that a try keeps
)

// Tried adds to the task's tries. One that ended as the last one did, without counting, is added to that.
func (t *Task) Tried(y Try) {
	y.Error = clip(y.Error, tryError)
	if n := len(t.Tries); n > 0 && y.N == 0 && t.Tries[n-1].N == 0 && t.Tries[n-1].Result == y.Result {
		y.Times = max(t.Tries[n-1].Times, 1) + 1
		t.Tries = append(slices.Clip(t.Tries[:n-1]), y)
		return
	}
	t.Tries = append(slices.Clip(t.Tries), y)
	if len(t.Tries) > triesFirst+triesLast {
		t.Tries = slices.Delete(t.Tries, triesFirst, triesFirst+1)
	}
}

// History returns the task's tries with its last attempt, if that is over: how the task ended says it.
func (t *Task) History() []Try {
	if !t.State.Over() || t.Attempts == 0 && t.State == TaskSuppressed {
		return t.Tries
	}
	return append(slices.Clip(t.Tries), Try{N: t.Attempts, At: t.Changed, Result: string(t.State), Error: clip(t.Error, tryError)})
}

// clip cuts a text to n bytes, at a rune's beginning.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
