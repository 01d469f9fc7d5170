package linkgen

import (
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

const loc = "academy"

var t0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// A bench holds links on a store, with one learner who has access.
type bench struct {
	testing.TB
	links  *Links
	keys   *Keys
	set    *Settings
	stores engine.Stores
	ada    engine.ID
	now    time.Time
}

func newBench(t testing.TB, partitions int) *bench {
	t.Helper()
	keys, err := OpenKeys(t.TempDir() + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, keys: keys, set: &Settings{BaseURL: "https://learn.acme.test"}, stores: enginetest.NewStores(partitions), now: t0}
	b.links = New(keys, func(id string) (Settings, bool) { return *b.set, id == loc })
	b.ada = b.person("c-17", "ada@example.com", "+14155550123").Key
	return b
}

func (b *bench) person(id, email, phone string) *engine.Person {
	b.Helper()
	p := &engine.Person{
		Key: engine.NewID(t0, engine.ShardOf(loc, id), loc, id), Location: loc,
		Contact:  engine.Contact{ID: id, Email: email, Phone: phone, FirstName: "Ada"},
		Offers:   map[string]*engine.Grant{"gold": {Title: "Gold", At: t0}},
		Products: map[string]*engine.Grant{"go-101": {Title: "Go 101", At: t0, Via: []string{"gold"}}},
	}
	b.save(p)
	return p
}

func (b *bench) save(p *engine.Person) {
	b.Helper()
	b.update(p.Key, func(tx engine.Tx) error { return engine.SavePerson(tx, p) })
}

func (b *bench) update(contact engine.ID, fn func(engine.Tx) error) {
	b.Helper()
	if err := b.stores.For(contact.Shard()).Update(b.Context(), fn); err != nil {
		b.Fatal(err)
	}
}

// mint returns the token of a new link.
func (b *bench) mint(req engine.LinkRequest) Token {
	b.Helper()
	req.Location = loc
	if req.Contact.IsZero() {
		req.Contact = b.ada
	}
	if req.Now.IsZero() {
		req.Now = b.now
	}
	var tok Token
	b.update(req.Contact, func(tx engine.Tx) error {
		id, url, err := b.links.Mint(tx, req)
		if err != nil {
			return err
		}
		text, ok := strings.CutPrefix(url.Reveal(), b.set.BaseURL+"/l/")
		if !ok {
			b.Fatalf("url does not begin with the base url")
		}
		tok, err = ParseToken(text)
		if err == nil && tok.Selector().ID() != id {
			b.Fatalf("id %s is not that of the token", id)
		}
		return err
	})
	return tok
}

func (b *bench) settle(ordinal uint64) {
	b.Helper()
	b.update(b.ada, func(tx engine.Tx) error { return b.links.Settle(tx, loc, b.ada, "", ordinal) })
}

func (b *bench) look(t Token) Reason {
	b.Helper()
	d, err := b.links.Look(b.Context(), b.stores, t, b.now)
	if err != nil {
		b.Fatal(err)
	}
	return d.Reason
}

func (b *bench) want(t Token, want Reason) {
	b.Helper()
	if got := b.look(t); got != want {
		b.Errorf("link minted at %s is %q, want %q", t.selector.Time().Format(time.TimeOnly), got, want)
	}
}

// redeem presses the button with what the browser holds, and returns what it holds then.
func (b *bench) redeem(t Token, presented engine.Secret) (engine.Secret, engine.Redemption, error) {
	b.Helper()
	fresh := NewSID(t.selector.Shard())
	door, err := b.links.Look(b.Context(), b.stores, t, b.now)
	if err != nil {
		b.Fatal(err)
	}
	var red engine.Redemption
	err = b.stores.For(t.selector.Shard()).Update(b.Context(), func(tx engine.Tx) (err error) {
		red, err = b.links.Redeem(tx, Visit{Token: t, Door: door, Presented: presented, Fresh: fresh, Now: b.now})
		return err
	})
	if err != nil {
		return presented, red, err
	}
	return fresh, red, nil
}

func (b *bench) live(sid engine.Secret) bool {
	b.Helper()
	shard, ok := ShardOfSID(sid)
	if !ok {
		return false
	}
	err := b.stores.For(shard).View(b.Context(), func(tx engine.Tx) (err error) {
		_, ok, err = b.links.Session(tx, sid, b.now)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return ok
}
