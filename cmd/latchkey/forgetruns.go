package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"latchkey/engine"
	"latchkey/engine/runner"
)

// What a run published tells of its contact by the run's id alone. So the ids of the runs to be removed are noted before they
// are: whoever takes up a removal that was broken off can tell which messages are the contact's, though the runs are gone.

// forgetRunsKey is where the ids of an entry's runs are noted until it is carried out: in SpaceMeta of the global partition.
func forgetRunsKey(id string) []byte { return []byte("forget runs " + id) }

// noteRuns adds the runs noted for an entry to those of the survey, and notes them all.
func (i *instance) noteRuns(ctx context.Context, e forgotten, s *runner.Survey) error {
	var noted []engine.ID
	err := i.stores.Global().Update(ctx, func(tx engine.Tx) error {
		noted = readIDs(tx.Get(engine.SpaceMeta, forgetRunsKey(e.ID)))
		all := maps.Clone(s.Runs) // a survey has the map always
		for _, id := range noted {
			all[id] = true
		}
		if len(all) == len(noted) {
			return nil
		}
		b := []byte{1}
		for _, id := range slices.SortedFunc(maps.Keys(all), func(a, b engine.ID) int { return bytes.Compare(a[:], b[:]) }) {
			b = append(b, id[:]...)
		}
		tx.Put(engine.SpaceMeta, forgetRunsKey(e.ID), b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("note the runs of a contact: %w", err)
	}
	for _, id := range noted {
		s.Runs[id] = true
	}
	return nil
}

// readIDs reads a version and ids; nil if there are none.
func readIDs(b []byte) (ids []engine.ID) {
	if len(b) == 0 || b[0] != 1 {
		return nil
	}
	for part := range slices.Chunk(b[1:], len(engine.ID{})) {
		if len(part) == len(engine.ID{}) {
			ids = append(ids, engine.ID(part))
		}
	}
	return ids
}
