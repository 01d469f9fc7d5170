package linkgen

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/engine"
)

const (
	selectorSize = 9  // 48 bits of Unix milliseconds, 16 of shard, 8 of counter
	secretSize   = 18 // 144 bits, so that a fast keyed hash at rest is enough
	tokenLen     = (selectorSize + secretSize) / 3 * 4
	idPrefix     = "lnk_"
	idLen        = len(idPrefix) + selectorSize/3*4
)

// Both halves of a token are a whole number of base64 characters, so each token has exactly one spelling.
var encoding = base64.RawURLEncoding.Strict()

// ErrBadToken is returned by ParseToken for a text that cannot be a token. It never quotes the text.
var ErrBadToken = errors.New("not a link token")

// ErrBadID is returned for a text that is not a link id.
var ErrBadID = errors.New("not a link id")

// A Selector is the public half of a token: it addresses the link's record and lets nobody in.
type Selector [selectorSize]byte

// ID returns the link's id, which is safe to show: "lnk_" and 12 characters.
func (s Selector) ID() string { return idPrefix + encoding.EncodeToString(s[:]) }

// Shard returns the shard of the contact that the link was minted for. See engine.Stores.For.
func (s Selector) Shard() uint16 { return binary.BigEndian.Uint16(s[6:8]) }

// Time returns when the link was minted, to the millisecond; a burst may run a little ahead of the clock.
func (s Selector) Time() time.Time {
	var b [8]byte
	copy(b[2:], s[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:]))).UTC()
}

// ParseID reads a link's id. Returns ErrBadID.
func ParseID(id string) (Selector, error) {
	var s Selector
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(id) != idLen {
		return s, ErrBadID
	}
	b, err := encoding.DecodeString(text)
	if err != nil || len(b) != selectorSize {
		return s, ErrBadID
	}
	return Selector(b), nil
}

// A Token is what a link's URL carries. Printed, it gives the link's id.
type Token struct {
	selector Selector
	secret   engine.Secret // the raw 18 bytes
}

// ParseToken reads a token in its one spelling: 36 characters of unpadded base64url. Returns ErrBadToken.
func ParseToken(text string) (Token, error) {
	// The decoder skips line breaks; with the length checked on both sides none can be left.
	if len(text) != tokenLen {
		return Token{}, ErrBadToken
	}
	b, err := encoding.DecodeString(text)
	if err != nil || len(b) != selectorSize+secretSize {
		return Token{}, ErrBadToken
	}
	return Token{Selector(b[:selectorSize]), engine.NewSecret(string(b[selectorSize:]))}, nil
}

// Selector returns the token's public half.
func (t Token) Selector() Selector { return t.selector }

// Format implements fmt.Formatter: every verb gives the link's id.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.selector.ID()) }

// reveal returns the token as it stands in the URL.
func (t Token) reveal() string {
	return encoding.EncodeToString(append(t.selector[:], t.secret.Reveal()...))
}

var counterKey = []byte("link")

// mark returns the selector's place among all that its partition gave out: those of different shards are told apart by
// this alone.
func (s Selector) mark() uint64 {
	var b [8]byte
	copy(b[1:], s[:6])
	b[7] = s[8]
	return binary.BigEndian.Uint64(b[:])
}

// lastMark returns the last mark that the partition gave out.
func lastMark(tx engine.Tx) uint64 {
	if b := tx.Get(engine.SpaceMeta, counterKey); len(b) == 9 && b[0] == 1 {
		return binary.BigEndian.Uint64(b[1:])
	}
	return 0
}

// nextMark returns a mark that was never returned before in this partition. The last one is kept in the store, so none
// comes twice or goes back in time, whatever the clock does. When the 256 of a millisecond are used up, the next
// millisecond is borrowed.
func nextMark(tx engine.Tx, now time.Time) uint64 {
	n := max(uint64(now.UnixMilli())<<8, lastMark(tx)+1)
	rec := make([]byte, 9)
	rec[0] = 1
	binary.BigEndian.PutUint64(rec[1:], n)
	tx.Put(engine.SpaceMeta, counterKey, rec)
	return n
}

// nextSelector returns a selector that was never returned before in this partition.
func nextSelector(tx engine.Tx, shard uint16, now time.Time) Selector {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], nextMark(tx, now))
	var s Selector
	copy(s[:6], b[1:7]) // b[0] is zero until the year 10889
	binary.BigEndian.PutUint16(s[6:8], shard)
	s[8] = b[7]
	return s
}
