package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"latchkey/engine"
)

// minKey is how long an API key is at least: an empty file, which a full disk leaves behind, must not be a key that
// everybody has.
const minKey = 16

// readOrMake reads a key file, and makes it, for the owner's eyes only, if there is none.
func readOrMake(file string) (engine.Secret, error) {
	err := makeKey(file)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return engine.Secret{}, fmt.Errorf("make API key: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return engine.Secret{}, fmt.Errorf("API key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return engine.Secret{}, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", file, mode)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return engine.Secret{}, fmt.Errorf("API key: %w", err)
	}
	key := strings.TrimSpace(string(b))
	if len(key) < minKey {
		return engine.Secret{}, fmt.Errorf("%s holds no key of %d characters or more: remove it, and the next start makes a new one", file, minKey)
	}
	return engine.NewSecret(key), nil
}

// makeKey makes a key file. Returns fs.ErrExist if there is one.
func makeKey(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(rand.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}
