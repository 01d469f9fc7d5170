package linkgen

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A KeyFile is a file of keys, one a line: its id and the key in base64. They live outside the data folder, so that the data alone lets
// nobody in.
type KeyFile[K any] struct {
	Name string
	Top  string                                 // the comment that it begins with
	Make func() ([]byte, error)                 // a key, for the first run
	Read func(id string, key []byte) (K, error) // what a key is to its user; errors never quote it
}

// Open reads the file in dir, in its order. On the first run it makes both, for the owner's eyes only. A file that others can read is
// refused, as is one that holds no key or a line that cannot be read; such errors name the line and never quote it.
func (f KeyFile[K]) Open(dir string) ([]K, error) {
	path := filepath.Join(dir, f.Name)
	if err := f.create(dir, path); err != nil {
		return nil, fmt.Errorf("make %s: %w", f.Name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name, err)
	}
	return f.parse(path, string(text))
}

// create makes the folder and a first key unless the file exists. Of two processes that do so at once one wins.
func (f KeyFile[K]) create(dir, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := Ignore(dir); err != nil {
		return err
	}
	line, err := f.line()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+f.Name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(f.Top + line + "\n")
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

// Ignore keeps a folder out of git: projects live there, keys and what is known of learners must not.
func Ignore(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, ".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("*\n")
	return errors.Join(err, f.Close())
}

// line makes a key, with an id of its own.
func (f KeyFile[K]) line() (string, error) {
	k, err := f.Make()
	if err != nil {
		return "", err
	}
	var id [4]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:]) + " " + base64.StdEncoding.EncodeToString(k), nil
}

func (f KeyFile[K]) parse(path, text string) ([]K, error) {
	var all []K
	ids := map[string]bool{}
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
		b, err := base64.StdEncoding.DecodeString(w[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: the key is not base64", path, n)
		}
		if ids[w[0]] {
			return nil, fmt.Errorf("%s:%d: key id %s comes twice", path, n, w[0])
		}
		k, err := f.Read(w[0], b)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		ids[w[0]], all = true, append(all, k)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	return all, nil
}
