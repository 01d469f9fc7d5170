package flowfile

import (
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// How the attempts of an action go: what stands beside its kind.

const (
	maxAttempts = 100
	maxRetryFor = 30 * 24 * time.Hour
	minTimeout  = time.Second
	maxTimeout  = time.Hour
)

// actionKeys returns which of those keys a kind has. One that the core carries out itself, or that only publishes, has no attempts; it
// fails for want of a field, by a fault of its condition, or because no workflow starts.
func (r *reader) actionKeys(kind string) []string {
	switch {
	case r.cat.Actions[kind] != nil:
		return actionKeys
	case r.cat.Notices[kind] != nil, slices.Contains([]string{"wait", "if", "start"}, kind):
		return []string{"on_error"}
	}
	return nil
}

// actionKey reads a key that only steps with an effect outside have.
func (r *reader) actionKey(e, kind entry, s *engine.Step) {
	if !slices.Contains(r.actionKeys(kind.name), e.name) {
		switch {
		case e.name == "on_error":
			r.fail(e.key, "on_error belongs to a step that can fail; the step %s cannot", kind.name)
		case e.name == "timeout" && (kind.name == "wait" || kind.name == "goal"):
			r.fail(e.key, "timeout stands within %s here: `{…, timeout: %s}`", kind.name, e.value.Value)
		default:
			r.fail(e.key, "%s belongs to a step that sends something; the step %s sends nothing", e.name, kind.name)
		}
		return
	}
	switch e.name {
	case "on_error":
		word, _ := r.word(e.value, "on_error", "continue", "stop")
		s.StopOnError = word == "stop"
	case "on_unknown":
		word, _ := r.word(e.value, "on_unknown", string(engine.UnknownResend), string(engine.UnknownHold))
		s.OnUnknown = engine.OnUnknown(word)
	case "retry":
		r.retry(e.value, s)
	case "timeout":
		s.Timeout = r.bounded(e.value, "timeout", minTimeout, maxTimeout, "must be from 1s to 1h")
	}
}

// retry reads never, how long, or {for, attempts}.
func (r *reader) retry(n *yaml.Node, s *engine.Step) {
	if n.Kind != yaml.MappingNode {
		text, ok := r.text(n, "retry")
		_, notNumber := strconv.Atoi(text)
		switch {
		case !ok:
		case text == "never":
			s.Retry.Attempts = 1
		case slices.Contains([]string{"none", "no", "false", "off", "0"}, text):
			r.fail(n, "retry cannot be %q; write never", text)
		case notNumber == nil:
			r.fail(n, "retry cannot be the number %s alone; write {attempts: %s}, the first one included, or how long, such as 4h", text, text)
		default:
			s.Retry.For = r.bounded(n, "retry", 0, maxRetryFor, "can be 30d at most")
		}
		return
	}
	entries, ok := r.mapping(n, "retry", "`{for: 4h, attempts: 5}`")
	if ok && len(entries) == 0 {
		r.fail(n, "retry is empty; write never, how long, such as 4h, or {for: 4h, attempts: 5}")
	}
	for _, e := range entries {
		switch e.name {
		case "for":
			s.Retry.For = r.bounded(e.value, "for", 0, maxRetryFor, "can be 30d at most")
		case "attempts":
			s.Retry.Attempts = r.attempts(e.value)
		default:
			r.unknownKey(e.key, "retry", []string{"for", "attempts"})
		}
	}
}

func (r *reader) attempts(n *yaml.Node) int {
	text, ok := r.text(n, "attempts")
	if !ok {
		return 0
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 || count > maxAttempts {
		r.fail(n, "attempts must be a whole number from 1 (which tries once) to %d, not %q", maxAttempts, text)
		return 0
	}
	return count
}

// bounded reads a length of time; limits says what it must be between.
func (r *reader) bounded(n *yaml.Node, what string, least, most time.Duration, limits string) time.Duration {
	d, ok := r.duration(n, what)
	if length := d.Fixed(); ok && (length < least || length > most) {
		r.fail(n, "%s %s", what, limits)
		return 0
	}
	return d.Fixed()
}
