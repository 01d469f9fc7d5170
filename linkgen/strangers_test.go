package linkgen

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// A link of one kind opens nothing of another, whoever asks whom. A Redeem that does not look at the kind turns it red, as does
// such a RedeemStaff.
func TestAttack08OtherKinds(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	learner := b.mint(engine.LinkRequest{})
	all := map[string]Token{"learner": learner, "app": b.app(), "user": b.user(), "staff": b.staff()}
	for kind, tok := range all {
		if _, _, err := b.redeem(tok, engine.Secret{}); kind != "learner" && !refusedFor(err, Unknown) {
			t.Errorf("a link of kind %s lets a learner in: %v", kind, err)
		}
		if _, _, err := b.redeemStaff(tok, engine.Secret{}); kind != "staff" && !refusedFor(err, Unknown) {
			t.Errorf("a link of kind %s signs staff in: %v", kind, err)
		}
	}
	// The record of one kind, written over that of another under the same selector.
	b.update(b.ada, func(tx engine.Tx) error {
		rec, _, err := loadLink(tx, learner.selector)
		if err != nil {
			return err
		}
		rec.Kind, rec.Email = Staff, "sam@acme.test"
		return save(tx, engine.SpaceLinks, learner.selector[:], rec)
	})
	if _, _, err := b.redeemStaff(learner, engine.Secret{}); !refusedFor(err, Unknown) {
		t.Errorf("a learner's link signs staff in: %v", err)
	}
}

// Whatever is not exactly a token that was given to somebody is nothing. A ParseToken that does not look at the text's length turns it
// red: the decoder skips line breaks.
func TestAttack09OtherSpellings(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	text := tok.reveal()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(what, text string) {
		t.Helper()
		other, err := ParseToken(text)
		if err != nil {
			return
		}
		if other.reveal() != text {
			t.Errorf("%s: taken for another token", what)
		}
		if got := b.look(other); got != Unknown {
			t.Errorf("%s: %s", what, got)
		}
		if _, _, err := b.redeem(other, engine.Secret{}); !refusedFor(err, Unknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		nothing("a bit flipped", base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(text) {
		nothing("cut short", text[:n])
		nothing("a character more", text[:n]+"A"+text[n:])
		nothing("a line break", text[:n]+"\n"+text[n:])
	}
	for what, other := range map[string]string{"upper case": strings.ToUpper(text), "lower case": strings.ToLower(text), "padded": text + "=", "a space": text + " ",
		"the standard alphabet": base64.StdEncoding.EncodeToString(raw), "10 KB": strings.Repeat(text, 290), "its id": tok.selector.ID(), "twice": text + text,
		"percent": strings.ReplaceAll(text, text[:1], "%41")} {
		if other != text { // a token may have no letters of one case
			nothing(what, other)
		}
	}
	b.want(tok, OK)
}

// countingTx counts what is read.
type countingTx struct {
	engine.Tx
	gets map[engine.Space]int
}

func (c countingTx) Get(s engine.Space, key []byte) []byte {
	c.gets[s]++
	return c.Tx.Get(s, key)
}

// Who holds no genuine token learns nothing of the link, by the answer or by the work that it takes. A check that reads the link's
// state before it compares turns it red, as do one that returns the record of an unknown link, and a decide that does.
func TestAttack10StrangersLearnNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	dead := map[string]Token{
		"alive":   b.mint(engine.LinkRequest{Ordinal: 3, Contact: b.person("a", "a@example.com", "").Key}),
		"expired": b.mint(engine.LinkRequest{TTL: time.Second, Contact: b.person("b", "b@example.com", "").Key}),
		"staff":   b.staff(), "app": b.app(), "user": b.user(),
	}
	c := b.person("c", "c@example.com", "").Key
	dead["replaced"] = b.mint(engine.LinkRequest{Contact: c})
	dead["revoked"] = b.mint(engine.LinkRequest{Contact: c, ByHand: true})
	dead["no access"] = b.mint(engine.LinkRequest{Contact: engine.NewID(t0, 1, "nobody")})
	b.update(b.ada, func(tx engine.Tx) error { return b.links.Revoke(tx, dead["revoked"].selector.ID(), "sam", b.now) })
	b.now = b.now.Add(time.Minute)
	for state, want := range map[string]Reason{"alive": OK, "expired": Expired, "replaced": Replaced, "revoked": Revoked, "no access": NoAccess} {
		b.want(dead[state], want) // to who holds it
	}
	dead["never minted"] = Token{Selector{1}, engine.NewSecret(strings.Repeat("x", secretSize))}
	for state, tok := range dead {
		stranger := Token{tok.selector, engine.NewSecret(strings.Repeat("y", secretSize))}
		d, err := b.links.Look(t.Context(), b.stores, stranger, b.now)
		if err != nil || d.Reason != Unknown || d.Person != nil || d.Link != (Link{}) {
			t.Errorf("%s: %+v, %v", state, d, err)
		}
		_, _, err = b.redeem(stranger, engine.Secret{})
		if r, ok := err.(*Refusal); !ok || *r != (Refusal{Reason: Unknown}) {
			t.Errorf("%s: %v", state, err)
		}
		reads := countingTx{gets: map[engine.Space]int{}}
		err = b.stores.Global().View(t.Context(), func(tx engine.Tx) error {
			reads.Tx = tx
			rec, _, err := b.links.check(reads, stranger, b.now)
			if rec.ID != "" || rec.Kind != "" {
				t.Errorf("%s: the record of %q is told", state, rec.ID)
			}
			return err
		})
		if err != nil || len(reads.gets) != 1 || reads.gets[engine.SpaceLinks] != 1 {
			t.Errorf("%s: read %v, %v", state, reads.gets, err)
		}
	}
}

// A link that is unknown takes the same hash as one that is known. A genuine that answers at once where there is no record turns it
// red.
func TestAttack10UnknownIsAsMuchWork(t *testing.T) { // alone, as it counts allocations
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	known := linkRecord{Link: Link{Kind: Learner, Location: loc}, KeyID: b.keys.mint().id, MAC: make([]byte, 32)}
	with := testing.AllocsPerRun(50, func() { b.links.genuine(known, true, tok) })
	without := testing.AllocsPerRun(50, func() { b.links.genuine(linkRecord{}, false, tok) })
	if with == 0 || without < with {
		t.Errorf("an unknown link is less work: %v allocations, not %v", without, with)
	}
}
