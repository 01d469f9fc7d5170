package linkgen

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// A modelLink is one link, as someone would describe it who knows the rules and not the code.
type modelLink struct {
	tok     Token
	app     string
	fam     family
	expires time.Time
	gone    bool
	flow    bool // whether it is of the workflow
}

// A model tells which links live by counting, for each, the newer families whose message was accepted.
type model struct {
	*bench
	keep     int
	onMint   bool
	links    []*modelLink
	newest   map[string]family
	accepted map[string]map[family]bool
}

func (m *model) mint(t *rapid.T, ordinal uint64, byHand bool) {
	app := rapid.SampledFrom([]string{"", "", "courses"}).Draw(t, "app")
	ttl := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "ttl")
	tok := m.bench.mint(engine.LinkRequest{Ordinal: ordinal, App: app, TTL: ttl, ByHand: byHand, Workflow: "welcome"})
	m.minted(app, ordinal, byHand, ttl, tok)
	if got := m.look(tok); got != OK {
		t.Fatalf("a link just minted is %s", got)
	}
}

// minted notes links that were minted for one ordinal.
func (m *model) minted(app string, ordinal uint64, byHand bool, ttl time.Duration, toks ...Token) {
	fam := m.newest[app]
	switch {
	case byHand:
		fam.Hand++
	case ordinal > fam.Ordinal:
		fam = family{Ordinal: ordinal}
	}
	if fam != m.newest[app] && (byHand || m.onMint) {
		m.accept(app, fam)
	}
	m.newest[app] = fam
	if ttl == 0 {
		ttl = 24 * time.Hour
	}
	for _, tok := range toks {
		m.links = append(m.links, &modelLink{tok: tok, app: app, fam: fam, expires: m.now.Add(ttl), flow: true})
	}
}

func (m *model) settle(t *rapid.T, ordinal uint64) {
	app := rapid.SampledFrom([]string{"", "", "courses"}).Draw(t, "app")
	m.update(m.ada, func(tx engine.Tx) error { return m.bench.links.Settle(tx, loc, m.ada, app, ordinal) })
	if !m.onMint && ordinal <= m.newest[app].Ordinal {
		m.accept(app, family{Ordinal: ordinal})
	}
}

func (m *model) accept(app string, f family) {
	if m.accepted[app] == nil {
		m.accepted[app] = map[family]bool{}
	}
	m.accepted[app][f] = true
}

func (m *model) want(l *modelLink) Reason {
	newer := 0
	for f := range m.accepted[l.app] {
		if l.fam.less(f) {
			newer++
		}
	}
	switch {
	case l.gone:
		return Revoked
	case !m.now.Before(l.expires):
		return Expired
	case m.keep != KeepAll && newer >= m.keep:
		return Replaced
	}
	return OK
}

// check compares each link with the model and, now and then, starts the program anew.
func (m *model) check(t *rapid.T) {
	for i, l := range m.links {
		if got, want := m.look(l.tok), m.want(l); got != want {
			t.Fatalf("link %d of %d (family %v, app %q) is %q, want %q", i, len(m.links), l.fam, l.app, got, want)
		}
	}
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	bench := newBench(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		m := &model{bench: bench, newest: map[string]family{}, accepted: map[string]map[family]bool{},
			keep:   rapid.SampledFrom([]int{1, 1, 2, 3, KeepAll}).Draw(t, "keep"),
			onMint: rapid.Bool().Draw(t, "on mint"),
		}
		bench.stores, bench.now = enginetest.NewStores(1), t0
		bench.person("c-17", "ada@example.com", "")
		bench.set.Keep, bench.set.Supersede = m.keep, OnHandoff
		if m.onMint {
			bench.set.Supersede = OnMint
		}
		last := uint64(rapid.SampledFrom([]int{0, 4}).Draw(t, "first ordinal"))
		any := func(t *rapid.T) uint64 { return rapid.Uint64Range(0, last).Draw(t, "ordinal") }
		t.Repeat(map[string]func(*rapid.T){
			"event":         func(t *rapid.T) { last++; m.mint(t, last, false) },
			"message":       func(t *rapid.T) { m.mint(t, any(t), false) }, // a retry, a second channel, an older run
			"accepted":      func(t *rapid.T) { m.settle(t, any(t)) },
			"by hand":       func(t *rapid.T) { m.mint(t, 0, true) },
			"without links": func(t *rapid.T) { last++; m.settle(t, last) },
			"time":          func(t *rapid.T) { m.now = m.now.Add(20 * time.Minute) },
			"restart": func(t *rapid.T) {
				set := bench.set
				bench.links = New(bench.keys, func(string) (Settings, bool) { return *set, true })
			},
			"revoke": func(t *rapid.T) {
				if len(m.links) > 0 {
					l := rapid.SampledFrom(m.links).Draw(t, "link")
					m.update(m.ada, func(tx engine.Tx) error { return m.bench.links.Revoke(tx, l.tok.selector.ID(), "x", m.now) })
					l.gone = true
				}
			},
			"revoke all": func(t *rapid.T) {
				m.update(m.ada, func(tx engine.Tx) error { return m.bench.links.RevokeContact(tx, loc, m.ada, m.now) })
				for _, l := range m.links {
					l.gone = true
				}
			},
			"": m.check,
		})
	})
}

// However many mint for one run at once, each gets a link of its own and all of them work, with one partition and four.
func TestManyMintersOfOneRun(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		before := b.mint(engine.LinkRequest{Ordinal: 1})
		b.settle(1)
		var wg sync.WaitGroup
		toks := make([]Token, 16*8)
		for g := range 16 {
			wg.Go(func() {
				for i := range 8 {
					toks[g*8+i] = b.mint(engine.LinkRequest{Ordinal: 2})
					b.settle(2)
				}
			})
		}
		wg.Wait()
		ids := map[string]bool{}
		for _, tok := range toks {
			ids[tok.selector.ID()] = true
			b.want(tok, OK)
		}
		b.want(before, Replaced)
		if len(ids) != len(toks) {
			t.Errorf("%d partitions: %d links share %d ids", parts, len(toks), len(ids))
		}
		list, err := b.links.List(t.Context(), b.stores, loc, b.ada, 1000, b.now)
		if err != nil || len(list) != len(toks)+1 || list[len(list)-1].Link.ID != before.selector.ID() || list[0].State != OK {
			t.Errorf("%d partitions: %d links listed, %v", parts, len(list), err)
		}
	}
}

// The absorbed contact's link opens what the one that absorbed it holds, wherever that is kept.
func TestAbsorbedContact(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4, 64} {
		b := newBench(t, parts)
		prov := &engine.Person{Key: engine.NewID(t0, engine.ShardOf(loc, "new@example.com"), "p"), Location: loc,
			Contact: engine.Contact{Email: "new@example.com"}}
		b.save(prov)
		tok := b.mint(engine.LinkRequest{Contact: prov.Key, Address: "new@example.com"})
		b.want(tok, NoAccess)
		real := b.person("c-99", "New@Example.com ", "")
		prov.Absorbed = real.Key
		b.save(prov)
		b.want(tok, OK)
		d, err := b.links.Look(t.Context(), b.stores, tok, b.now)
		if err != nil || d.Person.Key != real.Key {
			t.Fatalf("looks at %v, %v", d.Person, err)
		}
		if _, _, err := b.redeem(tok, engine.Secret{}); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(time.Minute)
		b.mint(engine.LinkRequest{Contact: real.Key, Ordinal: 9})
		b.update(real.Key, func(tx engine.Tx) error { return b.links.Settle(tx, loc, real.Key, "", 9) })
		b.want(tok, Replaced)
		if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, Replaced) {
			t.Errorf("redeem after a newer message to who absorbed the contact: %v", err)
		}
		late := b.mint(engine.LinkRequest{Contact: prov.Key, Ordinal: 10})
		b.want(late, OK)
		sid, red, err := b.redeem(late, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		s := Session{Location: loc, Contact: red.Contact, Created: b.now}
		holder := func() *engine.Person {
			p, err := b.links.Holder(t.Context(), b.stores, s)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := holder(); !b.live(sid) || p == nil || p.Key != real.Key {
			t.Errorf("the session is held by %v", p)
		}
		b.update(real.Key, func(tx engine.Tx) error { return b.links.RevokeContact(tx, loc, real.Key, b.now) })
		b.want(late, Revoked)
		if _, _, err := b.redeem(late, sid); !refusedFor(err, Revoked) {
			t.Errorf("redeem by the browser that holds the session: %v", err)
		}
		if p := holder(); p != nil {
			t.Errorf("the session is held by %v after all links were ended", p)
		}
		b.now = b.now.Add(time.Second)
		b.want(b.mint(engine.LinkRequest{Contact: prov.Key, Ordinal: 10}), OK)
		real.Absorbed = prov.Key // a circle is an error, not an endless walk
		b.save(real)
		if _, err := b.links.Look(t.Context(), b.stores, tok, b.now); err == nil || !strings.Contains(err.Error(), "circle") {
			t.Errorf("a circle: %v", err)
		}
	}
}

func TestReasonsAndSummaries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		do   func(b *bench, tok Token)
		want Reason
		say  string
	}{
		{func(*bench, Token) {}, OK, "This link works until 23 November 2026 at 09:00 UTC."},
		{func(b *bench, _ Token) { b.now = b.now.Add(24 * time.Hour) }, Expired, "This link does not work: it expired on 23 November 2026 at 09:00 UTC."},
		{func(b *bench, _ Token) { b.mint(engine.LinkRequest{ByHand: true}) }, Replaced, "This link does not work: a newer link of the same contact replaced it."},
		{func(b *bench, tok Token) { b.redeem(tok, engine.Secret{}); b.redeem(tok, engine.Secret{}) }, UsedUp,
			"This link does not work: all of its uses (2) are used up, the last on 22 November 2026 at 09:00 UTC."},
		{func(b *bench, tok Token) {
			b.update(b.ada, func(tx engine.Tx) error { return b.links.Revoke(tx, tok.selector.ID(), "Sam", b.now) })
		}, Revoked, "This link does not work: Sam revoked it on 22 November 2026 at 09:00 UTC."},
		{func(b *bench, _ Token) {
			b.update(b.ada, func(tx engine.Tx) error { return b.links.RevokeContact(tx, loc, b.ada, b.now) })
		}, Revoked, "This link does not work: it ended when its contact lost the last access, on 22 November 2026 at 09:00 UTC."},
		{func(b *bench, _ Token) { b.person("c-17", "ada@elsewhere.test", "+14155550199") }, Moved,
			"This link does not work: the address that it was sent to is no longer the contact's."},
		{func(b *bench, _ Token) {
			p := b.person("c-17", "ADA@example.com", "")
			p.Offers, p.Products = nil, nil
			b.save(p)
		}, NoAccess, "This link lets nobody in now: its contact holds no offer and no product."},
		{func(b *bench, _ Token) {
			p := b.person("c-17", "ada@example.com", "")
			p.Offers, p.Products = nil, nil
			b.save(p)
			b.update(b.ada, func(tx engine.Tx) error { return b.links.RevokeContact(tx, loc, b.ada, b.now) })
		}, NoAccess, "This link does not work: its contact lost the last offer and product on 22 November 2026 at 09:00 UTC."},
	} {
		b := newBench(t, 1)
		tok := b.mint(engine.LinkRequest{Ordinal: 1, Uses: 2, Address: "ada@example.com"})
		c.do(b, tok)
		b.want(tok, c.want)
		info, err := b.links.Show(t.Context(), b.stores, tok.selector.ID(), b.now)
		if err != nil || info.State != c.want || info.Summary(time.UTC) != c.say {
			t.Errorf("%s: %q is %q, %v", c.want, info.Summary(time.UTC), info.State, err)
		}
	}
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.set.TTL, b.set.MaxTTL, b.set.Uses = 2*time.Hour, 3*time.Hour, 5
	for _, c := range []struct {
		ttl  time.Duration
		uses int
		life time.Duration
		max  int
	}{{0, 0, 2 * time.Hour, 5}, {time.Minute, 1, time.Minute, 1}, {100 * time.Hour, Unlimited, 3 * time.Hour, 0}} {
		tok := b.mint(engine.LinkRequest{TTL: c.ttl, Uses: c.uses})
		d, err := b.links.Look(t.Context(), b.stores, tok, b.now)
		if err != nil || d.Link.Expires.Sub(d.Link.Created) != c.life || d.Link.MaxUses != c.max {
			t.Errorf("%+v: lives %v, %d uses, %v", c, d.Link.Expires.Sub(d.Link.Created), d.Link.MaxUses, err)
		}
	}
}

func ExampleInfo_Summary() {
	i := Info{State: Expired, Link: Link{Expires: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}}
	fmt.Println(i.Summary(time.UTC))
	// Output: This link does not work: it expired on 23 November 2026 at 09:00 UTC.
}
