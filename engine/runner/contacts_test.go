package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// key returns the one contact that text names.
func (w *world) key(text string) engine.ID {
	w.t.Helper()
	keys, err := w.Lookup(w.t.Context(), place1, text)
	if err != nil || len(keys) != 1 {
		w.t.Fatalf("%s: %d contacts, %v", text, len(keys), err)
	}
	return keys[0]
}

func (w *world) who(text string) *engine.Person {
	w.t.Helper()
	p, err := w.Person(w.t.Context(), place1, w.key(text))
	if err != nil || p == nil {
		w.t.Fatalf("%s: %v, %v", text, p, err)
	}
	return p
}

func grantedTo(id, email, offer string) engine.Event {
	ev := granted(id, offer)
	ev.Contact.Email = email
	return ev
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events []engine.Event
		same   [][2]string // texts that name one contact
		differ [][2]string
		dead   int
	}{
		{name: "an id attaches to a provisional contact", events: []engine.Event{login("", "Ada@example.com"), login("c1", "ada@example.com")},
			same: [][2]string{{"c1", "ada@example.com"}}},
		{name: "an address belongs to the id that holds it", events: []engine.Event{login("c1", "ada@example.com"), login("", " ADA@example.com")},
			same: [][2]string{{"c1", "ada@example.com"}}},
		{name: "a known id absorbs a provisional contact", events: []engine.Event{login("", "ada@example.com"), login("c1", ""), login("c1", "ada@example.com")},
			same: [][2]string{{"c1", "ada@example.com"}}},
		{name: "a changed address points elsewhere", events: []engine.Event{login("c1", "old@example.com"), login("c1", "new@example.com"), login("", "old@example.com")},
			same: [][2]string{{"c1", "new@example.com"}}, differ: [][2]string{{"c1", "old@example.com"}}},
		{name: "two ids share an address", events: []engine.Event{login("c1", "ada@example.com"), login("c2", "ada@example.com"), login("", "ada@example.com")},
			differ: [][2]string{{"c1", "c2"}}, dead: 1},
		{name: "shared no more", events: []engine.Event{login("c1", "ada@example.com"), login("c2", "ada@example.com"), login("c2", "bob@example.com"), login("", "ada@example.com")},
			same: [][2]string{{"c1", "ada@example.com"}, {"c2", "bob@example.com"}}},
		{name: "an id that looks like an address", events: []engine.Event{login("ada@example.com", "bob@example.com"), login("", "bob@example.com")},
			same: [][2]string{{"ada@example.com", "bob@example.com"}}},
	}
	for _, tt := range tests {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/together=%v", tt.name, together), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, enginetest.NewStores(4))
				w.start()
				if together {
					w.handle(tt.events...)
				} else {
					for _, ev := range tt.events {
						w.clock.move(time.Second)
						w.handle(ev)
					}
				}
				for _, p := range tt.same {
					if w.key(p[0]) != w.key(p[1]) {
						t.Errorf("%s and %s are two contacts", p[0], p[1])
					}
				}
				for _, p := range tt.differ {
					if w.key(p[0]) == w.key(p[1]) {
						t.Errorf("%s and %s are one contact", p[0], p[1])
					}
				}
				if len(w.bus.dead) != tt.dead {
					t.Errorf("dead letters %v, want %d", w.bus.dead, tt.dead)
				}
			})
		}
	}
}

// TestDirectoryModel applies random events in random batches and compares with a model that knows who holds what.
func TestDirectoryModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, enginetest.NewStores(4))
		w.start()
		defer w.stop()
		holds := map[string]string{} // id -> address
		keys := map[string]engine.ID{}
		ambiguous := 0
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			var events []engine.Event
			for range rapid.IntRange(1, 5).Draw(rt, "events") {
				id := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "id")
				email := rapid.SampledFrom([]string{"", "x@t.test", "y@t.test"}).Draw(rt, "email")
				switch {
				case id == "" && email == "":
					continue
				case id == "":
					n := 0
					for _, e := range holds {
						if e == email {
							n++
						}
					}
					if n > 1 {
						ambiguous++
					}
				default:
					if _, known := holds[id]; !known || email != "" {
						holds[id] = email
					}
				}
				events = append(events, login(id, email))
			}
			if len(events) == 0 {
				continue
			}
			w.handle(events...)
			for id, email := range holds {
				found, err := w.Lookup(t.Context(), place1, id)
				if err != nil || len(found) != 1 {
					rt.Fatalf("%s: %v, %v", id, found, err)
				}
				if k, ok := keys[id]; ok && k != found[0] {
					rt.Fatalf("the key of %s changed", id)
				}
				keys[id] = found[0]
				p, err := w.Person(t.Context(), place1, found[0])
				if err != nil || p == nil || p.Contact.ID != id || p.Contact.Email != email {
					rt.Fatalf("%s: %+v, %v, want address %q", id, p, err, email)
				}
			}
		}
		if len(w.bus.dead) != ambiguous {
			rt.Fatalf("%d dead letters, want %d", len(w.bus.dead), ambiguous)
		}
	})
}

// TestAbsorb lets a contact with an id take over one that was known by its address, with its access, runs and past.
func TestAbsorb(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		clock := newWorld(t, s).clock
		for i := range 6 { // with four partitions some are in one, some in two
			w := newWorld(t, s)
			w.clock = clock
			once := flow("welcome", "offer_access_granted", "email", "wait 1h", "sms")
			once.Reentry = engine.Reentry{Allow: "after_end", Key: "offer"}
			w.start(once)
			id, email := fmt.Sprint("absorber", i), fmt.Sprintf("ada%d@example.com", i)
			w.seq = uint64(i * 100)
			first := w.batch(grantedTo("", email, "gold"))
			if err := w.Handle(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			w.idle()
			old := w.key(email)
			w.handle(granted(id, "silver"))
			w.idle()
			w.handle(login(id, email))
			w.idle()
			p := w.who(id)
			if w.key(email) != w.key(id) || p.Key == old || p.Offers["gold"] == nil || p.Offers["silver"] == nil {
				t.Fatalf("person after: %+v", p)
			}
			if q, err := w.Person(t.Context(), place1, old); err != nil || q.Key != p.Key {
				t.Fatalf("the old key leads to %+v, %v", q, err)
			}
			again := first.Events[0]
			w.handle(again) // the same event: passed over though it now belongs to another
			w.handle(granted(id, "gold"))
			w.idle()
			if n := len(w.mail.messages()); n != 2 {
				t.Fatalf("%d messages before the runs go on, want 2", n)
			}
			w.clock.move(time.Hour)
			eventually(t, "runs end", func() bool { return len(w.mail.messages()) == 4 })
			w.idle()
			if m := w.mail.messages(); m[2].contact != id || m[3].contact != id {
				t.Errorf("messages of an absorbed contact go to %v", m[2:])
			}
			w.handle(granted(id, "gold")) // the run ended, so it may begin again
			w.idle()
			if n := len(w.mail.messages()); n != 5 {
				t.Errorf("%d messages after the ledger was told, want 5", n)
			}
			w.clock.move(time.Hour)
			eventually(t, "the last run ends", func() bool { return len(w.mail.messages()) == 6 })
			w.idle()
			w.stop()
		}
	})
}

// TestAbsorbedRunEnds lets a run of an absorbed contact end while the partition of the one that absorbed it cannot be written.
// The ledger knows it nevertheless.
func TestAbsorbedRunEnds(t *testing.T) {
	t.Parallel()
	apart := 0
	for i := range 6 {
		var full atomic.Bool
		refuse := func(int64) (before, after error) {
			if full.Load() {
				return engine.ErrFull, nil
			}
			return nil, nil
		}
		m := newMortal(enginetest.NewStores(4), func(int64) (error, error) { return nil, nil })
		w := newWorld(t, m)
		once := flow("welcome", "offer_access_granted", "wait 1h", "email")
		once.Reentry = engine.Reentry{Allow: "after_end", Key: "offer"}
		w.start(once)
		id, email := fmt.Sprint("absorber", i), fmt.Sprintf("ada%d@example.com", i)
		w.handle(grantedTo("", email, "gold"))
		old := w.key(email)
		w.handle(granted(id, "silver"))
		w.handle(login(id, email))
		w.idle()
		own := m.Stores.For(w.key(id).Shard())
		if own == m.Stores.For(old.Shard()) {
			w.stop()
			continue
		}
		apart++
		w.handle(granted(id, "gold"))
		if n := w.Stats().Waiting; n != 2 {
			t.Errorf("%d runs wait, want 2: gold's has not ended", n)
		}
		w.stop()
		m.wrapped[own] = &mortalStore{own, newMortal(m.Stores, refuse)}
		w.start(once)
		full.Store(true)
		w.clock.move(time.Hour)
		eventually(t, "gold's run ends", func() bool {
			runs, err := w.Runs(t.Context(), Filter{State: "finished"})
			return err == nil && len(runs) == 1
		})
		w.stop()
		full.Store(false)
		w.start(once)
		w.handle(granted(id, "gold"))
		runs, err := w.Runs(t.Context(), Filter{})
		if err != nil || len(runs) != 3 {
			t.Errorf("%d runs, %v, want 3: gold's may begin again", len(runs), err)
		}
		w.stop()
	}
	if apart == 0 {
		t.Error("all were in one partition with their absorber")
	}
}

// TestAbsorbDies lets the process die at each commit while one contact absorbs another.
func TestAbsorbDies(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 4} {
		for died, n := true, int64(3); died; n++ {
			died = false
			m := newMortal(enginetest.NewStores(partitions), func(i int64) (error, error) {
				if i == n {
					return nil, engine.ErrFull // it was stored, and the caller does not know
				}
				return nil, nil
			})
			w := newWorld(t, m)
			w.start()
			var batches []engine.Batch
			batches = append(batches, w.batch(grantedTo("", "ada@example.com", "gold"), grantedTo("c1", "", "silver")))
			batches = append(batches, w.batch(login("c1", "ada@example.com")))
			for _, b := range batches {
				if err := w.Handle(t.Context(), b); err != nil {
					died = true
					w.stop()
					w.start()
					if err := w.Handle(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
			}
			if p := w.who("c1"); p.Offers["gold"] == nil || p.Offers["silver"] == nil || w.key("ada@example.com") != p.Key {
				t.Errorf("died at %d: %+v", n, p)
			}
			w.stop()
		}
	}
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("welcome", "offer_access_granted", "email", "wait 1h", "sms"))
		ev := grantedTo("c1", "ada@example.com", "gold")
		ev.Depth = 2
		w.handle(ev)
		w.idle()
		runs, _ := w.Runs(t.Context(), Filter{})
		key := w.key("c1")
		refused := errors.New("link is used up")
		fn := func(err error) func(tx engine.Tx, now time.Time) (engine.Redemption, error) {
			return func(tx engine.Tx, now time.Time) (engine.Redemption, error) {
				tx.Put(engine.SpaceSessions, []byte("session"), []byte{1})
				return engine.Redemption{Location: place1, Contact: key, Run: runs[0].ID, Link: "l1", Session: "s1", At: now, First: true}, err
			}
		}
		has := func() (ok bool) {
			s.For(key.Shard()).View(t.Context(), func(tx engine.Tx) error {
				ok = tx.Get(engine.SpaceSessions, []byte("session")) != nil
				return nil
			})
			return ok
		}
		if err := w.Redeem(t.Context(), key.Shard(), fn(refused)); !errors.Is(err, refused) || has() {
			t.Fatalf("refused: %v, stored: %v", err, has())
		}
		if err := w.Redeem(t.Context(), key.Shard(), fn(nil)); err != nil || !has() {
			t.Fatalf("%v, stored: %v", err, has())
		}
		w.idle()
		runs, _ = w.Runs(t.Context(), Filter{})
		if runs[0].Redeemed.IsZero() {
			t.Error("the run does not know")
		}
		redeemed, login := w.bus.notices["link.redeemed:s1"], w.bus.notices["user_login:s1"]
		if data := dataOf(t, redeemed); data["link"] != "l1" || data["run"] != runs[0].ID.String() || redeemed.Depth != 3 {
			t.Errorf("link.redeemed %+v", redeemed)
		}
		data := dataOf(t, login)
		contact, _ := data["contact"].(map[string]any)
		if contact["id"] != "c1" || contact["email"] != "ada@example.com" || data["via"] != "latchkey" || login.Depth != 3 {
			t.Errorf("user_login %+v", login)
		}
	})
}

func TestImport(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start(flow("signup", "new_sign_up", "email"), flow("offer", "offer_access_granted", "email"))
		removed := grantedTo("c7", "", "gold")
		removed.Type = "offer_access_removed"
		w.handle(removed)
		var list []ImportedContact
		for i := range 300 {
			list = append(list, ImportedContact{
				Contact: engine.Contact{ID: fmt.Sprint("c", i), Email: fmt.Sprintf("c%d@example.com", i), FirstName: "Ada"},
				Offers:  []engine.Noun{{ID: "gold", Title: "Gold"}}, Products: []engine.Noun{{ID: "go-101"}},
			})
		}
		for _, want := range []int{299, 0} {
			if added, err := w.Import(t.Context(), place1, list); err != nil || added != want {
				t.Fatalf("added %d, %v, want %d", added, err, want)
			}
		}
		w.idle()
		if n := len(w.mail.messages()); n != 0 {
			t.Errorf("an import sent %d messages", n)
		}
		p := w.who("c5@example.com")
		if p.Contact.FirstName != "Ada" || p.Offers["gold"] == nil || !p.Products["go-101"].Direct || !p.SignedUp {
			t.Errorf("imported %+v", p)
		}
		if p := w.who("c7"); !p.Offers["gold"].Removed || p.Offers["gold"].Title != "Gold" {
			t.Errorf("an import undid a removal: %+v", p.Offers["gold"])
		}
		_, err := w.Import(t.Context(), place1, append(list[:2:2], ImportedContact{}))
		if err == nil || err.Error() != "contact 3: no contact" {
			t.Errorf("a contact that is none: %v", err)
		}
	})
}

// dataOf returns the data of a notice that was stored.
func dataOf(t *testing.T, n engine.Notice) (data map[string]any) {
	t.Helper()
	raw, _ := n.Data.(json.RawMessage)
	if err := json.Unmarshal(raw, &data); err != nil {
		t.Errorf("data of %s: %v", n.ID, err)
	}
	return data
}
