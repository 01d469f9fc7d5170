package linkgen

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"latchkey/engine"
)

const keySize = 32

// linkKeys is the file of Keys.
var linkKeys = KeyFile[key]{
	Name: "link.key",
	Top: "# Keys of login links, one a line: its id and the key. The first mints, all verify.\n" +
		"# To rotate, put a new line on top. To end every link of a key, remove its line.\n",
	Make: func() ([]byte, error) {
		b := make([]byte, keySize)
		rand.Read(b) // never fails
		return b, nil
	},
	Read: deriveKey,
}

// Keys are the secrets that links are hashed with, in order: the first mints, all verify.
type Keys struct{ list []key }

// A key holds what is derived from one line of the file: a key of its own for each purpose.
type key struct {
	id                  string
	link, address, seal []byte
}

// OpenKeys reads link.key in dir, as KeyFile.Open does.
func OpenKeys(dir string) (*Keys, error) {
	list, err := linkKeys.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Keys{list}, nil
}

// TemporaryKeys returns a fresh key that is in memory only: links that it makes die with the process.
func TemporaryKeys() (*Keys, error) {
	line, err := linkKeys.line()
	if err != nil {
		return nil, err
	}
	list, err := linkKeys.parse("temporary key", line)
	return &Keys{list}, err
}

// deriveKey separates the purposes (RFC 5869), so that what is made for one never passes for another.
func deriveKey(id string, secret []byte) (key, error) {
	k := key{id: id}
	if len(secret) != keySize {
		return k, fmt.Errorf("the key has not %d bytes", keySize)
	}
	var err error
	if k.link, err = hkdf.Key(sha256.New, secret, nil, "latchkey link v1", keySize); err != nil {
		return k, err
	}
	if k.address, err = hkdf.Key(sha256.New, secret, nil, "latchkey address v1", keySize); err != nil {
		return k, err
	}
	k.seal, err = hkdf.Key(sha256.New, secret, nil, "latchkey seal v1", keySize)
	return k, err
}

// mint returns the key for new links.
func (ks *Keys) mint() *key { return &ks.list[0] }

// find returns the key of that id, or nil.
func (ks *Keys) find(id string) *key {
	for i := range ks.list {
		if ks.list[i].id == id {
			return &ks.list[i]
		}
	}
	return nil
}

// linkMAC is what is stored of a token.
func (k *key) linkMAC(kind Kind, location string, t Token) []byte {
	msg := make([]byte, 0, 128)
	msg = append(msg, "lnk\x00v1\x00"...)
	msg = append(append(msg, kind...), 0)
	msg = append(append(msg, location...), 0)
	msg = append(msg, t.selector[:]...)
	msg = append(msg, t.secret.Reveal()...)
	return hmacSHA256(k.link, msg)
}

// addressMAC is what is stored of the address that a link was sent to.
func (k *key) addressMAC(location, address string) []byte {
	msg := make([]byte, 0, 128)
	msg = append(append(msg, location...), 0)
	msg = append(msg, engine.NormalAddress(address)...)
	return hmacSHA256(k.address, msg)[:16]
}

// hmacSHA256 is RFC 2104 for a key of at most a block. crypto/hmac does the same in ten times as many allocations, which
// count where all minting goes through one writer.
func hmacSHA256(key, msg []byte) []byte {
	var pad [sha256.BlockSize]byte
	copy(pad[:], key)
	for i := range pad {
		pad[i] ^= 0x36
	}
	var room [512]byte
	inner := sha256.Sum256(append(append(room[:0], pad[:]...), msg...))
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	outer := sha256.Sum256(append(append(room[:0], pad[:]...), inner[:]...))
	return outer[:]
}

// IDs returns the ids of the keys, the minting one first. They are no secrets.
func (ks *Keys) IDs() []string {
	ids := make([]string, 0, len(ks.list))
	for _, k := range ks.list {
		ids = append(ids, k.id)
	}
	return ids
}
