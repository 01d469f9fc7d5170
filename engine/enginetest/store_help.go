package enginetest

import (
	"context"
	"testing"

	"latchkey/engine"
)

func update(t testing.TB, s engine.Store, fn func(engine.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx engine.Tx) error { fn(tx); return nil }); err != nil {
		t.Errorf("update: %v", err)
	}
}

func view(t testing.TB, s engine.Store, fn func(engine.Tx)) {
	t.Helper()
	// Not cancelled, because a test's context is when its cleanups run.
	if err := s.View(context.WithoutCancel(t.Context()), func(tx engine.Tx) error { fn(tx); return nil }); err != nil {
		t.Errorf("view: %v", err)
	}
}

// put stores "key=value" texts.
func put(t testing.TB, s engine.Store, space engine.Space, pairs ...string) {
	t.Helper()
	update(t, s, func(tx engine.Tx) {
		for _, p := range pairs {
			tx.Put(space, []byte(p[:1]), []byte(p[2:]))
		}
	})
}

// scan returns a range as "key=value" texts.
func scan(tx engine.Tx, space engine.Space, from, to []byte) (pairs []string) {
	tx.Scan(space, from, to, func(k, v []byte) bool {
		pairs = append(pairs, string(k)+"="+string(v))
		return true
	})
	return pairs
}

func dump(t testing.TB, s engine.Store, space engine.Space) (pairs []string) {
	t.Helper()
	view(t, s, func(tx engine.Tx) { pairs = scan(tx, space, nil, nil) })
	return pairs
}

// Dump returns all that a store holds, by space and key.
func Dump(t testing.TB, s engine.Store) map[engine.Space]map[string]string {
	t.Helper()
	all := map[engine.Space]map[string]string{}
	view(t, s, func(tx engine.Tx) {
		for _, space := range engine.Spaces() {
			pairs := map[string]string{}
			tx.Scan(space, nil, nil, func(k, v []byte) bool {
				pairs[string(k)] = string(v)
				return true
			})
			if len(pairs) > 0 {
				all[space] = pairs
			}
		}
	})
	return all
}
