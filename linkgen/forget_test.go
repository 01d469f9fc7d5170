package linkgen

import (
	"bytes"
	"testing"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestForget forgets one of two contacts: of that one no record is left in any space of links, of the other all are.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		eve := b.person("eve", "eve@example.com", "").Key
		hers, his := b.mint(engine.LinkRequest{Contact: eve}), b.mint(engine.LinkRequest{})
		b.mint(engine.LinkRequest{Contact: eve, App: "courses"})
		run := engine.NewID(t0, eve.Shard(), "her run")
		b.update(eve, func(tx engine.Tx) error {
			return engine.SaveRun(tx, &engine.Run{ID: run, Location: loc, Workflow: "w", Contact: eve, State: engine.RunFinished})
		})
		b.mint(engine.LinkRequest{Contact: eve, Run: run})
		b.revoke(Scope{Location: loc, Run: run})
		view := NewSID(eve.Shard())
		b.update(eve, func(tx engine.Tx) error {
			_, err := b.links.Redeem(tx, Visit{Token: hers, Fresh: view, Now: b.now, As: "sam"})
			return err
		})
		b.revoke(Scope{Location: loc, Contact: eve})
		hers = b.mint(engine.LinkRequest{Contact: eve})
		sids := map[engine.ID]engine.Secret{}
		for who, tok := range map[engine.ID]Token{eve: hers, b.ada: his} {
			sid, _, err := b.redeem(tok, engine.Secret{})
			if err != nil {
				t.Fatal(err)
			}
			sids[who] = sid
		}
		var held Held
		b.update(eve, func(tx engine.Tx) (err error) { held, err = b.links.Held(tx, loc, eve); return err })
		if held != (Held{Links: 4, Sessions: 1}) {
			t.Errorf("held: %+v", held)
		}
		for range 2 {
			b.update(eve, func(tx engine.Tx) error { return b.links.Forget(tx, loc, eve) })
		}
		for _, s := range b.stores.All() {
			for space, recs := range enginetest.Dump(t, s) {
				if space == engine.SpacePeople || space == engine.SpaceRuns {
					continue
				}
				if space == engine.SpaceTrails && len(recs) > 1 {
					t.Errorf("%d partitions: %d timelines are left", parts, len(recs))
				}
				for k, v := range recs {
					for _, id := range [][]byte{eve[:], []byte(eve.String()), run[:], []byte(run.String())} {
						if bytes.Contains([]byte(k), id) || bytes.Contains([]byte(v), id) {
							t.Errorf("%d partitions: left in %s", parts, space)
						}
					}
				}
			}
		}
		b.want(hers, Unknown)
		b.want(his, OK)
		if b.live(sids[eve]) || !b.live(sids[b.ada]) {
			t.Error("sessions")
		}
	}
}
