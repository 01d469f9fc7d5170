package triggers

import (
	"context"
	"fmt"
	"time"

	"latchkey/engine"
)

// History calls fn with every event of a location that the stream COURSES still holds, in order, and when it was stored, until it
// returns an error, and returns that. What cannot be read is passed over, and counted. It changes nothing.
func (b *Bus) History(ctx context.Context, location string, fn func(ev engine.Event, stored time.Time) error) (unread int, err error) {
	s, err := b.js.Stream(ctx, StreamCourses)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", StreamCourses, err)
	}
	d := &Decoder{}
	subjects := []string{subjectPrefix + location + ".*"}
	err = scan(ctx, s, 1, s.CachedInfo().State.LastSeq, false, subjects, func(m Message) error {
		ev, err := d.Decode(m)
		if err != nil {
			unread++
			return nil
		}
		return fn(ev, m.Time)
	})
	return unread, err
}
