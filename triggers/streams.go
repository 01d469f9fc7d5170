package triggers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

// Names of the streams.
const (
	StreamCourses = "COURSES"
	StreamDead    = "COURSES_DEAD"
	StreamOut     = "LATCHKEY"
)

// madeKey marks a stream that Latchkey made: its MaxAge follows the settings. Others are left as they are.
const madeKey = "latchkey_made"

func (b *Bus) streamConfigs() []jetstream.StreamConfig {
	common := jetstream.StreamConfig{
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld,
		Duplicates: 10 * time.Minute, AllowAtomicPublish: true, AllowDirect: true, Metadata: map[string]string{madeKey: "1"},
	}
	courses, dead, out := common, common, common
	courses.Name, courses.Subjects, courses.MaxAge = StreamCourses, []string{"courses.*.*"}, b.cfg.EventsAge
	courses.Description = "Course events: courses.<location>.<trigger>"
	dead.Name, dead.Subjects, dead.MaxAge = StreamDead, []string{"courses_dead.>"}, b.cfg.DeadAge
	dead.Description = "Course events that could not be used, with the reason in the header " + headerReason
	dead.Duplicates = min(time.Hour, b.cfg.DeadAge) // there are few, and a crash may send one again late
	out.Name, out.Subjects, out.MaxAge = StreamOut, []string{"latchkey.>"}, b.cfg.EventsAge
	out.Description = "What Latchkey did: latchkey.<location>.<type>"
	courses.Duplicates, out.Duplicates = min(courses.Duplicates, b.cfg.EventsAge), min(out.Duplicates, b.cfg.EventsAge)
	return []jetstream.StreamConfig{courses, dead, out}
}

// EnsureStreams makes the streams that are not there. One that is there with settings under which events could be lost
// is an error that says what to change; otherwise it is left as it is. All that is wrong is told at once.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	var errs []error
	for _, want := range b.streamConfigs() {
		errs = append(errs, b.ensureStream(ctx, want))
	}
	return errors.Join(errs...)
}

func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	s, err := b.js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if _, err = b.js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			if s, err = b.js.Stream(ctx, want.Name); err == nil { // somebody was quicker
				return checkStream(want, s.CachedInfo().Config)
			}
		}
		if err != nil {
			return fmt.Errorf("stream %s: cannot be made: %w", want.Name, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if err := checkStream(want, have); err != nil {
		return err
	}
	if have.Metadata[madeKey] == "" || have.MaxAge == want.MaxAge {
		return nil
	}
	have.MaxAge = want.MaxAge
	have.Duplicates = min(have.Duplicates, have.MaxAge)
	if _, err := b.js.UpdateStream(ctx, have); err != nil {
		return fmt.Errorf("stream %s: set max age to %s: %w", want.Name, want.MaxAge, err)
	}
	return nil
}

// checkStream says what is unfit about a stream that somebody else made.
func checkStream(want, have jetstream.StreamConfig) error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	for _, s := range want.Subjects {
		fault(!covered(s, have.Subjects), "its subjects %v do not include %s: add it", have.Subjects, s)
	}
	fault(have.Retention != want.Retention, "its retention is %s, which removes what was read: make it anew with retention limits", have.Retention)
	fault(have.Storage != want.Storage, "it is kept in memory: make it anew with storage file")
	fault(have.Discard != want.Discard, "it refuses new messages when it is full: set discard to old")
	fault(have.MaxMsgsPerSubject > 0, "it keeps only %d messages of a subject: set max messages per subject to -1", have.MaxMsgsPerSubject)
	fault(have.MaxMsgSize > 0 && have.MaxMsgSize < MaxEvent, "it takes messages of at most %d bytes: set max message size to -1 or at least %d", have.MaxMsgSize, MaxEvent)
	fault(have.NoAck, "it does not confirm messages: turn acknowledgements on")
	fault(have.Sealed, "it is sealed: make it anew")
	fault(have.SubjectTransform != nil, "it changes subjects: remove the subject transform")
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("stream %s is there but unfit: %s", want.Name, strings.Join(faults, "; "))
}

// covered reports whether every subject that the pattern want matches is matched by one of patterns.
func covered(want string, patterns []string) bool {
	for _, p := range patterns {
		if covers(strings.Split(p, "."), strings.Split(want, ".")) {
			return true
		}
	}
	return false
}

func covers(pattern, want []string) bool {
	for i, p := range pattern {
		switch {
		case p == ">":
			return len(want) > i
		case i >= len(want) || want[i] == ">":
			return false
		case p != "*" && p != want[i]:
			return false
		}
	}
	return len(pattern) == len(want)
}

// Last returns the last message of COURSES that is stored; its Created tells which stream of that name it is.
func (b *Bus) Last(ctx context.Context) (engine.Offset, error) {
	s, err := b.js.Stream(ctx, StreamCourses)
	if err != nil {
		return engine.Offset{}, fmt.Errorf("stream %s: %w", StreamCourses, err)
	}
	info := s.CachedInfo()
	return engine.Offset{Stream: StreamCourses, Created: info.Created, Seq: info.State.LastSeq}, nil
}
