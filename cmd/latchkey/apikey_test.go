package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key file that a full disk or a slip left empty must not open the admin API to everybody.
func TestAPIKeyFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "api.key")
	made, err := readOrMake(file)
	if err != nil || len(made.Reveal()) < minKey {
		t.Fatalf("%d characters, %v", len(made.Reveal()), err)
	}
	again, err := readOrMake(file)
	if err != nil || again.Reveal() != made.Reveal() {
		t.Fatal("another key at the second start", err)
	}
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"empty", "", 0o600, "holds no key"},
		{"blank", "\n \n", 0o600, "holds no key"},
		{"short", "secret\n", 0o600, "holds no key"},
		{"open to others", made.Reveal(), 0o644, "chmod 600"},
	} {
		file := filepath.Join(t.TempDir(), "api.key")
		if err := os.WriteFile(file, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		key, err := readOrMake(file)
		if err == nil || !key.IsZero() || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), made.Reveal()) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := readOrMake(filepath.Join(file, "no folder", "api.key")); err == nil {
		t.Error("a key was made nowhere")
	}
}

// TestServerHoldsAKey: a key in the address of a server, which ends up in the logs of scripts, is not repeated.
func TestServerHoldsAKey(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"http://u:sesame@127.0.0.1:1", "http://u:sesame%zz@127.0.0.1:1", "u:sesame"} {
		code, out, errs := command(t, "runs", "list", "--server", server)
		if code == exitOK || strings.Contains(out+errs, "sesame") {
			t.Errorf("%s: %d %s%s", server, code, out, errs)
		}
	}
}
