package console_test

import (
	"context"
	"testing"
	"time"

	"latchkey/engine/console"
)

// A grave answers for dead letters.
type grave struct{ *house }

var buried = console.Letter{
	Letter: 17, ID: "sign-up:ada@example.com", Reason: "unknown location", Header: map[string][]string{"Authorization": {"Bearer x"}},
	Data: `{"email": "ada@example.com", "token": "sesame"}`,
}

func (g grave) Letters(_ context.Context, q console.LetterQuery) ([]console.Letter, error) {
	return []console.Letter{buried}, g.note("letters %s", asked(q))
}

func (g grave) Letter(_ context.Context, number uint64) (console.Letter, error) {
	l := buried
	l.Header = map[string][]string{"Authorization": {"Bearer x"}}
	return l, g.note("letter %d", number)
}

func (g grave) Replay(_ context.Context, numbers []uint64) ([]console.Replayed, error) {
	return []console.Replayed{{Error: "no"}}, g.note("replay %v", numbers)
}

func TestReadWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"3d": "2026-11-19T08:00:00Z", "90s": "2026-11-22T07:58:30Z", "2026-11-02": "2026-11-02T00:00:00Z", "2026-11-02T08:00:00+02:00": "2026-11-02T06:00:00Z",
	} {
		if got, err := console.ReadWhen(in, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "yesterday", "-3d", "3", "2026-13-01"} {
		if got, err := console.ReadWhen(in, now); err == nil {
			t.Errorf("%q is taken for %v", in, got)
		}
	}
}
