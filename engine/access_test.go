package engine

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A naive reading of the access rule: the list of all events so far, read anew each time.
func TestAccessModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := ada()
		offers, products := map[string]string{}, map[string]string{} // "", "held" or "removed"
		via := map[string]map[string]bool{}                          // product -> reasons: offers, or "itself"
		give := func(product, why string) {
			if products[product] != "held" {
				via[product] = map[string]bool{}
			}
			products[product] = "held"
			via[product][why] = true
		}
		for i := range rapid.IntRange(1, 40).Draw(t, "events") {
			ev := anyEvent(t, i)
			p, _, _, _ = Plan(NewSet(academy, nil), p, ev, day1)
			why := "itself"
			if ev.Offer != nil {
				why = ev.Offer.ID
			}
			granted := strings.HasSuffix(ev.Type, "_granted")
			switch {
			case granted, ev.Type == "new_sign_up":
				if ev.Offer != nil && (granted || offers[ev.Offer.ID] != "removed") {
					offers[ev.Offer.ID] = "held"
				}
				if ev.Product != nil && (granted || products[ev.Product.ID] != "removed" && (ev.Offer == nil || offers[ev.Offer.ID] == "held")) {
					give(ev.Product.ID, why)
				}
			case ev.Type == "offer_access_removed":
				offers[ev.Offer.ID] = "removed"
				for product, reasons := range via {
					if had := reasons[ev.Offer.ID]; had {
						delete(reasons, ev.Offer.ID)
						if len(reasons) == 0 {
							products[product] = "removed"
						}
					}
				}
			case ev.Type == "product_access_removed":
				products[ev.Product.ID] = "removed"
				delete(via, ev.Product.ID)
			case ev.Type != "user_login" && ev.Product != nil:
				if products[ev.Product.ID] == "" && (ev.Offer == nil || offers[ev.Offer.ID] != "removed") {
					give(ev.Product.ID, why)
				}
			}
			check := func(what string, got map[string]*Grant, want map[string]string) {
				if len(got) != len(want) {
					t.Fatalf("after %+v: %s %v, want %v", ev, what, got, want)
				}
				for id, g := range got {
					if g.Removed != (want[id] == "removed") {
						t.Fatalf("after %s: %s %s: %+v, want %s", ev.Type, what, id, g, want[id])
					}
				}
			}
			check("offers", p.Offers, offers)
			check("products", p.Products, products)
		}
	})
}

func TestAccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ story, want string }{
		"offer brings product":              {"offer_access_granted offer=g product=p", "g p"},
		"and takes it":                      {"offer_access_granted offer=g product=p; offer_access_removed offer=g", ""},
		"unless it came by itself too":      {"product_access_granted product=p; offer_access_granted offer=g product=p; offer_access_removed offer=g", "p"},
		"or by another offer":               {"new_sign_up offer=g product=p; offer_access_granted offer=h product=p; offer_access_removed offer=g", "h p"},
		"progress proves":                   {"lesson_completed product=p lesson=l", "p"},
		"but no second reason":              {"offer_access_granted offer=g product=p; product_started product=p; offer_access_removed offer=g", ""},
		"progress does not undo":            {"product_access_granted product=p; product_access_removed product=p; lesson_completed product=p lesson=l", ""},
		"nor a late sign-up":                {"offer_access_removed offer=g; new_sign_up offer=g product=p", ""},
		"a later grant does":                {"offer_access_removed offer=g; offer_access_granted offer=g product=p", "g p"},
		"login proves nothing":              {"user_login product=p", ""},
		"removed by product, offer remains": {"offer_access_granted offer=g product=p; product_access_removed product=p", "g"},
	} {
		p := ada()
		for i, s := range strings.Split(c.story, "; ") {
			p, _, _, _ = Plan(NewSet(academy, nil), p, event(i, s), day1)
		}
		var got []string
		for _, id := range []string{"g", "h", "p"} {
			if g := p.Offers[id]; g != nil && !g.Removed {
				got = append(got, id)
			} else if g := p.Products[id]; g != nil && !g.Removed {
				got = append(got, id)
			}
		}
		if s := strings.Join(got, " "); s != c.want || p.HasAccess() != (s != "") {
			t.Errorf("%s: holds %q, want %q", name, s, c.want)
		}
	}
}

func TestAbsorb(t *testing.T) {
	t.Parallel()
	set := NewSet(academy, []*Workflow{welcome("w", Trigger{Type: "offer_access_granted"})})
	p, from := ada(), Person{Key: NewID(day1, 9, "mail"), Location: "academy"}
	ev := event(1, "offer_access_granted offer=g product=p")
	ev.Contact = Contact{Email: "ada@example.com", FirstName: "Ada", Custom: Custom{"x": "old", "y": "kept"}}
	from, _, _, _ = Plan(set, from, ev, day1)
	ev = event(2, "user_login")
	ev.Contact = Contact{ID: "c1", FirstName: "Augusta", Custom: Custom{"x": "new"}}
	p, _, _, _ = Plan(set, p, ev, day1.Add(time.Hour))
	before, _ := json.Marshal([]any{p, from})
	got, left := Absorb(p, from)
	if after, _ := json.Marshal([]any{p, from}); string(after) != string(before) {
		t.Error("arguments changed")
	}
	if want := (Contact{ID: "c1", Email: "ada@example.com", FirstName: "Augusta", Custom: Custom{"x": "new", "y": "kept"}}); !cmp.Equal(got.Contact, want) {
		t.Error(cmp.Diff(want, got.Contact))
	}
	if got.Offers["g"] == nil || got.Products["p"] == nil || !got.SignedUp || got.Issue.Ordinal != 1 || !got.Since.Equal(day1) || got.Key != p.Key {
		t.Errorf("got %+v", got)
	}
	if left.Absorbed != p.Key || left.Key != from.Key || left.HasAccess() || left.Contact.Email != "" {
		t.Errorf("left %+v", left)
	}
	if _, runs, _, ds := Plan(set, got, event(3, "offer_access_granted offer=g"), day1); len(runs) != 0 {
		t.Errorf("starts were not absorbed: %+v", ds)
	}
}
