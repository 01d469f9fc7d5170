package coursesite

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func (s *Site) openID(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p, err := oidc.NewProvider(ctx, s.Latchkey) // a busy site keeps it
	if err != nil {
		return nil, nil, err
	}
	return p, &oauth2.Config{ClientID: "academy.courses", ClientSecret: s.Secret, RedirectURL: s.URL + "/callback", Endpoint: p.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}, nil
}

// askOpenID has Latchkey say who it is, and keeps in the browser what the answer has to fit.
func (s *Site) askOpenID(w http.ResponseWriter, r *http.Request) {
	_, client, err := s.openID(r.Context())
	if err != nil {
		http.Error(w, "Nobody can sign in just now.", http.StatusBadGateway)
		return
	}
	asked := url.Values{"state": {rand.Text()}, "nonce": {rand.Text()}, "verifier": {oauth2.GenerateVerifier()}, "path": {r.URL.Path}}
	s.keep(w, "asked", asked.Encode())
	http.Redirect(w, r, client.AuthCodeURL(asked.Get("state"), oidc.Nonce(asked.Get("nonce")), oauth2.S256ChallengeOption(asked.Get("verifier"))), http.StatusSeeOther)
}

// takeCode lets in who brings a code, to the browser that asked.
func (s *Site) takeCode(w http.ResponseWriter, r *http.Request) {
	var l learner
	asked := url.Values{}
	if c, err := r.Cookie("asked"); err == nil {
		asked, _ = url.ParseQuery(c.Value)
	}
	p, client, err := s.openID(r.Context())
	if err == nil && asked.Get("state") != "" && r.URL.Query().Get("state") == asked.Get("state") {
		if token, err := client.Exchange(r.Context(), r.URL.Query().Get("code"), oauth2.VerifierOption(asked.Get("verifier"))); err == nil {
			raw, _ := token.Extra("id_token").(string)
			t, err := p.Verifier(&oidc.Config{ClientID: client.ClientID}).Verify(r.Context(), raw)
			if err == nil && t.Nonce == asked.Get("nonce") && t.Claims(&l) == nil {
				s.letIn(w, r, l, s.URL+asked.Get("path"))
				return
			}
		}
	}
	http.Error(w, "That did not work. Open the link in your mail again.", http.StatusForbidden)
}
