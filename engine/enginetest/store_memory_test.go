package enginetest_test

import (
	"testing"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func TestMemoryStores(t *testing.T) {
	enginetest.TestStores(t, func(_ testing.TB, partitions int) engine.Stores {
		return enginetest.NewStores(partitions)
	})
}

func TestMemoryTakesBytesBack(t *testing.T) {
	s := enginetest.NewStores(1).Global()
	var kept []byte
	err := s.Update(t.Context(), func(tx engine.Tx) error {
		tx.Put(engine.SpaceRuns, []byte("k"), []byte("value"))
		kept = tx.Get(engine.SpaceRuns, []byte("k"))
		return nil
	})
	if err != nil || string(kept) == "value" {
		t.Errorf("kept bytes are still %q after the function ended (%v)", kept, err)
	}
}
