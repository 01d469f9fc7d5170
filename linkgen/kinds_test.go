package linkgen

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// mintAs mints a link of no contact.
func (b *bench) mintAs(mint func(tx engine.Tx) (string, engine.Secret, error)) Token {
	b.Helper()
	var tok Token
	if err := b.stores.For(0).Update(b.Context(), func(tx engine.Tx) error {
		_, url, err := mint(tx)
		if err != nil {
			return err
		}
		text := url.Reveal()
		tok, err = ParseToken(text[strings.LastIndex(text, "/")+1:])
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return tok
}

func (b *bench) app() Token {
	return b.mintAs(func(tx engine.Tx) (string, engine.Secret, error) {
		return b.links.MintApp(tx, AppRequest{Now: b.now, Location: loc, App: "courses", By: "sam"})
	})
}

func (b *bench) user() Token {
	return b.mintAs(func(tx engine.Tx) (string, engine.Secret, error) {
		return b.links.MintUser(tx, UserRequest{Now: b.now, Location: loc, By: "sam"})
	})
}

func (b *bench) staff() Token {
	return b.mintAs(func(tx engine.Tx) (string, engine.Secret, error) {
		return b.links.MintStaff(tx, StaffRequest{Now: b.now, Location: loc, Email: "sam@acme.test", Base: "https://admin.acme.test/in/"})
	})
}

func (b *bench) redeemStaff(t Token, presented engine.Secret) (engine.Secret, StaffSession, error) {
	b.Helper()
	fresh := NewSID(0)
	var s StaffSession
	err := b.stores.For(0).Update(b.Context(), func(tx engine.Tx) (err error) {
		s, err = b.links.RedeemStaff(tx, Visit{Token: t, Presented: presented, Fresh: fresh, Now: b.now, Device: "Safari on a Mac"})
		return err
	})
	if err != nil {
		return presented, s, err
	}
	return fresh, s, nil
}

func (b *bench) liveStaff(sid engine.Secret) (live bool) {
	b.Helper()
	if err := b.stores.For(0).View(b.Context(), func(tx engine.Tx) (err error) {
		_, live, err = b.links.StaffSession(tx, sid, b.now)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return live
}

func TestAppLinkCarriesNoIdentity(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	one, two := b.app(), b.app()
	b.now = b.now.Add(2 * 365 * 24 * time.Hour) // it is for a menu
	b.want(one, OK)
	b.want(two, OK)
	d, err := b.links.Look(t.Context(), b.stores, one, b.now)
	if err != nil || d.Link.Kind != AppOnly || d.Link.App != "courses" || d.Person != nil || !d.Link.Contact.IsZero() {
		t.Errorf("%+v, %v", d, err)
	}
	if _, _, err := b.redeem(one, engine.Secret{}); !refusedFor(err, Unknown) {
		t.Errorf("it let someone in: %v", err)
	}
	if _, _, err := b.redeemStaff(one, engine.Secret{}); !refusedFor(err, Unknown) {
		t.Errorf("it signed staff in: %v", err)
	}
	if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error { return b.links.Revoke(tx, one.selector.ID(), "sam", b.now) }); err != nil {
		t.Fatal(err)
	}
	b.want(one, Revoked)
	b.want(two, OK)
}

func TestNewUserLinkEndsTheOlder(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	app, one := b.app(), b.user()
	b.want(one, OK)
	two := b.user()
	b.want(one, Replaced)
	b.want(two, OK)
	b.want(app, OK)
	info, err := b.links.Show(t.Context(), b.stores, one.selector.ID(), b.now)
	if err != nil || info.Summary(time.UTC) != "This link does not work: a newer user link of the location replaced it." {
		t.Errorf("%q, %v", info.Summary(time.UTC), err)
	}
	for _, tok := range []Token{one, two} {
		if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, Unknown) {
			t.Errorf("it let someone in: %v", err)
		}
	}
}

func TestStaffSignIn(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	tok := b.staff()
	sid, s, err := b.redeemStaff(tok, engine.Secret{})
	if err != nil || s.Email != "sam@acme.test" || s.Via != "link" || s.Location != loc || !b.liveStaff(sid) {
		t.Fatalf("%+v, %v", s, err)
	}
	if b.live(sid) {
		t.Error("a session of staff passes for a learner's")
	}
	if _, _, err := b.redeemStaff(tok, sid); !errors.Is(err, ErrSignedIn) {
		t.Errorf("the button pressed twice: %v", err)
	}
	if _, _, err := b.redeemStaff(tok, engine.Secret{}); !refusedFor(err, UsedUp) {
		t.Errorf("another browser: %v", err)
	}
	if _, _, err := b.redeem(tok, engine.Secret{}); !refusedFor(err, Unknown) {
		t.Errorf("it let a learner in: %v", err)
	}
	learner, _, err := b.redeem(b.mint(engine.LinkRequest{}), engine.Secret{})
	if err != nil || b.liveStaff(learner) {
		t.Errorf("a learner's session passes for one of staff: %v", err)
	}
	late := b.staff()
	b.now = b.now.Add(StaffTTL)
	if _, _, err := b.redeemStaff(late, engine.Secret{}); !refusedFor(err, Expired) {
		t.Errorf("too late: %v", err)
	}
	b.now = b.now.Add(StaffIdle)
	if b.liveStaff(sid) {
		t.Error("outlives its idle time")
	}
	again, _, err := b.redeemStaff(b.staff(), sid)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
		all, err := b.links.StaffSessions(tx, loc, b.now)
		if err != nil || len(all) != 1 {
			t.Errorf("%d sessions, %v", len(all), err)
			return err
		}
		return b.links.EndStaffID(tx, loc, all[0].ID)
	}); err != nil || b.liveStaff(again) {
		t.Errorf("ended by its id: %v", err)
	}
}

// However often one member of staff signs in, another stays.
func TestStaffSessionsPerAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	sign := func(email string) engine.Secret {
		b.now = b.now.Add(time.Second)
		sid := NewSID(0)
		b.update(b.ada, func(tx engine.Tx) error {
			_, err := b.links.BeginStaff(tx, StaffEntry{Now: b.now, Location: loc, Email: email, Via: "host", Fresh: sid})
			return err
		})
		return sid
	}
	kim := sign("kim@acme.test")
	var sam []engine.Secret
	for range StaffMax + 3 {
		sam = append(sam, sign("sam@acme.test"))
	}
	for i, sid := range sam {
		if b.liveStaff(sid) != (i >= 3) {
			t.Errorf("session %d of %d lives: %v", i, len(sam), i < 3)
		}
	}
	if !b.liveStaff(kim) {
		t.Error("another's session was pushed out")
	}
}

func TestBoundToTheFirstBrowser(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{Bind: true})
	mine, theirs := NewSID(0), NewSID(0)
	enter := func(browser engine.Secret, as string) error {
		return b.stores.Global().Update(t.Context(), func(tx engine.Tx) error {
			_, err := b.links.Redeem(tx, Visit{Token: tok, Fresh: NewSID(b.ada.Shard()), Now: b.now, Browser: browser, As: as})
			return err
		})
	}
	if err := enter(engine.Secret{}, ""); !refusedFor(err, OtherBrowser) {
		t.Errorf("a browser that proves nothing: %v", err)
	}
	if err := enter(mine, ""); err != nil {
		t.Fatal(err)
	}
	if err := enter(theirs, ""); !refusedFor(err, OtherBrowser) {
		t.Errorf("another browser: %v", err)
	}
	if err := enter(mine, ""); err != nil {
		t.Errorf("the same browser again: %v", err)
	}
	if err := enter(theirs, "sam@acme.test"); err != nil {
		t.Errorf("staff who view as the learner: %v", err)
	}
	d, err := b.links.Look(t.Context(), b.stores, tok, b.now)
	if err != nil || d.OtherBrowser(mine) || !d.OtherBrowser(theirs) || !d.OtherBrowser(engine.Secret{}) {
		t.Errorf("look: %+v, %v", d, err)
	}
	info, err := b.links.Show(t.Context(), b.stores, tok.selector.ID(), b.now)
	if err != nil || info.Uses != 2 || info.Summary(time.UTC) != "This link works until 23 November 2026 at 09:00 UTC, but only in the browser that it was first used in." {
		t.Errorf("%d uses, %q, %v", info.Uses, info.Summary(time.UTC), err)
	}
}

// Staff who look at what a learner sees use nothing up, push no session out, and are noted.
func TestViewAsLearner(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	var learner []engine.Secret
	for range SessionsMax {
		sid, _, err := b.redeem(tok, engine.Secret{})
		if err != nil {
			t.Fatal(err)
		}
		learner = append(learner, sid)
	}
	var views []engine.Secret
	for range viewsMax + 1 {
		fresh := NewSID(b.ada.Shard())
		b.now = b.now.Add(time.Second)
		b.update(b.ada, func(tx engine.Tx) error {
			red, err := b.links.Redeem(tx, Visit{Token: tok, Fresh: fresh, Now: b.now, As: "sam@acme.test"})
			if !red.Contact.IsZero() {
				t.Error("it has effects")
			}
			return err
		})
		views = append(views, fresh)
	}
	for i, sid := range learner {
		if !b.live(sid) {
			t.Errorf("the learner's session %d was pushed out", i)
		}
	}
	if b.live(views[0]) || !b.live(views[1]) || !b.live(views[2]) {
		t.Error("there are as many views as wished")
	}
	info, err := b.links.Show(t.Context(), b.stores, tok.selector.ID(), b.now)
	if err != nil || info.Uses != SessionsMax {
		t.Errorf("%d uses, %v", info.Uses, err)
	}
	all, err := AuditList(t.Context(), b.stores, loc, 10, "")
	if err != nil || len(all) != 3 || all[0].Who != "sam@acme.test" || all[0].On != tok.selector.ID() || all[0].Did != "viewed as learner" {
		t.Errorf("%+v, %v", all, err)
	}
	b.now = b.now.Add(ViewLife)
	if b.live(views[2]) || !b.live(learner[0]) {
		t.Error("a view lives as long as a learner's session")
	}
}
