package linkgen

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// ErrSeal is returned for what was not sealed with one of the keys, or for another purpose.
var ErrSeal = errors.New("not sealed by us")

// A Sealer hides what must not be read where it is kept, and proves that it is ours: AES-256-GCM with a random nonce. The first key
// seals, all open.
type Sealer struct{ list []cipher.AEAD }

// NewSealer returns a sealer with keys of 32 bytes, of which there is one at least.
func NewSealer(keys [][]byte) (*Sealer, error) {
	s := &Sealer{}
	for _, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("key to seal with: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("key to seal with: %w", err)
		}
		s.list = append(s.list, aead)
	}
	return s, nil
}

// Sealer returns one whose keys are derived from these.
func (ks *Keys) Sealer() (*Sealer, error) {
	var keys [][]byte
	for _, k := range ks.list {
		keys = append(keys, k.seal)
	}
	return NewSealer(keys)
}

// Seal hides text for one purpose. What is sealed for one purpose does not open for another.
func (s *Sealer) Seal(purpose, text string) []byte {
	return s.list[0].Seal(nil, nil, []byte(text), []byte(purpose))
}

// Open returns what Seal hid. Returns ErrSeal.
func (s *Sealer) Open(purpose string, sealed []byte) (string, error) {
	for _, aead := range s.list {
		if text, err := aead.Open(nil, nil, sealed, []byte(purpose)); err == nil {
			return string(text), nil
		}
	}
	return "", ErrSeal
}
