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
		if held != (Held{Links: 2, Sessions: 1}) {
			t.Errorf("held: %+v", held)
		}
		for range 2 {
			b.update(eve, func(tx engine.Tx) error { return b.links.Forget(tx, loc, eve) })
		}
		for _, s := range b.stores.All() {
			for space, recs := range enginetest.Dump(t, s) {
				if space == engine.SpacePeople {
					continue
				}
				for k, v := range recs {
					if bytes.Contains([]byte(k), eve[:]) || bytes.Contains([]byte(v), eve[:]) {
						t.Errorf("%d partitions: left in %s", parts, space)
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
