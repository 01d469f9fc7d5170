package portal

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Bounds of what a host says of a member of staff.
const (
	assertionLife = 60 * time.Second // from iat to exp
	assertionSkew = 30 * time.Second // that the host's clock may be ahead
	maxAssertion  = 3 << 10          // bytes
	maxClaim      = 255              // bytes
)

// An assertion is what a host says of the member of staff who opens its page.
type assertion struct {
	Issuer, Subject, Email string
	ID                     string // it may be used once
	Expires                time.Time
}

var (
	errAssertion = errors.New("assertion refused")
	errLate      = fmt.Errorf("%w: it is over", errAssertion)
)

var assertionAlgs = []jose.SignatureAlgorithm{jose.HS256, jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// verify checks an assertion for an audience. That it was not used before is for the caller to ask, by its issuer and ID.
func (e Embed) verify(text, audience string, now time.Time) (assertion, error) {
	if len(text) > maxAssertion {
		return assertion{}, fmt.Errorf("%w: too long", errAssertion)
	}
	tok, err := jwt.ParseSigned(text, assertionAlgs)
	if err != nil {
		return assertion{}, fmt.Errorf("%w: no signed token of a kind that is taken", errAssertion)
	}
	var claims struct {
		jwt.Claims
		Email string `json:"email"`
	}
	if err := tok.UnsafeClaimsWithoutVerification(&claims); err != nil { // only to know whose key to use
		return assertion{}, fmt.Errorf("%w: no claims", errAssertion)
	}
	iss := claims.Issuer
	if !slices.ContainsFunc(e.keysOf(iss), func(k EmbedKey) bool {
		key, algs := k.key()
		return key != nil && len(tok.Headers) == 1 && slices.Contains(algs, jose.SignatureAlgorithm(tok.Headers[0].Algorithm)) &&
			tok.Claims(key, &claims) == nil
	}) {
		return assertion{}, fmt.Errorf("%w: signed by nobody who may", errAssertion)
	}
	email, ok := readAddress(claims.Email)
	switch {
	case !claims.Audience.Contains(audience):
		return assertion{}, fmt.Errorf("%w: aud is not %s", errAssertion, audience)
	case !ok:
		return assertion{}, fmt.Errorf("%w: email is no address", errAssertion)
	case claims.Subject == "" || len(claims.Subject) > maxClaim:
		return assertion{}, fmt.Errorf("%w: sub is missing or too long", errAssertion)
	case claims.ID == "" || len(claims.ID) > maxClaim:
		return assertion{}, fmt.Errorf("%w: jti is missing or too long", errAssertion)
	case claims.IssuedAt == nil || claims.Expiry == nil:
		return assertion{}, fmt.Errorf("%w: iat or exp is missing", errAssertion)
	}
	from, until := claims.IssuedAt.Time(), claims.Expiry.Time()
	switch {
	case until.Sub(from) > assertionLife || !until.After(from):
		return assertion{}, fmt.Errorf("%w: exp is more than 60 seconds after iat, or before it", errAssertion)
	case from.After(now.Add(assertionSkew)), claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(assertionSkew)):
		return assertion{}, fmt.Errorf("%w: it is of later than now; is a clock wrong?", errAssertion)
	case !now.Before(until):
		return assertion{}, errLate
	}
	return assertion{Issuer: iss, Subject: claims.Subject, Email: email, ID: claims.ID, Expires: until}, nil
}

// keysOf returns the keys of an issuer, of the location's own and of those whose staff are let in too.
func (e Embed) keysOf(issuer string) []EmbedKey {
	all := slices.Clone(e.Keys)
	for _, o := range e.Locations { // and not of those that they let in
		all = append(all, o.Keys...)
	}
	return slices.DeleteFunc(all, func(k EmbedKey) bool { return k.Issuer != issuer })
}

// key returns what checks a signature, and the algorithms that it is for: a public key never counts as a secret.
func (k EmbedKey) key() (any, []jose.SignatureAlgorithm) {
	if k.PEM == "" {
		if k.Secret.IsZero() {
			return nil, nil
		}
		return []byte(k.Secret.Reveal()), []jose.SignatureAlgorithm{jose.HS256}
	}
	block, _ := pem.Decode([]byte(k.PEM))
	if block == nil {
		return nil, nil
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, nil
	}
	switch pub.(type) {
	case *rsa.PublicKey:
		return pub, []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	case *ecdsa.PublicKey:
		return pub, []jose.SignatureAlgorithm{jose.ES256}
	case ed25519.PublicKey:
		return pub, []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil, nil
}
