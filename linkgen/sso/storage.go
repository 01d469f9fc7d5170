package sso

import (
	"context"
	"crypto/rsa"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"latchkey/engine"
	"latchkey/linkgen"
)

// storage is what the library asks of us. It implements op.Storage.
type storage struct{ *provider }

var errUnused = errors.New("not offered")

// An authRequest is a grant as the library sees it. It implements op.AuthRequest.
type authRequest struct {
	*grant
	state string
}

// GetID implements op.AuthRequest, as do all below.
func (a authRequest) GetID() string { return a.ID.String() }

// GetACR is none: a link from a mailbox is no assurance that has a name.
func (a authRequest) GetACR() string { return "" }

// GetAMR is a one-time password of sorts, which is the nearest of RFC 8176.
func (a authRequest) GetAMR() []string { return []string{"otp"} }

// GetAudience is the client.
func (a authRequest) GetAudience() []string { return []string{a.Client} }

// GetAuthTime is when the session began.
func (a authRequest) GetAuthTime() time.Time { return a.Signed }

// GetClientID is the client.
func (a authRequest) GetClientID() string { return a.Client }

// GetCodeChallenge is nil for a client without PKCE.
func (a authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	if a.Challenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: a.Challenge, Method: oidc.CodeChallengeMethodS256}
}

// GetNonce is the client's.
func (a authRequest) GetNonce() string { return a.Nonce }

// GetRedirectURI is the client's.
func (a authRequest) GetRedirectURI() string { return a.Redirect }

// GetResponseType is code.
func (a authRequest) GetResponseType() oidc.ResponseType { return oidc.ResponseTypeCode }

// GetResponseMode is the query.
func (a authRequest) GetResponseMode() oidc.ResponseMode { return oidc.ResponseModeQuery }

// GetScopes are those that are offered.
func (a authRequest) GetScopes() []string { return a.Scopes }

// GetState is the client's; it is not stored.
func (a authRequest) GetState() string { return a.state }

// GetSubject is the contact.
func (a authRequest) GetSubject() string { return a.Subject }

// Done is true: none is made before the learner is signed in.
func (a authRequest) Done() bool { return true }

// AuthRequestByCode implements op.Storage. A code that was exchanged before ends the token that it gave (RFC 6749, 4.1.2).
func (s storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	id, err := s.grantOf(code)
	if err != nil {
		return nil, err
	}
	var g *grant
	err = s.h.Stores.For(id.shard()).View(ctx, func(tx engine.Tx) (err error) {
		g, err = loadGrant(tx, id)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !g.Used.IsZero():
		return nil, s.again(ctx, id)
	case !s.h.Now().Before(g.Expires):
		return nil, errGrant
	}
	return authRequest{grant: g}, nil
}

func (s storage) grantOf(code string) (grantID, error) {
	text, err := s.crypto.Decrypt(code)
	if err != nil {
		return grantID{}, err
	}
	return parseGrantID(text)
}

// again revokes what a code gave, since it was exchanged more than once.
func (s storage) again(ctx context.Context, id grantID) error {
	err := s.h.Stores.For(id.shard()).Update(ctx, func(tx engine.Tx) error {
		g, err := loadGrant(tx, id)
		if err != nil {
			return err
		}
		g.Revoked = true
		save(tx, id.key(), g)
		return nil
	})
	if err != nil {
		return err
	}
	s.h.Log.Warn().Str("location", id.location).Msg("a code of OpenID was exchanged twice; its token is revoked")
	return errGrant
}

// CreateAccessToken implements op.Storage: here the code is used up. Of two exchanges at once the second finds it so.
func (s storage) CreateAccessToken(ctx context.Context, req op.TokenRequest) (string, time.Time, error) {
	a, ok := req.(authRequest)
	if !ok {
		return "", time.Time{}, errUnused
	}
	if _, err := s.holder(ctx, a.grant); err != nil {
		return "", time.Time{}, oidc.ErrInvalidGrant().WithDescription("the session is over")
	}
	now, twice := s.h.Now(), false
	err := s.h.Stores.For(a.ID.shard()).Update(ctx, func(tx engine.Tx) error {
		g, err := loadGrant(tx, a.ID)
		if err != nil {
			return err
		}
		if twice = !g.Used.IsZero(); !twice {
			g.Used = now
			save(tx, a.ID.key(), g)
		}
		return nil
	})
	if err == nil && twice {
		err = s.again(ctx, a.ID)
	}
	if errors.Is(err, errGrant) {
		err = oidc.ErrInvalidGrant().WithDescription("invalid code")
	}
	return a.ID.String(), now.Add(tokenLife), err
}

// holder returns whose grant it is, if the session lives and the contact has access still.
func (s storage) holder(ctx context.Context, g *grant) (*engine.Person, error) {
	session := linkgen.Session{Location: g.ID.location, Contact: g.Contact, ID: g.Session, Link: g.Link, Created: g.Signed}
	live, err := s.h.Links.Alive(ctx, s.h.Stores, session, s.h.Now())
	if err != nil {
		return nil, err
	}
	p, err := s.h.Links.Holder(ctx, s.h.Stores, session)
	if err != nil {
		return nil, err
	}
	if !live || p == nil || !p.HasAccess() {
		return nil, errGrant
	}
	return p, nil
}

// SetUserinfoFromScopes implements op.Storage; SetUserinfoFromRequest does what it should.
func (s storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest, for the id token.
func (s storage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, req op.IDTokenRequest, scopes []string) error {
	a, ok := req.(authRequest)
	if !ok {
		return errUnused
	}
	info.AppendClaims("sid", a.Session)
	return s.describe(ctx, info, a.grant, scopes)
}

// SetUserinfoFromToken implements op.Storage, for /oidc/userinfo.
func (s storage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, _ string) error {
	id, err := parseGrantID(tokenID)
	if err != nil {
		return oidc.ErrAccessDenied()
	}
	var g *grant
	err = s.h.Stores.For(id.shard()).View(ctx, func(tx engine.Tx) (err error) {
		g, err = loadGrant(tx, id)
		return err
	})
	if err != nil || g.Used.IsZero() || g.Revoked || g.Subject != subject || !s.h.Now().Before(g.Used.Add(tokenLife)) {
		return oidc.ErrAccessDenied()
	}
	return s.describe(ctx, info, g, g.Scopes)
}

// describe says who a learner is, as far as the scopes go.
func (s storage) describe(ctx context.Context, info *oidc.UserInfo, g *grant, scopes []string) error {
	p, err := s.holder(ctx, g)
	if err != nil {
		return oidc.ErrAccessDenied()
	}
	c := &p.Contact
	info.Subject = g.Subject
	if c.ID != "" {
		info.AppendClaims("contact_id", c.ID)
	}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name, info.GivenName, info.FamilyName = c.Name(), c.FirstName, c.LastName
		info.Zoneinfo = c.Timezone
	}
	if slices.Contains(scopes, oidc.ScopeEmail) && c.Email != "" {
		proven, err := s.h.Links.Proven(ctx, s.h.Stores, linkgen.Session{Link: g.Link}, c.Email)
		if err != nil {
			return err
		}
		info.Email = c.Email
		info.AppendClaims("email_verified", proven) // also when it is false
	}
	return nil
}

// GetClientByClientID implements op.Storage. A client is one under its own location's issuer only.
func (s storage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	for _, a := range s.h.Apps() {
		if a.SSO == OIDC && a.ClientID() == id && s.h.issuer(a.Location) == op.IssuerFromContext(ctx) {
			return client{a}, nil
		}
	}
	return nil, oidc.ErrInvalidClient().WithDescription("no such client")
}

// AuthorizeClientIDSecret implements op.Storage.
func (s storage) AuthorizeClientIDSecret(ctx context.Context, id, secret string) error {
	c, err := s.GetClientByClientID(ctx, id)
	if err != nil {
		return err
	}
	if have := c.(client).Secret; have.IsZero() || !have.Equal(engine.NewSecret(secret)) {
		return oidc.ErrInvalidClient().WithDescription("wrong client secret")
	}
	return nil
}

// A pairKey is a key as the library wants it, to sign with or to check with.
type pairKey struct {
	id  string
	key any
}

// ID implements op.Key, as do all below.
func (k pairKey) ID() string                                  { return k.id }
func (k pairKey) Key() any                                    { return k.key }
func (k pairKey) Use() string                                 { return "sig" }
func (k pairKey) Algorithm() jose.SignatureAlgorithm          { return jose.RS256 }
func (k pairKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// SigningKey implements op.Storage.
func (s storage) SigningKey(context.Context) (op.SigningKey, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	return pairKey{keys[0].id, keys[0].key.(*rsa.PrivateKey)}, nil
}

// KeySet implements op.Storage.
func (s storage) KeySet(context.Context) ([]op.Key, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	var out []op.Key
	for _, k := range keys {
		out = append(out, pairKey{k.id, k.key.Public()})
	}
	return out, nil
}

// SignatureAlgorithms implements op.Storage.
func (s storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}
