package boltstore

import (
	"context"

	"latchkey/engine"
)

// Apply makes a commit that another store wrote to the journal: rec as it was appended, at pos. It does nothing if
// the store already holds pos. It returns engine.ErrHole if commits between the store's position and pos are missing,
// engine.ErrBadRecord if rec cannot be read, and otherwise the errors of Update. The commit does not go to the
// store's own journal.
func (s *Store) Apply(ctx context.Context, pos engine.Position, rec []byte) error {
	return s.do(ctx, &call{follows: &pos, run: func(o *overlay) error {
		return decodeRecord(rec, func(op op) {
			switch op.kind {
			case opPut:
				o.Put(op.space, op.key, op.value)
			case opDelete:
				o.Delete(op.space, op.key)
			case opDrop:
				o.Delete(op.space, nil)
			}
		})
	}})
}
