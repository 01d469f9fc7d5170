package linkgen

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		var keep []Token
		for i := range 2*sweepMost + 50 {
			who := b.person(fmt.Sprint("c-", i%30), "x@example.com", "").Key
			tok := b.mint(engine.LinkRequest{Contact: who, TTL: time.Hour})
			if i%100 == 0 {
				if _, _, err := b.redeem(tok, engine.Secret{}); err != nil {
					t.Fatal(err)
				}
				keep = append(keep, b.mint(engine.LinkRequest{Contact: who, TTL: 30 * 24 * time.Hour}))
			}
			b.now = b.now.Add(time.Second)
		}
		b.now = b.now.Add(20 * 24 * time.Hour)
		live := b.mint(engine.LinkRequest{})
		sid, _, err := b.redeem(live, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.links.Sweep(t.Context(), b.stores, b.now.Add(-24*time.Hour), b.now); err != nil {
			t.Fatal(err)
		}
		count := map[engine.Space]int{}
		for _, s := range b.stores.All() {
			for space, recs := range enginetest.Dump(t, s) {
				count[space] += len(recs)
			}
		}
		if count[engine.SpaceLinks] != len(keep)+1 || count[engine.SpaceUses] != 1 || count[engine.SpaceSessions] != 1 {
			t.Errorf("%d partitions: left %v", parts, count)
		}
		b.want(live, OK)
		for _, tok := range keep {
			b.want(tok, OK)
		}
		if !b.live(sid) {
			t.Error("a living session was swept away")
		}
		list, err := b.links.List(t.Context(), b.stores, loc, b.ada, 100, b.now)
		if err != nil || len(list) != 1 {
			t.Errorf("%d links listed, %v", len(list), err)
		}
	}
}

// What never expires goes once it was replaced or revoked; what happened to a link goes with it; that a run's links were ended is
// remembered for longer than any of them lives.
func TestSweepWhatDoesNotExpire(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		run := engine.NewID(t0, b.ada.Shard(), "run")
		tok := b.mint(engine.LinkRequest{Run: run, TTL: time.Hour})
		if _, _, err := b.redeem(tok, engine.Secret{}); err != nil {
			t.Fatal(err)
		}
		b.revoke(Scope{Location: loc, Run: run})
		app, gone, old := b.app(), b.app(), b.user()
		user := b.user()
		staff := b.staff()
		sid, _, err := b.redeemStaff(staff, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error { return b.links.Revoke(tx, gone.selector.ID(), "sam", b.now) }); err != nil {
			t.Fatal(err)
		}
		count := func() map[engine.Space]int {
			n := map[engine.Space]int{}
			for _, s := range b.stores.All() {
				for space, recs := range enginetest.Dump(t, s) {
					n[space] += len(recs)
				}
			}
			return n
		}
		if n := count(); n[engine.SpaceLinks] != 6 || n[engine.SpaceTrails] != 2 || n[engine.SpaceRevoked] != 1 {
			t.Errorf("%d partitions: stored %v", parts, n)
		}
		b.now = b.now.Add(StaffIdle + 30*24*time.Hour)
		b.sweep(b.now.Add(-24 * time.Hour))
		n := count()
		if n[engine.SpaceLinks] != 2 || n[engine.SpaceTrails] != 0 || n[engine.SpaceSessions] != 0 || n[engine.SpaceRevoked] != 1 || n[engine.SpaceAudit] != 0 {
			t.Errorf("%d partitions: left %v", parts, n)
		}
		b.want(app, OK)
		b.want(user, OK)
		b.want(old, Unknown)
		if b.liveStaff(sid) {
			t.Error("the session of staff lives")
		}
		b.now = b.now.Add(revokedKept)
		b.sweep(b.now.Add(-24 * time.Hour))
		if n := count(); n[engine.SpaceRevoked] != 0 {
			t.Errorf("%d partitions: left %v", parts, n)
		}
	}
}

func (b *bench) sweep(before time.Time) {
	b.Helper()
	if err := b.links.Sweep(b.Context(), b.stores, before, b.now); err != nil {
		b.Fatal(err)
	}
}

// Recent goes through all links of a location, newest first, whatever the pages and partitions.
func TestRecent(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		var want []string
		for i := range 60 {
			if i%7 == 0 {
				b.now = b.now.Add(40 * 24 * time.Hour) // long times without any
			}
			b.now = b.now.Add(time.Duration(i%3) * time.Millisecond)
			who := b.person(fmt.Sprint("c-", i%5), "x@example.com", "").Key
			want = append(want, b.mint(engine.LinkRequest{Contact: who}).selector.ID())
		}
		app := b.app().selector.ID()
		slices.Reverse(want)
		seen := map[string]bool{}
		last := ""
		for {
			page, err := b.links.Recent(t.Context(), b.stores, loc, Learner, last, 7, b.now)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, info := range page {
				if last != "" && info.Link.Created.After(b.selectorOf(last).Time()) || seen[info.Link.ID] {
					t.Errorf("%s after %s", info.Link.ID, last)
				}
				last = info.Link.ID
				seen[last] = true
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d partitions: %d of %d", parts, len(seen), len(want))
		}
		all, err := b.links.Recent(t.Context(), b.stores, loc, "", "", 3, b.now)
		if err != nil || len(all) != 3 || all[0].Link.ID != app && all[1].Link.ID != app {
			t.Errorf("%d, %v", len(all), err)
		}
		if apps, err := b.links.Recent(t.Context(), b.stores, loc, AppOnly, "", 3, b.now); err != nil || len(apps) != 1 || apps[0].Link.ID != app {
			t.Errorf("of one kind: %d, %v", len(apps), err)
		}
		if none, err := b.links.Recent(t.Context(), b.stores, "else", "", "", 3, b.now); err != nil || len(none) != 0 {
			t.Errorf("of another location: %d, %v", len(none), err)
		}
		if _, err := b.links.Recent(t.Context(), b.stores, loc, "", "nonsense", 3, b.now); !errors.Is(err, ErrBadID) {
			t.Errorf("%v", err)
		}
	}
}

func (b *bench) selectorOf(id string) Selector {
	s, err := ParseID(id)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkMint(b *testing.B) {
	s := newBench(b, 1)
	n := uint64(0)
	for b.Loop() {
		n++
		err := s.stores.Global().Update(b.Context(), func(tx engine.Tx) error {
			_, _, err := s.links.Mint(tx, engine.LinkRequest{Now: t0, Location: loc, Contact: s.ada, Ordinal: n, Address: "ada@example.com"})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	s := newBench(b, 1)
	tok := s.mint(engine.LinkRequest{Address: "ada@example.com"})
	for b.Loop() {
		if r := s.look(tok); r != OK {
			b.Fatal(r)
		}
	}
}

func BenchmarkRedeem(b *testing.B) {
	s := newBench(b, 1)
	tok := s.mint(engine.LinkRequest{})
	for b.Loop() {
		if _, _, err := s.redeem(tok, engine.Secret{}); err != nil {
			b.Fatal(err)
		}
	}
}
