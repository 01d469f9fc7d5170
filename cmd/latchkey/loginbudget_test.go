package main

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// TestBudget spends at random moments, and looks at each hour that there is.
func TestBudget(t *testing.T) {
	t.Parallel()
	const limit = 20
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var counts []budgetCount
	var spent []time.Time
	for range 20000 {
		at = at.Add(time.Duration(rng.IntN(60)) * time.Second)
		next, ok := spendOne(counts, limit, at)
		if !ok {
			continue
		}
		back, err := readBudget(writeBudget(next))
		if err != nil || !reflect.DeepEqual(back, next) {
			t.Fatalf("%v: %v, want %v", err, back, next)
		}
		counts, spent = back, append(spent, at)
		if n := len(spent) - 1 - limit; n >= 0 && at.Sub(spent[n]) < time.Hour {
			t.Fatalf("%d between %s and %s", limit+1, spent[n], at)
		}
	}
	if hours := at.Sub(spent[0]).Hours(); float64(len(spent)) < hours*limit*0.9 || len(counts) > 14 {
		t.Errorf("%d in %.0f hours; %d counts", len(spent), hours, len(counts))
	}
	for ok := true; ok; {
		counts, ok = spendOne(counts, limit, at)
	}
	if _, ok := spendOne(counts, limit, at.Add(-2*time.Hour)); ok {
		t.Error("a clock that went back makes room")
	}
}

// TestGoldenBudget holds the record of a budget.
func TestGoldenBudget(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	counts := []budgetCount{{at, 3}, {at.Add(budgetStep), 300}}
	file, today := filepath.Join("testdata", "budget.v1"), writeBudget(counts)
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, today) {
		t.Errorf("%v: today's encoding differs: %q", err, today)
	}
	if got, err := readBudget(want); err != nil || !reflect.DeepEqual(got, counts) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "\x02", "\x01\x0a\xff"} {
		if _, err := readBudget([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// TestClientLimits counts by network address, and remembers no more than so many.
func TestClientLimits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var l clientLimits
	asked := func(client string) (n int) {
		for range 10 {
			if l.allow(netip.MustParseAddr(client), at) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		client string
		want   int
		after  time.Duration
	}{{"192.0.2.1", 3, 0}, {"192.0.2.1", 0, 0}, {"192.0.2.2", 3, 0}, {"2001:db8::1", 3, 0}, {"2001:db8::2", 0, 0}, {"2001:db8:0:1::1", 3, 0},
		{"192.0.2.1", 3, time.Minute}, {"192.0.2.1", 0, 58 * time.Minute}, {"192.0.2.1", 3, time.Minute}} {
		at = at.Add(c.after)
		if n := asked(c.client); n != c.want {
			t.Errorf("%s after %s: %d, want %d", c.client, c.after, n, c.want)
		}
	}
	for i := range 3 * maxClients {
		l.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), at)
	}
	if n := len(l.seen); n > maxClients || n < maxClients/2 {
		t.Errorf("%d are remembered", n)
	}
	if !l.allow(netip.Addr{}, at) {
		t.Error("no address at all is refused")
	}
}
