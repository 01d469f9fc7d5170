package linkgen

import (
	"fmt"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func TestAuditListGoesOn(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		for i := range 25 {
			at := t0.Add(time.Duration(i/2) * time.Second) // two at a time
			err := b.stores.All()[i%parts].Update(t.Context(), func(tx engine.Tx) error {
				if i%5 == 0 {
					return Audit(tx, AuditEntry{At: at, Who: "sam", Did: fmt.Sprint(i)})
				}
				return Audit(tx, AuditEntry{At: at, Location: loc, Who: "sam", Did: fmt.Sprint(i)})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := b.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
			return Audit(tx, AuditEntry{At: t0, Location: "else", Who: "kim", Did: "nothing here"})
		}); err != nil {
			t.Fatal(err)
		}
		seen, last := map[string]bool{}, ""
		for range 20 {
			page, err := AuditList(t.Context(), b.stores, loc, 4, last)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				if last != "" && e.ID >= last || seen[e.Did] || e.Who != "sam" {
					t.Errorf("%+v after %s", e, last)
				}
				last = e.ID
				seen[e.Did] = true
			}
		}
		if len(seen) != 25 {
			t.Errorf("%d partitions: %d of 25", parts, len(seen))
		}
		if _, err := AuditList(t.Context(), b.stores, loc, 4, "xyz"); err == nil {
			t.Error("no id")
		}
		if err := b.links.Sweep(t.Context(), b.stores, t0.Add(10*time.Second), t0.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		left, err := AuditList(t.Context(), b.stores, loc, 100, "")
		if err != nil || len(left) != 5 {
			t.Errorf("%d partitions: %d left, %v", parts, len(left), err)
		}
	}
}

func TestUseOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	use := func(purpose, location, id string) (fresh bool) {
		b.update(b.ada, func(tx engine.Tx) (err error) {
			fresh, err = UseOnce(tx, purpose, location, id, b.now.Add(time.Minute))
			return err
		})
		return fresh
	}
	for i, c := range []struct {
		purpose, location, id string
		fresh                 bool
	}{{"jti", loc, "a", true}, {"jti", loc, "a", false}, {"jti", loc, "b", true}, {"oidc", loc, "a", true}, {"jti", "else", "a", true},
		{"oidc", loc, "a", false}} {
		if use(c.purpose, c.location, c.id) != c.fresh {
			t.Errorf("%d: %+v", i, c)
		}
	}
	b.now = b.now.Add(time.Minute)
	if use("jti", loc, "a") {
		t.Error("it is forgotten before it was swept")
	}
	for _, n := range []int{4, 0} {
		if err := b.links.Sweep(t.Context(), b.stores, t0, b.now); err != nil {
			t.Fatal(err)
		}
		if got := len(enginetest.Dump(t, b.stores.Global())[engine.SpaceNonces]); got != n {
			t.Errorf("%d left, want %d", got, n)
		}
		b.now = b.now.Add(time.Second)
	}
}
