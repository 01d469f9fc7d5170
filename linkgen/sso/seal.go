package sso

import (
	"crypto/rand"
	"encoding/base64"

	"latchkey/linkgen"
)

// A sealer seals what a browser or a site is to bring back, as text.
type sealer struct{ *linkgen.Sealer }

func newSealer(keys [][]byte) (sealer, error) {
	s, err := linkgen.NewSealer(keys)
	return sealer{s}, err
}

var sealText = base64.RawURLEncoding.Strict()

func (s sealer) seal(purpose, text string) string {
	return sealText.EncodeToString(s.Seal(purpose, text))
}

func (s sealer) open(purpose, sealed string) (string, error) {
	b, err := sealText.DecodeString(sealed)
	if err != nil {
		return "", linkgen.ErrSeal
	}
	return s.Open(purpose, b)
}

// A tokenCrypto seals the codes and tokens of OpenID. It implements op.Crypto.
type tokenCrypto struct{ sealer }

// Encrypt implements op.Crypto.
func (c tokenCrypto) Encrypt(text string) (string, error) { return c.seal("oidc", text), nil }

// Decrypt implements op.Crypto.
func (c tokenCrypto) Decrypt(sealed string) (string, error) { return c.open("oidc", sealed) }

// random returns n random bytes as text.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return sealText.EncodeToString(b)
}
