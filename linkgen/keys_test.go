package linkgen

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"latchkey/engine"
)

func TestKeysAreMadeOnceForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeys(dir)
	if err != nil || again.mint().id != first.mint().id || string(again.mint().link) != string(first.mint().link) {
		t.Fatalf("the second start has another key: %v", err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "link.key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", path, info.Mode().Perm(), want, err)
		}
	}
	if b, err := os.ReadFile(dir + "/.gitignore"); err != nil || string(b) != "*\n" {
		t.Errorf("git would take the keys: %q, %v", b, err)
	}
	if left, _ := filepath.Glob(dir + "/.link*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if string(first.mint().link) == string(first.mint().address) {
		t.Error("two purposes share a key")
	}
}

func newKeyLine(t testing.TB) string {
	t.Helper()
	line, err := linkKeys.line()
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := newKeyLine(t)
	for name, c := range map[string]struct {
		text, want string
		mode       os.FileMode
	}{
		"open to others":  {good, "can be read by others (mode 0644)", 0o644},
		"empty":           {"# nothing\n\n", "holds no key", 0o600},
		"one word":        {"\n" + strings.Fields(good)[1], ":2: want an id and a key", 0o600},
		"short key":       {"k1 AAAA", ":1: the key has not 32 bytes", 0o600},
		"no base64":       {"k1 !!", ":1: the key is not base64", 0o600},
		"the same id":     {good + "\n" + good, ":2: key id", 0o600},
		"one word a line": {"k1 " + strings.Fields(good)[1] + " x", ":1: want an id and a key", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "link.key")
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenKeys(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			} else if strings.Contains(err.Error(), strings.Fields(good)[1]) {
				t.Error("the error quotes the key")
			}
		})
	}
}

// What is stored does not let anyone in: not without the key, and not by writing it elsewhere. Keys rotate. A
// genuine that returns found where it knows no key of that id turns it red, as does one that always takes the minting key (keys.mint
// for keys.find), and a linkMAC that leaves the key out.
func TestAttack22KeysAndStoredHashes(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	dir := t.TempDir()
	path := filepath.Join(dir, "link.key")
	use := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := OpenKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		b.links.keys = keys
	}
	k1, k2 := newKeyLine(t), newKeyLine(t)
	use(k1)
	old := b.mint(engine.LinkRequest{Address: "ada@example.com"})
	b.want(old, OK)
	use(k2, k1)
	fresh := b.mint(engine.LinkRequest{})
	b.want(old, OK)
	b.want(fresh, OK)
	wrong, nobodys := old, old
	wrong.secret = fresh.secret
	nobodys.selector[0] ^= 1
	b.genuine(old, true)
	b.genuine(wrong, false)
	b.genuine(nobodys, false)
	use(k2)
	b.want(old, Unknown)
	b.want(fresh, OK)
	b.genuine(old, true) // nobody can tell
	info, err := b.links.Show(t.Context(), b.stores, old.selector.ID(), b.now)
	if err != nil || info.State != Revoked {
		t.Errorf("a link whose key was removed shows as %q, %v", info.State, err)
	}
	use(strings.Fields(k1)[0] + " " + strings.Fields(k2)[1]) // another key under the known id
	b.want(old, Unknown)
	b.genuine(old, false)
}

// genuine checks what is said of the URL of a link, whatever became of it.
func (b *bench) genuine(tok Token, want bool) {
	b.Helper()
	if got, err := b.links.Genuine(b.Context(), b.stores, tok); err != nil || got != want {
		b.Errorf("%v is genuine: %v, %v", tok, got, err)
	}
}

// The keyed hash is the library's, by any key and message.
func TestHMAC(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key, msg := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "key"), rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "message")
		h := hmac.New(sha256.New, key)
		h.Write(msg)
		if got := hmacSHA256(key, msg); !bytes.Equal(got, h.Sum(nil)) {
			t.Fatalf("%x", got)
		}
	})
}

// What was stored under a key stays what it is: a change here ends every link.
func TestStoredHashesStay(t *testing.T) {
	t.Parallel()
	k, err := deriveKey("k1", bytes.Repeat([]byte{7}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	tok := Token{Selector{1, 2, 3, 4, 5, 6, 7, 8, 9}, engine.NewSecret("0123456789abcdefgh")}
	if got := hex.EncodeToString(k.linkMAC(Learner, loc, tok)); got != "ffdd4edccb02a4b9c42804b23ddb456620dae7c1213897be1d36dde028ce08fd" {
		t.Errorf("link: %s", got)
	}
	if got := hex.EncodeToString(k.addressMAC(loc, " Ada@Example.com")); got != "0249c6c0521a78ca99262d961f14e0a7" {
		t.Errorf("address: %s", got)
	}
}
