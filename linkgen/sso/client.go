package sso

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// A client is an app as OpenID knows it: a server with a secret. It implements op.Client.
type client struct{ App }

// GetID implements op.Client, as do all below.
func (c client) GetID() string { return c.ClientID() }

// RedirectURIs are compared letter by letter before the library sees them, since it decodes what it compares.
func (c client) RedirectURIs() []string { return c.Redirects }

// PostLogoutRedirectURIs are the app's front page, unless latchkey.yaml lists some.
func (c client) PostLogoutRedirectURIs() []string {
	if len(c.Logout) > 0 {
		return c.Logout
	}
	return []string{c.URL, c.URL + "/"}
}

// ApplicationType is a server with a secret.
func (c client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }

// AuthMethod is the secret, by basic authentication or in the form.
func (c client) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodBasic }

// ResponseTypes is code alone.
func (c client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

// GrantTypes is code alone.
func (c client) GrantTypes() []oidc.GrantType { return []oidc.GrantType{oidc.GrantTypeCode} }

// LoginURL is not asked for: see provider.authorize.
func (c client) LoginURL(string) string { return "/login" }

// AccessTokenType is opaque.
func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

// IDTokenLifetime is short: the site makes a session of its own.
func (c client) IDTokenLifetime() time.Duration { return tokenLife }

// DevMode would allow redirects to http anywhere; those of latchkey.yaml were checked.
func (c client) DevMode() bool { return false }

// RestrictAdditionalIdTokenScopes restricts nothing.
func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string { return same }

// RestrictAdditionalAccessTokenScopes restricts nothing.
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return same }

func same(scopes []string) []string { return scopes }

// IsScopeAllowed allows none beside the standard ones.
func (c client) IsScopeAllowed(string) bool { return false }

// IDTokenUserinfoClaimsAssertion has the name and address in the id token too: many sites never ask /oidc/userinfo.
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

// ClockSkew is none.
func (c client) ClockSkew() time.Duration { return 0 }
