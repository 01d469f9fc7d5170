package linkgen

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func refusedFor(err error, want Reason) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Reason == want
}

// Of a link for N uses, however many press the button at once, N come in. `>` for `>=` of MaxUses in state turns it red.
func TestAttack03ConcurrentUses(t *testing.T) {
	t.Parallel()
	for _, uses := range []int{1, 3, 0} {
		b := newBench(t, 1)
		tok := b.mint(engine.LinkRequest{Uses: uses})
		var wg sync.WaitGroup
		var mu sync.Mutex
		in, firsts := 0, 0
		for range 16 {
			wg.Go(func() {
				_, red, err := b.redeem(tok, engine.Secret{})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
					if red.First {
						firsts++
					}
				} else if !refusedFor(err, UsedUp) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		want := uses
		if uses == 0 {
			want = 16
		}
		info, err := b.links.Show(t.Context(), b.stores, tok.selector.ID(), b.now)
		if err != nil || in != want || firsts != 1 || info.Uses != want || info.Sessions != min(want, SessionsMax) {
			t.Errorf("uses %d: %d came in, %d of them first, %d counted, %d sessions (%v)", uses, in, firsts, info.Uses, info.Sessions, err)
		}
	}
}

// A newer run's message ends the links of older ones, and both messages of one run work. A head.accept that never raises the
// floor turns it red.
func TestAttack04NewerRunKillsOlder(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	mail := b.mint(engine.LinkRequest{Ordinal: 5, Channel: "email"})
	b.settle(5)
	sms := b.mint(engine.LinkRequest{Ordinal: 5, Channel: "sms"})
	b.settle(5)
	b.want(mail, OK)
	b.want(sms, OK)
	next := b.mint(engine.LinkRequest{Ordinal: 6})
	b.want(mail, OK) // until the newer message is accepted
	b.want(next, OK)
	b.settle(6)
	b.want(mail, Replaced)
	b.want(sms, Replaced)
	b.want(next, OK)
}

// A late retry of an older run gets a link that works and ends nothing. A head.join that returns next where it joins turns it red.
func TestAttack05RetryAfterNewerRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	a := b.mint(engine.LinkRequest{Ordinal: 5})
	n := b.mint(engine.LinkRequest{Ordinal: 6})
	b.settle(6)
	retry := b.mint(engine.LinkRequest{Ordinal: 5})
	b.settle(5)
	b.want(a, Replaced)
	b.want(n, OK)
	b.want(retry, OK)
}

// A commit that is not made leaves nothing, and the attempt after it works. A head.join that always accepts the family at once
// turns it red.
func TestAttack06CrashBeforeCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	first := b.mint(engine.LinkRequest{Ordinal: 5})
	b.settle(5)
	before := enginetest.Dump(t, b.stores.Global())
	crash := errors.New("crash")
	err := b.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
		if _, _, err := b.links.Mint(tx, engine.LinkRequest{Now: b.now, Location: loc, Contact: b.ada, Ordinal: 6}); err != nil {
			return err
		}
		return crash
	})
	if !errors.Is(err, crash) || fmt.Sprint(enginetest.Dump(t, b.stores.Global())) != fmt.Sprint(before) {
		t.Fatalf("a crash left something behind: %v", err)
	}
	again := b.mint(engine.LinkRequest{Ordinal: 6})
	b.want(first, OK)
	b.settle(6)
	b.want(first, Replaced)
	b.want(again, OK)
}

// Who has no access any more is not let in, and a later grant revives nothing. An admit that does not ask HasAccess turns it red, as
// does a cause.reason that is always Revoked.
func TestAttack07AccessLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	p := b.person("c-17", "ada@example.com", "")
	p.Offers["gold"].Removed = true
	b.save(p)
	b.want(tok, OK) // the product is still held
	p.Products["go-101"].Removed = true
	b.save(p)
	b.want(tok, NoAccess)
	if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, NoAccess) {
		t.Errorf("redeem: %v", err)
	}
	b.update(b.ada, func(tx engine.Tx) error { return b.links.RevokeContact(tx, loc, b.ada, b.now) }) // as the loss does
	b.want(tok, NoAccess)
	if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, NoAccess) {
		t.Errorf("redeem: %v", err)
	}
	later := b.mint(engine.LinkRequest{})
	b.want(later, NoAccess)
	p.Offers["gold"].Removed = false // a later grant revives nothing
	b.save(p)
	b.want(tok, Revoked)
	if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, Revoked) {
		t.Errorf("redeem: %v", err)
	}
	b.want(later, OK)
	stranger := b.mint(engine.LinkRequest{Contact: engine.NewID(t0, 1, "nobody")}) // minting never looks at access
	b.want(stranger, NoAccess)
}

// What is under the hash cannot be rewritten in the store: kind, location, and which link it is. A linkMAC without the kind
// turns it red, as does one without the location or without the selector.
func TestAttack08RecordMovedToAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok, other := b.mint(engine.LinkRequest{}), b.mint(engine.LinkRequest{})
	change := func(f func(r *linkRecord)) Reason {
		t.Helper()
		rec := linkRecord{}
		b.update(b.ada, func(tx engine.Tx) error {
			var err error
			rec, _, err = loadLink(tx, tok.selector)
			bad := rec
			f(&bad)
			if err == nil {
				err = save(tx, engine.SpaceLinks, tok.selector[:], bad)
			}
			return err
		})
		got := b.look(tok)
		b.update(b.ada, func(tx engine.Tx) error { return save(tx, engine.SpaceLinks, tok.selector[:], rec) })
		b.want(tok, OK)
		return got
	}
	if r := change(func(r *linkRecord) { r.Kind = "user" }); r != Unknown {
		t.Errorf("another kind: %s", r)
	}
	if r := change(func(r *linkRecord) { r.Location = "else" }); r != Unknown {
		t.Errorf("another location: %s", r)
	}
	if r := change(func(r *linkRecord) { r.MAC = b.keys.mint().linkMAC(Learner, loc, other) }); r != Unknown {
		t.Errorf("another link's hash: %s", r)
	}
	if r := change(func(r *linkRecord) { r.MAC = nil }); r != Unknown {
		t.Errorf("no hash: %s", r)
	}
	b.update(b.ada, func(tx engine.Tx) error { // all that is stored of one link, under the selector of another
		rec, _, err := loadLink(tx, tok.selector)
		if err != nil {
			return err
		}
		return save(tx, engine.SpaceLinks, other.selector[:], rec)
	})
	if r := b.look(Token{other.selector, tok.secret}); r != Unknown {
		t.Errorf("the record in another's place: %s", r)
	}
}

// The settings of the location say what a link begins with. A Mint that takes it from anywhere else turns it red.
func TestAttack11BaseURLIsTheLocations(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.set.BaseURL = "https://learn.acme.test/" // a slash too many does not matter
	b.update(b.ada, func(tx engine.Tx) error {
		_, url, err := b.links.Mint(tx, engine.LinkRequest{Now: b.now, Location: loc, Contact: b.ada})
		if !strings.HasPrefix(url.Reveal(), "https://learn.acme.test/l/") || len(url.Reveal()) != len("https://learn.acme.test/l/")+36 {
			t.Error("the link does not begin with the base url")
		}
		return err
	})
	for _, req := range []engine.LinkRequest{{Location: "else", Contact: b.ada}, {Location: loc}} {
		err := b.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
			_, _, err := b.links.Mint(tx, req)
			return err
		})
		if !engine.IsFinal(err) {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

// No record holds a token or a session's id. A sessionKey that is the sid itself turns it red, as does a store that notes the token
// in the record (rec.By = tok.reveal()).
func TestAttack21NothingAtRest(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		b := newBench(t, parts)
		tok := b.mint(engine.LinkRequest{Address: "ada@example.com", Ordinal: 1})
		sid, _, err := b.redeem(tok, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		key := b.keys.mint()
		secrets := map[string]string{
			"token": tok.reveal(), "secret half": tok.reveal()[12:], "raw secret": tok.secret.Reveal(), "sid": sid.Reveal(),
			"link key": string(key.link), "address key": string(key.address), "url": "/l/",
		}
		for _, s := range b.stores.All() {
			for space, recs := range enginetest.Dump(t, s) {
				for k, v := range recs {
					for name, secret := range secrets {
						if strings.Contains(k, secret) || strings.Contains(v, secret) {
							t.Errorf("%s holds a %s", space, name)
						}
					}
					if strings.Contains(v, "ada@example.com") && space != engine.SpacePeople {
						t.Errorf("%s holds an address", space)
					}
				}
			}
		}
	}
}

// All links and sessions of a contact end at once, and nobody else's. A revokeContact that leaves the epoch turns it red.
func TestAttack23RevokeContact(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	one, two := b.mint(engine.LinkRequest{}), b.mint(engine.LinkRequest{App: "courses"})
	bob := b.person("c-18", "bob@example.com", "").Key
	his := b.mint(engine.LinkRequest{Contact: bob})
	sid, _, err := b.redeem(one, engine.Secret{})
	if err != nil || !b.live(sid) {
		t.Fatal("no session", err)
	}
	b.update(b.ada, func(tx engine.Tx) error { return b.links.RevokeContact(tx, loc, b.ada, b.now) })
	b.want(one, Revoked)
	b.want(two, Revoked)
	b.want(his, OK)
	if b.live(sid) {
		t.Error("the session lives on")
	}
	b.want(b.mint(engine.LinkRequest{}), OK)
}

func TestRevokeOneLinkEndsItsSessionsOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	one, two := b.mint(engine.LinkRequest{}), b.mint(engine.LinkRequest{})
	s1, _, _ := b.redeem(one, engine.Secret{})
	s2, _, _ := b.redeem(two, engine.Secret{})
	for range 2 {
		b.update(b.ada, func(tx engine.Tx) error { return b.links.Revoke(tx, one.selector.ID(), "support", b.now) })
		b.now = b.now.Add(time.Minute)
	}
	b.want(one, Revoked)
	b.want(two, OK)
	if b.live(s1) || !b.live(s2) {
		t.Error("the wrong session ended")
	}
	info, err := b.links.Show(t.Context(), b.stores, one.selector.ID(), b.now)
	if err != nil || info.RevokedBy != "support" || !info.Revoked.Equal(t0) {
		t.Errorf("%+v, %v", info, err)
	}
	for id, want := range map[string]error{"lnk_AAAAAAAAAAAA": ErrNoLink, "x": ErrBadID, one.reveal(): ErrBadID} {
		err := b.stores.Global().Update(t.Context(), func(tx engine.Tx) error { return b.links.Revoke(tx, id, "support", b.now) })
		if !errors.Is(err, want) {
			t.Errorf("revoke: %v, want %v", err, want)
		}
	}
}
