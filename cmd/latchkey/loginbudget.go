package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"latchkey/engine"
)

// What strangers may cause: so many messages of a location in an hour, which is stored, and so many requests from one network
// address, which is not.

const (
	budgetSpan = time.Hour
	budgetStep = 5 * time.Minute // a count is for so long; the oldest counts in full, so that no hour has more than it may
)

// spend takes one message out of what a location may send in an hour at strangers' wish, and of what it may send as SMS. It
// reports whether there was one; on an error nothing may be sent. The same commit stores the request with its owner, so that it
// takes out no second one. It returns errForgotten if the request is gone.
func (d *loginDesk) spend(ctx context.Context, a *loginAsked, cfg LoginConfig, now time.Time) (ok bool, err error) {
	limits := map[string]int{"all": cfg.PerHour}
	if channelOf(&a.LoginRequest) == "sms" {
		limits["sms"] = cfg.SMS.PerHour
	}
	err = d.stores.Global().Update(ctx, func(tx engine.Tx) error {
		ok = true
		if tx.Get(engine.SpaceLogins, a.key()) == nil {
			return errForgotten
		}
		now := engine.Tick(tx, now)
		next := map[string][]budgetCount{}
		for what, limit := range limits {
			counts, err := readBudget(tx.Get(engine.SpaceBudgets, budgetKey(a.Location, what)))
			if err != nil {
				return err
			}
			next[what], ok = spendOne(counts, limit, now)
			if !ok {
				return nil
			}
		}
		for what, counts := range next {
			tx.Put(engine.SpaceBudgets, budgetKey(a.Location, what), writeBudget(counts))
		}
		tx.Put(engine.SpaceLogins, a.key(), d.write(a))
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("budget of login links: %w", err)
	}
	return ok, nil
}

var errForgotten = errors.New("its contact is being forgotten")

func budgetKey(location, what string) []byte {
	return engine.Key(location, []byte("login "), []byte(what))
}

// A budgetCount is how many messages there were in one step of time.
type budgetCount struct {
	at time.Time
	n  int
}

// spendOne returns the counts with one more, and whether there is room for it.
func spendOne(counts []budgetCount, limit int, now time.Time) ([]budgetCount, bool) {
	sum := 0
	var kept []budgetCount
	for _, c := range counts {
		if now.Sub(c.at) < budgetSpan+budgetStep {
			kept = append(kept, c)
			sum += c.n
		}
	}
	if sum >= limit {
		return counts, false
	}
	step := now.Truncate(budgetStep)
	if n := len(kept); n > 0 && !kept[n-1].at.Before(step) {
		kept[n-1].n++
		return kept, true
	}
	return append(kept, budgetCount{step, 1}), true
}

// A budget's record: a version byte (1), and a group (1) for each step of time: its beginning (1) and its count (2).
func writeBudget(counts []budgetCount) []byte {
	w := engine.FieldWriter{B: []byte{1}}
	for _, c := range counts {
		w.Group(1, func() {
			w.Time(1, c.at)
			w.Number(2, uint64(c.n))
		})
	}
	return w.B
}

func readBudget(b []byte) (counts []budgetCount, err error) {
	if b == nil {
		return nil, nil
	}
	if len(b) == 0 || b[0] != 1 {
		return nil, engine.ErrRecord
	}
	r := engine.FieldReader{Rest: b[1:]}
	for r.Next() {
		if r.Tag != 1 {
			continue
		}
		var c budgetCount
		r.Group(func(r *engine.FieldReader) {
			switch r.Tag {
			case 1:
				c.at = r.Time()
			case 2:
				c.n = int(r.Number())
			}
		})
		counts = append(counts, c)
	}
	return counts, r.Err
}

// clientRates are how often a login link may be asked for from one network address.
var clientRates = []engine.Rate{{N: 3, In: time.Minute}, {N: 6, In: time.Hour}}

const maxClients = 20_000 // that are remembered

// clientLimits counts requests by network address: by the 64 bits that a household has of IPv6.
type clientLimits struct {
	mu   sync.Mutex
	seen map[netip.Prefix][]time.Time
}

// allow reports whether the address may ask now, and counts it if so.
func (l *clientLimits) allow(client netip.Addr, now time.Time) bool {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	key, _ := client.Prefix(bits) // that of no address is one too
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := slices.DeleteFunc(l.seen[key], func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if !engine.HasRoom(seen, clientRates, now) {
		return false
	}
	if len(l.seen) >= maxClients {
		l.shrink(now)
	}
	if l.seen == nil {
		l.seen = map[netip.Prefix][]time.Time{}
	}
	l.seen[key] = append(seen, now)
	return true
}

// shrink forgets addresses that are not limited any more, or else any tenth: the budgets hold all the same.
func (l *clientLimits) shrink(now time.Time) {
	maps.DeleteFunc(l.seen, func(_ netip.Prefix, at []time.Time) bool { return now.Sub(at[len(at)-1]) >= time.Hour })
	for key := range l.seen {
		if len(l.seen) <= maxClients*9/10 {
			return
		}
		delete(l.seen, key)
	}
}
