package linkgen

import (
	"errors"
	"testing"
	"time"

	"latchkey/engine"
)

// views begins a view from the console.
func (b *bench) views(as string, presented engine.Secret) (engine.Secret, error) {
	fresh := NewSID(b.ada.Shard())
	err := b.stores.For(b.ada.Shard()).Update(b.Context(), func(tx engine.Tx) error {
		return b.links.View(tx, StaffView{Location: loc, Contact: b.ada, As: as, Presented: presented, Fresh: fresh, Now: b.now})
	})
	return fresh, err
}

// A view from the console is marked, in the audit list, ends within the hour, and ends with all that ends a learner's sessions.
func TestStaffView(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(b *bench){
		"time":     func(b *bench) { b.now = b.now.Add(ViewLife) },
		"contact":  func(b *bench) { b.revoke(Scope{Location: loc, Contact: b.ada}) },
		"location": func(b *bench) { b.revoke(Scope{Location: loc}) },
		"all":      func(b *bench) { b.revoke(Scope{Everything: true}) },
	} {
		for _, parts := range []int{1, 4} {
			b := newBench(t, parts)
			learner, _, err := b.redeem(b.mint(engine.LinkRequest{}), engine.Secret{})
			if err != nil {
				t.Fatal(err)
			}
			view, err := b.views("sam@acme.test", learner)
			if err != nil || !b.live(view) || b.live(learner) {
				t.Fatalf("%s: %v; the view lives: %v; what the browser held: %v", what, err, b.live(view), b.live(learner))
			}
			all, err := b.links.Sessions(t.Context(), b.stores, loc, b.ada, b.now)
			if err != nil || len(all) != 1 || all[0].As != "sam@acme.test" || all[0].Link != "" {
				t.Errorf("%s: sessions %+v, %v", what, all, err)
			}
			list, err := AuditList(t.Context(), b.stores, loc, 10, "")
			if err != nil || len(list) != 1 || list[0].Who != "sam@acme.test" || list[0].Did != "viewed as learner" || list[0].Detail != "contact "+b.ada.String() {
				t.Errorf("%s: audit %+v, %v", what, list, err)
			}
			end(b)
			if b.live(view) {
				t.Errorf("%s: the view goes on", what)
			}
			b.now = b.now.Add(time.Second)
			if view, err = b.views("sam@acme.test", engine.Secret{}); err != nil || !b.live(view) {
				t.Errorf("%s: another view: %v", what, err)
			}
		}
	}
}

// What nobody could see is not viewed.
func TestStaffViewOfNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	if _, err := b.views("", engine.Secret{}); err == nil {
		t.Error("nobody views")
	}
	b.update(b.ada, func(tx engine.Tx) error {
		p, err := engine.LoadPerson(tx, loc, b.ada)
		if err != nil {
			return err
		}
		p.Offers, p.Products = nil, nil
		return engine.SavePerson(tx, p)
	})
	var refused *Refusal
	if _, err := b.views("sam@acme.test", engine.Secret{}); !errors.As(err, &refused) || refused.Reason != NoAccess {
		t.Errorf("without access: %v", err)
	}
}
