package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

// TestSweepProperty has history of any age, and runs that go on for long: nothing that was over for less than the limit leaves,
// nothing that was over for the limit and a day stays, and what is not over never leaves.
func TestSweepProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := time.Duration(rapid.IntRange(1, 200).Draw(t, "hours")) * time.Hour
		now := time.Unix(1_790_000_000+rapid.Int64Range(0, 86400).Draw(t, "now"), 0).UTC()
		stores := enginetest.NewStores(1)
		p := newPartition(stores.Global())
		r := &Runner{cfg: Config{Stores: stores, History: limit, Now: func() time.Time { return now }}, parts: []*partition{p}}
		r.places.m = map[string]*place{}
		r.place("academy")
		over := map[string]time.Time{} // zero: it is not
		n := rapid.IntRange(0, 40).Draw(t, "records")
		err := stores.Global().Update(context.Background(), func(tx engine.Tx) error {
			for i := range n {
				began := now.Add(-time.Duration(rapid.Int64Range(0, int64(3*limit+72*time.Hour)).Draw(t, "age")))
				ended := began.Add(time.Duration(rapid.Int64Range(0, int64(now.Sub(began))).Draw(t, "took")))
				id := engine.NewID(began, 0, fmt.Sprint(i))
				kind := rapid.SampledFrom([]string{"run", "active", "task", "event"}).Draw(t, "kind")
				var err error
				switch kind {
				case "run":
					over[id.String()] = ended
					err = engine.SaveRun(tx, &engine.Run{ID: id, Location: "academy", State: engine.RunFinished, Ended: ended})
				case "active":
					over[id.String()] = time.Time{}
					err = engine.SaveRun(tx, &engine.Run{ID: id, Location: "academy", State: engine.RunSending})
				case "task":
					over[id.String()] = ended
					err = engine.SaveTask(tx, &engine.Task{ID: id, Location: "academy", Kind: "email", State: engine.TaskSent, Changed: ended})
				case "event":
					over[engine.EventRecordID(began, id, uint64(i)).String()] = began
					engine.SaveEvent(tx, &engine.EventRecord{Location: "academy", Contact: id, At: began, Ordinal: uint64(i)})
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r.sweepBefore(context.Background(), p, now.Add(-limit).Truncate(day))
		left := map[string]bool{}
		_ = stores.Global().View(context.Background(), func(tx engine.Tx) error {
			for _, space := range []engine.Space{engine.SpaceRuns, engine.SpaceActive, engine.SpaceTasks, engine.SpaceDecisions} {
				tx.Scan(space, nil, nil, func(k, _ []byte) bool {
					left[engine.ID(k[len(k)-16:]).String()] = true
					return true
				})
			}
			return nil
		})
		for _, id := range slices.Sorted(maps.Keys(over)) {
			at := over[id]
			age := now.Sub(at)
			switch {
			case at.IsZero() && !left[id]:
				t.Errorf("a run that goes on is gone")
			case !at.IsZero() && age < limit-time.Millisecond && !left[id]:
				t.Errorf("over for %v of %v, and gone", age, limit)
			case !at.IsZero() && age > limit+day+time.Millisecond && left[id]:
				t.Errorf("over for %v of %v, and there", age, limit)
			}
		}
	})
}
