package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey/engine/console"
	"latchkey/triggers"
)

// adminDead answers the console's questions about dead letters.
type adminDead struct{ *site }

// Letters implements console.DeadLetters.
func (i adminDead) Letters(ctx context.Context, q console.LetterQuery) ([]console.Letter, error) {
	list, err := i.bus.Letters(ctx, triggers.LetterQuery{
		Limit: q.Limit, Before: q.Before, Since: q.Since, Reason: q.Reason, Event: q.Event,
		Foreign: func(l triggers.Letter) bool { return !i.own(deadLetterOf(l)) },
	})
	out := make([]console.Letter, 0, len(list))
	for _, l := range list {
		l.Header = nil
		out = append(out, deadLetterOf(l))
	}
	return out, err
}

// Letter implements console.DeadLetters.
func (i adminDead) Letter(ctx context.Context, number uint64) (console.Letter, error) {
	l, err := i.bus.Letter(ctx, number)
	if errors.Is(err, triggers.ErrNoLetter) {
		err = fmt.Errorf("dead letter %d: %w", number, console.ErrNotFound)
	}
	d := deadLetterOf(l)
	if err == nil && !i.own(d) {
		d, err = console.Letter{}, fmt.Errorf("dead letter %d: %w", number, console.ErrNotFound)
	}
	return d, err
}

// Replay implements console.DeadLetters.
func (i adminDead) Replay(ctx context.Context, numbers []uint64) ([]console.Replayed, error) {
	for _, n := range numbers {
		if len(i.sites) == 1 {
			break
		}
		if _, err := i.Letter(ctx, n); err != nil {
			return nil, err // another location's
		}
	}
	res, err := i.bus.Replay(ctx, numbers)
	out := make([]console.Replayed, 0, len(res))
	for _, r := range res {
		r.Letter.Header = nil
		one := console.Replayed{Letter: deadLetterOf(r.Letter)}
		if r.Err != nil {
			one.Error = r.Err.Error()
		}
		out = append(out, one)
	}
	return out, err
}

// own reports whether a letter is not another location's. One that is nobody's is everybody's: its location was misspelt.
func (i adminDead) own(l console.Letter) bool {
	s := i.instance.site(l.Location)
	return s == nil || s == i.site
}

func deadLetterOf(l triggers.Letter) console.Letter {
	out := console.Letter{
		Letter: l.Number, At: l.At, ID: l.ID, Reason: l.Reason, Subject: l.Subject, Published: l.Stored, Sequence: l.Sequence,
		Truncated: l.Truncated, Header: l.Header, Data: string(l.Data),
	}
	rest, _ := strings.CutPrefix(l.Subject, "courses.")
	out.Location, out.Type, _ = strings.Cut(rest, ".")
	return out
}
