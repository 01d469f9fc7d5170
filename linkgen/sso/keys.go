package sso

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const keyFileTop = "# Keys that %s are signed with, one a line: its id and the key (PKCS #8). The first signs, all verify.\n" +
	"# To rotate, put a new line on top and leave the old one for a day: sites keep what /.well-known/jwks.json said.\n"

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

// A keyFile says what keys a file holds and how the first is made.
type keyFile struct {
	name, what string
	make       func() (crypto.Signer, error)
	fits       func(any) (crypto.Signer, bool)
}

// Tokens for apps and those of OpenID have keys of different kinds in different files: one never passes for the other, nor for
// a key of links.
var (
	tokenKeys = keyFile{"sso.key", "tokens for apps", func() (crypto.Signer, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	}, func(k any) (crypto.Signer, bool) { s, ok := k.(ed25519.PrivateKey); return s, ok }}
	oidcKeys = keyFile{"oidc.key", "OpenID tokens", func() (crypto.Signer, error) {
		return rsa.GenerateKey(rand.Reader, 2048)
	}, func(k any) (crypto.Signer, bool) {
		s, ok := k.(*rsa.PrivateKey)
		return s, ok && s.N.BitLen() >= 2048
	}}
)

// open reads the keys in dir. On the first run it makes the file, for the owner's eyes only. A file that others can read is
// refused, as is one that holds no key or a line that cannot be read; such errors name the line and never quote it.
func (f keyFile) open(dir string) ([]signKey, error) {
	path := filepath.Join(dir, f.name)
	if err := f.create(dir, path); err != nil {
		return nil, fmt.Errorf("make %s: %w", f.name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	return f.parse(path, string(text))
}

// create makes the folder and a first key unless the file exists. Of two processes that do so at once one wins.
func (f keyFile) create(dir, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	line, err := f.line()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+f.name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = fmt.Fprintf(tmp, keyFileTop+"%s\n", f.what, line)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f keyFile) line() (string, error) {
	k, err := f.make()
	if err != nil {
		return "", err
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", err
	}
	var id [6]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:]) + " " + base64.StdEncoding.EncodeToString(b), nil
}

func (f keyFile) parse(path, text string) ([]signKey, error) {
	var list []signKey
	n := 0
	for line := range strings.Lines(text) {
		n++
		w := strings.Fields(line)
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		if len(w) != 2 {
			return nil, fmt.Errorf("%s:%d: want an id and a key", path, n)
		}
		der, err := base64.StdEncoding.DecodeString(w[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: the key is not base64", path, n)
		}
		var parsed any
		if parsed, err = x509.ParsePKCS8PrivateKey(der); err != nil {
			if parsed, err = x509.ParsePKCS1PrivateKey(der); err != nil { // as openssl writes RSA keys
				return nil, fmt.Errorf("%s:%d: the key is not PKCS #8", path, n)
			}
		}
		k, ok := f.fits(parsed)
		if !ok {
			return nil, fmt.Errorf("%s:%d: the key is of another kind than %s are signed with", path, n, f.what)
		}
		for _, other := range list {
			if other.id == w[0] {
				return nil, fmt.Errorf("%s:%d: key id %s comes twice", path, n, w[0])
			}
		}
		list = append(list, signKey{w[0], k})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	return list, nil
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
