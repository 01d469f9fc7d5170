package linkgen

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// An AuditEntry is what a member of staff did. It holds no secret and of contacts ids only. SpaceAudit, in order of time.
type AuditEntry struct {
	ID       string    `json:"id"` // safe to show; AuditList goes on from it
	At       time.Time `json:"at"`
	Location string    `json:"location,omitempty"` // empty if it concerns all of them
	Who      string    `json:"who"`
	Did      string    `json:"did"`
	On       string    `json:"on,omitempty"`     // the id of what it was done to: a link's, a contact's key, ...
	Detail   string    `json:"detail,omitempty"` // "contact " and a key, if On is something of a contact's
}

const auditTail = 8 + 4 // the end of a key: milliseconds, and some of a hash that tells apart what shares them

// Audit notes what a member of staff did, in the commit that does it, on any partition. If it concerns a contact, use
// theirs, so that it can be forgotten with them.
func Audit(tx engine.Tx, e AuditEntry) error {
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s\x00%d", e.Who, e.Did, e.On, e.Detail, n))
		tail := binary.BigEndian.AppendUint64(nil, uint64(max(e.At.UnixMilli(), 0)))
		key := engine.Key(e.Location, append(tail, sum[:4]...))
		if tx.Get(engine.SpaceAudit, key) != nil {
			continue
		}
		if err := save(tx, engine.SpaceAudit, key, e); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		return nil
	}
}

// AuditList returns what staff did in a location and what concerns all locations: at most limit entries, newest first, only
// older ones than that of the id before, if it is given. Returns ErrBadID.
func AuditList(ctx context.Context, stores engine.Stores, location string, limit int, before string) ([]AuditEntry, error) {
	end, err := hex.DecodeString(before)
	if err != nil || len(end) != 0 && len(end) != auditTail {
		return nil, fmt.Errorf("audit list: %w", ErrBadID)
	}
	var out []AuditEntry
	for _, s := range stores.All() {
		err := s.View(ctx, func(tx engine.Tx) error {
			for _, loc := range slices.Compact([]string{"", location}) {
				part, err := auditPart(tx, loc, limit, end)
				if err != nil {
					return err
				}
				out = append(out, part...)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("audit list: %w", err)
		}
	}
	slices.SortFunc(out, func(a, b AuditEntry) int { return strings.Compare(b.ID, a.ID) })
	return out[:min(max(limit, 0), len(out))], nil
}

// auditPart returns the last entries of one location and partition. Spaces are read forwards only, so it remembers keys
// and reads the last ones.
func auditPart(tx engine.Tx, location string, limit int, end []byte) (out []AuditEntry, err error) {
	prefix := engine.Key(location)
	to := engine.PrefixEnd(prefix)
	if len(end) > 0 {
		to = engine.Key(location, end)
	}
	ring := make([][]byte, 0, limit)
	n := 0
	tx.Scan(engine.SpaceAudit, prefix, to, func(k, _ []byte) bool {
		switch {
		case limit <= 0:
			return false
		case len(ring) < limit:
			ring = append(ring, bytes.Clone(k))
		default:
			ring[n%limit] = append(ring[n%limit][:0], k...)
		}
		n++
		return true
	})
	for _, k := range ring {
		var e AuditEntry
		if _, err := load(tx, engine.SpaceAudit, k, &e); err != nil {
			return nil, err
		}
		e.Location, e.ID = location, hex.EncodeToString(k[len(prefix):])
		out = append(out, e)
	}
	return out, nil
}

// sweepAudit deletes some of the entries from before a time, and returns where to go on; nil at the end.
func sweepAudit(tx engine.Tx, from []byte, before time.Time) (next []byte, err error) {
	return sweepSpace(tx, engine.SpaceAudit, from, func(k, _ []byte) (bool, error) {
		if len(k) < auditTail {
			return false, nil
		}
		at := binary.BigEndian.Uint64(k[len(k)-auditTail:])
		return at < uint64(max(before.UnixMilli(), 0)), nil
	})
}

// forgetAudit removes the entries of a contact.
func forgetAudit(tx engine.Tx, location string, contact engine.ID) error {
	about := contact.String()
	prefix := engine.Key(location)
	var drop [][]byte
	var bad error
	tx.Scan(engine.SpaceAudit, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		var e AuditEntry
		if _, bad = decode(engine.SpaceAudit, v, &e); bad != nil {
			return false
		}
		if strings.Contains(e.On, about) || strings.Contains(e.Detail, about) {
			drop = append(drop, bytes.Clone(k))
		}
		return true
	})
	for _, k := range drop {
		tx.Delete(engine.SpaceAudit, k)
	}
	return bad
}
