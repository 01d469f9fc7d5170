package sso

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"latchkey/linkgen"
)

// A signKey is one line of a key file.
type signKey struct {
	id  string
	key crypto.Signer
}

// public is what /.well-known/jwks.json says of it.
func (k signKey) public() jose.JSONWebKey {
	alg := jose.EdDSA
	if _, ok := k.key.(*rsa.PrivateKey); ok {
		alg = jose.RS256
	}
	return jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Algorithm: string(alg), Use: "sig"}
}

// Tokens for apps and those of OpenID have keys of different kinds in different files: one never passes for the other, nor for
// a key of links.
var (
	tokenKeys = keyFile("sso.key", "tokens for apps", func() (crypto.Signer, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	}, func(k any) (crypto.Signer, bool) { s, ok := k.(ed25519.PrivateKey); return s, ok })
	oidcKeys = keyFile("oidc.key", "OpenID tokens", func() (crypto.Signer, error) {
		return rsa.GenerateKey(rand.Reader, 2048)
	}, func(k any) (crypto.Signer, bool) {
		s, ok := k.(*rsa.PrivateKey)
		return s, ok && s.N.BitLen() >= 2048
	})
)

// keyFile is a file of private keys in PKCS #8. generate makes one of the kind; fits tells whether one is of it.
func keyFile(name, what string, generate func() (crypto.Signer, error), fits func(any) (crypto.Signer, bool)) linkgen.KeyFile[signKey] {
	return linkgen.KeyFile[signKey]{
		Name: name,
		Top: "# Keys that " + what + " are signed with, one a line: its id and the key (PKCS #8). The first signs, all verify.\n" +
			"# To rotate, put a new line on top and leave the old one for a day: sites keep what /.well-known/jwks.json said.\n",
		Make: func() ([]byte, error) {
			k, err := generate()
			if err != nil {
				return nil, err
			}
			return x509.MarshalPKCS8PrivateKey(k)
		},
		Read: func(id string, der []byte) (signKey, error) {
			parsed, err := x509.ParsePKCS8PrivateKey(der)
			if err != nil {
				if parsed, err = x509.ParsePKCS1PrivateKey(der); err != nil { // as openssl writes RSA keys
					return signKey{}, errors.New("the key is not PKCS #8")
				}
			}
			k, ok := fits(parsed)
			if !ok {
				return signKey{}, fmt.Errorf("the key is of another kind than %s are signed with", what)
			}
			return signKey{id, k}, nil
		},
	}
}

// sealKeys derives from each key for tokens one that seals what we give a browser or a site to bring back to us.
func sealKeys(list []signKey) ([][]byte, error) {
	var out [][]byte
	for _, k := range list {
		seed, ok := k.key.(ed25519.PrivateKey)
		if !ok {
			return nil, errors.New("no key to seal with")
		}
		b, err := hkdf.Key(sha256.New, seed.Seed(), nil, "latchkey sso seal v1", 32)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
