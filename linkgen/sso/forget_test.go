package sso_test

import (
	"testing"

	"golang.org/x/oauth2"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

// A contact who is forgotten takes codes and tokens along; those of others stay.
func TestForgetSignIns(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	p := s.relying()
	bob := s.learner("c-18", "Bob", "bob@example.com", "go-101")
	ada := s.signIn(s.ada, "ada@example.com")
	first, err := p.exchange(t.Context(), p.code(t, ada.get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	second := p.code(t, ada.get(p.asks()))
	other, err := p.exchange(t.Context(), p.code(t, s.signIn(bob, "bob@example.com").get(p.asks())))
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"studio", locID} { // the same key elsewhere is somebody else
		knows := location == "studio"
		err := s.stores.For(s.ada.Key.Shard()).Update(t.Context(), func(tx engine.Tx) error { return sso.Forget(tx, location, s.ada.Key) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(first)); (err == nil) != knows {
			t.Errorf("forgotten in %s, the token answers: %v", location, err)
		}
	}
	if _, err := p.exchange(t.Context(), second); err == nil {
		t.Error("a code of somebody who is forgotten is exchanged")
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(other)); err != nil {
		t.Errorf("somebody else's token: %v", err)
	}
}
