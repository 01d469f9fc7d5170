package portal

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one client may do. A link that works is never refused by these.
const (
	guessesAtOnce = 30 // tokens that nobody was given, and as many again
	guessesIn     = 5 * time.Minute
	formsAtOnce   = 20 // requests for a link, and one more
	formsEvery    = 6 * time.Second

	clientsMost = 4096 // that are remembered, twice
)

// A limiter counts what clients do, in bounded memory: when it knows too many it forgets those that were not seen since it
// last did.
type limiter struct {
	every rate.Limit
	burst int
	now   func() time.Time

	mu         sync.Mutex
	young, old map[netip.Prefix]*rate.Limiter
}

func newLimiter(every rate.Limit, burst int, now func() time.Time) *limiter {
	return &limiter{every: every, burst: burst, now: now, young: map[netip.Prefix]*rate.Limiter{}}
}

// allow counts one more of a client, and reports whether that is within its limit.
func (l *limiter) allow(client netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := networkOf(client)
	of := l.young[key]
	if of == nil {
		if of = l.old[key]; of == nil {
			of = rate.NewLimiter(l.every, l.burst)
		}
		if len(l.young) >= clientsMost {
			l.old, l.young = l.young, map[netip.Prefix]*rate.Limiter{}
		}
		l.young[key] = of
	}
	return of.AllowN(l.now(), 1)
}

// networkOf returns what one client surely holds: its address, or in IPv6 the network of its site.
func networkOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // one for all who are not known
	}
	return p
}
