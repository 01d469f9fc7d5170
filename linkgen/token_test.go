package linkgen

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

func TestTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	text := b.mint(engine.LinkRequest{}).reveal()
	if len(text) != 36 {
		t.Fatalf("token has %d characters", len(text))
	}
	if _, err := ParseToken(text); err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for name, other := range map[string]string{
		"empty": "", "short": text[:35], "long": text + "A", "padded": text + "====", "space": " " + text[1:],
		"newline inside": text[:20] + "\n" + text[21:], "newline more": text[:20] + "\n" + text[20:], "other alphabet": "+" + text[1:], "slash": "/" + text[1:],
		"hex": fmt.Sprintf("%x", raw), "nul": "\x00" + text[1:], "rune": "é" + text[2:], "10 KB": strings.Repeat("A", 10<<10),
	} {
		if _, err := ParseToken(other); err == nil {
			t.Errorf("%s: taken for a token", name)
		} else if len(other) > 8 && strings.Contains(err.Error(), other[1:8]) {
			t.Errorf("%s: the error quotes the text", name)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(strings.Repeat("A", 36))
	f.Add("AAAAAAAAAAAA_-_-_-_-_-_-_-_-_-_-_-_-")
	f.Add("AAAAAAAAAAAA\r\nAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(strings.Repeat("=", 36))
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err != nil {
			return
		}
		if tok.reveal() != text {
			t.Errorf("%q and %q are the same token", text, tok.reveal())
		}
		if s, err := ParseID(tok.Selector().ID()); err != nil || s != tok.Selector() {
			t.Errorf("id of %q: %v, %v", text, s, err)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("lnk_AAAAAAAAAAAA")
	f.Add("lnk_AAAAAAAAAAA\n")
	f.Fuzz(func(t *testing.T, id string) {
		if s, err := ParseID(id); err == nil && s.ID() != id {
			t.Errorf("%q and %q are the same id", id, s.ID())
		}
	})
}

func FuzzShardOfSID(f *testing.F) {
	f.Add(strings.Repeat("A", 44))
	f.Fuzz(func(t *testing.T, sid string) { ShardOfSID(engine.NewSecret(sid)) })
}

// Selectors come in order and never twice: within a millisecond, in a burst beyond its 256, with the clock set
// back, and from a program started anew.
func TestSelectorsNeverRepeat(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	var all []Selector
	for _, now := range []time.Time{t0, t0, t0.Add(-time.Hour), t0.Add(time.Millisecond), t0.Add(time.Hour)} {
		b.update(b.ada, func(tx engine.Tx) error {
			for range 700 {
				all = append(all, nextSelector(tx, 7, now))
			}
			return nil
		})
	}
	for i := 1; i < len(all); i++ {
		if bytes.Compare(all[i-1][:], all[i][:]) >= 0 {
			t.Fatalf("selector %d does not follow: %x, %x", i, all[i-1], all[i])
		}
	}
	if first, last := all[0], all[len(all)-1]; !first.Time().Equal(t0) || last.Shard() != 7 || last.Time().Before(t0.Add(time.Hour)) {
		t.Errorf("time or shard is wrong: %v %v %d", first.Time(), last.Time(), last.Shard())
	}
}

// Phones leave a dash or underscore at the end out of a link.
func TestTokenEndsInLetterOrDigit(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.links.random = new(dashReader)
	for range 200 {
		tok, err := b.links.newToken(Selector{})
		if err != nil || strings.ContainsAny(tok.reveal()[35:], "-_") {
			t.Fatalf("token ends badly: %v", err)
		}
	}
}

// A dashReader gives bytes whose last six bits are those of a dash, mostly.
type dashReader struct{ n int }

func (r *dashReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 62 + byte(r.n%2)
	}
	if r.n++; r.n%5 == 0 {
		p[len(p)-1] = 0
	}
	return len(p), nil
}

func TestTokenIsNeverPrinted(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	secret := tok.secret.Reveal()
	type holder struct {
		Open   Token
		hidden Token
		Visit  Visit
	}
	h := holder{tok, tok, Visit{Token: tok, Presented: NewSID(1), Fresh: NewSID(2)}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{tok, &tok, h, &h, []any{h}} {
			out := fmt.Sprintf(verb, v)
			for _, s := range []string{tok.reveal(), secret, fmt.Sprintf("%x", secret), h.Visit.Fresh.Reveal(), tok.reveal()[12:]} {
				if strings.Contains(out, s) {
					t.Errorf("%s of %T gives the secret", verb, v)
				}
			}
		}
	}
}

// Bits flipped anywhere in a token make it unknown, and so does any other one. A genuine that returns found turns it red.
func TestAttack09FlippedBits(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	raw, _ := encoding.DecodeString(tok.reveal())
	for i := range len(raw) * 8 {
		bad := slices.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		other, err := ParseToken(encoding.EncodeToString(bad))
		if err != nil {
			t.Fatal(err)
		}
		b.want(other, Unknown)
		if _, _, err := b.redeem(other, engine.Secret{}); !refusedFor(err, Unknown) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
	b.want(tok, OK)
}

func BenchmarkParseToken(b *testing.B) {
	text := newBench(b, 1).mint(engine.LinkRequest{}).reveal()
	for b.Loop() {
		if _, err := ParseToken(text); err != nil {
			b.Fatal(err)
		}
	}
}
