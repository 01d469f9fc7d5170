package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
	"latchkey/engine/console"
)

// Further API keys than the owner's are files of keys/api: one for each, named by its id, with the key's hash and what it may
// do. They are read when a request brings such a key, so a file that is removed ends its key at once.

// keyPrefix begins a key, so that programs that look for secrets in the wrong place find it.
const keyPrefix = "lkk_"

// A keyFile is one file of keys/api.
type keyFile struct {
	ID        string       `yaml:"-" json:"id"`
	Name      string       `yaml:"name" json:"name"` // for people, and the audit list
	Role      console.Role `yaml:"role" json:"role"`
	Locations []string     `yaml:"locations" json:"locations"` // "*" is all
	Made      time.Time    `yaml:"made" json:"made"`
	Hash      string       `yaml:"sha256" json:"-"`
}

var errNoKey = errors.New("no such key")

var keyIDPattern = regexp.MustCompile(`^[A-Z2-7]{8}$`)

// everywhere reports whether the key is one to all locations.
func (k *keyFile) everywhere() bool { return slices.Contains(k.Locations, "*") }

// covers reports whether the key is one to a location.
func (k *keyFile) covers(location string) bool {
	return k.everywhere() || slices.Contains(k.Locations, location)
}

func (k *keyFile) check() error {
	switch {
	case !slices.Contains(console.Roles(), k.Role):
		return fmt.Errorf("no role %q; there are owner, operator and support", k.Role)
	case len(k.Locations) == 0:
		return errors.New("names no location; \"*\" is all")
	case len(k.Hash) != 2*sha256.Size:
		return errors.New("holds no SHA-256")
	}
	return nil
}

func keyDir(keys string) string { return filepath.Join(keys, "api") }

// readKeyFile reads a key's file. Returns errNoKey if there is none. It is refused if others can read or write it.
func readKeyFile(keys, id string) (*keyFile, error) {
	if !keyIDPattern.MatchString(id) {
		return nil, errNoKey
	}
	file := filepath.Join(keyDir(keys), id+".yaml")
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("API key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", file, mode)
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("API key: %w", err)
	}
	k := &keyFile{ID: id}
	if err = yaml.Unmarshal(b, k); err == nil {
		err = k.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

// hashKey is enough for a key of 160 random bits.
func hashKey(key string) string {
	h := sha256.Sum256([]byte("latchkey api key v1\x00" + key))
	return hex.EncodeToString(h[:])
}

// findKey returns the file of a key that a request brought. Returns errNoKey.
func findKey(keys string, key engine.Secret) (*keyFile, error) {
	rest, ok := strings.CutPrefix(key.Reveal(), keyPrefix)
	id, _, found := strings.Cut(rest, "_")
	if !ok || !found {
		return nil, errNoKey
	}
	k, err := readKeyFile(keys, id)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(k.Hash), []byte(hashKey(key.Reveal()))) != 1 {
		return nil, errNoKey
	}
	return k, nil
}

// makeKeyFile makes a key and its file. The key itself is nowhere kept.
func makeKeyFile(keys string, k keyFile, now time.Time) (*keyFile, engine.Secret, error) {
	none := engine.Secret{}
	k.ID, k.Made = rand.Text()[:8], now.UTC().Truncate(time.Second)
	key := keyPrefix + k.ID + "_" + rand.Text() + rand.Text()[:6]
	k.Hash = hashKey(key)
	if err := k.check(); err != nil {
		return nil, none, err
	}
	b, err := yaml.Marshal(k)
	if err != nil {
		return nil, none, err
	}
	if err := os.MkdirAll(keyDir(keys), 0o700); err != nil {
		return nil, none, fmt.Errorf("make key: %w", err)
	}
	file := filepath.Join(keyDir(keys), k.ID+".yaml")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, none, fmt.Errorf("make key: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, none, errors.Join(fmt.Errorf("make key: %w", err), os.Remove(file))
	}
	return &k, engine.NewSecret(key), nil
}

// listKeyFiles returns the files of keys/api, the oldest first, and what is wrong with others.
func listKeyFiles(keys string) (all []*keyFile, wrong error) {
	entries, err := os.ReadDir(keyDir(keys))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok {
			continue
		}
		k, err := readKeyFile(keys, id)
		if err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *keyFile) int { return a.Made.Compare(b.Made) })
	return all, wrong
}

// dropKeyFile ends a key. Returns errNoKey.
func dropKeyFile(keys, id string) error {
	if !keyIDPattern.MatchString(id) {
		return errNoKey
	}
	err := os.Remove(filepath.Join(keyDir(keys), id+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return errNoKey
	}
	return err
}
