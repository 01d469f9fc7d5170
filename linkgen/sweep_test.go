package linkgen

import (
	"fmt"
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
