package outbox

import (
	"errors"
	"testing"

	"latchkey/engine"
)

func TestForget(t *testing.T) {
	t.Parallel()
	partitions(t, func(t *testing.T, stores engine.Stores) {
		o := New(stores, Options{})
		for i, to := range []string{"ada@example.com", "eve@example.com", "ada@example.com", "bob@example.com"} {
			m := mail(i)
			m.To = to
			send(t, o, m)
		}
		// The second task of ada's is another contact's, who had the address then.
		err := stores.For(taskID(2).Shard()).Update(t.Context(), func(tx engine.Tx) error {
			return engine.SaveTask(tx, &engine.Task{ID: taskID(2), Location: "academy", Kind: "email", State: engine.TaskSent})
		})
		if err != nil {
			t.Fatal(err)
		}
		f := Forgetting{Location: "academy", Tasks: map[engine.ID]bool{taskID(1): true}, To: func(a string) bool { return a == "ada@example.com" }}
		for _, dry := range []bool{true, false} {
			if n, err := o.Forget(t.Context(), f, dry); n != 2 || err != nil {
				t.Fatalf("dry %v: %d, %v", dry, n, err)
			}
		}
		for i, gone := range []bool{true, true, false, false} {
			if _, err := o.Get(t.Context(), taskID(i)); errors.Is(err, ErrNotFound) != gone {
				t.Errorf("message %d: %v", i, err)
			}
			if _, live := o.live[taskID(i)]; live == gone {
				t.Errorf("links of message %d in memory: %v", i, live)
			}
		}
		if n, err := o.Forget(t.Context(), f, false); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
	})
}
