package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// This file keeps what the events of all learners tell of a location's courses. It is in memory, and written only when
// an event names something new: a site has few lessons and many events.

// Courses returns what is known of a location's courses. It is kept in memory: only the first call reads the store.
func (r *Runner) Courses(ctx context.Context, location string) (*engine.Courses, error) {
	pl := r.place(location)
	if c := pl.courses.Load(); c != nil {
		return c, nil
	}
	var c *engine.Courses
	err := r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) (err error) {
		c, err = engine.LoadCourses(tx, location)
		return err
	})
	switch {
	case errors.Is(err, engine.ErrRecord): // pages do without it, and events tell it again
		r.cfg.Logger.Error().Err(err).Str("location", location).Msg("course passed over")
	case err != nil:
		return nil, fmt.Errorf("courses of %s: %w", location, err)
	}
	pl.courses.CompareAndSwap(nil, c)
	return pl.courses.Load(), nil
}

// learned is what events told anew of one location's courses.
type learned struct {
	courses *engine.Courses
	changed map[string]*engine.Course // nil if nothing is new
}

// learn keeps what events tell of courses. The caller has the directory's lock.
func (r *Runner) learn(ctx context.Context, events []planned) error {
	news := map[string]*learned{}
	now := r.cfg.Now()
	for _, e := range events {
		n := news[e.ev.Location]
		if n == nil {
			courses, err := r.Courses(ctx, e.ev.Location)
			if err != nil {
				return err
			}
			n = &learned{courses: courses}
			news[e.ev.Location] = n
		}
		n.hear(e.ev, now)
	}
	return r.keepCourses(ctx, news)
}

func (n *learned) hear(ev *engine.Event, now time.Time) {
	at := ev.Time
	if at.IsZero() || at.After(now) { // a clock that is fast would keep a title until then
		at = now
	}
	courses, changed := n.courses.After(ev, at)
	if changed == nil {
		return
	}
	if n.changed == nil {
		n.changed = map[string]*engine.Course{}
	}
	n.courses, n.changed[changed.ID] = courses, changed
}

// keepCourses stores what is new.
func (r *Runner) keepCourses(ctx context.Context, news map[string]*learned) error {
	for location, n := range news {
		if n.changed == nil {
			continue
		}
		err := r.cfg.Stores.Global().Update(ctx, func(tx engine.Tx) error {
			for _, c := range n.changed {
				engine.SaveCourse(tx, location, c)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("courses of %s: %w", location, err)
		}
		r.place(location).courses.Store(n.courses)
	}
	return nil
}
