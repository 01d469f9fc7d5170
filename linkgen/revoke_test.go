package linkgen

import (
	"errors"
	"testing"
	"time"

	"latchkey/engine"
)

func (b *bench) revoke(s Scope) {
	b.Helper()
	if err := b.links.RevokeScope(b.Context(), b.stores, s, "sam", b.now); err != nil {
		b.Fatal(err)
	}
}

// What is ended by its contact, run, workflow, location or with everything is refused at once, its sessions too; all else
// lives, and what is minted in the same millisecond after it does. `<=` for `<` of the floor in revokedWith turns it red, as does a
// state that does not ask it.
func TestAttack23RevokeScopes(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4, 64} {
		for _, c := range []struct {
			name      string
			scope     func(b *bench, run engine.ID) Scope
			same      bool // whether another link of the same contact goes too
			bob       bool // whether another contact's link of the same workflow goes too
			staff     bool
			says, why string
		}{
			{"run", func(_ *bench, run engine.ID) Scope { return Scope{Location: loc, Run: run} }, false, false, false,
				"This link does not work: sam revoked all links of its run on 22 November 2026 at 09:00 UTC.", "with all of its run"},
			{"workflow", func(*bench, engine.ID) Scope { return Scope{Location: loc, Workflow: "welcome"} }, false, true, false,
				"This link does not work: sam revoked all links of its workflow on 22 November 2026 at 09:00 UTC.", "with all of its workflow"},
			{"contact", func(b *bench, _ engine.ID) Scope { return Scope{Location: loc, Contact: b.ada} }, true, false, false,
				"This link does not work: sam revoked all links of its contact on 22 November 2026 at 09:00 UTC.", "with all of its contact"},
			{"location", func(*bench, engine.ID) Scope { return Scope{Location: loc} }, true, true, true,
				"This link does not work: sam revoked all links of its location on 22 November 2026 at 09:00 UTC.", "with all of its location"},
			{"everything", func(*bench, engine.ID) Scope { return Scope{Everything: true} }, true, true, true,
				"This link does not work: sam revoked all links there were on 22 November 2026 at 09:00 UTC.", "with everything"},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := newBench(t, parts)
				run := engine.NewID(t0, b.ada.Shard(), "run")
				bob := b.person("bob", "bob@example.com", "").Key
				his := engine.NewID(t0, bob.Shard(), "his run")
				mint := func() [3]Token {
					return [3]Token{b.mint(engine.LinkRequest{Run: run, Workflow: "welcome", Ordinal: 1}),
						b.mint(engine.LinkRequest{Ordinal: 1}), b.mint(engine.LinkRequest{Contact: bob, Run: his, Workflow: "welcome", Ordinal: 1})}
				}
				gone := [3]bool{true, c.same, c.bob}
				toks := mint()
				var sids [3]engine.Secret
				for i, tok := range toks {
					var err error
					if sids[i], _, err = b.redeem(tok, engine.Secret{}); err != nil {
						t.Fatal(err)
					}
				}
				app, user := b.app(), b.user()
				staff, _, err := b.redeemStaff(b.staff(), engine.Secret{})
				if err != nil {
					t.Fatal(err)
				}
				b.revoke(c.scope(b, run))
				byKey := NewSID(0)
				if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
					_, err := b.links.BeginStaff(tx, StaffEntry{Now: b.now, Location: loc, Email: "kim@acme.test", Via: "key", Fresh: byKey})
					return err
				}); err != nil || !b.liveStaff(byKey) {
					t.Errorf("staff who sign in right afterwards: %v", err)
				}
				for i, tok := range toks {
					want := OK
					if gone[i] {
						want = Revoked
					}
					b.want(tok, want)
					if b.live(sids[i]) == gone[i] {
						t.Errorf("session %d lives: %v", i, !gone[i])
					}
					if _, _, err := b.redeem(tok, sids[i]); gone[i] && !refusedFor(err, Revoked) {
						t.Errorf("link %d by the browser that it let in: %v", i, err)
					}
				}
				if b.liveStaff(staff) == c.staff || (b.look(app) == OK) == c.staff || (b.look(user) == OK) == c.staff {
					t.Error("staff's links and sessions")
				}
				info, err := b.links.Show(t.Context(), b.stores, toks[0].selector.ID(), b.now)
				if err != nil || info.Summary(time.UTC) != c.says || info.Sessions != 0 {
					t.Errorf("%q, %d sessions, %v", info.Summary(time.UTC), info.Sessions, err)
				}
				line, err := b.links.Timeline(t.Context(), b.stores, toks[0].selector.ID())
				if last := line[len(line)-1]; err != nil || last.What != Ended || last.By != "sam" || last.Why != c.why {
					t.Errorf("%+v, %v", line, err)
				}
				if c.name == "contact" { // which is told by time where another one absorbed it
					b.now = b.now.Add(time.Millisecond)
				}
				for _, tok := range mint() {
					b.want(tok, OK)
					sid, _, err := b.redeem(tok, engine.Secret{})
					if err != nil || !b.live(sid) {
						t.Errorf("minted afterwards: %v", err)
					}
				}
				if again, _, err := b.redeemStaff(b.staff(), engine.Secret{}); err != nil || !b.liveStaff(again) {
					t.Errorf("staff afterwards: %v", err)
				}
				if log, err := AuditList(t.Context(), b.stores, loc, 100, ""); err != nil || log[len(log)-1].At.IsZero() {
					t.Errorf("audit: %+v, %v", log, err)
				}
			})
		}
	}
}

// Whichever of two contacts that are one is named, the links and sessions of both end.
func TestRevokeContactThatWasAbsorbed(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4, 64} {
		for _, named := range []string{"absorbed", "absorber"} {
			b := newBench(t, parts)
			prov := &engine.Person{Key: engine.NewID(t0, engine.ShardOf(loc, "new@example.com"), "p"), Location: loc,
				Contact: engine.Contact{Email: "new@example.com"}}
			real := b.person("c-99", "new@example.com", "")
			prov.Absorbed, real.Took = real.Key, []engine.ID{prov.Key}
			b.save(prov)
			b.save(real)
			old, young := b.mint(engine.LinkRequest{Contact: prov.Key}), b.mint(engine.LinkRequest{Contact: real.Key})
			for _, tok := range []Token{old, young} {
				if _, _, err := b.redeem(tok, engine.Secret{}); err != nil {
					t.Fatal(err)
				}
			}
			list, err := b.links.Sessions(t.Context(), b.stores, loc, real.Key, b.now)
			if err != nil || len(list) != 2 {
				t.Errorf("%d partitions: %d sessions, %v", parts, len(list), err)
			}
			if all, err := b.links.List(t.Context(), b.stores, loc, real.Key, 10, b.now); err != nil || len(all) != 2 {
				t.Errorf("%d partitions: %d links, %v", parts, len(all), err)
			}
			key := real.Key
			if named == "absorbed" {
				key = prov.Key
			}
			b.revoke(Scope{Location: loc, Contact: key})
			b.want(old, Revoked)
			b.want(young, Revoked)
			if list, err = b.links.Sessions(t.Context(), b.stores, loc, real.Key, b.now); err != nil || len(list) != 0 {
				t.Errorf("%d partitions: %d sessions live on, %v", parts, len(list), err)
			}
		}
	}
}

func TestScopesThatAreNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	for _, s := range []Scope{{}, {Workflow: "w"}, {Location: loc, Workflow: "w", Contact: b.ada}, {Location: loc, Everything: true},
		{Contact: b.ada}} {
		if err := b.links.RevokeScope(t.Context(), b.stores, s, "sam", b.now); !errors.Is(err, ErrScope) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// The first of several endings is the one that is told, and an ending that is not remembered still counts.
func TestManyEndings(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{Workflow: "welcome"})
	for range 3 * endsKept {
		b.now = b.now.Add(time.Minute)
		b.revoke(Scope{Location: loc, Workflow: "welcome"})
		b.revoke(Scope{Location: loc, Contact: b.ada})
	}
	b.want(tok, Revoked)
	late := b.mint(engine.LinkRequest{Workflow: "welcome"})
	b.now = b.now.Add(time.Minute)
	at := b.now
	b.revoke(Scope{Everything: true})
	b.now = b.now.Add(time.Minute)
	b.revoke(Scope{Location: loc, Contact: b.ada})
	info, err := b.links.Show(t.Context(), b.stores, late.selector.ID(), b.now)
	if err != nil || info.RevokedWith != "everything" || !info.Revoked.Equal(at) {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestEndSessionByID(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	tok := b.mint(engine.LinkRequest{})
	one, _, _ := b.redeem(tok, engine.Secret{})
	two, _, _ := b.redeem(tok, engine.Secret{})
	list, err := b.links.Sessions(t.Context(), b.stores, loc, b.ada, b.now)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
	if err := b.links.SignOut(t.Context(), b.stores, list[0], "signed out by Sam"); err != nil {
		t.Fatal(err)
	}
	if b.live(one) == b.live(two) {
		t.Error("not one of two ended")
	}
	if err := b.links.SignOut(t.Context(), b.stores, list[0], "signed out by Sam"); err != nil {
		t.Errorf("again: %v", err)
	}
}
