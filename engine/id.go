package engine

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"time"
)

// An ID names a contact, run or task: 48 bits of Unix milliseconds, 16 bits of shard, 64 bits of a hash of
// what makes it unique. Its order is that of time, its partition is known from its shard, and it is the same
// whenever it is made from the same parts. The zero ID names nothing.
type ID [16]byte

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ErrBadID is returned by ParseID for a text that is no id.
var ErrBadID = errors.New("not an id")

// NewID makes an ID of a time, a shard and the parts that make it unique. A time before 1970 counts as 1970.
func NewID(at time.Time, shard uint16, parts ...string) ID {
	said := make([]byte, 0, 256)
	for _, p := range parts {
		said = binary.BigEndian.AppendUint64(said, uint64(len(p)))
		said = append(said, p...)
	}
	sum := sha256.Sum256(said)
	var id ID
	ms := uint64(min(max(at.UnixMilli(), 0), 1<<48-1))
	binary.BigEndian.PutUint64(id[:8], ms<<16|uint64(shard))
	copy(id[8:], sum[:8])
	return id
}

// ParseID reads the text form. Returns ErrBadID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 26 {
		return id, ErrBadID
	}
	b, err := idText.DecodeString(s)
	if err != nil || len(b) != 16 {
		return ID{}, ErrBadID
	}
	copy(id[:], b)
	if id.String() != s {
		return ID{}, ErrBadID
	}
	return id, nil
}

// String returns 26 lower-case letters and digits whose order is the id's.
func (id ID) String() string { return idText.EncodeToString(id[:]) }

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Time returns the id's time, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// Shard returns the shard that the id belongs to.
func (id ID) Shard() uint16 { return binary.BigEndian.Uint16(id[6:8]) }

// MarshalText implements encoding.TextMarshaler; the zero id is the empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. Returns ErrBadID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	*id = v
	return err
}

// ShardOf returns the shard of a contact first seen under that identity (its id, else its e-mail address).
// It is FNV-1a folded to 16 bits and never changes: it is in every link that was mailed.
func ShardOf(location, identity string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(location))
	h.Write([]byte{0})
	h.Write([]byte(identity))
	s := h.Sum32()
	return uint16(s>>16) ^ uint16(s)
}

// Partition returns which of n partitions holds the shard.
func Partition(shard uint16, n int) int { return int(uint64(shard) * uint64(n) >> 16) }

var clockKey = []byte("clock")

// Tick returns the transaction's time: now, or the last time it returned if the wall clock went back.
// It is kept in the store, so that ids and decisions never go back in time.
func Tick(tx Tx, now time.Time) time.Time {
	ms := now.UnixMilli()
	if last := LastTick(tx); last.UnixMilli() >= ms {
		return last
	}
	rec := make([]byte, 9)
	rec[0] = 1
	binary.BigEndian.PutUint64(rec[1:], uint64(ms))
	tx.Put(SpaceMeta, clockKey, rec)
	return time.UnixMilli(ms).UTC()
}

// LastTick returns the last time that Tick returned, or 1970 if there was none.
func LastTick(tx Tx) time.Time {
	b := tx.Get(SpaceMeta, clockKey)
	if len(b) != 9 || b[0] != 1 {
		return time.UnixMilli(0).UTC()
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:]))).UTC()
}
