package linkgen

import (
	"crypto/sha256"
	"fmt"
	"time"

	"latchkey/engine"
)

// A nonce is the memory that something was used. SpaceNonces, by location, purpose and a hash of what it was.
type nonce struct{ Until time.Time }

// UseOnce notes that something which may be used once was, and reports whether this was the first time: the id of an
// assertion, say. It is remembered until a time, after which the caller must refuse it by itself. Only a hash of it is
// stored. For one purpose and location always use the same partition, else it knows of nothing.
func UseOnce(tx engine.Tx, purpose, location, id string, until time.Time) (fresh bool, err error) {
	sum := sha256.Sum256([]byte(id))
	key := engine.Key(location, []byte(purpose+"\x00"), sum[:])
	if tx.Get(engine.SpaceNonces, key) != nil {
		return false, nil
	}
	if err := save(tx, engine.SpaceNonces, key, nonce{until}); err != nil {
		return false, fmt.Errorf("use %s once: %w", purpose, err)
	}
	return true, nil
}

// sweepNonces deletes some of those that are over, and returns where to go on; nil at the end.
func sweepNonces(tx engine.Tx, from []byte, now time.Time) (next []byte, err error) {
	return sweepSpace(tx, engine.SpaceNonces, from, func(_, v []byte) (bool, error) {
		var n nonce
		_, err := decode(engine.SpaceNonces, v, &n)
		return n.Until.Before(now), err
	})
}
