package linkgen

import (
	"errors"
	"slices"
	"testing"
	"time"

	"latchkey/engine"
)

// What a browser held before is void after a login, and it holds something new. A letIn that does not end the presented session
// turns it red, as does a begin that keeps the new one under what was presented.
func TestAttack13SessionFixation(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	one, two := b.mint(engine.LinkRequest{}), b.mint(engine.LinkRequest{})
	planted := NewSID(b.ada.Shard())
	s1, _, err := b.redeem(one, planted)
	if err != nil || s1 == planted || b.live(planted) || !b.live(s1) {
		t.Fatalf("a planted session counts: %v", err)
	}
	s2, red, err := b.redeem(two, s1)
	if err != nil || s2.Equal(s1) || b.live(s1) || !b.live(s2) {
		t.Fatalf("the former session lives: %v", err)
	}
	if red.Session == "" || red.Link != two.selector.ID() || red.Contact != b.ada || !red.First || !red.At.Equal(b.now) {
		t.Errorf("redemption: %+v", red)
	}
}

func TestSameBrowserIsNoUse(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{Uses: 1})
	sid, _, err := b.redeem(tok, engine.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.redeem(tok, sid); !errors.Is(err, ErrSignedIn) {
		t.Errorf("again: %v", err)
	}
	if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, UsedUp) {
		t.Errorf("another browser: %v", err)
	}
	if !b.live(sid) {
		t.Error("the session ended")
	}
	b.update(b.ada, func(tx engine.Tx) error { return b.links.EndSession(tx, sid) })
	if _, _, err := b.redeem(tok, sid); !refusedFor(err, UsedUp) {
		t.Errorf("after signing out: %v", err)
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.set.TTL = 30 * 24 * time.Hour
	tok := b.mint(engine.LinkRequest{})
	sid, _, err := b.redeem(tok, engine.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	b.now = t0.Add(SessionIdle - time.Second)
	if !b.live(sid) {
		t.Error("ended before its idle time")
	}
	touch := func() {
		b.update(b.ada, func(tx engine.Tx) error { return b.links.Touch(tx, sid, b.now) })
	}
	for b.now.Before(t0.Add(SessionLife - time.Hour)) {
		touch()
		b.now = b.now.Add(11 * time.Hour)
	}
	b.now = t0.Add(SessionLife - time.Second)
	if !b.live(sid) {
		t.Error("a session in use ended early")
	}
	touch()
	if b.now = t0.Add(SessionLife); b.live(sid) {
		t.Error("outlives its absolute limit")
	}
	idle, _, _ := b.redeem(tok, engine.Secret{})
	b.now = b.now.Add(SessionIdle)
	if b.live(idle) {
		t.Error("outlives its idle limit")
	}
	touch() // one that is over stays so
	if b.live(idle) {
		t.Error("a session came back")
	}
}

// A location's own limits are in force at once, for sessions that began before, too.
func TestSessionLimitsOfLocation(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.set.TTL = 30 * 24 * time.Hour
	tok := b.mint(engine.LinkRequest{})
	sid, _, _ := b.redeem(tok, engine.Secret{})
	seen := func(at time.Duration, live, stale bool) {
		t.Helper()
		b.now = t0.Add(at)
		err := b.stores.For(b.ada.Shard()).View(t.Context(), func(tx engine.Tx) error {
			s, ok, err := b.links.Session(tx, sid, b.now)
			if ok != live || s.Stale(b.now) != stale {
				t.Errorf("after %v: living %v, stale %v", at, ok, s.Stale(b.now))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := b.links.Sessions(t.Context(), b.stores, loc, b.ada, b.now)
		if listed := slices.ContainsFunc(list, func(s Session) bool { return s.Created.Equal(t0) }); err != nil || listed != live {
			t.Errorf("after %v: listed %v, %v", at, listed, err)
		}
	}
	seen(11*time.Hour, true, true)
	b.set.Idle = 20 * time.Minute
	seen(4*time.Minute, true, false)
	seen(5*time.Minute, true, true)
	seen(20*time.Minute, false, true)
	b.set.Idle, b.set.Life = 48*time.Hour, 40*time.Hour
	seen(39*time.Hour, true, true)
	b.redeem(b.mint(engine.LinkRequest{}), engine.Secret{}) // which removes those that are over
	seen(40*time.Hour-time.Second, true, true)
	seen(40*time.Hour, false, true)
}

func TestSessionsPerContact(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	var all []engine.Secret
	for range SessionsMax + 2 {
		b.now = b.now.Add(time.Minute)
		sid, _, err := b.redeem(tok, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, sid); len(all) == 3 { // the first is seen again, so the next two go before it
			b.now = b.now.Add(time.Second)
			b.update(b.ada, func(tx engine.Tx) error { return b.links.Touch(tx, all[0], b.now) })
		}
	}
	for i, sid := range all {
		if got, want := b.live(sid), i != 1 && i != 2; got != want {
			t.Errorf("session %d of %d: living %v, want %v", i, len(all), got, want)
		}
	}
}

// Who has the old address of a contact has neither their links nor a session any more, whichever of the two addresses it was.
func TestNewAddressEndsSessions(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		mail := b.mint(engine.LinkRequest{Address: "ada@example.com"})
		sms := b.mint(engine.LinkRequest{Address: "+14155550123"})
		hand := b.mint(engine.LinkRequest{})
		var sids []engine.Secret
		for _, tok := range []Token{mail, sms, hand} {
			sid, _, err := b.redeem(tok, engine.Secret{})
			if err != nil {
				t.Fatal(err)
			}
			sids = append(sids, sid)
		}
		held := func(sid engine.Secret) bool {
			var s Session
			shard, _ := ShardOfSID(sid)
			if err := b.stores.For(shard).View(t.Context(), func(tx engine.Tx) (err error) {
				s, _, err = b.links.Session(tx, sid, b.now)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			p, err := b.links.Holder(t.Context(), b.stores, s)
			if err != nil {
				t.Fatal(err)
			}
			return p != nil
		}
		b.person("c-17", "ada@elsewhere.test", "+14155550123")
		b.want(mail, Moved)
		b.want(sms, OK)
		if held(sids[0]) || !held(sids[1]) || !held(sids[2]) {
			t.Errorf("%d partitions: a new e-mail address: %v %v %v", parts, held(sids[0]), held(sids[1]), held(sids[2]))
		}
		list, err := b.links.Sessions(t.Context(), b.stores, loc, b.ada, b.now)
		if err != nil || len(list) != 2 {
			t.Errorf("%d sessions, %v", len(list), err)
		}
		info, err := b.links.Show(t.Context(), b.stores, mail.selector.ID(), b.now)
		if err != nil || info.Sessions != 0 {
			t.Errorf("%d sessions of the link, %v", info.Sessions, err)
		}
		b.person("c-17", "ada@elsewhere.test", "")
		if held(sids[1]) || !held(sids[2]) {
			t.Errorf("%d partitions: a new phone", parts)
		}
	}
}
