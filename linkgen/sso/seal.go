package sso

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
)

var errSeal = errors.New("not sealed by us")

// A sealer hides a text and proves that it is ours: AES-256-GCM with a random nonce. The first key seals, all open.
type sealer struct{ list []cipher.AEAD }

func newSealer(keys [][]byte) (*sealer, error) {
	s := &sealer{}
	for _, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, aead)
	}
	return s, nil
}

var sealText = base64.RawURLEncoding.Strict()

// seal hides text for one purpose. What is sealed for one purpose does not open for another.
func (s *sealer) seal(purpose, text string) string {
	return sealText.EncodeToString(s.list[0].Seal(nil, nil, []byte(text), []byte(purpose)))
}

func (s *sealer) open(purpose, sealed string) (string, error) {
	b, err := sealText.DecodeString(sealed)
	if err != nil {
		return "", errSeal
	}
	for _, aead := range s.list {
		if text, err := aead.Open(nil, nil, b, []byte(purpose)); err == nil {
			return string(text), nil
		}
	}
	return "", errSeal
}

// A tokenCrypto seals the codes and tokens of OpenID. It implements op.Crypto.
type tokenCrypto struct{ *sealer }

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
