package outbox

import (
	"bytes"
	"context"
	"fmt"

	"latchkey/engine"
)

// A Forgetting says which messages of a location are to be removed.
type Forgetting struct {
	Location string
	Tasks    map[engine.ID]bool
	// To chooses by the address, or phone number, among those whose task is not in the store any more.
	To func(address string) bool
}

// Forget removes messages, with their links in memory, and returns how many; dry only counts them. Errors are the store's.
func (o *Outbox) Forget(ctx context.Context, f Forgetting, dry bool) (removed int, err error) {
	prefix := engine.Key(f.Location)
	for _, store := range o.stores.All() {
		var keys [][]byte
		err := store.View(ctx, func(tx engine.Tx) error {
			keys = nil
			tx.Scan(engine.SpaceOutbox, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
				if len(k) == len(prefix)+len(engine.ID{}) && f.wants(tx, engine.ID(k[len(prefix):]), v) {
					keys = append(keys, bytes.Clone(k))
				}
				return true
			})
			return nil
		})
		if err != nil {
			return removed, fmt.Errorf("outbox: %w", err)
		}
		removed += len(keys)
		if dry || len(keys) == 0 {
			continue
		}
		err = store.Update(ctx, func(tx engine.Tx) error {
			for _, k := range keys {
				tx.Delete(engine.SpaceOutbox, bytes.Clone(k))
			}
			return nil
		})
		if err != nil {
			return removed, fmt.Errorf("outbox: %w", err)
		}
		o.mu.Lock()
		for _, k := range keys {
			delete(o.live, engine.ID(k[len(prefix):]))
		}
		o.mu.Unlock()
	}
	return removed, nil
}

func (f *Forgetting) wants(tx engine.Tx, id engine.ID, record []byte) bool {
	if f.Tasks[id] {
		return true
	}
	m, err := decode(f.Location, id, record)
	if err != nil || !f.To(m.To) {
		return false
	}
	t, err := engine.LoadTask(tx, f.Location, id)
	return err == nil && t == nil
}
