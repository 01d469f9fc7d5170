package linkgen

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"latchkey/engine"
)

const (
	keyFile    = "link.key"
	keySize    = 32
	keyFileTop = "# Keys of login links, one a line: its id and the key. The first mints, all verify.\n" +
		"# To rotate, put a new line on top. To end every link of a key, remove its line.\n"
)

// Keys are the secrets that links are hashed with, in order: the first mints, all verify. They live outside the data
// folder, so that the data alone lets nobody in.
type Keys struct{ list []key }

// A key holds what is derived from one line of the file: a key of its own for each purpose.
type key struct {
	id            string
	link, address []byte
}

// OpenKeys reads link.key in dir. On the first run it makes both, for the owner's eyes only. A file that others can
// read is refused, as is one that holds no key or a line that cannot be read; such errors name the line and never
// quote it.
func OpenKeys(dir string) (*Keys, error) {
	path := filepath.Join(dir, keyFile)
	if err := makeKeyFile(dir, path); err != nil {
		return nil, fmt.Errorf("make link key: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read link key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read link key: %w", err)
	}
	return parseKeys(path, string(text))
}

// TemporaryKeys returns a fresh key that is in memory only: links that it makes die with the process.
func TemporaryKeys() (*Keys, error) { return parseKeys("temporary key", newKeyLine()) }

// makeKeyFile makes the folder and a first key unless the file exists. Of two processes that do so at once one wins.
func makeKeyFile(dir, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Projects live in git, keys must not.
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".link-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(keyFileTop + newKeyLine() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newKeyLine() string {
	b := make([]byte, 4+keySize)
	rand.Read(b) // never fails
	return hex.EncodeToString(b[:4]) + " " + base64.StdEncoding.EncodeToString(b[4:])
}

func parseKeys(path, text string) (*Keys, error) {
	var ks Keys
	n := 0
	for line := range strings.Lines(text) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 2 {
			return nil, fmt.Errorf("%s:%d: want an id and a key", path, n)
		}
		b, err := base64.StdEncoding.DecodeString(f[1])
		if err != nil || len(b) != keySize {
			return nil, fmt.Errorf("%s:%d: the key is not %d bytes in base64", path, n, keySize)
		}
		if ks.find(f[0]) != nil {
			return nil, fmt.Errorf("%s:%d: key id %s comes twice", path, n, f[0])
		}
		k, err := deriveKey(f[0], b)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		ks.list = append(ks.list, k)
	}
	if len(ks.list) == 0 {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	return &ks, nil
}

// deriveKey separates the purposes (RFC 5869), so that what is made for one never passes for another.
func deriveKey(id string, secret []byte) (key, error) {
	k := key{id: id}
	var err error
	if k.link, err = hkdf.Key(sha256.New, secret, nil, "latchkey link v1", keySize); err != nil {
		return k, err
	}
	k.address, err = hkdf.Key(sha256.New, secret, nil, "latchkey address v1", keySize)
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
