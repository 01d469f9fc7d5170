package sso

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/linkgen"
)

// lineOf is a line of a key file with a new key.
func lineOf(t testing.TB, f linkgen.KeyFile[signKey]) string {
	t.Helper()
	k, err := f.Make()
	if err != nil {
		t.Fatal(err)
	}
	return "id-1 " + base64.StdEncoding.EncodeToString(k)
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := tokenKeys.Open(dir)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	path := filepath.Join(dir, "sso.key")
	text, _ := os.ReadFile(path)
	again, err := tokenKeys.Open(dir)
	if err != nil || again[0].id != first[0].id {
		t.Fatal("another key the second time", err)
	}
	line := lineOf(t, tokenKeys)
	if err := os.WriteFile(path, []byte(line+"\n"+string(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated, err := tokenKeys.Open(dir)
	if err != nil || len(rotated) != 2 || rotated[0].id == first[0].id || rotated[1].id != first[0].id {
		t.Fatalf("rotated: %d keys, %v", len(rotated), err)
	}
	if !rotated[1].key.(ed25519.PrivateKey).Equal(first[0].key) {
		t.Error("the old key has changed")
	}
	rsa := lineOf(t, oidcKeys)
	for want, bad := range map[string]string{
		"holds no key":            "# nothing\n",
		":1: want an id":          "one\n",
		":2: the key is not base": "\nid !!\n",
		":1: the key is not PKCS": "id AAAA\n",
		":1: the key is of anot":  rsa + "\n",
		":2: key id":              line + "\n" + line + "\n",
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := tokenKeys.Open(dir); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenKeys.Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file for all to read: %v", err)
	}
}

// What is sealed opens with any key of the list, for its purpose alone, and not when a bit of it differs.
func TestSeal(t *testing.T) {
	t.Parallel()
	old, err := newSealer([][]byte{make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	both, err := newSealer([][]byte{append(make([]byte, 31), 1), make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	sealed := old.seal("a", "text")
	if got, err := both.open("a", sealed); err != nil || got != "text" {
		t.Error(got, err)
	}
	if _, err := both.open("b", sealed); err == nil {
		t.Error("opens for another purpose")
	}
	if _, err := old.open("a", both.seal("a", "text")); err == nil {
		t.Error("opens with a key that is not in the list")
	}
	for i := range sealed {
		b := []byte(sealed)
		b[i] ^= 1
		if _, err := both.open("a", string(b)); err == nil {
			t.Errorf("opens with character %d changed", i)
		}
	}
	if sealed == old.seal("a", "text") {
		t.Error("the same twice")
	}
}
