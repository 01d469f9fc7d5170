package linkgen

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// A RecentQuery selects links of a location.
type RecentQuery struct {
	Location string
	Kind     Kind   // "" is all
	Before   string // the id of a link: only older ones
	Limit    int    // default 100
}

// Recent returns links, newest first. Returns ErrBadID. Links are stored in the order of time and read forwards only, so it looks
// through stretches of time that begin with the last hour and get longer, until it has enough.
func (l *Links) Recent(ctx context.Context, stores engine.Stores, q RecentQuery, now time.Time) ([]Info, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	end := now.Add(time.Hour) // of clocks that are ahead
	var before Selector
	if q.Before != "" {
		s, err := ParseID(q.Before)
		if err != nil {
			return nil, fmt.Errorf("recent links: %w", err)
		}
		before, end = s, s.Time().Add(time.Millisecond)
	}
	var ids []Selector
	for stretch := time.Hour; len(ids) < q.Limit && end.UnixMilli() > 0; stretch *= 4 {
		from := end.Add(-stretch)
		more, err := l.between(ctx, stores, q, from, end, before)
		if err != nil {
			return nil, fmt.Errorf("recent links: %w", err)
		}
		ids, end = append(ids, more...), from
	}
	out := make([]Info, 0, min(len(ids), q.Limit))
	for _, s := range ids[:cap(out)] {
		info, err := l.Show(ctx, stores, s.ID(), now)
		if err != nil {
			return nil, fmt.Errorf("recent links: %w", err)
		}
		out = append(out, info)
	}
	return out, nil
}

// between returns the last links minted in [from, to), newest first; of before's moment only older ones.
func (l *Links) between(ctx context.Context, stores engine.Stores, q RecentQuery, from, to time.Time, before Selector) (ids []Selector, err error) {
	low, high := selectorAt(from), selectorAt(to)
	for _, store := range stores.All() {
		var part []Selector
		err := store.View(ctx, func(tx engine.Tx) error {
			part = part[:0]
			var bad error
			tx.Scan(engine.SpaceLinks, low, high, func(k, v []byte) bool {
				var rec linkRecord
				if _, bad = decode(engine.SpaceLinks, v, &rec); bad != nil {
					return false
				}
				s := Selector(k)
				fits := rec.Location == q.Location && (q.Kind == "" || rec.Kind == q.Kind)
				if fits && (before == Selector{} || slices.Compare(s[:], before[:]) < 0) {
					part = append(part, s)
				}
				if len(part) >= 2*q.Limit {
					part = append(part[:0], part[q.Limit:]...)
				}
				return true
			})
			return bad
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, part...)
	}
	slices.SortFunc(ids, func(a, b Selector) int { return strings.Compare(string(b[:]), string(a[:])) })
	return ids, nil
}

// selectorAt is what selectors of a moment begin with.
func selectorAt(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMilli(), 0))<<16)[:6]
}
