package runner

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"latchkey/engine"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s schedule[int64]
		var model []int64
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				slices.Sort(model)
				if at, _ := s.next(); at != model[0] {
					t.Fatalf("next %d, want %d", at, model[0])
				}
				if v := s.pop(); v != model[0] {
					t.Fatalf("popped %d, want %d", v, model[0])
				}
				model = model[1:]
				continue
			}
			at := rapid.Int64Range(0, 50).Draw(t, "at")
			s.push(at, at)
			model = append(model, at)
		}
	})
}

func TestFifo(t *testing.T) {
	t.Parallel()
	var q fifo
	next, last := byte(0), byte(0)
	for i := range 10_000 {
		q.push(item{id: engine.ID{last}})
		last++
		if i%3 == 0 || q.len() > 100 {
			if it := q.pop(); it.id[0] != next {
				t.Fatalf("popped %d, want %d", it.id[0], next)
			}
			next++
		}
	}
}
